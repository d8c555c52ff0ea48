"""Every way to make a function a kernel within one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.models import Dialect, Form
from tests.crawler.scan.project import Case, finds, kernel_of, kernels_of

DECORATORS = (
    finds(
        "the plain decorator",
        """
        import triton

        @triton.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "the decorator with arguments",
        """
        import triton

        @triton.jit(do_not_specialize=["n"], debug=True)
        def add(x_ptr, n):
            pass
        """,
    ),
    finds(
        "the decorator with empty parentheses",
        """
        import triton

        @triton.jit()
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "jit imported by name",
        """
        from triton import jit

        @jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "jit imported under another name",
        """
        from triton import jit as kernel

        @kernel
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "jit from the module that defines it",
        """
        from triton.runtime.jit import jit

        @jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "jit through the module that defines it",
        """
        import triton.runtime.jit

        @triton.runtime.jit.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "jit through a runtime that re-exports it",
        """
        from triton import runtime

        @runtime.jit.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "triton under another name",
        """
        import triton as tr

        @tr.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "triton found by importing only its language",
        """
        import triton.language as tl
        import triton.language

        @triton.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "a star import of triton",
        """
        from triton import *

        @jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "an alias of jit at module level",
        """
        import triton
        my_jit = triton.jit

        @my_jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "an annotated alias of jit",
        """
        from typing import Any
        import triton
        kernel: Any = triton.jit

        @kernel
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "an alias of the alias, bound by unpacking",
        """
        import triton
        one, two = triton.jit, triton.autotune
        three = one

        @three
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "an alias bound in an expression",
        """
        import triton
        print(kernel := triton.jit)

        @kernel
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "jit configured once and applied many times",
        """
        import triton
        fast = triton.jit(noinline=True)

        @fast
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "jit or a stand-in, chosen by a conditional expression",
        """
        try:
            import triton
            HAVE = True
        except ImportError:
            HAVE = False
        _jit = triton.jit if HAVE else lambda f: f

        @_jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "a conditional expression as the decorator",
        """
        import triton

        @(triton.jit if HAVE else noop)
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "jit with a fallback behind `or`",
        """
        import triton
        kernel = getattr(triton, "missing", None) or triton.jit

        @kernel
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "jit or a stand-in, chosen by if and else",
        """
        import triton
        if triton.__version__ > "3":
            kernel = triton.jit
        else:
            def kernel(f):
                return f

        @kernel
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "triton or None, chosen by try and except",
        """
        try:
            import triton
        except ImportError:
            triton = None

        if triton is not None:
            @triton.jit
            def add(x_ptr):
                pass
        """,
    ),
    finds(
        "functools.partial of jit",
        """
        import functools
        import triton
        kernel = functools.partial(triton.jit, noinline=True)

        @kernel
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "partial as the decorator itself",
        """
        from functools import partial
        import triton

        @partial(triton.jit, noinline=True)
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "triton imported for type checkers only",
        """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import triton

        @triton.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "triton imported by a call",
        """
        import importlib
        triton = importlib.import_module("triton")

        @triton.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "triton imported by a call imported by name",
        """
        from importlib import import_module
        tr = import_module("triton")

        @tr.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "triton imported by the built-in function",
        """
        triton = __import__("triton")

        @triton.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "triton imported in the function that uses it",
        """
        def make():
            import triton

            @triton.jit
            def add(x_ptr):
                pass
            return add
        """,
        "make.<locals>.add",
    ),
    finds(
        "triton imported after the function that uses it",
        """
        def make():
            @triton.jit
            def add(x_ptr):
                pass
            return add

        import triton
        """,
        "make.<locals>.add",
    ),
    finds(
        "triton imported as a global by another function",
        """
        def load():
            global triton
            import triton

        load()

        @triton.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "an alias that is an attribute of a class",
        """
        import triton

        class Backend:
            jit = staticmethod(triton.jit)
            kernel = triton.jit

            @kernel
            def add(x_ptr):
                pass
        """,
        "Backend.add",
    ),
    finds(
        "tuning above jit",
        """
        import triton

        @triton.autotune(configs=[], key=["n"])
        @triton.heuristics({"EVEN": lambda args: True})
        @triton.jit
        def add(x_ptr, n, EVEN):
            pass
        """,
    ),
    finds(
        "jit above another decorator",
        """
        import triton
        from mine import traced

        @triton.jit
        @traced
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "unknown decorators on both sides",
        """
        import triton
        from mine import log, register

        @register("add")
        @triton.jit
        @log
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "comments and blank lines between decorators",
        """
        import triton

        @triton.autotune(configs=[], key=[])
        # tuned by hand

        @triton.jit  # compiled

        # the kernel
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "an asynchronous function",
        """
        import triton

        @triton.jit
        async def add(x_ptr):
            pass
        """,
    ),
    finds(
        "a decorator over several lines",
        """
        import triton

        @triton.jit(
            do_not_specialize=[
                "n",
            ],
        )
        def add(x_ptr, n):
            pass
        """,
    ),
    finds(
        "a line continued in the decorator and in the header",
        """
        import triton

        @triton \\
            .jit
        def \\
            add(x_ptr):
            pass
        """,
    ),
    finds(
        "a decorator in parentheses",
        """
        import triton

        @(triton.jit)
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "a space after the at sign",
        """
        import triton

        @ triton . jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "a function on one line",
        """
        import triton

        @triton.jit
        def add(x_ptr): pass
        """,
    ),
    finds(
        "statements joined by semicolons",
        """
        import triton; from triton import jit; x = 1

        @jit
        def add(x_ptr): x = 1; y = 2
        """,
    ),
    finds(
        "no parameters",
        """
        import triton

        @triton.jit
        def add():
            pass
        """,
    ),
    finds(
        "a name that is not ASCII",
        """
        import triton

        @triton.jit
        def größe(x_ptr, β=1.0):
            pass
        """,
        "größe",
    ),
    finds(
        "a kernel that shadows the name it is made by",
        """
        from triton import jit

        @jit
        def jit(x_ptr):
            pass
        """,
        "jit",
    ),
    finds(
        "a subscripted decorator table",
        """
        import triton
        JITS = {"a": triton.jit}

        @JITS["a"]
        def add(x_ptr):
            pass
        """,
    ),
)

