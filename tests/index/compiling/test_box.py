"""The box holds when the gate is passed by: what a module does when it is run stays inside."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from index.compiling.guesses import Attempt
from index.compiling.jobs import params_of
from index.compiling.repairs import repairs_for
from index.compiling.results import CompileJob, CompileResult, Outcome
from index.compiling.workers import Server
from tests.index.with_triton import WITH_TRITON

pytestmark = WITH_TRITON

ADD = """
import triton
import triton.language as tl

@triton.jit
def k(x_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + at, tl.load(x_ptr + at, mask=at < n) + 1, mask=at < n)
"""
PRODUCT = """
import triton
import triton.language as tl

@triton.autotune([triton.Config({"B": 64}, num_warps=4)], key=[])
@triton.jit
def k(a, b, c, B: tl.constexpr):
    r = tl.arange(0, B)
    at = r[:, None] * B + r[None, :]
    tl.store(c + at, tl.dot(tl.load(a + at), tl.load(b + at)))
"""
LARGE_PRODUCT = """
import triton
import triton.language as tl

@triton.jit
def k(a, b, c, B: tl.constexpr):
    r = tl.arange(0, B)
    at = r[:, None] * B + r[None, :]
    acc = tl.zeros((B, B), tl.float32)
    for i in range(0, 1024):
        acc += tl.dot(tl.load(a + at + i * B), tl.load(b + at + i * B))
    tl.store(c + at, acc)
"""
ATTEMPT = Attempt(types={"x_ptr": "*fp32", "n": "i32"}, constants={"BLOCK": 64})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(version("triton"), Path(sys.executable)) as started:
        yield started


def job(source: str, *attempts: Attempt, target: str = "cuda:80") -> CompileJob:
    return CompileJob(
        id="k",
        source=source,
        kernel="k",
        triton=version("triton"),
        target=target,
        attempts=attempts or (ATTEMPT,),
    )


def compiled(server: Server, source: str, *, seconds: float = 60.0) -> CompileResult:
    return server.compile(job(source), seconds=seconds, memory=4 << 30)


@pytest.mark.parametrize("target", ["cuda:80", "cuda:90", "hip:gfx942"])
def test_compiles_and_tells_facts(server: Server, target: str) -> None:
    result = server.compile(job(ADD, target=target))
    assert result.outcome is Outcome.COMPILED, result
    assert result.facts is not None
    assert result.facts.num_warps == 4
    assert result.facts.registers
    assert result.facts.spill_bytes == 0
    assert result.facts.instructions == ()
    assert dict(result.assumptions) == {"x_ptr": "*fp32", "n": "i32", "BLOCK": 64}


@pytest.mark.parametrize(
    ("target", "family"), [("cuda:80", "mma"), ("cuda:90", "wgmma"), ("hip:gfx942", "mfma")]
)
def test_products_have_their_instructions(server: Server, target: str, family: str) -> None:
    types = {"a": "*fp16", "b": "*fp16", "c": "*fp32"}
    result = server.compile(job(PRODUCT, Attempt(types=types, constants={}), target=target))
    assert result.facts is not None, result
    assert family in result.facts.instructions
    assert result.assumptions["B"] == 64


def test_a_second_attempt_may_succeed_and_the_first_error_is_told_where_none_does(
    server: Server,
) -> None:
    wrong = Attempt(types={"x_ptr": "fp32", "n": "i32"}, constants={"BLOCK": 64})
    odd = Attempt(types={"x_ptr": "*fp32", "n": "i32"}, constants={"BLOCK": 63})
    second = server.compile(job(ADD, wrong, ATTEMPT))
    assert second.outcome is Outcome.COMPILED
    assert second.assumptions["x_ptr"] == "*fp32"
    neither = server.compile(job(ADD, odd, wrong))
    assert (neither.outcome, neither.is_certain) == (Outcome.FAILED, False)
    assert "power of 2" in str(neither.reason)
    assert "\n" not in str(neither.reason)


def test_what_a_chip_cannot_hold_is_told(server: Server) -> None:
    types = {"a": "*fp32", "b": "*fp32", "c": "*fp32"}
    large = Attempt(types=types, constants={"B": 128}, options={"num_stages": 4})
    result = server.compile(job(LARGE_PRODUCT, large, target="cuda:120"))
    # The size is a guess: another may fit.
    assert (result.outcome, result.is_certain) == (Outcome.FAILED, False)
    assert "bytes of shared memory, of 101376" in str(result.reason)


@pytest.mark.parametrize(
    ("line", "is_certain"),
    [
        pytest.param("tl.no_such_name(x)", True, id="a name that is missing"),
        pytest.param("tl.sum(x, no_such=0)", True, id="a keyword that is missing"),
        pytest.param("not_there(x)", True, id="a name of the file that is missing"),
        pytest.param("tl.static_assert(BLOCK == 7)", False, id="a size it wants"),
        pytest.param("tl.reshape(x, (BLOCK, BLOCK))", False, id="shapes that do not fit"),
    ],
)
def test_what_may_be_the_fault_of_a_guess_is_not_certain(
    server: Server, line: str, is_certain: bool
) -> None:
    source = f"{ADD}    x = tl.load(x_ptr + at)\n    {line}\n"
    smaller = replace(ATTEMPT, constants={"BLOCK": 32})
    result = server.compile(job(source, ATTEMPT, smaller))
    assert (result.outcome, result.is_certain) == (Outcome.FAILED, is_certain)


SEARCHED = """
import triton
import triton.language as tl

