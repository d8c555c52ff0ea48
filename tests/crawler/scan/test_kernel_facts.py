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
    ("only named a descriptor", "a_desc", "pass", UNKNOWN),
    ("named a descriptor, used as an address", "desc", "tl.load(desc + i)", POINTER),
    ("named after a descriptor, used as a flag", "use_tma", "if use_tma > 0:\n    pass", UNKNOWN),
    ("an address or a descriptor by a condition", "a", "if TMA:\n    a.load([0])\nelse:\n    tl.load(a)", UNKNOWN),
    ("an address that becomes a descriptor under its name", "a", "a = tl.make_tensor_descriptor(a, [1], [1], [1])\na.load([0])", POINTER),
    ("a descriptor under another name", "a", "d = a\nd.store([0], x)", DESCRIPTOR),
    ("a method of a tile", "a", "a.reduce(0, add)", UNKNOWN),
    ("a method that adds atomically", "a", "(a + i).atomic_add(1)", POINTER),
    ("behind the offset", "a", "tl.load(tl.arange(0, 8) + a)", POINTER),
    ("behind an offset held in a name", "a", "o = tl.program_id(0) * 8\ntl.load(o + a)", POINTER),
    ("behind an offset that is a parameter", "n, a_ptr", "tl.load(n + a_ptr)", UNKNOWN),
    ("one of two in a tuple", "a", "p, q = a + i, b + i\ntl.load(p)", POINTER),
    ("one of two in a nested tuple", "a", "(p, q), r = (a + i, b), c\ntl.load(p)", POINTER),
    ("held in a name that is set in a branch below", "a", "for i in range(n):\n    if i:\n        tl.load(p)\n    p = a + i", POINTER),
    ("held in a name that is set in the branch above", "a", "if flag:\n    p = a + 1\nelse:\n    p = b + 1\nfor i in range(n):\n    x = tl.load(p)\n    p += 8", POINTER),
    ("moved in place", "a", "a += tl.program_id(0) * stride\ntl.load(a + i)", POINTER),
    ("named in an expression", "a", "tl.load((p := a + i))", POINTER),
    ("held in an annotated name", "a", "p: tl.tensor = a + i\ntl.load(p)", POINTER),
    ("chosen by a mask", "a", "tl.load(tl.where(flag, a, b) + i)", POINTER),
    ("each of a loop over addresses", "a", "for p in (a, b):\n    tl.load(p)", POINTER),
    ("asked for the type it points to", "a", "x.to(a.dtype.element_ty)", POINTER),
    ("given to a load under a new name", "a", "from triton.language import load as ld\ntl.load(a)", POINTER),
    ("a number hinted to be aligned", "n", "tl.multiple_of(n, 16)", UNKNOWN),
    ("an offset with a hint", "n", "o = tl.multiple_of(n, 16)\ntl.load(x_ptr + o)", UNKNOWN),
    ("an element of what it holds", "a", "tl.load(a.ptr + i)", UNKNOWN),
    ("annotated as an optional number", "a: Optional[int]", "pass", SCALAR),
    ("annotated as one of two numbers", "a: Union[int, float]", "pass", SCALAR),
    ("annotated as an address of a type", 'a: "*fp32"', "pass", POINTER),
    ("annotated as a descriptor", "a: tl.tensor_descriptor", "pass", DESCRIPTOR),
    ("named after a stride of addresses", "ptr_stride", "tl.load(x_ptr + i * ptr_stride)", UNKNOWN),
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


LAUNCHED = (
    ("a bound", "n", "tl.store(x_ptr, 1, mask=i < n)", SCALAR),
    ("a factor", "n", "tl.store(x_ptr + i * n, 1)", SCALAR),
    ("an offset", "n", "tl.store(x_ptr + n, 1)", SCALAR),
    ("an offset in front", "n", "tl.store(n + x_ptr, 1)", SCALAR),
    ("an offset held in names", "n", "o = n + 1\nq = o\ntl.store(x_ptr + q, 1)", SCALAR),
    ("a value", "n", "tl.store(x_ptr, n)", SCALAR),
    ("the end of a loop", "n", "for i in range(n):\n    pass", SCALAR),
    ("given to a function of the language", "n", "tl.exp(n)", SCALAR),
    ("compared with a value", "n", "y = i == n", SCALAR),
    ("compared with nothing", "n", "if n == None:\n    pass", UNKNOWN),
    ("compared with a word", "n", 'if n == "sum":\n    pass', UNKNOWN),
    ("taken away", "n", "i -= n", SCALAR),
    ("given to a function of mathematics", "n", "rsqrt(x + n)", SCALAR),
    ("a stride that nothing uses", "stride_xm", "pass", SCALAR),
    ("nothing uses it", "n", "pass", UNKNOWN),
    ("only asked whether it is there", "n", "if n is not None:\n    pass", UNKNOWN),
    ("given to a function that is not at hand", "n", "mystery(n)", UNKNOWN),
    ("where only a constant can stand", "N", "tl.store(x_ptr + tl.program_id(0) * N + tl.arange(0, N), 1)", UNKNOWN),
    ("a tensor, by its annotation", "n: torch.Tensor", "mystery(n)", POINTER),
    ("a constant under another name", "N: Const", "tl.arange(0, N)", CONSTEXPR),
    ("a constant imported under another name", "N: C", "tl.arange(0, N)", CONSTEXPR),
)  # fmt: skip


