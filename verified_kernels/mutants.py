"""Kernel files with one planted bug: proof that the check can fail."""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from verified_kernels.check import check_case
from verified_kernels.spec import Mutant, Spec, specs_of

_PACKAGE = "verified_kernels.ops"


class MutantError(ValueError):
    """A mutant's `old` text does not occur exactly once in the code before the spec."""


def _sources(module: ModuleType) -> dict[str, str]:
    """Name -> source of a kernel file and of the files `<its name>_*.py` that it is made of.

    Those are what it imports, directly or not, and what has no spec of its own.
    """
    path = Path(str(module.__file__))
    found = {path.stem: path.read_text(encoding="utf-8")}
    wanted = list(found)
    while wanted:
        for name in re.findall(rf"{_PACKAGE}\.({path.stem}_\w+)", found[wanted.pop()]):
            part = path.with_name(f"{name}.py")
            if name not in found and part.exists():
                source = part.read_text(encoding="utf-8")
                if "\nSPEC" not in source:
                    found[name] = source
                    wanted.append(name)
    return found


def _with_edit(source: str, mutant: Mutant) -> tuple[str, int]:
    """The source with the edit in what stands before its spec, and how often it applied."""
    code, begin, spec = source.partition("\nSPEC")
    return code.replace(mutant.old, mutant.new) + begin + spec, code.count(mutant.old)


def mutated(module: ModuleType, mutant: Mutant, folder: Path) -> ModuleType:
    """A copy of a kernel file with the mutant's edit, imported from `folder`.

    The edit may be in one of the files that it is made of. Triton reads a kernel's source from its
    file, so the copies have to be files.

    Raises:
        MutantError: the edit does not apply.
    """
    edits = {name: _with_edit(source, mutant) for name, source in _sources(module).items()}
    if (times := sum(count for _, count in edits.values())) != 1:
        raise MutantError(
            f"{module.__file__}: mutant '{mutant.why}': its old text occurs {times} times"
        )
    copies = {name: f"mutant_of_{name}" for name in edits}
    for name, (source, _) in edits.items():
        for part, copy in copies.items():
            source = re.sub(rf"\b{_PACKAGE}\.{part}\b", copy, source)
        (folder / f"{copies[name]}.py").write_text(source, encoding="utf-8")
        # Of an earlier mutant.
        sys.modules.pop(copies[name], None)
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        return importlib.import_module(copies[next(iter(edits))])
    finally:
        sys.path.remove(str(folder))


def survives(module: ModuleType, spec: Spec, mutant: Mutant, device: str) -> bool:
    """True when the check passes a mutant, which is a defect of the check or of its cases.

    Raises:
        MutantError: the edit does not apply.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copies = specs_of(mutated(module, mutant, Path(folder)))
        copy = next(c for c in copies if c.name == spec.name)
        here = [c for c in copy.cases if device == "cuda" or not c.gpu_only]
        named = [c for c in here if c.id in mutant.cases]
        for case in named or here:
            for dtype in copy.dtypes_of(case, interpreted=device == "cpu"):
                try:
                    outcomes = check_case(copy, case, dtype, device, seed=1)
                except Exception:
                    return False
                if any(outcome.faults for outcome in outcomes):
                    return False
    return True
