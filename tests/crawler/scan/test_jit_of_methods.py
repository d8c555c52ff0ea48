"""A function in a class body that becomes a kernel by a call, in all spellings."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from crawler.models import Form, Role
from tests.crawler.scan.project import kernels_of

SPELLINGS = (
    ("of the object", "self.compiled = triton.jit(self.body)", ""),
    ("of the class by its name", "self.compiled = triton.jit(Op.body)", ""),
    ("of the object's type", "self.compiled = triton.jit(type(self).body)", ""),
    ("of the object's class", "self.compiled = triton.jit(self.__class__.body)", ""),
    ("with options before", "self.compiled = triton.jit()(self.body)", ""),
    ("with options beside", "self.compiled = triton.jit(self.body, do_not_specialize=['n'])", ""),
    ("with options in a call before", "self.compiled = triton.jit(noinline=True)(self.body)", ""),
    ("by keyword", "self.compiled = triton.jit(fn=self.body)", ""),
    ("through a partial", "self.compiled = functools.partial(triton.jit, debug=True)(self.body)", ""),
    ("after the class", "pass", "Op.compiled = triton.jit(Op.body)\ncompiled = triton.jit(Op.body)\ncompiled[(1,)](x)"),
    ("in a class method", "pass", "    @classmethod\n    def make(cls):\n        cls.compiled = triton.jit(cls.body)\n"),
    ("inherited", "pass", "class Sub(Op):\n    def make(self):\n        self.kernel = triton.jit(self.body)\n    def run(self, x):\n        self.kernel[(1,)](x)"),
)  # fmt: skip


@pytest.mark.parametrize("made, after", [s[1:] for s in SPELLINGS], ids=[s[0] for s in SPELLINGS])
def test_jit_of_a_method(made: str, after: str, tmp_path: Path) -> None:
    source = f"""
import functools
import triton
import triton.language as tl


class Op:
    def __init__(self):
{indent(made, "        ")}

    @staticmethod
    def body(x_ptr, n, BLOCK: tl.constexpr):
        o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(x_ptr + o, 1.0, mask=o < n)

    def __call__(self, x):
        self.compiled[(1,)](x, x.numel(), BLOCK=64)

{after}
"""
    ((name, record),) = kernels_of(tmp_path, {"k.py": source}).items()
    assert name == "k.py::Op.body"
    assert (record.form, record.role) == (Form.CALL, Role.KERNEL)
    assert record.launchers != ()
    assert [param.kind.value for param in record.params] == ["pointer", "scalar", "constexpr"]


def test_jit_of_a_method_of_another_package_makes_no_kernel(tmp_path: Path) -> None:
    source = """
import jax
import triton

class Op:
    def __init__(self):
        self.compiled = jax.jit(self.body)

    def body(self, x):
        return x
"""
    assert kernels_of(tmp_path, {"k.py": source}) == {}
