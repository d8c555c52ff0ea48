"""What is told of one kernel: parameters, documentation, decorators, language functions."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from crawler.models import KernelRecord, ParamKind
from tests.crawler.scan.project import kernel_of, kernels_of

IMPORTS = "import triton\nimport triton.language as tl\n\n"
POINTER, DESCRIPTOR, SCALAR, CONSTEXPR, UNKNOWN = (
    ParamKind.POINTER,
    ParamKind.DESCRIPTOR,
    ParamKind.SCALAR,
    ParamKind.CONSTEXPR,
    ParamKind.UNKNOWN,
)


def read(
    folder: Path, params: str, body: str = "tl.store(out_ptr, 1)", after: str = ""
) -> KernelRecord:
    body = indent(dedent(body).strip("\n"), "    ")
    return kernel_of(folder, f"{IMPORTS}@triton.jit\ndef add({params}):\n{body}\n{dedent(after)}")


KINDS = (
    ("loaded from", "a", "tl.load(a + i)", POINTER),
    ("stored to", "a", "tl.store(a + i, 1)", POINTER),
    ("stored to by keyword", "a", "tl.store(pointer=a, value=1)", POINTER),
    ("added to atomically", "a", "tl.atomic_add(a + i, 1)", POINTER),
    ("an address held in a name", "a", "p = a + i\ntl.load(p)", POINTER),
    ("an address built in steps", "a", "p = a + i\nq = p + j\ntl.load(q)", POINTER),
    ("one of two addresses", "a", "p = a if i else b\ntl.load(p)", POINTER),
    ("a block pointer", "a", "tl.make_block_ptr(a, (1,), (1,), (0,), (1,), (0,))", POINTER),
    ("the base of a descriptor made here", "a", "tl.make_tensor_descriptor(a, [1], [1], [1])", POINTER),
    ("hinted to be aligned", "a", "tl.load(tl.multiple_of(a, 16))", POINTER),
    ("cast to another pointer", "a", "tl.load(a.to(tl.pointer_type(tl.int8)))", POINTER),
    ("named a pointer", "a_ptr", "pass", POINTER),
    ("named a pointer in the middle", "in_ptr0", "pass", POINTER),
    ("annotated as a pointer", "a: tl.pointer_type", "pass", POINTER),
    ("a descriptor that loads", "a", "a.load([0, 0])", DESCRIPTOR),
    ("a descriptor that stores", "a", "a.store([0, 0], x)", DESCRIPTOR),
    ("given to a descriptor function", "a", "tl._experimental_descriptor_load(a, [0], [1], tl.int8)", DESCRIPTOR),
    ("named a descriptor", "a_desc", "pass", DESCRIPTOR),
    ("annotated as a constant", "A: tl.constexpr", "pass", CONSTEXPR),
    ("annotated as a constant in full", "A: triton.language.constexpr", "pass", CONSTEXPR),
    ("annotated as a constant in a string", 'A: "tl.constexpr"', "pass", CONSTEXPR),
    ("annotated as a constant of a type", "A: tl.constexpr[int]", "pass", CONSTEXPR),
    ("annotated as a number", "a: tl.int32", "pass", SCALAR),
    ("annotated as an int", "a: int", "pass", SCALAR),
    ("only a stride", "stride", "tl.load(x_ptr + stride)", UNKNOWN),
    ("never used", "a", "pass", UNKNOWN),
)  # fmt: skip


@pytest.mark.parametrize("param, body, kind", [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_the_kind_of_a_parameter(param: str, body: str, kind: ParamKind, tmp_path: Path) -> None:
    assert read(tmp_path, param, body + "\nreturn 1").params[0].kind is kind


def test_what_is_unknown_in_a_kernel_that_is_launched_is_a_scalar(tmp_path: Path) -> None:
    record = read(
        tmp_path, "x_ptr, n, BLOCK: tl.constexpr", "tl.store(x_ptr, n)", "add[(1,)](x, 1)"
    )
    assert [p.kind for p in record.params] == [POINTER, SCALAR, CONSTEXPR]


def test_kinds_flow_back_from_functions_in_other_files(tmp_path: Path) -> None:
    helper = IMPORTS + "@triton.jit\ndef read(p, d):\n    return tl.load(p) + d.load([0])\n"
    middle = (
        IMPORTS
        + "from helper import read\n@triton.jit\ndef pick(i, at):\n    return read(at, d=i)\n"
    )
    user = IMPORTS + "import middle\n@triton.jit\ndef add(a, b, n):\n    middle.pick(b, a)\n"
    found = kernels_of(tmp_path, {"helper.py": helper, "middle.py": middle, "user.py": user})
    assert [p.kind for p in found["user.py::add"].params] == [POINTER, DESCRIPTOR, UNKNOWN]


def test_every_kind_of_parameter_is_listed_in_order(tmp_path: Path) -> None:
    record = read(tmp_path, "a, /, b, c=1, *args, d, e = 'x',  **kwargs")
    assert [(p.name, p.default) for p in record.params] == [
        ("a", None),
        ("b", None),
        ("c", "1"),
        ("args", None),
        ("d", None),
        ("e", "'x'"),
        ("kwargs", None),
    ]


DEFAULTS = (
    "0x10",
    "1_000",
    "1e-6",
    "None",
    "'a'",
    '"a"',
    "-1",
    "tl.float32",
    "1  if A else   2",
    "(1,  2)",
    "f(x)[0]",
    "lambda x: x",
)


@pytest.mark.parametrize("default", DEFAULTS)
def test_a_default_is_kept_as_its_author_wrote_it(default: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"a={default}").params[0].default == " ".join(default.split())


DOCUMENTED = (
    ("a docstring", 'def add(x):\n    """Adds.\n\n    Twice.\n    """\n    pass', "Adds.\n\nTwice."),
    ("a docstring in single quotes", "def add(x):\n    'Adds.'", "Adds."),
    ("an empty docstring and a comment", '# Adds.\n@triton.jit\ndef add(x):\n    """ """\n    pass', "Adds."),
    ("a comment above the decorator", "# Adds\n# twice.\n@triton.jit\ndef add(x):\n    pass", "Adds\ntwice."),
    ("a comment above, apart", "# Adds.\n\n@triton.jit\ndef add(x):\n    pass", None),
    ("a comment that leads the body", "def add(x):\n    # Adds\n    # twice.\n    pass", "Adds\ntwice."),
    ("a comment behind code", "def add(x):\n    y = 1\n    # not this", None),
    ("comments between parameters", "def add(\n    x,  # the input\n    n,\n    m=1,  # how many\n):\n    pass", "x: the input\nm: how many"),
    ("a rule of dashes", "# -----\n@triton.jit\ndef add(x):\n    pass", None),
    ("a note for tools", "# fmt: off\n# noqa\n@triton.jit\ndef add(x):\n    pass", None),
    ("an f-string is no docstring", "def add(x):\n    f'Adds {x}'", None),
    ("nothing", "def add(x):\n    pass", None),
)  # fmt: skip


@pytest.mark.parametrize("code, text", [d[1:] for d in DOCUMENTED], ids=[d[0] for d in DOCUMENTED])
def test_documentation(code: str, text: str | None, tmp_path: Path) -> None:
    code = code if "@triton.jit" in code else "@triton.jit\n" + code
    assert kernel_of(tmp_path, IMPORTS + code + "\n").docstring == text


LANGUAGE = (
    ("by the usual alias", "import triton.language as tl", "tl.load(x)", ("tl.load",)),
    ("by its full name", "import triton.language", "triton.language.load(x)", ("tl.load",)),
    ("under another alias", "import triton.language as L", "L.load(x)", ("tl.load",)),
    ("imported from triton", "from triton import language as L", "L.load(x)", ("tl.load",)),
    ("function by function", "from triton.language import load as ld", "ld(x)", ("tl.load",)),
    ("a submodule", "import triton.language as tl", "tl.math.exp(tl.extra.cuda.libdevice.tanh(x))", ("tl.extra.cuda.libdevice.tanh", "tl.math.exp")),
    ("an alias of a function", "import triton.language as tl\nexp = tl.math.exp", "exp(x)", ("tl.math.exp",)),
    ("sorted, each once", "import triton.language as tl", "tl.load(x); tl.arange(0, 1); tl.load(x)", ("tl.arange", "tl.load")),
    ("what is not called", "import triton.language as tl", "y: tl.constexpr = tl.float32", ()),
    ("methods of tensors", "import triton.language as tl", "x.to(tl.float32).sum()", ()),
    ("gluon's language", "from triton.experimental.gluon import language as gl", "gl.load(x)", ("gl.load",)),
    ("an import that is tried", "try:\n    import triton.language as tl\nexcept ImportError:\n    tl = None", "tl.load(x)", ("tl.load",)),
    ("calls in nested functions, lambdas and comprehensions", "import triton.language as tl", "y = [tl.load(i) for i in x]", ("tl.load",)),
)  # fmt: skip


@pytest.mark.parametrize(
    "imports, body, calls", [c[1:] for c in LANGUAGE], ids=[c[0] for c in LANGUAGE]
)
def test_calls_of_the_language(
    imports: str, body: str, calls: tuple[str, ...], tmp_path: Path
) -> None:
    source = f"import triton\n{imports}\n\n@triton.jit\ndef add(x):\n    {body}\n"
    assert kernel_of(tmp_path, source).tl_calls == calls


HEURISTICS = (
    ("a table", '@triton.heuristics({"EVEN": f, "BLOCK": g})', ("EVEN", "BLOCK")),
    ("a table given by keyword", '@triton.heuristics(values={"EVEN": f})', ("EVEN",)),
    ("a table with a name", "@triton.heuristics(TABLE)", ("A", "B")),
    ("two decorators", '@triton.heuristics({"A": f})\n@triton.heuristics({"B": f})', ("A", "B")),
    ("a table from elsewhere", "@triton.heuristics(elsewhere.TABLE)", ("elsewhere.TABLE",)),
    ("none", "", ()),
)


@pytest.mark.parametrize("line, names", [h[1:] for h in HEURISTICS], ids=[h[0] for h in HEURISTICS])
def test_heuristics(line: str, names: tuple[str, ...], tmp_path: Path) -> None:
    source = f'{IMPORTS}TABLE = {{"A": f, "B": g}}\n{line}\n@triton.jit\ndef add(x):\n    pass\n'
    assert kernel_of(tmp_path, source).heuristics == names


def test_a_long_decorator_is_shortened(tmp_path: Path) -> None:
    configs = ",\n".join("    triton.Config({})" for _ in range(9))
    source = (
        f"{IMPORTS}@triton.autotune([\n{configs}\n], key=[])\n@triton.jit\ndef add(x):\n    pass\n"
    )
    assert kernel_of(tmp_path, source).decorators == ("triton.autotune(...)", "triton.jit")


def test_what_is_called_on_a_kernel_is_no_decorator_unless_it_tunes(tmp_path: Path) -> None:
    source = (
        IMPORTS + "def add(x):\n    tl.store(x, 1)\nadd = triton.jit(add)\nbench(add)\nrun(add)\n"
    )
    assert kernel_of(tmp_path, source).decorators == ("triton.jit",)


def test_names_used_carry_keywords_and_guards(tmp_path: Path) -> None:
    body = """
        if triton.__version__ >= "3.0":
            y = tl.dot(x, x, input_precision="ieee")
        else:
            y = tl.dot(x, x, allow_tf32=False)
        """
    dots = [u for u in read(tmp_path, "x", body).uses if u.name == "triton.language.dot"]
    assert {(u.keywords, u.guards) for u in dots} == {
        (("input_precision",), ("triton.__version__ >= '3.0'",)),
        (("allow_tf32",), ("not triton.__version__ >= '3.0'",)),
    }