@triton.jit
def scaled(x, by, how: tl.constexpr):
    tl.static_assert(how == 3)
    return x * by

@triton.jit
def k(x_ptr, at_ptr, by, B: tl.constexpr, how: tl.constexpr):
    row = tl.load(at_ptr)
    x = tl.load(x_ptr + row + tl.arange(0, B))
    tl.store(x_ptr + row + tl.arange(0, B), scaled(x, by, how))
"""


def test_guesses_are_changed_where_the_compiler_stops(server: Server) -> None:
    types = {"x_ptr": "*fp32", "at_ptr": "*fp32", "by": "*fp32"}
    wrong = Attempt(types=types, constants={"B": 63, "how": 64})
    repairs = repairs_for(SEARCHED, "k", params_of(SEARCHED, "k"), ())
    result, found = server.compile_with(replace(job(SEARCHED, wrong), repairs=repairs))
    assert result.outcome is Outcome.COMPILED, result
    assert found is not None
    assert result.assumptions == {**found.types, **found.constants}
    assert result.assumptions["how"] == 3
    assert result.assumptions["x_ptr"] == "*fp32"
    assert str(result.assumptions["at_ptr"]).startswith("*i")


ESCAPES = {
    "reads a file": "open({canary!r}).read()",
    "reads a file by the system's call": "import os; os.read(os.open({canary!r}, 0), 9)",
    "writes a file": "open({canary!r}, 'w').write('gone')",
    "removes a file": "import os; os.remove({canary!r})",
    "lists a folder": "import os; os.listdir(os.path.dirname({canary!r}))",
    "opens a socket": "import socket; socket.socket()",
    "asks for a name": "import socket; socket.getaddrinfo('localhost', 80)",
    "starts a program": "import subprocess; subprocess.run(['/bin/true'], check=True)",
    "starts a shell": "import os; assert os.system('true') == 0",
    "forks": "import os; os.fork()",
    "kills its parent": "import os; os.kill(os.getppid(), 9)",
    "reaches the C library": "import ctypes; ctypes.CDLL(None).getpid()",
    "asks for memory without end": "x = bytearray(1 << 33)",
    "asks for memory bit by bit": "x = [bytearray(1 << 24) for _ in range(1 << 20)]",
}


@pytest.mark.parametrize("what", ESCAPES)
def test_nothing_escapes(server: Server, what: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("a secret")
    result = compiled(server, ESCAPES[what].format(canary=str(canary)) + ADD)
    assert result.outcome in (Outcome.FAILED, Outcome.CRASHED), result
    assert "a secret" not in str(result)
    assert canary.read_text() == "a secret"
    # The server lives, and so does what comes next.
    assert compiled(server, ADD).outcome is Outcome.COMPILED


def test_a_loop_for_ever_ends(server: Server) -> None:
    result = compiled(server, "while True: pass" + ADD, seconds=1.5)
    assert result.outcome is Outcome.TIMEOUT
    assert compiled(server, ADD).outcome is Outcome.COMPILED


def test_a_compiler_that_crashes_costs_one_job(server: Server) -> None:
    result = compiled(server, "import os; os.abort()" + ADD)
    assert result.outcome is Outcome.CRASHED
    assert "SIGABRT" in str(result.reason)
    assert compiled(server, ADD).outcome is Outcome.COMPILED
