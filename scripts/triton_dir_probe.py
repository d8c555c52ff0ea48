"""Print as JSON the names and keywords that an installed Triton really offers.

`scripts/triton_dir_check.py` runs it under other interpreters, so it needs nothing but Triton.
"""

from __future__ import annotations

import contextlib
import dis
import importlib
import inspect
import json
import pkgutil
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

FOREIGN = ("TYPE_CHECKING", "modules", "fn", "name", "is_pkg", "module", "module_name")
"""Values that do not tell where they come from: the standard library's, and what loops leave."""


def load_all(package: types.ModuleType) -> None:
    """Import every module under a package, so that `dir()` shows it; some need a device."""
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        with contextlib.suppress(Exception):
            module = importlib.import_module(found.name)
            if found.ispkg:
                load_all(module)


def keywords_of(value: Any) -> list[str] | None:
    """Return the keywords of a function or class; None where Python cannot tell."""
    value = getattr(value, "fn", value)  # the function under `jit`
    if isinstance(value, type) and "__init__" not in dir_of_own(value):
        return None if "__new__" in dir_of_own(value) else []
    try:
        signature = getattr(value, "signature", None) or inspect.signature(value)
    except (TypeError, ValueError):
        return None
    keywords = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            keywords.append("**")
        elif parameter.kind not in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            keywords.append(parameter.name)
    return [name for name in keywords if not name.startswith("_")]


def dir_of_own(value: type) -> set[str]:
    """Return the names that a class and its bases define, those of `object` aside."""
    return {name for base in value.__mro__[:-1] for name in vars(base)}


def is_python(value: object) -> bool:
    """Tell whether a value is a function or class written in Python, wrapped or not."""
    function = getattr(value, "fn", getattr(value, "__wrapped__", value))
    return isinstance(value, type) or hasattr(function, "__code__")


def is_withdrawn(value: object) -> bool:
    """Tell whether a function can only raise: Python compiles no return into such a body."""
    code = getattr(inspect.unwrap(value), "__code__", None) if callable(value) else None
    return code is not None and not any(
        instruction.opname.startswith("RETURN") for instruction in dis.get_instructions(code)
    )


def is_own(value: object) -> bool:
    """Tell whether a value is Triton's: a constant counts, another package's class does not."""
    home = value.__name__ if isinstance(value, types.ModuleType) else inspect.getmodule(value)
    home = getattr(home, "__name__", home) or getattr(value, "__module__", None) or "triton"
    if type(value).__module__ == "typing":
        return False
    return str(home).partition(".")[0] == "triton"


def walk(
    path: str, module: types.ModuleType, inside: tuple[str, ...], deep: tuple[str, ...]
) -> Iterator[tuple[str, str, list[str] | None]]:
    """Yield (module path, name, keywords) of a module and, where asked, of those under it."""
    yield path, "", None
    for name, value in sorted(vars(module).items()):
        if name.startswith("__") or name in FOREIGN or not is_own(value):
            continue
        if isinstance(value, types.ModuleType):
            here = module.__name__
            is_child = value.__name__ in (f"{here}.{name}", f"{here}._{name}")
            is_meant = path.startswith(deep) and (
                is_child or name in getattr(module, "__all__", ())
            )
            is_fresh = value.__name__ not in (module.__name__, *inside)
            if is_meant and is_fresh and value.__name__.startswith(deep):
                yield from walk(f"{path}.{name}", value, (*inside, module.__name__), deep)
        elif (not name.startswith("_") or is_python(value)) and not is_withdrawn(value):
            yield path, name, keywords_of(value) if callable(value) else None


def main() -> None:
    """Print `{"version": ..., "names": [[module, name, keywords], ...], "missing": [...]}`."""
    roots, deep = sys.argv[1].split(","), tuple(sys.argv[2].split(","))
    warnings.simplefilter("ignore")
    triton = importlib.import_module("triton")
    names: list[tuple[str, str, list[str] | None]] = []
    missing = []
    for root in roots:
        try:
            module = importlib.import_module(root)
        except Exception:  # some modules need torch or a device, which are not there
            missing.append(root)
            continue
        if root in deep:
            load_all(module)
    for root in roots:
        if root not in missing and root in sys.modules:
            names.extend(walk(root, sys.modules[root], (), deep))
    print(json.dumps({"version": triton.__version__, "names": names, "missing": missing}))


if __name__ == "__main__":
    main()
