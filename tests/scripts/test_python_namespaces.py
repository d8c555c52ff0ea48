from __future__ import annotations

import pytest

from scripts.python_bindings import Module
from scripts.python_namespaces import VALUE, Class, Function, Package

FILES = {
    "p/__init__.py": """
from . import sub
from .core import f as renamed, gone, Thing
from .core import *
from ._native import compiled
import numpy as np
from p.libtriton import ir
CONSTANT = 3
alias = renamed
wrapped = builtin(renamed)
elsewhere = np.array
""",
    "p/core.py": """
from typing import TYPE_CHECKING, TypeVar
__all__ = ["f", *_MORE]
_MORE = ["starred"]
T = TypeVar("T")
if TYPE_CHECKING:
    from .types import OnlyForTypes

@builtin
def f(a, /, b, *args, c=1, _builder=None, **kwargs): ...

def gone(x):
    '''It was here.'''
    raise NotImplementedError("use f")

def starred(x, _semantic=None):
    if x:
        raise ValueError
    return x

def _hidden(): ...

@_tensor_member_fn
def cast(input, dtype): ...

class tensor:
    def __init__(self, handle, type): ...
    def to(self, dtype): ...
    @staticmethod
    def make(n): ...
    @property
    def shape(self): ...

class Thing(tensor):
    size: int = 0
    def to(self, dtype, bitcast): ...

@dataclass(frozen=True)
class Record:
    a: int
    b: int = 0
    _private: int = 1

class Opaque(Enum):
    A = 1
""",
    "p/sub/__init__.py": "from . import leaf\nfrom .leaf import __all__ as __all__",
    "p/sub/leaf.py": """
__all__ = ["x"]
NAMES = ["f", "starred"]
for name in NAMES:
    fn = getattr(core, name)
    globals()[name] = builtin(fn)
from .. import core
try:
    import fast
    x = 1
except ImportError:
    x = None
def overwritten(a): ...
def overwritten(b): ...
y = 1
del y
""",
    "p/broken.py": "def (",
}
PACKAGE = Package(FILES)


def test_the_names_of_a_package() -> None:
    names = PACKAGE.namespace("p")
    assert sorted(names) == [
        "CONSTANT", "Thing", "alias", "broken", "compiled", "core", "elsewhere", "f",
        "renamed", "starred", "sub", "wrapped",
    ]  # fmt: skip
    assert names["sub"] == Module("p.sub")
    assert names["CONSTANT"] == VALUE


@pytest.mark.parametrize("name", ["f", "renamed", "alias", "wrapped"])
def test_a_function_keeps_its_parameters_under_every_name(name: str) -> None:
    assert PACKAGE.namespace("p")[name] == Function(("a", "/", "b", "*args", "c=", "**"))


def test_a_function_that_only_raises_is_gone() -> None:
    assert "gone" not in PACKAGE.namespace("p.core")
    assert "starred" in PACKAGE.namespace("p.core")


def test_what_comes_from_outside_is_left_out() -> None:
    assert not {"np", "ir"} & set(PACKAGE.namespace("p"))
    assert not {"T", "TypeVar", "TYPE_CHECKING", "OnlyForTypes"} & set(PACKAGE.namespace("p.core"))


def test_what_is_imported_from_outside_is_told_apart() -> None:
    assert PACKAGE.borrowed("p") == ["np"]


def test_the_constructor_and_methods_of_a_class() -> None:
    names = PACKAGE.namespace("p.core")
    thing = names["Thing"]
    assert isinstance(thing, Class)
    assert thing.parameters == ("handle", "type")
    assert thing.members["to"] == Function(("dtype", "bitcast"))
    assert thing.members["make"] == Function(("n",))
    assert thing.members["shape"] == VALUE
    assert names["Record"] == Class(("a", "b="), dict.fromkeys(("a", "b", "_private"), VALUE))
    opaque = names["Opaque"]
    assert isinstance(opaque, Class) and opaque.parameters is None


def test_names_that_a_loop_binds() -> None:
    names = PACKAGE.namespace("p.sub.leaf")
    assert names["f"] == Function(("a", "/", "b", "*args", "c=", "**"))
    assert names["starred"] == Function(("x",))


def test_branches_overwriting_and_deletion() -> None:
    names = PACKAGE.namespace("p.sub.leaf")
    assert names["x"] == VALUE
    assert names["overwritten"] == Function(("b",))
    assert "y" not in names


def test_lists_of_names_are_followed() -> None:
    assert PACKAGE.offers("p.sub", "x")
    assert not PACKAGE.offers("p.sub", "leaf")


def test_a_file_that_does_not_parse_is_empty() -> None:
    assert PACKAGE.namespace("p.broken") == {}


def test_members_of_the_tensor_are_gathered_from_the_language() -> None:
    package = Package({"t/__init__.py": "", "t/language/__init__.py": "",
        "t/language/core.py": "class tensor:\n    def to(self, dtype): ...",
        "t/language/math.py": "@core._tensor_member_fn\ndef exp(x, fast): ..."
    })  # fmt: skip
    tensor = package.namespace("t.language.core")["tensor"]
    assert isinstance(tensor, Class)
    assert tensor.members["exp"] == Function(("fast",))
