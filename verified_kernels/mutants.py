"""Kernel files with one planted bug: proof that the check can fail."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from verified_kernels.check import check_case
from verified_kernels.spec import Mutant, Spec, specs_of


class MutantError(ValueError):
    """A mutant's `old` text does not occur exactly once in the code before the spec."""


def mutated(module: ModuleType, mutant: Mutant, folder: Path) -> ModuleType:
    """A copy of a kernel file with the mutant's edit, imported from `folder`.

    Triton reads a kernel's source from its file, so the copy has to be one.

    Raises:
        MutantError: the edit does not apply.
    """
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    code, spec = source.split("\nSPEC", 1)
    if (times := code.count(mutant.old)) != 1:
        raise MutantError(
            f"{module.__file__}: mutant '{mutant.why}': its old text occurs {times} times"
        )
    name = f"mutant_of_{module.__name__.rpartition('.')[2]}"
    path = folder / f"{name}.py"
    path.write_text(code.replace(mutant.old, mutant.new) + "\nSPEC" + spec, encoding="utf-8")
    description = importlib.util.spec_from_file_location(name, path)
    assert description is not None and description.loader is not None
    copy = importlib.util.module_from_spec(description)
    sys.modules[name] = copy
    description.loader.exec_module(copy)
    return copy


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
