"""One kernel of a small project as one file: what stands in it, what is told, what is refused."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from crawler.enrich.api_table import load_table
from crawler.extract import Extraction, NotExtractable, Project, extract_kernel

NEWEST = load_table().releases[-1]
HEAD = "import triton\nimport triton.language as tl\n"
BODY = "(x_ptr, n, BLOCK: tl.constexpr):\n    tl.store(x_ptr, "


@dataclass(frozen=True)
class Case:
    says: str
    files: dict[str, str]
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)


def kernel(value: str, decorators: str = "@triton.jit\n", head: str = "") -> str:
    return f"{HEAD}{head}\n{decorators}def kernel{BODY}{value})\n"


def project(files: dict[str, str]) -> Project:
    return Project(
        "ada/kernels",
        files,
        lambda path: files[path].encode() if path in files else None,
        permalink=lambda path, first, last: (
            f"https://github.com/ada/kernels/{path}#L{first}-L{last}"
        ),
        license=lambda path, head: "MIT",
    )


def extract(files: dict[str, str], **options: str) -> Extraction | NotExtractable:
    return extract_kernel(project(files), "pkg/k.py", "kernel", **options)  # type: ignore[arg-type]


UTILS = f"""{HEAD}
@triton.jit
def double(x):
    return x + x
