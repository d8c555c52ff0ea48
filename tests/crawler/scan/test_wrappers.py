"""A project's own ways around jit, across its files."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

from pathlib import Path

import pytest

from crawler.models import Form
from tests.crawler.scan.project import Case, kernels_of

USER = """
    from wrap import kernel

    @kernel
    def add(a, b):
        return a + b
    """


def used(says: str, wrapper: str, user: str = USER) -> Case:
    """Return a project of a wrapper in `wrap.py` and a file that uses it."""
    return Case(says, {"wrap.py": wrapper, "user.py": user}, ("user.py::add",))


IN_ONE_FILE = (
    used("jit under a new name", "from triton import jit as kernel"),
    used("jit bound to a new name", "import triton\nkernel = triton.jit"),
    used("jit with options", "import triton\nkernel = triton.jit(noinline=True)"),
    used("jit in a partial", "import functools, triton\nkernel = functools.partial(triton.jit)"),
    used(
        "a function that jits",
        """
        import triton
        def kernel(fn):
            return triton.jit(fn)
        """,
    ),
    used(
        "a function that jits step by step",
        """
        import triton
        def kernel(fn):
            name = fn.__name__
            jitted = triton.jit(fn, debug=DEBUG)
            register(name, jitted)
            return jitted
        """,
    ),
    used(
        "a function that jits its parameter again under its own name",
        """
        import triton
        def kernel(fn):
            fn = triton.jit(fn)
            return fn
        """,
    ),
    used(
        "a lambda that jits",
        """
        import triton
        kernel = lambda fn: triton.jit(fn)
        """,
    ),
    used(
        "a factory that returns jit",
        """
        import triton
        def kernel(**options):
            return triton.jit(**options)
        """,
        USER.replace("@kernel", "@kernel(debug=True)"),
    ),
    used(
        "a factory that returns a decorator",
        """
        import triton
        def kernel(name):
            def decorate(fn):
                return triton.jit(fn)
            return decorate
        """,
        USER.replace("@kernel", "@kernel('add')"),
    ),
    used(
        "a decorator with and without arguments, used without",
        """
        import triton
        def kernel(fn=None, **options):
            def decorate(fn):
                return triton.jit(fn, **options)
            if fn is None:
                return decorate
            return decorate(fn)
        """,
    ),
    used(
        "a decorator with and without arguments, used with",
        """
        import triton
        def kernel(fn=None, **options):
            def decorate(fn):
                return triton.jit(fn, **options)
            if fn is None:
                return decorate
            return decorate(fn)
        """,
        USER.replace("@kernel", "@kernel(debug=True)"),
    ),
    used(
        "a decorator that tunes and jits",
        """
        import triton
        def kernel(configs):
            def decorate(fn):
                return triton.autotune(configs, key=[])(triton.jit(fn))
            return decorate
        """,
        USER.replace("@kernel", "@kernel([])"),
    ),
    used(
        "a decorator chosen by a condition",
        """
        import triton
        def kernel(fn):
            if INTERPRET:
                return fn
            return triton.jit(fn)
        """,
    ),
    used(
        "a wrapper of a wrapper",
        """
        import triton
        def inner(fn):
            return triton.jit(fn)
        def kernel(fn):
            return inner(fn)
        """,
    ),
    used(
        "a class that is a jit function",
        """
        from triton.runtime.jit import JITFunction
        class kernel(JITFunction):
            pass
        """,
    ),
    used(
        "a function that makes such a class",
        """
        from triton.runtime.jit import JITFunction
        class Mine(JITFunction):
            def run(self, *args):
                return super().run(*args)
        def kernel(fn):
            return Mine(fn)
        """,
    ),
    used(
        "a class that jits what it is made of",
        """
        import triton
        class kernel:
            def __init__(self, fn):
                self.fn = triton.jit(fn)
            def __getitem__(self, grid):
                return self.fn[grid]
        """,
    ),
    used(
        "a class that jits what it is called with",
        """
        import triton
        class kernel:
            def __init__(self, **options):
                self.options = options
            def __call__(self, fn):
                return triton.jit(fn, **self.options)
        """,
        USER.replace("@kernel", "@kernel(debug=True)"),
    ),
    used(
        "an object of such a class",
        """
        import triton
        class Kernel:
            def __call__(self, fn):
                return triton.jit(fn)
        kernel = Kernel()
        """,
    ),
    used(
        "a static method that jits",
        """
        import triton
        class Backend:
            @staticmethod
            def kernel(fn):
                return triton.jit(fn)
        kernel = Backend.kernel
        """,
    ),
    used(
        "a wrapper that keeps the name of what it wraps",
        """
        import functools
        import triton
        def kernel(fn):
            jitted = triton.jit(fn)
            return functools.wraps(fn)(jitted)
        """,
    ),
    used(
        "gluon's jit under a new name",
        "from triton.experimental.gluon import jit as kernel",
    ),
)

ACROSS = (
    Case(
        "a wrapper handed on by a package that says neither jit nor triton",
        {
            "mine/__init__.py": "from .impl import kernel\n",
            "mine/impl.py": "import triton\nkernel = triton.jit\n",
            "user.py": "from mine import kernel\n@kernel\ndef add(a):\n    return a\n",
        },
        ("user.py::add",),
    ),
    Case(
        "a wrapper handed on under new names, twice",
        {
            "mine/__init__.py": "from .middle import second as third\n",
            "mine/middle.py": "from .impl import first as second\n",
            "mine/impl.py": "import triton\nfirst = triton.jit\n",
            "user.py": "from mine import third\n@third\ndef add(a):\n    return a\n",
        },
        ("user.py::add",),
    ),
    Case(
        "a wrapper handed on by star imports",
        {
            "mine/__init__.py": "from .middle import *\n",
            "mine/middle.py": "from .impl import *\n",
            "mine/impl.py": "import triton\nkernel = triton.jit\n",
            "user.py": "from mine import *\n@kernel\ndef add(a):\n    return a\n",
        },
        ("user.py::add",),
    ),
    Case(
        "star imports in a circle",
        {
            "mine/__init__.py": "from .a import *\nfrom .b import *\n",
            "mine/a.py": "from .b import *\nfrom . import *\n",
            "mine/b.py": "from .a import *\nfrom .c import *\n",
            "mine/c.py": "import triton\nfrom .a import *\nkernel = triton.jit\n",
            "a_user.py": "from mine.a import kernel\n@kernel\ndef add(a):\n    return a\n",
            "b_user.py": "from mine.b import kernel\n@kernel\ndef add(a):\n    return a\n",
        },
        ("a_user.py::add", "b_user.py::add"),
    ),
    Case(
        "a wrapper handed on by a long chain of files",
        {
            **{f"m{i}.py": f"from m{i + 1} import kernel\n" for i in range(20)},
            "m20.py": "import triton\nkernel = triton.jit\n",
            "user.py": "from m0 import kernel\n@kernel\ndef add(a):\n    return a\n",
        },
        ("user.py::add",),
    ),
    Case(
        "a wrapper used as an attribute of its module",
        {
            "mine/__init__.py": "",
            "mine/impl.py": "import triton\ndef kernel(fn):\n    return triton.jit(fn)\n",
            "user.py": "from mine import impl\n@impl.kernel\ndef add(a):\n    return a\n",
        },
        ("user.py::add",),
    ),
    Case(
        "a wrapper used by its full dotted name",
        {
            "mine/__init__.py": "",
            "mine/sub/__init__.py": "",
            "mine/sub/impl.py": "import triton\ndef kernel(fn):\n    return triton.jit(fn)\n",
            "user.py": "import mine.sub.impl\n@mine.sub.impl.kernel\ndef add(a):\n    return a\n",
        },
        ("user.py::add",),
    ),
    Case(
        "a project whose wrapper is called jit",
        {
            "mine/__init__.py": "from mine.lang import jit\n",
            "mine/lang.py": "import triton\ndef jit(fn):\n    return triton.jit(fn)\n",
            "mine/ops/add.py": "import mine\n@mine.jit\ndef add(a):\n    return a\n",
        },
        ("mine/ops/add.py::add",),
    ),
    Case(
        "a name in brackets over several lines",
        {
            "mine/__init__.py": "from .impl import (\n    other,\n    my_jit,  # ours\n)\n",
            "mine/impl.py": "import triton\nmy_jit = triton.jit\nother = 1\n",
            "user.py": "from mine import my_jit\n@my_jit\ndef add(a):\n    return a\n",
        },
        ("user.py::add",),
    ),
    Case(
        "a src folder",
        {
            "src/mine/__init__.py": "",
            "src/mine/impl.py": "import triton\nkernel = triton.jit\n",
            "tests/test_add.py": "from mine.impl import kernel\n@kernel\ndef add(a):\n    return a\n",
        },
        ("tests/test_add.py::add",),
    ),
    Case(
        "a namespace package",
        {
            "mine/impl.py": "import triton\nkernel = triton.jit\n",
            "mine/ops/add.py": "from ..impl import kernel\n@kernel\ndef add(a):\n    return a\n",
        },
        ("mine/ops/add.py::add",),
    ),
    Case(
        "Triton's own source, with relative imports",
        {
            "triton/__init__.py": "from .runtime import jit\n",
            "triton/runtime/__init__.py": "from .jit import jit\n",
            "triton/runtime/jit.py": "def jit(fn=None):\n    return JITFunction(fn)\n",
            "triton/language/standard.py": "from ..runtime.jit import jit\n@jit\ndef add(a):\n    return a\n",
        },
        ("triton/language/standard.py::add",),
    ),
    Case(
        "a folder that shadows triton",
        {
            "triton/__init__.py": "def jit(fn):\n    return fn\n",
            "user.py": "import triton\n@triton.jit\ndef add(a):\n    return a\n",
        },
        ("user.py::add",),
    ),
    Case(
        "a wrapper in a notebook's neighbour",
        {
            "wrap.py": "import triton\nkernel = triton.jit\n",
            "n.ipynb": b'{"cells": [{"cell_type": "code", "source": "import triton\\nfrom wrap import kernel\\n'
            b'@kernel\\ndef add(a):\\n    return a"}]}',
        },
        ("n.ipynb[0]::add",),
    ),
)

NO_WRAPPERS = (
    Case(
        "a decorator that hands on what it is given",
        {"wrap.py": "import triton\ndef kernel(fn):\n    return fn\n", "user.py": USER},
    ),
    Case(
        "a decorator that returns another kernel",
        {
            "wrap.py": "import triton\n@triton.jit\ndef k(x):\n    pass\ndef kernel(fn):\n    return k\n",
            "user.py": USER,
        },
        ("wrap.py::k",),
    ),
    Case(
        "a decorator that returns a plain class",
        {"wrap.py": "import triton\nclass kernel:\n    pass\n", "user.py": USER},
    ),
    Case(
        "wrappers that return one another",
        {
            "wrap.py": "import triton\ndef kernel(f):\n    return other(f)\ndef other(f):\n    return kernel(f)\n",
            "user.py": USER,
        },
    ),
    Case(
        "names bound to one another",
        {"wrap.py": "import triton\nkernel = other\nother = kernel\n", "user.py": USER},
    ),
    Case(
        "modules that import one another",
        {
            "wrap.py": "import triton\nfrom other import kernel\n",
            "other.py": "import triton\nfrom wrap import kernel\n",
            "user.py": USER,
        },
    ),
    Case(
        "a wrapper that is imported from a project that is not here",
        {
            "user.py": "import triton\nfrom elsewhere import kernel\n@kernel\ndef add(a):\n    return a\n"
        },
    ),
)

CASES = (*IN_ONE_FILE, *ACROSS, *NO_WRAPPERS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_finds(case: Case, tmp_path: Path) -> None:
    assert tuple(kernels_of(tmp_path, case.files)) == case.finds


def test_a_wrapper_is_told_from_jit_under_another_name(tmp_path: Path) -> None:
    found = kernels_of(
        tmp_path,
        {
            "wrap.py": "import triton\nplain = triton.jit\ndef mine(fn):\n    return triton.jit(fn)\n",
            "user.py": "from wrap import *\n@plain\ndef a(x): pass\n@mine\ndef b(x): pass\n",
        },
    )
    assert found["user.py::a"].form is Form.DECORATOR
    assert found["user.py::b"].form is Form.WRAPPER
