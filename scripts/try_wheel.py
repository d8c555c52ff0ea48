"""Build the wheel, install it into an environment outside the tree, and try it there.

    python scripts/try_wheel.py [--constraint constraints.txt]

What only the tree has, a file that the wheel forgets or a dependency that nobody declares, shows
here and nowhere else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

TREE = Path(__file__).parent.parent
KERNEL = """\
import triton
import triton.language as tl


@triton.jit
def scale_rows(x_ptr, n_cols, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * n_cols + tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.load(x_ptr + offsets) * 2.0)
"""
# What the base install must do without.
HEAVY = ("torch", "triton", "numpy")
PACKAGES = ("crawler", "index", "wishlist", "verified_kernels")
KERNELS = TREE / "verified_kernels"
# What makes the kernels a distribution of their own is no part of either.
NOT_INSTALLED = {f"verified_kernels/{name}" for name in ("pyproject.toml", "README.md", "LICENSE")}


def main() -> None:
    """Build, install and try; the first thing that is wrong ends it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--constraint", type=Path, default=TREE / "constraints.txt")
    constraint = parser.parse_args().constraint.resolve()
    with tempfile.TemporaryDirectory(prefix="triton-index-wheel-") as folder:
        work = Path(folder)
        wheel = build(work / "dist")
        check_contents(wheel)
        program = install(wheel, work / "environment", constraint)
        try_out(program, work)
        kernels = build(work / "dist", KERNELS)
        check_contents(kernels, ("verified_kernels",))
    print(f"{wheel.name}: built, installed and tried; {kernels.name}: built")


def build(dist: Path, project: Path = TREE) -> Path:
    """Return the wheel of a project of the tree: the program, or the kernels alone."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", str(dist), str(project), cwd=TREE)
    name = "triton_index" if project == TREE else "triton_index_kernels"
    (wheel,) = dist.glob(f"{name}-*.whl")
    return wheel


def check_contents(wheel: Path, packages: tuple[str, ...] = PACKAGES) -> None:
    """Exit if the wheel holds what it should not, or lacks data files of its packages."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = (*packages, "triton_index")
    if foreign := sorted(name for name in names if not name.startswith(tops)):
        sys.exit(f"{wheel.name} holds {foreign[0]}, which is no part of the program")
    tracked = set(run("git", "ls-files", *packages, cwd=TREE).splitlines()) - NOT_INSTALLED
    if packages != PACKAGES:
        tracked = {name for name in tracked if not name.endswith(".svg")}
    if missing := sorted(tracked - names):
        sys.exit(f"{wheel.name} lacks {len(missing)} files of the tree, such as {missing[0]}")


def install(wheel: Path, environment: Path, constraint: Path) -> Path:
    """Return the program, installed with its declared dependencies and nothing else."""
    run(sys.executable, "-m", "venv", str(environment), cwd=environment.parent)
    folder = environment / ("Scripts" if os.name == "nt" else "bin")
    python = folder / "python"
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "install", "--constraint", str(constraint), str(wheel), cwd=environment)
    listed = json.loads(run(str(python), "-m", "pip", "list", "--format=json", cwd=environment))
    if heavy := sorted({package["name"] for package in listed} & set(HEAVY)):
        sys.exit(f"the base install brings {', '.join(heavy)}")
    return folder / "triton-index"


def try_out(program: Path, work: Path) -> None:
    """Exit unless the installed program crawls a folder and finds what is in it."""
    kernels = work / "kernels"
    kernels.mkdir()
    (kernels / "scale.py").write_text(KERNEL, encoding="utf-8")
    index = ("--db", str(work / "index.duckdb"))
    print(run(str(program), "--version", cwd=work).strip())
    run(str(program), *index, "crawl", "./kernels", cwd=work)
    found = json.loads(
        run(str(program), *index, "search", "scale rows", "--format", "json", cwd=work)
    )
    if [kernel["name"] for kernel in found] != ["scale_rows"]:
        sys.exit(f"search finds {found} instead of scale_rows")
    source = run(str(program), *index, "show", "scale_rows", "--source", cwd=work)
    if "def scale_rows(x_ptr, n_cols, BLOCK: tl.constexpr):" not in source:
        sys.exit("show --source prints another source")
    run(str(program), *index, "export", str(work / "kernels.parquet"), "--facts", cwd=work)


def run(*words: str, cwd: Path) -> str:
    """Return what a command prints, run away from the tree's own packages; exit if it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HOME": str(cwd), "XDG_DATA_HOME": str(cwd), "XDG_CACHE_HOME": str(cwd)}
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)} fails:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