@pytest.mark.parametrize(
    "param, body, kind", [k[1:] for k in LAUNCHED], ids=[k[0] for k in LAUNCHED]
)
def test_the_kind_of_a_parameter_of_a_launched_kernel(
    param: str, body: str, kind: ParamKind, tmp_path: Path
) -> None:
    source = (
        f"import torch\n{IMPORTS}from triton.language import constexpr as C\nfrom elsewhere import mystery, rsqrt\n"
        f"Const = tl.constexpr\n@triton.jit\ndef add(x_ptr, {param}):\n"
        + indent(body, "    ")
        + "\nadd[(1,)](x, 1)\n"
    )
    assert kernel_of(tmp_path, source).params[1].kind is kind


ANNOTATED_LATER = (
    ("by name", '_fill.__annotations__["N"] = tl.constexpr'),
    ("in a loop over names", 'for name in ("N", "M"):\n    _fill.__annotations__[name] = tl.constexpr'),
    ("all at once", '_fill.__annotations__ = {"N": tl.constexpr}'),
    ("as an update", '_fill.__annotations__.update({"N": tl.constexpr})'),
    ("as an update by keyword", "_fill.__annotations__.update(N=tl.constexpr)"),
    ("by a loop over the items", '_fill.__annotations__.update({k: tl.constexpr for k in ("N", "M")})'),
)  # fmt: skip


@pytest.mark.parametrize(
    "code", [c[1] for c in ANNOTATED_LATER], ids=[c[0] for c in ANNOTATED_LATER]
)
def test_annotations_that_are_set_later(code: str, tmp_path: Path) -> None:
    source = f"""
import importlib
tl = None

def _fill(x_ptr, n, N):
    o = tl.program_id(0) * N + tl.arange(0, N)
    tl.store(x_ptr + o, 1.0, mask=o < n)

def run(x):
    global tl
    triton = importlib.import_module("triton")
    tl = importlib.import_module("triton.language")
{indent(code, "    ")}
    fill = triton.jit(_fill)
    fill[(1,)](x, x.numel(), N=64)
"""
    kinds = [p.kind for p in kernel_of(tmp_path, source, "_fill").params]
    assert kinds == [POINTER, SCALAR, CONSTEXPR]


HANDED_ON = (
    ("what it gives back is an address", "def at(p, i):\n    return p + i", "tl.load(at(a, n))"),
    ("what it gives back is one of two addresses", "def at(p, i):\n    q = p + i if i else p\n    return q, i", "q, j = at(a, n)\ntl.load(q)"),
    ("what it is given", "def at(p, i):\n    tl.store(p + i, 1)", "at(a + 1, n)"),
    ("what it is given by keyword", "def at(p, i):\n    tl.store(p + i, 1)", "at(i=n, p=a)"),
    ("what it is given under a name", "def at(p, i):\n    tl.store(p + i, 1)", "b = a\nat(b, n)"),
    ("what it hands on in its turn", "def last(p, i):\n    tl.store(i * 2 + p, 1)\n@triton.jit\ndef at(q, j):\n    last(q, j)", "at(a, n)"),
)  # fmt: skip


@pytest.mark.parametrize(
    "function, body", [h[1:] for h in HANDED_ON], ids=[h[0] for h in HANDED_ON]
)
def test_kinds_flow_back_from_functions(function: str, body: str, tmp_path: Path) -> None:
    helper = f"{IMPORTS}@triton.jit\n{function}\n"
    user = (
        f"{IMPORTS}from helper import at\n@triton.jit\ndef add(a, n):\n"
        + indent(body, "    ")
        + "\nadd[(1,)](x, 1)\n"
    )
    found = kernels_of(tmp_path, {"helper.py": helper, "user.py": user})
    kinds = [p.kind for p in found["user.py::add"].params]
    assert kinds[0] is POINTER
    assert kinds[1] in (SCALAR, UNKNOWN)


def test_what_configurations_are_chosen_by_is_a_number(tmp_path: Path) -> None:
    source = (
        f"{IMPORTS}@triton.autotune(configs=[triton.Config({{}})], key=['n'])\n"
        "@triton.jit\ndef add(x_ptr, n):\n    tl.store(x_ptr, 1)\n"
    )
    assert [p.kind for p in kernel_of(tmp_path, source).params] == [POINTER, SCALAR]


