"""Results and refusals beside `torch.nn.functional`: None, dtypes, autocast, kinds of errors."""

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812 - as everybody calls it

import verified_kernels as vk  # noqa: E402
from verified_kernels.autocast import IN_FLOAT32  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore:Mismatch dtype:UserWarning"
)

X = torch.randn(4, 6)
W, B = torch.randn(6), torch.randn(6)
TARGET = torch.tensor([0, 3, 5, 1])
INTS = torch.arange(24).reshape(4, 6)


def agree(ours, theirs):
    assert ours.dtype is theirs.dtype
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)


ALIKE = {
    "a layer norm without weight": (lambda: vk.layer_norm(X), lambda: F.layer_norm(X, (6,))),
    "a layer norm with None twice": (
        lambda: vk.layer_norm(X, None, None, 1e-3),
        lambda: F.layer_norm(X, (6,), None, None, 1e-3),
    ),
    "a layer norm with bias alone": (
        lambda: vk.layer_norm(X, bias=B),
        lambda: F.layer_norm(X, (6,), None, B),
    ),
    "a layer norm over all": (
        lambda: vk.layer_norm(X, normalized_shape=[4, 6]),
        lambda: F.layer_norm(X, (4, 6)),
    ),
    "an RMS norm without weight": (lambda: vk.rms_norm(X), lambda: F.rms_norm(X, (6,))),
    "an RMS norm of tiny values, eps by default": (
        lambda: vk.rms_norm(X * 1e-3, W),
        lambda: F.rms_norm(X * 1e-3, (6,), W),
    ),
    "fp16 rows with fp32 weights": (
        lambda: vk.layer_norm(X.half(), W, B),
        lambda: F.layer_norm(X.half(), (6,), W.half(), B.half()),
    ),
    "an RMS norm of fp16 with fp32 weights": (
        lambda: vk.rms_norm(X.half(), W),
        lambda: F.rms_norm(X.half(), (6,), W),
    ),
    "a residual of another dtype": (
        lambda: vk.rms_norm(X.half(), None, X)[1],
        lambda: X.half() + X,
    ),
    "softmax into fp32": (
        lambda: vk.softmax(X.half(), 0, dtype=torch.float32),
        lambda: F.softmax(X.half(), 0, dtype=torch.float32),
    ),
    "softmax of float64": (lambda: vk.softmax(X.double()), lambda: F.softmax(X.double(), -1)),
    "a gate of another dtype": (
        lambda: vk.swiglu(X.half(), X),
        lambda: F.silu(X.half()) * X,
    ),
    "relu of integers": (lambda: vk.relu(INTS - 9), lambda: torch.relu(INTS - 9)),
    "tanh of integers": (lambda: vk.tanh(INTS), lambda: torch.tanh(INTS)),
    "a sum of truths": (lambda: vk.sum(X > 0), lambda: torch.sum(X > 0)),
    "a sum of bytes": (lambda: vk.sum(INTS.byte(), 0), lambda: torch.sum(INTS.byte(), 0)),
    "a sum into fp32": (
        lambda: vk.sum(X.half(), [0, 1], dtype=torch.float32),
        lambda: torch.sum(X.half(), [0, 1], dtype=torch.float32),
    ),
    "a maximum of truths": (lambda: vk.amax(X > 0, 0), lambda: torch.amax(X > 0, 0)),
    "a place of a maximum": (lambda: vk.argmax(X, 1), lambda: torch.argmax(X, 1)),
    "a variance of float64": (lambda: vk.var(X.double(), 0), lambda: torch.var(X.double(), 0)),
    "a sum of two float64": (lambda: vk.add(X.double(), X), lambda: torch.add(X.double(), X)),
    "a transposed bool": (lambda: vk.transpose(X > 0), lambda: (X > 0).mT.contiguous()),
    "a loss with weights of classes": (
        lambda: vk.cross_entropy(X, TARGET, weight=W.abs()),
        lambda: F.cross_entropy(X, TARGET, W.abs()),
    ),
    "a loss by row": (
        lambda: vk.cross_entropy(X, TARGET, reduction="none"),
        lambda: F.cross_entropy(X, TARGET, reduction="none"),
    ),
    "a smoothed loss": (
        lambda: vk.cross_entropy(X, TARGET, label_smoothing=0.1),
        lambda: F.cross_entropy(X, TARGET, label_smoothing=0.1),
    ),
    "probabilities as targets": (
        lambda: vk.cross_entropy(X, X.softmax(-1)),
        lambda: F.cross_entropy(X, X.softmax(-1)),
    ),
}


@pytest.mark.parametrize("what", ALIKE)
def test_results_are_pytorchs_in_value_dtype_and_shape(what):
    ours, theirs = ALIKE[what]
    agree(ours(), theirs())