"""

CASES = [
    Case(
        "constants of the same file, one from the other",
        {"pkg/k.py": kernel("SCALE", head="BASE = tl.constexpr(3)\nSCALE = BASE * 2\n")},
        has=("BASE = tl.constexpr(3)\nSCALE = BASE * 2",),
    ),
    Case(
        "a device function of another file, under the name it is imported by",
        {
            "pkg/__init__.py": "",
            "pkg/u.py": UTILS,
            "pkg/k.py": kernel("twice(n)", head="from .u import double as twice\n"),
        },
        has=("def twice(x):", "tl.store(x_ptr, twice(n))"),
        told=("double of pkg/u.py is called twice",),
    ),
    Case(
        "a module of the project before a name",
        {
            "pkg/__init__.py": "",
            "pkg/u.py": UTILS,
            "pkg/k.py": kernel("u.double(n)", head="from pkg import u\n"),
        },
        has=("tl.store(x_ptr, double(n))",),
        lacks=("u.double(",),
    ),
    Case(
        "same names of two files are told apart",
        {
            "pkg/__init__.py": "",
            "pkg/a.py": f"{HEAD}\n@triton.jit\ndef act(x):\n    return x\n",
            "pkg/b.py": (
                f"{HEAD}from .a import act as inner\n\n@triton.jit\ndef act(x):\n"
                "    return inner(x)\n\n@triton.jit\ndef outer(x):\n    return act(x)\n"
            ),
            "pkg/k.py": kernel("act(outer(n))", head="from .a import act\nfrom .b import outer\n"),
        },
        has=("def act(x):\n    return x\n", "def act_2(x):\n    return act(x)", "return act_2(x)"),
    ),
    Case(
        "a flag that goes by the target",
        {
            "pkg/k.py": kernel(
                "IS_AMD", head="import torch\nIS_AMD = torch.version.hip is not None\n"
            )
        },
        has=("IS_AMD = True",),
        lacks=("torch\n", "import torch"),
        told=("IS_AMD = True was torch.version.hip is not None for Triton 3.6.0, hip:gfx942",),
        options={"target": "hip:gfx942", "triton": "3.6.0"},
    ),
    Case(
        "a definition that goes by the release",
        {
            "pkg/k.py": kernel(
                "pick(n)",
                head=(
                    "from packaging import version\n"
                    "if version.parse(triton.__version__) >= version.parse('3.2.0'):\n"
                    "    @triton.jit\n    def pick(x):\n        return x + 1\n"
                    "else:\n    @triton.jit\n    def pick(x):\n        return x - 1\n"
                ),
            )
        },
        has=("def pick(x):\n    return x - 1",),
        lacks=("x + 1",),
        options={"triton": "3.1.0"},
    ),
    Case(
        "an import that the release has not falls back",
        {
            "pkg/k.py": kernel(
                "libdevice.exp(n)",
                head=(
                    "try:\n    from triton.language.extra import libdevice\n"
                    "except ImportError:\n    from triton.language.math import exp as libdevice\n"
                ),
            )
        },
        has=("from triton.language.extra import libdevice",),
        options={"triton": "3.9.0"},
    ),
    Case(
        "configs of a comprehension are written out, a project's tuner is plain autotune",
        {
            "pkg/__init__.py": "",
            "pkg/tune.py": "def libtuner(configs, key, strategy=None):\n    return lambda f: f\n",
            "pkg/k.py": kernel(
                "n",
                "@libentry()\n@libtuner(configs=[triton.Config({'BLOCK': b}, num_warps=w) "
                "for b in (32, 64) for w in WARPS], key=['n'], strategy=['log'])\n@triton.jit\n",
                head=(
                    "from .tune import libtuner\nfrom .tune import libtuner as libentry\n"
                    "WARPS = [4]\n"
                ),
            ),
        },
        has=(
            "@triton.autotune(",
            "triton.Config({'BLOCK': 32}, num_warps=4),\n"
            "        triton.Config({'BLOCK': 64}, num_warps=4),",
            'key=["n"]',
        ),
        lacks=("@libtuner", "@libentry"),
        told=("@libentry() of kernel",),
    ),
    Case(
        "configs that only a run knows become one default",
        {
            "pkg/k.py": kernel(
                "n",
                "@triton.autotune(configs=load_configs('k'), key=['n'])\n@triton.jit\n",
                head="from elsewhere import load_configs\n",
            )
        },
        has=("triton.Config({'BLOCK': 64}, num_warps=4)",),
        told=("one default config",),
    ),
    Case(
        "heuristics keep their lambdas; one that needs the project is left out",
        {
            "pkg/k.py": kernel(
                "n",
                "@triton.heuristics({'A': lambda args: args['n'] > 4, "
                "'B': lambda args: choose(args)})\n@triton.jit\n",
                head="from elsewhere import choose\n",
            )
        },
        has=("\"A\": lambda args: args['n'] > 4",),
        lacks=("choose(args)})",),
        told=("heuristic of B",),
    ),
    Case(
        "a function that is a constant is called while compiling",
        {
            "pkg/k.py": kernel(
                "wide(BLOCK)",
                head="@tl.constexpr\ndef wide(n: tl.constexpr) -> tl.constexpr:\n    return n\n",
            )
        },
        has=("@tl.constexpr\ndef wide(n: tl.constexpr) -> tl.constexpr:",),
    ),
    Case(
        "types that an annotation spells as Triton's strings stay",
        {
            "pkg/k.py": f"{HEAD}import torch\n\n@triton.jit\ndef kernel(x_ptr: torch.Tensor, "
            "n: 'i32') -> None:\n    tl.store(x_ptr, n)\n"
        },
        has=("def kernel(x_ptr, n: 'i32') -> None:",),
        told=("annotation torch.Tensor of kernel(x_ptr)",),
    ),
    Case(
        "a kernel under a condition stands at the margin",
        {
            "pkg/k.py": f"{HEAD}\nif True:\n    @triton.jit\n"
            "    def kernel(x_ptr, n, BLOCK: tl.constexpr):\n"
            '        """Two\n        lines."""\n        tl.store(x_ptr, n)\n'
        },
        has=('\ndef kernel(x_ptr, n, BLOCK: tl.constexpr):\n    """Two\n        lines."""',),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_the_file_holds_what_the_kernel_needs(case: Case) -> None:
    made = extract(case.files, **case.options)
    assert isinstance(made, Extraction), made
    ast.parse(made.source)
    code = made.source.partition("\nimport triton")
    for text in case.has:
        assert text in made.source
    for text in case.lacks:
        assert text not in code[1] + code[2]
    for text in case.told:
        assert any(text in told for told in (*made.replaced, *made.left_out)), made


REFUSED = [
    ("a name that is nowhere", kernel("missing(n)"), "needs: missing (not found)"),
    (
        "a Python function",
        kernel("helper(n)", head="def helper(x):\n    return x\n"),
        "needs: pkg/k.py::helper (a Python function called by the kernel)",
    ),
    (
        "a package outside",
        kernel("np.pi", head="import numpy as np\n"),
        "needs: numpy (outside the project)",
    ),
    (
        "open parameters, as Triton 1 took them",
        f"{HEAD}\n@triton.jit\ndef kernel(x_ptr, **meta):\n    tl.store(x_ptr, meta['N'])\n",
        "needs: **meta (open parameters of kernel; no release since 2.0 fills them)",
    ),
    (
        "a dialect of Triton that no release has",
        kernel("tle.at(n)", head="import triton.experimental.tle.language as tle\n"),
        f"needs: triton.experimental.tle.language (not in Triton {NEWEST})",
    ),
    (
        "a name that the release has not",
        kernel("libdevice.exp(n)", head="from triton.language import libdevice\n"),
        f"needs: triton.language.libdevice (not in Triton {NEWEST})",
    ),
    ("a road out of Python", kernel("open(n)"), "needs: open (a builtin that is not let through)"),
    (
        "a value that only a run knows",
        kernel("SMS", head="import elsewhere\nSMS = elsewhere.count()\n"),
        "needs: SMS (its value is not known before a run: elsewhere.count)",
    ),
    (
        "a compile-time function that imports",
        kernel(
            "size(BLOCK)",
            head="@triton.constexpr_function\ndef size(n):\n    import os\n    return n\n",
        ),
        "needs: size (a compile-time function with statements of a module)",
    ),
]


@pytest.mark.parametrize(("says", "source", "reason"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_cannot_be_whole_is_refused_by_name(says: str, source: str, reason: str) -> None:
    assert extract({"pkg/k.py": source}) == NotExtractable(reason=reason)


def test_a_hostile_default_and_decorator_never_stand_in_the_file() -> None:
    source = kernel("n", "@(lambda f: __import__('os').system('x') or f)\n@triton.jit\n")
    made = extract({"pkg/k.py": source})
    assert isinstance(made, Extraction)
    code = made.source.partition("\nimport triton")[2]
    assert "__import__" not in code
    default = source.replace("n, BLOCK", "n=__import__('os').getpid(), BLOCK")
    assert isinstance(extract({"pkg/k.py": default}), NotExtractable)


def test_releases_and_parts_are_told_with_the_heads_of_the_files() -> None:
    text = "# Copyright 2024 Ada\n" + kernel("tl.gather(x_ptr, n, 0)")
    made = extract({"pkg/k.py": text})
    assert isinstance(made, Extraction)
    assert "# Copyright 2024 Ada" in made.source
    assert [(p.name, p.kind, p.license) for p in made.parts] == [("kernel", "kernel", "MIT")]
    assert made.triton_min == "3.3.0"
    assert made.triton_max is None


def test_the_scanner_is_not_imported_to_extract() -> None:
    said = "import sys, crawler.extract; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert "crawler.extract.assembly" in done.stdout.split()
    assert not {"crawler.scan.link", "crawler.scan.collect"} & set(done.stdout.split())