PLACES = (
    finds(
        "a kernel in a function",
        """
        import triton

        def make(block):
            @triton.jit
            def add(x_ptr):
                pass
            return add
        """,
        "make.<locals>.add",
    ),
    finds(
        "a kernel in a function in a method",
        """
        import triton

        class Op:
            def build(self):
                def inner():
                    @triton.jit
                    def add(x_ptr):
                        pass
                    return add
                return inner
        """,
        "Op.build.<locals>.inner.<locals>.add",
    ),
    finds(
        "a kernel in a class body",
        """
        import triton

        class Op:
            @triton.jit
            def add(x_ptr):
                pass
        """,
        "Op.add",
    ),
    finds(
        "a static method",
        """
        import triton

        class Op:
            @staticmethod
            @triton.jit
            def add(x_ptr):
                pass
        """,
        "Op.add",
    ),
    finds(
        "a class in a class",
        """
        import triton

        class Outer:
            class Inner:
                @triton.jit
                def add(x_ptr):
                    pass
        """,
        "Outer.Inner.add",
    ),
    finds(
        "a kernel in a kernel",
        """
        import triton

        @triton.jit
        def outer(x_ptr):
            @triton.jit
            def inner(y):
                return y
            inner(x_ptr)
        """,
        "outer",
        "outer.<locals>.inner",
    ),
    finds(
        "kernels under if, try, for, while, with and match",
        """
        import triton

        if A:
            @triton.jit
            def a(x): pass
        elif B:
            @triton.jit
            def b(x): pass
        else:
            @triton.jit
            def c(x): pass
        try:
            @triton.jit
            def d(x): pass
        except A:
            @triton.jit
            def e(x): pass
        else:
            @triton.jit
            def f(x): pass
        finally:
            @triton.jit
            def g(x): pass
        for i in A:
            @triton.jit
            def h(x): pass
        while A:
            @triton.jit
            def i(x): pass
        with A:
            @triton.jit
            def j(x): pass
        match A:
            case 1:
                @triton.jit
                def k(x): pass
        """,
        *"abcdefghijk",
    ),
    finds(
        "an exception group, whose handlers are read too",
        """
        import triton
        try:
            pass
        except* ValueError:
            @triton.jit
            def add(x): pass
        """,
    ),
    finds(
        "two definitions of one name, numbered",
        """
        import triton

        if triton.__version__ >= "3":
            @triton.jit
            def add(x_ptr): pass
        else:
            @triton.jit
            def add(x_ptr, y_ptr): pass
        """,
        "add",
        "add#2",
    ),
    finds(
        "three in one function, beside one elsewhere",
        """
        import triton

        @triton.jit
        def add(x): pass

        def make(n):
            if n == 1:
                @triton.jit
                def add(x): pass
            elif n == 2:
                @triton.jit
                def add(x): pass
            else:
                @triton.jit
                def add(x): pass
            return add
        """,
        "add",
        "make.<locals>.add",
        "make.<locals>.add#2",
        "make.<locals>.add#3",
    ),
    finds(
        "a name bound on one branch means the outer one on the other",
        """
        from numba import jit
        if CUDA:
            from triton import jit

            @jit
            def add(x): pass
        else:
            @jit
            def other(x): pass
        """,
    ),
    finds(
        "a definition that is no kernel takes no number",
        """
        import triton

        def add(x): pass

        @triton.jit
        def add(x): pass
        """,
    ),
)

