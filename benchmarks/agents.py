"""What answers cost a program that reads them, and whether it gets from a wish to a file.

    python benchmarks/agents.py --db index.duckdb              # tokens of 30 questions, 20 tasks
    python benchmarks/agents.py --db index.duckdb --out DIR    # and keep the files of the tasks

An index of your own is needed: files are read from its sources. No model takes part: a task is one
search, then `extract_kernel` of what came first, of the second where that is refused, and
`check_code` of the file, four calls at most. Tokens are counted as a quarter of the characters.
Goals: no default answer above 1,500 tokens, and a file for 17 of 20 tasks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from benchmarks.questions import load_questions

ROOT = Path(__file__).parents[1]
TASKS = ROOT / "tests" / "data" / "agent_tasks.toml"
N_QUESTIONS = 30
MOST_CALLS = 4
GOAL_TOKENS = 1_500
GOAL_TASKS = 17

Task = dict[str, Any]


async def call(session: ClientSession, tool: str, **asked: object) -> tuple[bool, Any, int]:
    """Return whether a tool answered, its answer (or error), and what both copies of it cost."""
    answer = await session.call_tool(tool, asked)
    text = "".join(getattr(part, "text", "") for part in answer.content)
    said = text if answer.is_error else answer.structured_content
    return not answer.is_error, said, len(text) // 4


async def cost_of_questions(session: ClientSession) -> dict[str, list[int]]:
    """Return the tokens of each tool's default answers, by tool."""
    costs: dict[str, list[int]] = {}
    for question in load_questions()[:N_QUESTIONS]:
        is_answered, found, cost = await call(session, "search_kernels", query=question.ask)
        if not is_answered:
            raise SystemExit(f"{question.ask}: {found}")
        costs.setdefault("search_kernels", []).append(cost)
        for item in found["items"][:1]:
            for tool in ("get_kernel", "similar_kernels"):
                _, _, cost = await call(session, tool, id=item["id"])
                costs.setdefault(tool, []).append(cost)
    _, _, cost = await call(session, "what_is_missing")
    return costs | {"what_is_missing": [cost]}


async def walk(session: ClientSession, task: Task) -> tuple[str | None, str, int]:
    """Return the file that a task ends in (None: none), how it went, and the calls it took."""
    is_answered, found, _ = await call(session, "search_kernels", limit=5, **task)
    if not is_answered or not found["items"]:
        return None, f"search: {found if not is_answered else found['notes']}", 1
    reasons = []
    for n, item in enumerate(found["items"][: MOST_CALLS - 2], start=2):
        is_answered, made, _ = await call(
            session, "extract_kernel", id=item["id"], triton=task["triton"]
        )
        if not is_answered:
            reasons.append(str(made))
            continue
        source = made["source"]
        compile(source, "kernel.py", "exec")
        _, checked, _ = await call(session, "check_code", code=source, triton=task["triton"])
        if checked["runs_on_asked"]:
            return source, item["id"], n + 1
        reasons.append(f"{item['id']}: {checked['findings'][:1]}")
    return None, "; ".join(reasons), MOST_CALLS


async def measure(db: Path, out: Path | None) -> bool:
    """Print the costs and how the tasks went; tell whether both goals are met."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "index", "--db", str(db), "mcp"],
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
    )
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        listed = (await session.list_tools()).model_dump_json(exclude_none=True)
        print(f"the list of tools: {len(listed) // 4:,} tokens")
        costs = await cost_of_questions(session)
        for tool, each in costs.items():
            print(
                f"{tool}: {len(each)} answers, "
                f"{sum(each) // len(each):,} tokens, {max(each):,} at most"
            )
        done = 0
        for n, task in enumerate(tomllib.loads(TASKS.read_text("utf-8"))["task"]):
            source, how, calls = await walk(session, task)
            done += source is not None
            print(f"{'ok' if source else 'no'} {calls} calls  {json.dumps(task)}  {how}")
            if source and out is not None:
                (out / f"task_{n:02}.py").write_text(source, encoding="utf-8")
        print(f"{done} tasks end in a file")
    return done >= GOAL_TASKS and all(max(each) <= GOAL_TOKENS for each in costs.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--db", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(argv)
    return 0 if asyncio.run(measure(chosen.db.absolute(), chosen.out)) else 1


if __name__ == "__main__":
    sys.exit(main())
