"""Launches go through one place, and what is played from memory is what the launcher does."""

import ast
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import triton  # noqa: E402 - after the check that there is a PyTorch
import triton.language as tl  # noqa: E402

import verified_kernels  # noqa: E402
from verified_kernels import replay  # noqa: E402
from verified_kernels.replay import Varying, launch, remembered  # noqa: E402

FILES = sorted(Path(verified_kernels.__file__).parent.glob("**/*.py"))


@triton.jit
def add_scaled(x_ptr, y_ptr, out_ptr, n, factor, block: tl.constexpr):
    offsets = tl.arange(0, block)
    x = tl.load(x_ptr + offsets, mask=offsets < n)
    y = tl.load(y_ptr + offsets, mask=offsets < n)
    tl.store(out_ptr + offsets, x + y * factor, mask=offsets < n)


@pytest.fixture(autouse=True)
def played_on_the_cpu(monkeypatch):
    monkeypatch.setattr(replay, "_on_cpu", True)


def counted(launcher):
    """The launcher, remembered, and how often it ran as written."""
    runs = []

    @remembered
    def call(*args):
        runs.append(args)
        return launcher(*args)

    return call, runs


def combine(x, y, factor):
    out = torch.empty((1, x.numel()))
    launch(add_scaled, (1,))(x, y, out, x.numel(), factor, block=64)
    return out.view(x.shape)


def jit_names(tree):
    """Functions that a decorator of Triton makes kernels."""
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any("jit" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_kernel_is_launched_past_the_one_place(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kernels = jit_names(tree)
    past = [
        f"line {node.lineno}: {ast.unparse(node.value)}[...]"
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in kernels
    ]
    assert past == []


def test_the_third_call_of_a_kind_is_played_on_its_own_tensors():
    call, runs = counted(combine)
    for _ in range(4):
        x, y = torch.randn(50), torch.randn(50)
        out = call(x, y, 2.0)
        assert torch.equal(out, x + y * 2.0)
        assert out.shape == (50,)
    assert len(runs) == 2


def test_another_factor_shape_stride_dtype_or_alignment_is_another_kind():
    call, runs = counted(combine)
    x, y = torch.randn(50), torch.randn(50)
    for _ in range(3):
        call(x, y, 2.0)
    room = torch.randn(128)
    others = [(x, y, 3.0), (x[:40], y[:40], 2.0), (room[1:51], y, 2.0), (x, y.double(), 2.0)]
    others.append((room[:100:2], y, 2.0))
    for position, args in enumerate(others):
        call(*args)
        assert len(runs) == 3 + position


def test_halves_of_one_tensor_are_told_apart():
    call, runs = counted(combine)
    for _ in range(2):
        x, y = torch.randn(128).chunk(2)
        call(x, y, 2.0)
    x, y = torch.randn(128).chunk(2)
    assert torch.equal(call(x, y, 2.0), x + y * 2.0)
    x, y = y, x
    assert torch.equal(call(x, y, 2.0), x + y * 2.0)
    assert len(runs) == 2


def test_one_tensor_given_twice_is_never_played_as_one():
    call, runs = counted(combine)
    x, y = torch.randn(50), torch.randn(50)
    for _ in range(3):
        assert torch.equal(call(x, x, 2.0), x + x * 2.0)
    assert torch.equal(call(x, y, 2.0), x + y * 2.0)
    assert len(runs) == 4


def test_a_launcher_that_copies_or_computes_runs_as_written():
    def copying(x, y, factor):
        return combine(x.contiguous(), y, factor)

    def adding(x, y, factor):
        return combine(x, y, factor) + 1.0

    for launcher, step, plus in ((copying, 2, 0.0), (adding, 1, 1.0)):
        call, runs = counted(launcher)
        for _ in range(4):
            x, y = torch.randn(50 * step)[::step], torch.randn(50)
            assert torch.equal(call(x, y, 2.0), x + y * 2.0 + plus)
        assert len(runs) == 4


def test_parts_of_one_allocation_and_none_come_back_as_they_were():
    def both(x, y):
        sums = torch.empty(2, 50)
        launch(add_scaled, (1,))(x, y, sums[0], 50, 1.0, 64)
        launch(add_scaled, (1,))(x, y, sums[1], 50, -1.0, 64)
        return sums[0], None, sums[1].view(5, 10)

    call, runs = counted(both)
    for _ in range(4):
        x, y = torch.randn(50), torch.randn(50)
        total, nothing, difference = call(x, y)
        assert torch.equal(total, x + y)
        assert nothing is None
        assert torch.equal(difference, (x - y).view(5, 10))
    assert len(runs) == 2


def test_a_varying_number_is_that_of_the_call():
    call, runs = counted(combine)
    x, y = torch.randn(50), torch.randn(50)
    for factor in (2, 5, 7, 11):
        assert torch.equal(call(x, y, Varying(factor)), x + y * factor)
    assert len(runs) == 2


def test_an_error_leaves_nothing_behind():
    def refusing(x, y, factor):
        combine(x, y, factor)
        raise ValueError("no")

    call, _ = counted(refusing)
    x, y = torch.randn(50), torch.randn(50)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            call(x, y, 2.0)
    assert replay._current.recording is None


def test_a_listener_hears_of_every_launch(monkeypatch):
    call, runs = counted(combine)
    x, y = torch.randn(50), torch.randn(50)
    for _ in range(3):
        call(x, y, 2.0)
    monkeypatch.setattr(triton.knobs.runtime, "launch_enter_hook", lambda metadata: None)
    call(x, y, 2.0)
    assert len(runs) == 3


def test_kinds_without_end_are_forgotten(monkeypatch):
    monkeypatch.setattr(replay, "MOST_KINDS", 4)
    call, _ = counted(combine)
    x, y = torch.randn(50), torch.randn(50)
    for n in range(1, 12):
        call(x[:n], y[:n], 2.0)
    assert len(call.tapes) <= 4
