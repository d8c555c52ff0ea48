"""What may be compiled: the part of a file that a kernel needs, if it is plain."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from crawler.plain_kernel import NotPlain, PlainKernel, jit_functions, plain_kernel

HEAD = "import triton\nimport triton.language as tl\n"
KERNEL = "@triton.jit\ndef k(x_ptr, n, BLOCK: tl.constexpr):\n    tl.store(x_ptr + n, {})\n"


def gate(source: str, name: str = "k") -> PlainKernel | NotPlain:
    return plain_kernel(dedent(source), name)


def kept(source: str, name: str = "k") -> set[str]:
    """Return the names that the kept part sets."""
    plain = gate(source, name)
    assert isinstance(plain, PlainKernel), plain
    compile(plain.source, "kernel.py", "exec")
    found = set()
    for node in ast.parse(plain.source).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def test_keeps_what_the_kernel_reaches_and_nothing_else() -> None:
    source = HEAD + dedent(
        """
        import os
        import torch
        SCALE = tl.constexpr(3)
        UNUSED = os.environ["HOME"]

        @triton.jit
        def helper(x):
            return x * SCALE

        @triton.jit
        def other(x):
            return x

        @triton.jit
        def k(x_ptr, BLOCK: tl.constexpr):
            tl.store(x_ptr, helper(tl.load(x_ptr)))

        def launch(x):
            os.system("true")
            k[(1,)](x, 64)

        if __name__ == "__main__":
            launch(torch.ones(1))
        """
    )
    assert kept(source) == {"SCALE", "helper", "k"}


def test_configs_and_heuristics_stay_where_they_are_plain() -> None:
    source = HEAD + dedent(
        """
        @triton.autotune(
            [triton.Config({"BLOCK": b}, num_warps=4) for b in (64, 128)],
            key=["n"], prune_configs_by={"early_config_prune": prune},
        )
        @triton.heuristics({"EVEN": lambda args: args["n"] % args["BLOCK"] == 0})
        @triton.jit
        def k(x_ptr, n, BLOCK: tl.constexpr, EVEN: tl.constexpr):
            tl.store(x_ptr, n)
        """
    )
    plain = gate(source)
    assert isinstance(plain, PlainKernel)
    assert "triton.Config" in plain.source
    assert "heuristics" in plain.source
    assert "prune" not in plain.source


def test_configs_that_have_to_be_asked_for_are_left_to_guessing() -> None:
    source = HEAD + "@triton.autotune(configs=get_configs(), key=[])\n" + KERNEL.format(0)
    plain = gate(source)
    assert isinstance(plain, PlainKernel)
    assert "autotune" not in plain.source


REFUSED = {
    "a decorator of a project": (
        "@cached\n" + KERNEL.format(0),
        "decorator cached of k",
    ),
    "a decorator that is called": (
        "@(lambda f: open('/etc/passwd') and f)\n" + KERNEL.format(0),
        "decorator",
    ),
    "a call in an argument of jit": (
        "@triton.jit(do_not_specialize=open('/etc/passwd').read())\n"
        "def k(x_ptr):\n    tl.store(x_ptr, 0)\n",
        "calls open",
    ),
    "a call in a default": (
        "@triton.jit\ndef k(x_ptr, n=open('/etc/passwd')):\n    tl.store(x_ptr, 0)\n",
        "calls open",
    ),
    "a call in a constant": (
        "SECRET = __import__('os').environ\n" + KERNEL.format("SECRET"),
        "__import__",
    ),
    "a lambda in a constant": ("f = lambda: 0\n" + KERNEL.format("f()"), "a lambda"),
    "a Python function": ("def f(x):\n    return x\n" + KERNEL.format("f(n)"), "needs f"),
    "a class with a subscript": (
        "class C:\n    def __class_getitem__(cls, i):\n        return open(i)\n"
        + KERNEL.format("C['/etc/passwd']"),
        "a class is not compiled",
    ),
    "a module of Python in the body": (
        "import os\n" + KERNEL.format("os.getpid()"),
        "needs os",
    ),
    "a module behind the language": (
        KERNEL.format("tl.core.os.system('id')"),
        "triton.language.core.os.system is not of the language",
    ),
    "Python behind the language": (
        KERNEL.format("tl.core.builtins.open('/etc/passwd')"),
        "not of the language",
    ),
    "the runtime behind triton": (
        KERNEL.format("triton.runtime.driver.active"),
        "not of the language",
    ),
    "a module imported from the language": (
        "from triton.language.core import os\n" + KERNEL.format("os.getpid()"),
        "not of the language",
    ),
    "everything of a module": (
        "from triton.language import *\n" + KERNEL.format("cos(n)"),
        "needs cos",
    ),
    "the class of a value": (KERNEL.format("n.__class__.__base__"), "attribute __"),
    "getattr": (KERNEL.format("getattr(triton, 'os')"), "needs getattr"),
    "eval": (KERNEL.format("eval('1')"), "needs eval"),
    "an import in the body": (
        "@triton.jit\ndef k(x_ptr):\n    import os\n    tl.store(x_ptr, 0)\n",
        "import is not compiled",
    ),
    "a compile-time function that opens a file": (
        "@triton.constexpr_function\ndef f(n):\n    return open('/etc/passwd').read()\n"
        + KERNEL.format("f(n)"),
        "needs open",
    ),
    "the frames of a compile-time function": (
        "@triton.constexpr_function\ndef f(n):\n    return (i for i in [n]).gi_frame\n"
        + KERNEL.format("f(n)"),
        "attribute gi_frame",
    ),
    "a format string that reads attributes": (
        KERNEL.format("'{0.x}'.format(n)"),
        "attribute format",
    ),
    "a name that is set twice": ("A = 1\nA = 2\n" + KERNEL.format("A"), "A is set 2 times"),
    "a name of a branch": ("if True:\n    A = 1\n" + KERNEL.format("A"), "a if is not compiled"),
    "no such name": (KERNEL.format("helper(n)"), "needs helper (not in the file, used by k)"),
    "text that is no Python": ("def k(:\n", "syntax error"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_by_name(case: str) -> None:
    source, reason = REFUSED[case]
    refused = gate(HEAD + source)
    assert isinstance(refused, NotPlain)
    assert reason in refused.reason


def test_heuristics_that_are_not_plain_are_left_out() -> None:
    source = "@triton.heuristics({'A': lambda a: open('/etc/passwd')})\n" + KERNEL.format(0)
    plain = gate(HEAD + source)
    assert isinstance(plain, PlainKernel)
    assert "open" not in plain.source


def test_an_annotation_that_is_not_plain_is_left_out() -> None:
    source = (
        "@triton.jit\ndef k(x_ptr: open('/etc/passwd'), B: tl.constexpr):\n    tl.store(x_ptr, B)"
    )
    plain = gate(HEAD + source)
    assert isinstance(plain, PlainKernel)
    assert "open" not in plain.source
    assert "tl.constexpr" in plain.source


def test_deep_nesting_is_refused() -> None:
    source = HEAD + KERNEL.format("(" * 150 + "n" + ")" * 150 + " + 1" * 20_000)
    assert isinstance(gate(source), NotPlain)


def test_lists_the_jit_functions_of_a_file() -> None:
    source = HEAD + KERNEL.format(0) + "def f(): pass\n@triton.jit()\ndef g(x):\n    return x\n"
    assert jit_functions(source) == ("k", "g")
    assert jit_functions("def k(:") == ()