@pytest.mark.parametrize(
    "call",
    [
        "gl.warp_specialize((a, n), load, (a, n), [load])",
        "gl.warp_specialize([(load, (a, n)), (load, (a, n))], [1], [24])",
    ],
)
def test_kinds_flow_back_from_warps_with_work_of_their_own(call: str, tmp_path: Path) -> None:
    source = f"""
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import tma

@gluon.jit
def load(d, m):
    tma.async_copy_global_to_shared(d, [m * 2], 0, 0)

@gluon.jit
def add(a, n):
    {call}

add[(1,)](x, 1)
"""
    assert [p.kind for p in kernel_of(tmp_path, source).params] == [DESCRIPTOR, SCALAR]


def test_an_attribute_of_an_object_says_nothing_of_the_object(tmp_path: Path) -> None:
    record = read(tmp_path, "a", "x.to(a.ptr.type.element_ty)")
    assert record.params[0].kind is UNKNOWN


def test_what_takes_all_the_rest_has_no_kind(tmp_path: Path) -> None:
    source = (
        f"{IMPORTS}@triton.jit\ndef add(x_ptr, *args, **meta):\n"
        "    tl.store(x_ptr + args[0] * meta['N'], 1)\nadd[(1,)](x, 1)\n"
    )
    assert [p.kind for p in kernel_of(tmp_path, source).params] == [POINTER, UNKNOWN, UNKNOWN]


def test_memory_that_gluon_made_is_no_descriptor(tmp_path: Path) -> None:
    source = """
from triton.experimental import gluon
from triton.experimental.gluon import language as gl

@gluon.jit
def add(smem, layout):
    return smem.load(layout)
"""
    assert kernel_of(tmp_path, source).params[0].kind is UNKNOWN


def test_what_is_copied_to_shared_memory_comes_second(tmp_path: Path) -> None:
    source = """
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.ampere import async_copy
from triton.experimental.gluon.language.nvidia.hopper import tma

@gluon.jit
def add(a, b, smem, bar):
    async_copy.async_copy_global_to_shared(smem, a + gl.arange(0, 8))
    tma.async_copy_global_to_shared(b, [0], bar, smem)
"""
    kinds = [p.kind for p in kernel_of(tmp_path, source).params]
    assert kinds == [POINTER, DESCRIPTOR, UNKNOWN, UNKNOWN]


def test_what_is_computed_with_in_a_kernel_that_is_launched_is_a_scalar(tmp_path: Path) -> None:
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
    ("a comment that leads the body", "def add(x):\n    # Adds\n    # twice.\n    pass", None),
    ("a comment behind code", "def add(x):\n    y = 1\n    # not this", None),
    ("comments between parameters", "def add(\n    x,  # the input\n    n,\n    m=1,  # how many\n):\n    pass", None),
    ("a comment with a note behind it", "# Adds.  # noqa: E501\n@triton.jit\ndef add(x):\n    pass", "Adds."),
    ("a cell's mark", "# %%\n# ------\n@triton.jit\ndef add(x):\n    pass", None),
    ("code that was commented out", '# @triton.autotune(\n#     configs=[triton.Config({"N": 1})],\n#     key=["n"],\n# )\n@triton.jit\ndef add(x):\n    pass', None),
    ("a call that was commented out", "# tl.store(x, 1)\n@triton.jit\ndef add(x):\n    pass", None),
    ("a formula", "# y = x + 1 for each element\n@triton.jit\ndef add(x):\n    pass", "y = x + 1 for each element"),
    ("a note to do", "# TODO: faster\n# Adds.\n@triton.jit\ndef add(x):\n    pass", "Adds."),
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
    ("a table from elsewhere", "@triton.heuristics(elsewhere.TABLE)", ()),
    ("a table that a function from elsewhere makes", '@triton.heuristics(make("add"))', ()),
    ("a table with another in it", '@triton.heuristics({**TABLE, "C": f})', ("A", "B", "C")),
    ("two tables joined", '@triton.heuristics(TABLE | {"C": f})', ("A", "B", "C")),
    ("a table by keyword", "@triton.heuristics(dict(A=f, B=g))", ("A", "B")),
    ("a table that a function of the file makes", "@triton.heuristics(made())", ("D",)),
    ("none", "", ()),
)


@pytest.mark.parametrize("line, names", [h[1:] for h in HEURISTICS], ids=[h[0] for h in HEURISTICS])
def test_heuristics(line: str, names: tuple[str, ...], tmp_path: Path) -> None:
    head = f'{IMPORTS}TABLE = {{"A": f, "B": g}}\ndef made():\n    return {{"D": f}}\n'
    source = f"{head}{line}\n@triton.jit\ndef add(x):\n    pass\n"
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
