"""What a kernel is for: who launches it, who calls it, across the files of a project."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from crawler.models import Role
from tests.crawler.scan.project import kernels_of

KERNEL = """
import triton
import triton.language as tl

@triton.jit
def add(x, y, n):
    tl.device_print("no store, no load")
    return x
"""
"""A function of which only its use tells what it is for."""


def beside(says: str, code: str, launcher: str = "k.py") -> tuple[str, dict[str, str], str]:
    return says, {"k.py": KERNEL + dedent(code)}, launcher


def imported(says: str, code: str, launcher: str = "user.py") -> tuple[str, dict[str, str], str]:
    return says, {"k.py": KERNEL, "user.py": dedent(code)}, launcher


LAUNCHES = (
    beside("a subscript with a grid", "add[(1,)](x, y, n)"),
    beside("a launch in a function", "def f(x):\n    add[(1,)](x)\n", "k.py::f"),
    beside("a launch in a method", "class C:\n    def f(self, x):\n        add[1](x)\n", "k.py::C.f"),
    beside("a launch in a lambda", "f = lambda x: add[(1,)](x)\n", "k.py"),
    beside("a launch in an inner function", "def f():\n    def g():\n        add[1](x)\n    return g\n", "k.py::f.<locals>.g"),
    beside("a grid held in a name", "grid = lambda meta: (1,)\nadd[grid](x)"),
    beside("a launcher held in a name", "launch = add[(1,)]\nlaunch(x)"),
    beside("an alias", "kernel = add\nkernel[(1,)](x)"),
    beside("an alias chosen by a condition", "kernel = add if x else other\nkernel[(1,)](x)"),
    beside("an alias bound on a branch", "def f(a):\n    if a:\n        k = add\n    else:\n        k = other\n    k[1](x)\n", "k.py::f"),
    beside("a table of kernels", "TABLE = {'add': add}\nTABLE['add'][(1,)](x)"),
    beside("a list of kernels", "ALL = [add, other]\nfor k in ALL:\n    pass\nALL[0][(1,)](x)"),
    beside("a loop over kernels", "for k in (add, other):\n    k[(1,)](x)"),
    beside("run with a grid", "add.run(x, grid=(1,), warmup=False)"),
    beside("warmup with a grid", "add.warmup(x, grid=(1,))"),
    beside("warmup where another function launches", "def heat():\n    add.warmup(x, grid=(1,))\ndef f():\n    add[1](x)\n", "k.py::f"),
    beside("a launch of what warmup gives", "def f():\n    c = add.warmup(x, grid=(1,))\n    c[(2,)](x)\n", "k.py::f"),
    beside("a wrapped kernel", "from torch.library import wrap_triton\nwrap_triton(add)[(1,)](x)"),
    beside("a wrapped kernel in a name", "from torch.library import wrap_triton\nw = wrap_triton(add)\nw[(1,)](x)"),
    beside("tuning applied later", "tuned = triton.autotune(configs=[], key=[])(add)\ntuned[(1,)](x)"),
    beside("an attribute of the object", "class C:\n    def __init__(self):\n        self.kernel = add\n    def f(self):\n        self.kernel[1](x)\n", "k.py::C.f"),
    beside("an attribute of the class", "class C:\n    kernel = add\n    def f(self):\n        self.kernel[1](x)\n", "k.py::C.f"),
    beside("an attribute reached through the class", "class C:\n    kernel = add\nC.kernel[1](x)\n"),
    beside("a partial", "import functools\nf = functools.partial(add, n=1)\nf[(1,)](x)"),
    beside("the launch of jax", "import jax_triton as jt\njt.triton_call(x, kernel=add, grid=(1,))"),
    beside("a call that is given the kernel and the grid", "launch(add, grid=(1,))"),
    beside("the function behind the kernel", "add.fn[(1,)](x)"),
    beside("a method that is given the kernel", "self.launch_kernel(add, x)"),
    beside("a launch in the bracket of another call", "wrapper(add[(1,)])(x)"),
    beside("a launcher that is given away", "grid = (1,)\nbench(add[grid], x)"),
    beside("tuning as an object", "from triton.runtime import Autotuner\ntuned = Autotuner(add, add.arg_names, configs=[], key=[])\ntuned[(1,)](x)"),
    beside("a decorator of the project called on it", "def libentry():\n    def decorator(fn):\n        return Entry(fn)\n    return decorator\nadd = libentry()(add)\nadd[(1,)](x)"),
    beside("a decorator from elsewhere called on it", "from elsewhere import entry\nentered = entry()(add)\nentered[(1,)](x)"),
    beside("a function that gives back the kernel", "def pick():\n    return add\ndef f():\n    pick()[(1,)](x)", "k.py::f"),
    beside("a cached function that gives back the kernel", "import functools\n@functools.cache\ndef pick(n):\n    if n:\n        return add\n    return other\ndef f():\n    k = pick(1)\n    k[(1,)](x)", "k.py::f"),
    beside("a function that launches what it is given", "def go(kernel, n):\n    kernel[(n,)](1)\ndef f():\n    go(add, 1)", "k.py::f"),
    beside("a function that launches what it is given by name", "def go(n, what=None):\n    what[(n,)](1)\ndef f():\n    go(1, what=add)", "k.py::f"),
    beside("an inherited launch", "class A:\n    kernel = add\nclass B(A):\n    def f(self):\n        self.kernel[(1,)](1)\n", "k.py::B.f"),
    beside("a launch under the jit of another package", "import jax\n@jax.jit\ndef f(x):\n    add[(1,)](x)", "k.py::f"),
    beside("a launch under numba's jit", "from numba import jit\n@jit\ndef f(x):\n    add[(1,)](x)", "k.py::f"),
    beside("a launch under a jit of the project", "from mine import jit\n@jit\ndef f(x):\n    add[(1,)](x)", "k.py::f"),
    imported("a launch of an imported kernel", "from k import add\nadd[(1,)](x)"),
    imported("a launch under a new name", "from k import add as plus\nplus[(1,)](x)"),
    imported("a launch through the module", "import k\nk.add[(1,)](x)"),
    imported("a launch through a module under a new name", "import k as kernels\nkernels.add[(1,)](x)"),
    imported("a launch of what a star import brings", "from k import *\nadd[(1,)](x)"),
    imported("a launch where the import stands in the function", "def f(x):\n    from k import add\n    add[(1,)](x)", "user.py::f"),
    imported("a launch where the import is tried", "try:\n    from k import add\nexcept ImportError:\n    add = None\nadd[(1,)](x)"),
    (
        "a launch of a kernel that a package hands on in silence",
        {
            "ops/__init__.py": "from .k import add\n",
            "ops/k.py": KERNEL,
            "user.py": "import ops\nops.add[(1,)](1)\n",
        },
        "user.py",
    ),
    (
        "a launch by the full dotted name",
        {"ops/__init__.py": "", "ops/k.py": KERNEL, "user.py": "import ops.k\nops.k.add[(1,)](1)\n"},
        "user.py",
    ),
)  # fmt: skip


@pytest.mark.parametrize("files, launcher", [c[1:] for c in LAUNCHES], ids=[c[0] for c in LAUNCHES])
def test_what_is_launched_is_a_kernel(files: dict[str, str], launcher: str, tmp_path: Path) -> None:
    (record,) = kernels_of(tmp_path, files).values()
    assert (record.role, record.launchers) == (Role.KERNEL, (launcher,))


def test_a_function_of_another_file_that_launches_what_it_is_given(tmp_path: Path) -> None:
    files = {
        "k.py": KERNEL,
        "go.py": "import triton\ndef go(kernel):\n    kernel[(1,)](1)\n",
        "user.py": "from k import add\nfrom go import go\ndef f():\n    go(add)\n",
    }
    (record,) = kernels_of(tmp_path, files).values()
    assert (record.role, record.launchers) == (Role.KERNEL, ("user.py::f",))


CALLER = """
import triton
import triton.language as tl