REFUSED = {
    "a dimension that is not there": (lambda: vk.softmax(X, 5), lambda: F.softmax(X, 5)),
    "softmax of integers": (lambda: vk.softmax(INTS), lambda: F.softmax(INTS, -1)),
    "gelu of integers": (lambda: vk.gelu(INTS), lambda: F.gelu(INTS)),
    "silu of integers": (lambda: vk.silu(INTS), lambda: F.silu(INTS)),
    "an approximation": (lambda: vk.gelu(X, "fast"), lambda: F.gelu(X, approximate="fast")),
    "a norm over another shape": (
        lambda: vk.layer_norm(X, normalized_shape=(5,)),
        lambda: F.layer_norm(X, (5,)),
    ),
    "a weight of another shape": (
        lambda: vk.layer_norm(X, W[:5], normalized_shape=(6,)),
        lambda: F.layer_norm(X, (6,), W[:5]),
    ),
    "an RMS norm of integers": (lambda: vk.rms_norm(INTS), lambda: F.rms_norm(INTS, (6,))),
    "targets of int32": (
        lambda: vk.cross_entropy(X, TARGET.int()),
        lambda: F.cross_entropy(X, TARGET.int()),
    ),
    "too many targets": (
        lambda: vk.cross_entropy(X, INTS[0]),
        lambda: F.cross_entropy(X, INTS[0]),
    ),
    "a probability of 1.5": (lambda: vk.dropout(X, 1.5, 0), lambda: F.dropout(X, 1.5)),
    "the maximum of nothing": (lambda: vk.amax(X[:0], 0), lambda: torch.amax(X[:0], 0)),
    "the place of the maximum of nothing": (
        lambda: vk.argmax(X[:0], 0),
        lambda: torch.argmax(X[:0], 0),
    ),
    "a dimension named twice": (lambda: vk.sum(X, (0, 0)), lambda: torch.sum(X, (0, 0))),
    "the variance of integers": (lambda: vk.var(INTS), lambda: torch.var(INTS)),
    "the place of a truth": (lambda: vk.argmax(X > 0), lambda: torch.argmax(X > 0)),
    "shapes that do not broadcast": (lambda: vk.add(X, W[:5]), lambda: torch.add(X, W[:5])),
    "a transposed vector": (lambda: vk.transpose(W), lambda: W.mT),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals_are_of_the_kind_that_pytorch_raises(what):
    ours, theirs = REFUSED[what]
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)) as wanted:
        theirs()
    with pytest.raises(type(wanted.value)) as caught:
        ours()
    assert str(caught.value)


def test_autocast_means_fp32_where_pytorchs_does_on_a_gpu():
    here = {op for op, device in IN_FLOAT32 if device == "cuda"}
    assert {"softmax", "layer_norm", "cross_entropy", "sum"} <= here


AUTOCAST = {
    "softmax": (lambda x: vk.softmax(x), lambda x: F.softmax(x, -1)),
    "layer_norm": (lambda x: vk.layer_norm(x), lambda x: F.layer_norm(x, (6,))),
    "layer_norm, fp32 weights": (
        lambda x: vk.layer_norm(x, W, B),
        lambda x: F.layer_norm(x.float(), (6,), W, B).to(F.layer_norm(x, (6,)).dtype),
    ),
    "rms_norm": (lambda x: vk.rms_norm(x), lambda x: F.rms_norm(x, (6,))),
    "rms_norm, fp32 weights": (lambda x: vk.rms_norm(x, W), lambda x: F.rms_norm(x, (6,), W)),
    "cross_entropy": (
        lambda x: vk.cross_entropy(x, TARGET),
        lambda x: F.cross_entropy(x, TARGET),
    ),
    "sum": (lambda x: vk.sum(x, 0), lambda x: torch.sum(x, 0)),
    "gelu": (vk.gelu, F.gelu),
    "silu": (vk.silu, F.silu),
    "sigmoid": (vk.sigmoid, torch.sigmoid),
    "swiglu": (lambda x: vk.swiglu(x, x), lambda x: F.silu(x) * x),
    "amax": (lambda x: vk.amax(x, 0), lambda x: torch.amax(x, 0)),
    "add": (lambda x: vk.add(x, x), lambda x: x + x),
}


@pytest.mark.parametrize(
    ("op", "dtype"),
    [
        (op, dtype)
        for op in AUTOCAST
        for dtype in (torch.float16, torch.float32, torch.float64)
        # PyTorch refuses float64 beside fp32.
        if dtype is not torch.float64 or "weights" not in op
    ],
    ids=str,
)
def test_under_autocast_the_dtype_is_pytorchs(op, dtype):
    ours, theirs = AUTOCAST[op]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        agree(ours(X.to(dtype)), theirs(X.to(dtype)))


@pytest.mark.parametrize("op", ["softmax", "layer_norm", "rms_norm", "cross_entropy", "sum"])
def test_an_op_that_autocast_knows_gives_fp32_and_its_gradient_the_inputs_dtype(op, monkeypatch):
    monkeypatch.setattr("verified_kernels.autocast.IN_FLOAT32", frozenset({(op, "cpu")}))
    x = X.half().requires_grad_(op != "sum")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = AUTOCAST[op][0](x)
    assert y.dtype is torch.float32
    wide = X.half().double().requires_grad_()
    want = AUTOCAST[op][1](wide)
    torch.testing.assert_close(y.double(), want, rtol=1e-5, atol=1e-5)
    if op != "sum":
        up = torch.randn(y.shape)
        (dx,) = torch.autograd.grad(y, x, up)
        assert dx.dtype is torch.float16
        (wanted,) = torch.autograd.grad(want, wide, up.double())
        torch.testing.assert_close(dx.double(), wanted, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("module", ["LayerNorm", "RMSNorm"])
def test_norm_modules_with_fp32_weights_train_on_halves(module):
    ours, theirs = getattr(vk.nn, module)(6), getattr(torch.nn, module)(6)
    x, wide = X.half().requires_grad_(), X.half().float().requires_grad_()
    ours(x).float().square().sum().backward()
    theirs(wide).square().sum().backward()
    assert x.grad.dtype is torch.float16
    torch.testing.assert_close(x.grad.float(), wide.grad, rtol=2e-2, atol=2e-2)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=2e-2, atol=2e-2)


def test_what_a_module_cannot_do_is_said_when_it_is_made():
    with pytest.raises(NotImplementedError, match="inplace"):
        vk.nn.Dropout(inplace=True)
    with pytest.raises(ValueError, match=r"p is 1\.5"):
        vk.nn.Dropout(1.5)
    with pytest.raises(NotImplementedError, match="give reduction"):
        vk.nn.CrossEntropyLoss(reduce=True)
