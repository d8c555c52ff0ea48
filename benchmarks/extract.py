"""Draws launchable kernels of many repositories, extracts each, and counts what comes out whole.

    python benchmarks/extract.py MIRRORS.tsv [--repos 60] [--kernels 1000] [--triton 3.9.0]

MIRRORS.tsv has a line a repository: `owner/name TAB git directory`. Of what is whole it checks that
pyflakes is silent, that functions are equal to the original's after parsing, and that the file
imports (in one child a few hundred files) under the Triton that runs this program.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crawler.extract import Extraction, NotExtractable, Project, extract_kernel
from crawler.models import Role, ScannedKernel, ScanSkip
from crawler.scan import link_snapshot, may_hold_kernels, scan_file
from crawler.snapshot.git import GitSnapshot, open_git

MOST_FILES = 24
"""Files of a repository that kernels are drawn from."""

IMPORTS = """
import importlib.util, json, sys
failed = {}
for path in json.load(sys.stdin):
    try:
        spec = importlib.util.spec_from_file_location("kernel_" + str(abs(hash(path))), path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except BaseException as error:
        failed[path] = f"{type(error).__name__}: {error}"[:160]
json.dump(failed, sys.stdout)
"""


@dataclass(slots=True)
class Tally:
    """What came out."""

    whole: int = 0
    drawn: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    unequal: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mirrors", type=Path)
    parser.add_argument("--repos", type=int, default=60)
    parser.add_argument("--kernels", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--triton")
    parser.add_argument("--target", default="cuda:90")
    parser.add_argument("--show", type=int, default=40)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    mirrors = [line.split("\t") for line in options.mirrors.read_text().splitlines() if line]
    dice.shuffle(mirrors)
    tally, used = Tally(), 0
    per_repo = -(-options.kernels // options.repos)
    with tempfile.TemporaryDirectory() as folder:
        for name, place in mirrors:
            if used >= options.repos or tally.drawn >= options.kernels:
                break
            drawn = draw(name, Path(place), dice, per_repo, tally, options, Path(folder))
            used += bool(drawn)
        report(tally, used, options.show)


def draw(
    name: str,
    place: Path,
    dice: random.Random,
    most: int,
    tally: Tally,
    options: argparse.Namespace,
    folder: Path,
) -> int:
    """Extract some kernels of a repository and count them."""
    try:
        snapshot = open_git(place, name)
        contents = {e.path: d for e, d in snapshot.read(snapshot.entries()) if isinstance(d, bytes)}
    except Exception as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 0
    kernels = [k for k in scanned(contents, dice) if k.role is Role.KERNEL]
    chosen = dice.sample(kernels, min(most, len(kernels)))
    project = project_of(name, snapshot, contents)
    for kernel in chosen:
        path = kernel.path if kernel.cell is None else f"{kernel.path}[{kernel.cell}]"
        qualname = kernel.qualname + (f"#{kernel.ordinal}" if kernel.ordinal > 1 else "")
        started = time.perf_counter()
        made = extract_kernel(project, path, qualname, triton=options.triton, target=options.target)
        tally.seconds.append(time.perf_counter() - started)
        tally.drawn += 1
        file = project.file(kernel.path)
        cells = {cell: first for first, cell in file.cells} if file else {}
        offset = cells[kernel.cell] - 1 if kernel.cell in cells else 0
        found = functions(file.tree) if file else ()
        original = next((f for f in found if f.lineno == kernel.def_line + offset), None)
        count(f"{name}:{path}::{qualname}", original, made, tally, folder)
    snapshot.close()
    return len(chosen)


def scanned(contents: dict[str, bytes], dice: random.Random) -> tuple[ScannedKernel, ...]:
    """Return the kernels of some files of a repository."""
    facts = {}
    sources = [p for p in contents if p.endswith((".py", ".ipynb"))]
    held = [p for p in sources if may_hold_kernels(contents[p])]
    for path in dice.sample(held, min(MOST_FILES, len(held))):
        found = scan_file(path, contents[path])
        if not isinstance(found, ScanSkip):
            facts[path] = found
    return link_snapshot(facts)


def project_of(name: str, snapshot: GitSnapshot, contents: dict[str, bytes]) -> Project:
    """Return a repository as extraction sees it."""
    return Project(
        name,
        list(contents),
        contents.get,
        permalink=snapshot.permalink,
        license=lambda path, head: "MIT",
    )


def count(
    id: str,
    original: ast.FunctionDef | None,
    made: Extraction | NotExtractable,
    tally: Tally,
    folder: Path,
) -> None:
    """Note one result."""
    if isinstance(made, NotExtractable):
        kind = made.reason.rpartition("(")[2].rstrip(")")
        kind = " ".join(kind.split()[:5])
        tally.reasons[kind] += 1
        tally.examples.setdefault(kind, f"{id}: {made.reason}")
        return
    tally.whole += 1
    path = folder / f"k{tally.whole}.py"
    path.write_text(made.source)
    tally.files[str(path)] = id
    if original is None or not is_equal(original, made):
        tally.unequal.append(id)


def is_equal(original: ast.FunctionDef, made: Extraction) -> bool:
    """Tell whether the kernel's function is the original's but for its decorators."""
    found = [f for f in functions(ast.parse(made.source)) if f.name == made.name]
    return bool(found) and bare(original) == bare(found[-1])


def bare(function: ast.FunctionDef) -> str:
    """Return the tree of a function without its name and decorators."""
    parts = (function.args, function.returns, *function.body)
    return "".join(ast.dump(part) for part in parts if part is not None)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield every function of a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node


def report(tally: Tally, repos: int, show: int) -> None:
    """Print what was found."""
    files = list(tally.files)
    flakes = subprocess.run(
        [sys.executable, "-m", "pyflakes", *files], capture_output=True, text=True, check=False
    )
    child = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        input=json.dumps(files),
        capture_output=True,
        text=True,
        check=False,
    )
    failed = json.loads(child.stdout) if child.stdout else {"all": child.stderr[-300:]}
    share = tally.whole / max(tally.drawn, 1)
    slowest = max(tally.seconds, default=0.0)
    print(f"{tally.drawn} kernels of {repos} repositories: {tally.whole} whole ({share:.1%})")
    print(f"slowest {slowest:.2f} s; unequal {len(tally.unequal)}; imports failed {len(failed)}")
    # A local variable that the author never used stays as it is: bodies are not changed.
    own = [x for x in flakes.stdout.splitlines() if not x.endswith("but never used")]
    for line in own[:show]:
        path = line.partition(":")[0]
        print(f"  pyflakes: {tally.files.get(path, path)}: {line.partition(' ')[2]}")
    print(f"pyflakes: {len({x.partition(':')[0] for x in own})} files")
    for path, error in list(failed.items())[:show]:
        print(f"  import: {tally.files.get(path, path)}: {error}")
    for id in tally.unequal[:show]:
        print(f"  unequal: {id}")
    for kind, n in tally.reasons.most_common(show):
        print(f"  {n} {kind}: {tally.examples[kind]}")


if __name__ == "__main__":
    main()
