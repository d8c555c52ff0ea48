from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.wishlist.written import rendered
from wishlist.form import parse_form
from wishlist.vocabulary import Field, LabelKind, label_kinds, wish_vocabulary

FORMS = Path(__file__).parents[2] / ".github" / "ISSUE_TEMPLATE"


def load(name: str) -> dict[str, Any]:
    form: dict[str, Any] = yaml.safe_load((FORMS / name).read_text(encoding="utf-8"))
    return form


def fields(form: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {part["id"]: part["attributes"] for part in form["body"] if part["type"] != "markdown"}


def test_the_form_has_the_fields_that_are_read_in_their_order() -> None:
    labels = {name: part["label"] for name, part in fields(load("kernel-request.yml")).items()}
    assert labels == {field.value: wish_vocabulary().labels[field] for field in Field}


@pytest.mark.parametrize("name", ["passes", "dtypes", "hardware"])
def test_every_choice_of_the_form_is_understood(name: str) -> None:
    part = fields(load("kernel-request.yml"))[name]
    for choice in part["options"]:
        form = parse_form(rendered(operation="softmax", **{name: choice}))
        assert form.notes == ()
        assert getattr(form, name) == ((choice,) if choice != "any" else ())


def test_the_labels_tell_a_wish_from_a_proposal() -> None:
    assert label_kinds(load("kernel-request.yml")["labels"]) == {LabelKind.WISH}
    assert label_kinds(load("propose-repository.yml")["labels"]) == {LabelKind.OTHER}


@pytest.mark.parametrize("name", ["kernel-request.yml", "propose-repository.yml"])
def test_forms_are_what_github_takes(name: str) -> None:
    form = load(name)
    assert set(form) == {"name", "description", "title", "labels", "body"}
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    for part in form["body"]:
        assert part["type"] in {"markdown", "input", "textarea", "dropdown", "checkboxes"}
        assert part["attributes"]
