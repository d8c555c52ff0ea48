"""How a kernel is reached: public functions above it, autograd functions, imports."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from crawler.models import KernelRecord
from tests.crawler.scan.project import kernels_of

KERNEL = """
import torch
import triton
import triton.language as tl

@triton.jit
def k(x_ptr, n, BLOCK: tl.constexpr):
    tl.store(x_ptr, n)
"""


def found(folder: Path, files: dict[str, str], name: str = "k") -> KernelRecord:
    """Return the kernel `name` of a project; the word KERNEL in a file stands for that of above."""
    written = {path: dedent(code).replace("KERNEL", KERNEL) for path, code in files.items()}
    kernels = {id.partition("::")[2]: kernel for id, kernel in kernels_of(folder, written).items()}
    return kernels[name]


LAUNCH = "KERNEL\ndef run(x, n, *, eps, block=64, **more):\n    k[(1,)](x, n, block)\n"
PRIVATE = LAUNCH.replace("run", "_run")
AUTOGRAD = """KERNEL
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, n, block=64):
        return _run(x, n)

    @staticmethod
    def backward(ctx, dy):
        return None

def _run(x, n):
    k[(1,)](x, n, 64)
"""

USAGES = (
    ("a function and what it must be given", {"ops.py": LAUNCH}, "from ops import run; run(x, n, eps=eps)"),
    ("a package", {"pkg/__init__.py": "", "pkg/ops.py": LAUNCH}, "from pkg.ops import run; run(x, n, eps=eps)"),
    ("a package under src", {"src/pkg/__init__.py": "", "src/pkg/ops/__init__.py": "", "src/pkg/ops/a.py": LAUNCH}, "from pkg.ops.a import run; run(x, n, eps=eps)"),
    ("the package's own file", {"pkg/__init__.py": LAUNCH}, "from pkg import run; run(x, n, eps=eps)"),
    ("folders without packages", {"src/kernels/ops.py": LAUNCH}, "from kernels.ops import run; run(x, n, eps=eps)"),
    ("a file that no import can name", {"01-add.py": LAUNCH}, "run(x, n, eps=eps)"),
    ("a keyword for a name", {"class/ops.py": LAUNCH}, "run(x, n, eps=eps)"),
    ("a private function, where there is no other", {"ops.py": PRIVATE}, "from ops import _run; _run(x, n, eps=eps)"),
    ("the public function above a private one", {"ops.py": PRIVATE + "def go(x):\n    return _run(x, 1, eps=0)\n"}, "from ops import go; go(x)"),
    ("the nearest public function", {"ops.py": LAUNCH + "def go(x):\n    return run(x, 1, eps=0)\n"}, "from ops import run; run(x, n, eps=eps)"),
    ("a function of another file", {"ops.py": PRIVATE, "api.py": "from ops import _run\ndef go(x):\n    return _run(x, 1, eps=0)\nimport triton\n"}, "from api import go; go(x)"),
    ("a function reached through a module", {"ops.py": PRIVATE, "api.py": "import ops\nimport triton\ndef go(x):\n    return ops._run(x, 1, eps=0)\n"}, "from api import go; go(x)"),
    ("an alias chosen by a condition", {"ops.py": PRIVATE + "def go(x):\n    f = _run if x else None\n    return f(x)\n"}, "from ops import go; go(x)"),
    ("an autograd function", {"ops.py": AUTOGRAD}, "from ops import F; F.apply(x, n)"),
    ("an autograd function with a context of its own", {"ops.py": AUTOGRAD.replace("ctx, x", "x") + "F2 = F\n" "class G(F):\n    @staticmethod\n    def setup_context(ctx, a, b):\n        pass\n    @staticmethod\n    def forward(x, m):\n        return _run(x, m)\n"}, "from ops import F; F.apply(n)"),
    ("a public function above a private autograd function", {"ops.py": AUTOGRAD.replace("class F", "class _F") + "def go(x):\n    return _F.apply(x, 1)\n"}, "from ops import go; go(x)"),
    ("what applies an autograd function, held in a name", {"ops.py": AUTOGRAD.replace("class F", "class _F") + "apply = _F.apply\ndef go(x):\n    return apply(x, 1)\n"}, "from ops import go; go(x)"),
    ("a backward pass", {"ops.py": AUTOGRAD.replace("return _run(x, n)", "return x").replace("return None", "return _run(dy, 1)")}, "from ops import F; F.apply(x, n)  # in its backward pass"),
    ("a backward pass below a public function", {"ops.py": AUTOGRAD.replace("class F", "class _F").replace("return _run(x, n)", "return x").replace("return None", "return _run(dy, 1)") + "def go(x):\n    return _F.apply(x, 1)\n"}, "from ops import go; go(x)  # in its backward pass"),
    ("a public name of what applies an autograd function", {"ops.py": AUTOGRAD.replace("class F", "class _F") + "flash = _F.apply\n"}, "from ops import flash; flash(x, n)"),
    ("a public name of a private function", {"ops.py": PRIVATE + "go = _run\n"}, "from ops import go; go(x, n, eps=eps)"),
    ("the differentiable entry above a public launcher", {"ops.py": AUTOGRAD.replace("_run", "run_fwd") + "def go(x):\n    return F.apply(x, 1)\n"}, "from ops import go; go(x)"),
    ("an autograd function that another file applies", {"ops.py": AUTOGRAD, "model.py": "import triton\nfrom ops import F\ndef block(x):\n    return F.apply(x, 1)\n"}, "from ops import F; F.apply(x, n)"),
    ("an autograd function whose forward takes its class", {"ops.py": AUTOGRAD.replace("@staticmethod\n    def forward(ctx", "@classmethod\n    def forward(cls, ctx")}, "from ops import F; F.apply(x, n)"),
    ("a launcher that both passes use", {"ops.py": AUTOGRAD.replace("return _run(x, n)", "return _fwd(x, n)").replace("return None", "return _run(dy, 1)") + "def _fwd(x, n):\n    return _run(x, n)\n"}, "from ops import F; F.apply(x, n)"),
    ("the differentiable entry above a public launcher, the class private", {"ops.py": AUTOGRAD.replace("_run", "run_fwd").replace("class F", "class _F") + "def go(x):\n    return _F.apply(x, 1)\n"}, "from ops import go; go(x)"),
    ("a launcher that many autograd functions use", {"ops.py": LAUNCH, "f.py": "import torch\nfrom ops import run\nclass F(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return run(x, 1, eps=0)\n", "g.py": "import torch\nfrom ops import run\nclass G(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return run(x, 1, eps=0)\n"}, "from ops import run; run(x, n, eps=eps)"),
    ("a namespace package, as the project imports it", {"mega/core/__init__.py": "", "mega/core/ops.py": LAUNCH, "tests/t.py": "import triton\nfrom mega.core.ops import run\n"}, "from mega.core.ops import run; run(x, n, eps=eps)"),
    ("a package in a folder that may be one", {"mega/core/__init__.py": "", "mega/core/ops.py": LAUNCH}, "run(x, n, eps=eps)"),
    ("a package beside its setup", {"mega/setup.py": "", "mega/core/__init__.py": "", "mega/core/ops.py": LAUNCH}, "from core.ops import run; run(x, n, eps=eps)"),
    ("a package in a folder that can be none", {"my-ops/core/__init__.py": "", "my-ops/core/ops.py": LAUNCH}, "from core.ops import run; run(x, n, eps=eps)"),
    ("a folder without a package inside one", {"src/pkg/__init__.py": "", "src/pkg/ops/k.py": LAUNCH}, "from pkg.ops.k import run; run(x, n, eps=eps)"),
    ("a script's neighbour, as the script imports it", {"demo/ops.py": LAUNCH, "demo/main.py": "import triton\nfrom ops import run\n"}, "from ops import run; run(x, n, eps=eps)"),
    ("a module of torch", {"ops.py": "KERNEL\nclass Norm(torch.nn.Module):\n    def __init__(self, size, eps=0):\n        self.size = size\n    def forward(self, x):\n        k[(1,)](x, self.size, 64)\n"}, "from ops import Norm; Norm(size)(x)"),
    ("a method that calls another", {"ops.py": "KERNEL\nclass Norm:\n    def forward(self, x):\n        self._go(x)\n    def _go(self, x):\n        k[(1,)](x, 1, 64)\n"}, "from ops import Norm; Norm()(x)"),
    ("a launch inside an inner function", {"ops.py": "KERNEL\ndef run(x):\n    def inner():\n        k[(1,)](x, 1, 64)\n    return inner\n"}, "from ops import run; run(x)"),
    ("tests and benchmarks come last", {"ops.py": PRIVATE, "tests/test_ops.py": "from ops import _run\nimport triton\ndef check(x):\n    _run(x, 1, eps=0)\n"}, "from ops import _run; _run(x, n, eps=eps)"),
    ("nothing launches it", {"ops.py": "KERNEL"}, None),
    ("only a script launches it", {"ops.py": "KERNEL\nk[(1,)](x, 1, 64)\n"}, None),
    ("only functions that call each other", {"ops.py": PRIVATE.replace("k[(1,)](x, n, block)", "k[(1,)](x, n, block); _other(x)") + "def _other(x):\n    _run(x, 1, eps=0)\n"}, "from ops import _run; _run(x, n, eps=eps)"),
)  # fmt: skip


@pytest.mark.parametrize(("says", "files", "usage"), USAGES, ids=[case[0] for case in USAGES])
def test_usage(tmp_path, says, files, usage):
    assert found(tmp_path, files).usage == usage


def test_a_device_function_is_imported(tmp_path):
    code = "KERNEL\n@triton.jit\ndef part(x):\n    return x\n@triton.jit\ndef whole(x):\n    tl.store(x, part(x))\n"
    assert found(tmp_path, {"ops.py": code}, "part").usage == "from ops import part"


def test_a_pointwise_function_is_called(tmp_path):
    code = "KERNEL\nfrom expand import pointwise\n@pointwise(n=1)\n@triton.jit\ndef relu(x, y):\n    return x\n"
    kernel = found(tmp_path, {"ops.py": code}, "relu")
    assert (kernel.role, kernel.usage) == ("pointwise", "from ops import relu; relu(x, y)")
    called = code + "def go(a):\n    return relu(a, a)\n"
    kernel = found(tmp_path, {"ops.py": called}, "relu")
    assert (kernel.role, kernel.usage) == ("pointwise", "from ops import go; go(a)")
    assert kernel.launchers == ("ops.py::go",)


PASSES = (
    ("a launch in a method", AUTOGRAD.replace("return _run(x, n)", "k[(1,)](x, n, 64)"), ["forward ops.py::F"]),
    ("a launch in a helper", AUTOGRAD, ["forward ops.py::F"]),
    ("a launch in both", AUTOGRAD.replace("return None", "return _run(dy, 1)"), ["backward ops.py::F", "forward ops.py::F"]),
    ("an imported base", AUTOGRAD.replace("class F(torch.autograd.Function)", "from torch.autograd import Function as Base\nclass F(Base)"), ["forward ops.py::F"]),
    ("a base of the project", AUTOGRAD.replace("class F(torch.autograd.Function)", "class Base(torch.autograd.Function):\n    pass\nclass F(Base)"), ["forward ops.py::F"]),
    ("a kernel kept by the class", AUTOGRAD.replace("return _run(x, n)", "F.kernel[(1,)](x, n, 64)").replace("class F(torch.autograd.Function):", "class F(torch.autograd.Function):\n    kernel = k\n"), ["forward ops.py::F"]),
    ("an autograd function inside another ends there", AUTOGRAD + "class G(torch.autograd.Function):\n    @staticmethod\n    def backward(ctx, dy):\n        return F.apply(dy, 1)\n", ["forward ops.py::F"]),
    ("a class that is none", AUTOGRAD.replace("torch.autograd.Function", "torch.nn.Module"), []),
)  # fmt: skip


@pytest.mark.parametrize(("says", "code", "passes"), PASSES, ids=[case[0] for case in PASSES])
def test_passes(tmp_path, says, code, passes):
    assert list(found(tmp_path, {"ops.py": code}).passes) == passes


def test_passes_lead_through_files_that_do_not_mention_triton(tmp_path):
    files = {
        "ops/__init__.py": "",
        "ops/k.py": LAUNCH,
        "ops/f.py": "import torch\nfrom .k import run\nclass F(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return run(x, 1, eps=0)\n",
    }
    assert found(tmp_path, files).passes == ("forward ops/f.py::F",)


def test_a_long_chain_of_calls_ends(tmp_path):
    chain = "".join(f"def f{n}(x):\n    return f{n - 1}(x)\n" for n in range(1, 3000))
    code = "KERNEL\ndef f0(x):\n    k[(1,)](x, 1, 64)\n" + chain
    assert found(tmp_path, {"ops.py": code}).usage == "from ops import f0; f0(x)"
