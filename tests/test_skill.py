"""What skills/triton-index/SKILL.md tells agents to type is what the command takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from index.agents.answers import LISTED
from index.cli import triton_index
from index.queries.fields import KERNEL_FIELDS

SKILL = (Path(__file__).parent.parent / "skills/triton-index/SKILL.md").read_text("utf-8")
COMMANDS = re.findall(r"^triton-index (.+)$", SKILL, re.MULTILINE)


def test_it_has_a_name_and_says_when_to_use_it() -> None:
    _, head, body = SKILL.split("---\n", 2)
    assert "name: triton-index\n" in head
    assert "description: " in head
    assert "## When not" in body


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_takes_what_is_typed(line: str) -> None:
    name, *words = shlex.split(line)
    context = triton_index.make_context("triton-index", [], resilient_parsing=True)
    command = triton_index.get_command(context, name)
    assert command is not None
    asked = command.make_context(name, words, parent=context).params
    assert set(asked.get("fields", ())) <= set(KERNEL_FIELDS)


def test_six_commands_are_told() -> None:
    assert len(COMMANDS) == 6


def test_fields_that_it_explains_are_those_of_the_record() -> None:
    explained = {"id", "triton_min", "triton_max", "license", "origin", "compiled", "verified"}
    assert explained <= set(KERNEL_FIELDS)
    assert set(LISTED) <= set(KERNEL_FIELDS)
    assert all(f"`{name}`" in SKILL for name in explained)