@triton.jit
def outer(x, n):
    {}
"""
CALLS = (
    ("a call", {"k.py": KERNEL + CALLER.format("tl.store(x, add(1, 2, n))")}),
    ("a function that combines", {"k.py": KERNEL + CALLER.format("tl.reduce(x, 0, add)")}),
    ("a function that combines, by keyword", {"k.py": KERNEL + CALLER.format("tl.reduce(x, 0, combine_fn=add)")}),
    ("a scan", {"k.py": KERNEL + CALLER.format("tl.associative_scan(x, 0, add)")}),
    ("a call of an imported function", {"k.py": KERNEL, "user.py": "from k import add\n" + CALLER.format("add(x, x, n)")}),
    ("a call through the module", {"k.py": KERNEL, "user.py": "import k\n" + CALLER.format("k.add(x, x, n)")}),
    ("a call of an alias", {"k.py": KERNEL + "plus = add\n" + CALLER.format("plus(x, x, n)")}),
    ("a call of one of two", {"k.py": KERNEL + "plus = add if A else None\n" + CALLER.format("plus(x, x, n)")}),
    ("a call from a kernel in a function", {"k.py": KERNEL + "def make():\n    @triton.jit\n    def outer(x):\n        add(x, x, 1)\n    return outer\n"}),
)  # fmt: skip


@pytest.mark.parametrize("files", [c[1] for c in CALLS], ids=[c[0] for c in CALLS])
def test_what_kernels_call_is_a_device_function(files: dict[str, str], tmp_path: Path) -> None:
    found = kernels_of(tmp_path, files)
    outer = next(record for record in found.values() if record.name == "outer")
    assert found["k.py::add"].role is Role.DEVICE_FUNCTION
    assert found["k.py::add"].launchers == ()
    assert outer.calls == ("k.py::add",)


def test_a_function_that_is_launched_and_called_is_a_kernel(tmp_path: Path) -> None:
    files = {"k.py": KERNEL + CALLER.format("add(x, x, n)") + "\nadd[(1,)](x)"}
    assert kernels_of(tmp_path, files)["k.py::add"].role is Role.KERNEL


def test_a_scalar_function_that_a_decorator_expands_is_pointwise(tmp_path: Path) -> None:
    source = """
        import triton
        import triton.language as tl
        from mine import pointwise_dynamic

        @pointwise_dynamic(promotion_methods=[(0, "DEFAULT")])
        @triton.jit
        def relu(x):
            return tl.where(x > 0, x, 0)
        """
    assert kernels_of(tmp_path, {"k.py": source})["k.py::relu"].role is Role.POINTWISE


UNUSED = (
    ("nothing tells what it is for", "return x + 1", Role.UNKNOWN),
    ("it stores, and returns nothing", "tl.store(x, 1)", Role.KERNEL),
    ("it adds atomically, and returns nothing", "tl.atomic_add(x, 1)", Role.KERNEL),
    ("it asks which program it is", "pid = tl.program_id(0)", Role.KERNEL),
    ("it only loads, and returns a value", "return tl.load(x)", Role.UNKNOWN),
    ("it does nothing", "pass", Role.UNKNOWN),
)


@pytest.mark.parametrize("body, role", [u[1:] for u in UNUSED], ids=[u[0] for u in UNUSED])
def test_a_function_that_nobody_uses(body: str, role: Role, tmp_path: Path) -> None:
    source = (
        f"import triton\nimport triton.language as tl\n\n@triton.jit\ndef add(x):\n    {body}\n"
    )
    assert kernels_of(tmp_path, {"k.py": source})["k.py::add"].role is role


def test_of_two_kernels_of_one_name_the_imported_one_is_launched(tmp_path: Path) -> None:
    files = {"a.py": KERNEL, "b.py": KERNEL, "user.py": "from b import add\nadd[(1,)](1)"}
    found = kernels_of(tmp_path, files)
    assert [found[f"{name}.py::add"].launchers for name in "ab"] == [(), ("user.py",)]


def test_what_a_launch_is_not(tmp_path: Path) -> None:
    code = """
        table = {}
        table[add](1)
        add.cache[1](2)
        add(1, 2, 3)
        x = [add]
        add[1]
        print(add)
        tuned = triton.autotune(configs=[], key=[])(add)
        ready = callable(add)
        wrapped = wrap(add)
        looked(TABLE["add"], table[0])
        """
    record = kernels_of(tmp_path, {"k.py": KERNEL + dedent(code)})["k.py::add"]
    assert record.launchers == ()
