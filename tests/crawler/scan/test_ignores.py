"""What looks like a kernel and is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crawler.scan.project import Case, ignores, kernels_of


def decorated(says: str, imports: str, decorator: str) -> Case:
    """Return a file where this decorator makes something else than a kernel."""
    source = (
        f"{imports}\nimport triton.language as tl\n\n{decorator}\ndef add(x):\n    tl.load(x)\n"
    )
    return ignores(says, source)


FOREIGN = (
    decorated("TorchScript", "import torch", "@torch.jit.script"),
    decorated("TorchScript's marks", "import torch", "@torch.jit.ignore(drop=True)"),
    decorated("TorchScript's jit by name", "from torch import jit", "@jit.script"),
    decorated("numba", "from numba import jit", "@jit(nopython=True)"),
    decorated("numba's module", "import numba", "@numba.njit"),
    decorated("numba on the device", "from numba import cuda", "@cuda.jit"),
    decorated("jax", "import jax", "@jax.jit"),
    decorated("jax in a partial", "import jax, functools", "@functools.partial(jax.jit, f=1)"),
    decorated("jax by name", "from jax import jit", "@jit"),
    decorated("CUTLASS's language", "import cutlass.cute as cute", "@cute.jit"),
    decorated("CUTLASS by name", "from cutlass import cute", "@cute.jit"),
    decorated("tilelang", "import tilelang", "@tilelang.jit(out_idx=[1])"),
    decorated("tilelang as tl", "import tilelang as tl", "@tl.jit"),
    decorated("nki", "import neuronxcc.nki as nki", "@nki.jit"),
    decorated("nki on its own", "import nki", "@nki.jit"),
    decorated("helion", "import helion", "@helion.jit(config=None)"),
    decorated("thunder", "import thunder", "@thunder.jit"),
    decorated("mlx", "import mlx.core as mx", "@mx.jit"),
    decorated("a package that is no Triton", "import triton_pre_mlir as triton", "@triton.jit"),
    decorated("a package whose name only begins so", "import tritonclient as t", "@t.jit"),
    decorated("jit of a package that is not here", "from mine.ops import jit", "@jit"),
    decorated("a compile-time function", "import triton", "@triton.constexpr_function"),
    decorated("an aggregate", "from triton.language.core import _aggregate as a", "@a"),
    decorated(
        "gluon's compile-time function",
        "import triton.experimental.gluon as g",
        "@g.constexpr_function",
    ),
    decorated("a builtin of the language", "from triton.language.core import builtin", "@builtin"),
    decorated("an extern function", "from triton.language import extern", "@extern.extern"),
    decorated("a benchmark", "import triton", "@triton.testing.perf_report([])"),
    decorated("tuning without jit", "import triton", "@triton.autotune(configs=[], key=[])"),
    decorated("a name bound to nothing", "", "@jit"),
    decorated("an attribute of nothing", "", "@kernels.jit"),
    decorated("an attribute of jit", "import triton", "@triton.jit.something"),
    decorated("an attribute named jit of something else", "import triton", "@triton.testing.jit"),
)

TEXT = (
    ignores(
        "a kernel in a string",
        '''
        import triton
        SOURCE = """
        @triton.jit
        def add(x_ptr):
            pass
        """
        ''',
    ),
    ignores(
        "a kernel in a docstring",
        '''
        """Use it so:

            @triton.jit
            def add(x_ptr):
                pass
        """
        import triton
        ''',
    ),
    ignores(
        "a kernel in a template",
        '''
        import triton
        TEMPLATE = f"""
        @triton.jit
        def {name}(x_ptr): ...
        """
        ''',
    ),
    ignores(
        "a kernel written line by line",
        """
        import triton

        def generate(code):
            code.writeline("@triton.jit")
            code.writeline("def add(x_ptr):")
        """,
    ),
    ignores(
        "a kernel that is commented out",
        """
        import triton

        # @triton.jit
        # def add(x_ptr):
        #     pass
        def add(x_ptr):
            pass
        """,
    ),
    ignores(
        "a decorator that is commented out",
        """
        import triton
        import triton.language as tl

        # @triton.jit
        def add(x_ptr):
            tl.store(x_ptr, 1)
        """,
    ),
)

LOCAL = (
    ignores(
        "a local function called jit",
        """
        import triton.language as tl

        def jit(fn):
            return fn

        @jit
        def add(x_ptr):
            tl.store(x_ptr, 1)
        """,
    ),
    ignores(
        "a local function that only calls jit for something else",
        """
        import triton
        import triton.language as tl

        def launch(fn):
            triton.jit(other)[(1,)](1)
            return fn

        @launch
        def add(x_ptr):
            tl.store(x_ptr, 1)
        """,
    ),
    ignores(
        "a local class named triton",
        """
        class triton:
            def jit(fn):
                return fn

        @triton.jit
        def add(x_ptr):
            pass
        """,
    ),
    ignores(
        "an object named triton",
        """
        triton = Compiler()

        @triton.jit
        def add(x_ptr):
            pass
        """,
    ),
    ignores(
        "a parameter named triton",
        """
        import triton

        def make(triton):
            @triton.jit
            def add(x_ptr):
                pass
        """,
    ),
    ignores(
        "jit bound again to something else",
        """
        from triton import jit
        from numba import jit

        @jit
        def add(x_ptr):
            pass
        """,
    ),
    ignores(
        "triton deleted in favour of a stand-in",
        """
        import triton

        def jit(f):
            return f
        triton = object()

        @triton.jit
        def add(x_ptr):
            pass
        """,
    ),
    ignores(
        "a decorator on a class",
        """
        import triton

        @triton.jit
        class Add:
            pass
        """,
    ),
    ignores(
        "a function that is only named in a call of jit's neighbour",
        """
        import triton
        import triton.language as tl

        def add(x_ptr):
            tl.store(x_ptr, 1)

        triton.testing.do_bench(add)
        """,
    ),
    ignores(
        "a lambda",
        """
        import triton
        add = triton.jit(lambda x: x)
        """,
    ),
    ignores("an empty file", ""),
    ignores("a file of nothing but a form feed", "\f\n"),
    ignores(
        "a stub that is no Python file", "import triton\n@triton.jit\ndef add(): ...\n", "k.pyi"
    ),
)

CASES = (*FOREIGN, *TEXT, *LOCAL)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_ignores(case: Case, tmp_path: Path) -> None:
    assert kernels_of(tmp_path, case.files) == {}