GLUON = (
    finds(
        "gluon's decorator",
        """
        from triton.experimental import gluon

        @gluon.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "gluon's decorator with arguments",
        """
        from triton.experimental import gluon

        @gluon.jit(noinline=True)
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "gluon by its full name",
        """
        import triton.experimental.gluon

        @triton.experimental.gluon.jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "gluon's jit imported by name",
        """
        from triton.experimental.gluon import jit

        @jit
        def add(x_ptr):
            pass
        """,
    ),
    finds(
        "gluon under another name",
        """
        import triton.experimental.gluon as g

        @g.jit
        def add(x_ptr):
            pass
        """,
    ),
)

CALLS = (
    finds(
        "jit called on a function",
        """
        import triton

        def add(x_ptr):
            pass

        add = triton.jit(add)
        """,
    ),
    finds(
        "the result under another name",
        """
        import triton

        def add(x_ptr):
            pass

        add_kernel = triton.jit(add)
        """,
    ),
    finds(
        "tuning called on the jitted function",
        """
        import triton

        def add(x_ptr):
            pass

        tuned = triton.autotune(configs=[], key=["n"])(triton.jit(add))
        """,
    ),
    finds(
        "jit with options called on a function",
        """
        import triton

        def add(x_ptr):
            pass

        add = triton.jit(noinline=True)(add)
        """,
    ),
    finds(
        "jit called on a function given by keyword",
        """
        import triton

        def add(x_ptr):
            pass

        add = triton.jit(fn=add)
        """,
    ),
    finds(
        "a jit function made by its class",
        """
        from triton.runtime.jit import JITFunction

        def add(x_ptr):
            pass

        add = JITFunction(add)
        """,
    ),
    finds(
        "jit called in the launcher",
        """
        import triton

        def add(x_ptr):
            pass

        def launch(x):
            triton.jit(add)[(1,)](x)
        """,
    ),
    finds(
        "jit called where the function is returned",
        """
        import triton

        def make():
            def add(x_ptr):
                pass
            return triton.jit(add)
        """,
        "make.<locals>.add",
    ),
    finds(
        "jit called through an alias",
        """
        import triton
        compile_it = triton.jit

        def add(x_ptr):
            pass

        add = compile_it(add)
        """,
    ),
    finds(
        "jit called on a method",
        """
        import triton

        class Op:
            def add(x_ptr):
                pass
            add = triton.jit(add)
        """,
        "Op.add",
    ),
    finds(
        "jit called in a table",
        """
        import triton

        def add(x_ptr):
            pass

        TABLE = {"add": triton.jit(add)}
        """,
    ),
    finds(
        "gluon's jit called",
        """
        from triton.experimental import gluon

        def add(x_ptr):
            pass

        add = gluon.jit(add)
        """,
    ),
)

CASES = (*DECORATORS, *PLACES, *GLUON, *CALLS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_finds(case: Case, tmp_path: Path) -> None:
    assert tuple(kernels_of(tmp_path, case.files)) == case.finds


@pytest.mark.parametrize("case", (*DECORATORS, *PLACES), ids=lambda case: case.says)
def test_a_decorated_kernel_says_so(case: Case, tmp_path: Path) -> None:
    found = kernels_of(tmp_path, case.files).values()
    assert {(k.form, k.dialect) for k in found} == {(Form.DECORATOR, Dialect.TRITON)}


@pytest.mark.parametrize("case", GLUON, ids=lambda case: case.says)
def test_gluon_is_told_apart(case: Case, tmp_path: Path) -> None:
    found = kernels_of(tmp_path, case.files).values()
    assert {(k.form, k.dialect) for k in found} == {(Form.DECORATOR, Dialect.GLUON)}


@pytest.mark.parametrize("case", CALLS, ids=lambda case: case.says)
def test_a_called_kernel_says_so(case: Case, tmp_path: Path) -> None:
    found = kernels_of(tmp_path, case.files).values()
    assert {k.form for k in found} == {Form.CALL}


def test_a_kernel_launched_by_tuning_applied_later_is_tuned(tmp_path: Path) -> None:
    record = kernel_of(
        tmp_path,
        """
        import triton

        @triton.jit
        def add(x_ptr, BLOCK):
            pass

        add = triton.autotune([triton.Config({"BLOCK": b}) for b in (1, 2)], key=["n"])(add)
        """,
    )
    assert record.form is Form.DECORATOR
    assert record.autotune is not None
    assert (record.autotune.n_configs, record.autotune.key) == (2, ("n",))


def test_lines_of_a_decorated_kernel(tmp_path: Path) -> None:
    record = kernel_of(
        tmp_path,
        """
        import triton

        # above
        @triton.autotune(
            configs=[],
            key=[],
        )
        # between
        @triton.jit
        def add(
            x_ptr,
        ):
            y = 1

            return y
        # after
        """,
    )
    assert (record.start_line, record.def_line, record.end_line) == (4, 10, 15)
    assert record.source.startswith("@triton.autotune(")
    assert record.source.endswith("return y")
    assert record.decorators == ("triton.autotune( configs=[], key=[], )", "triton.jit")
