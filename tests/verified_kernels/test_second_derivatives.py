"""Derivatives of derivatives: right to any order, never zero without a word."""

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch
from verified_kernels.check import (  # noqa: E402
    as_outputs,
    draw_arguments,
    reference_arguments,
)
from verified_kernels.spec import Case, Layout, Values  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning",
    # PyTorch itself, when forward mode is first used.
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning",
)

SPECS = {name: spec for name, spec in vk.load_specs().items() if spec.grads}
# Shape and parameters of a few entries, where two dimensions are not what the op takes.
SMALL = {
    "rope": ((2, 3, 4), {"angles": (3, 4)}),
    "attention": ((1, 2, 3, 4), {"kv_heads": 1, "causal": True}),
    "attention_varlen": ((5, 2, 3), {"lens": (3, 2), "kv_heads": 1, "causal": True}),
    "conv2d": ((1, 2, 3, 3, 2, 2, 2), {"padding": 1, "stride": 2}),
    "grouped_matmul": ((3, 2, 4), {"sizes": (1, 2)}),
    "matmul": ((3, 2, 4), {}),
}
WITHOUT = [name for name, spec in vk.load_specs().items() if not spec.grads]


# Numerical derivatives need more digits than these take.
HALVES = [name for name, spec in SPECS.items() if "float32" not in spec.dtypes]

WITHOUT_FLOAT64 = ("grouped_matmul",)


def a_small_case(spec):
    shape, params = SMALL.get(spec.name, ((3, 5), {}))
    return Case(id="small", shape=shape, params=params)


def a_case(spec):
    """The first ordinary case of some size, or a small one."""
    found = (
        case
        for case in spec.cases
        if not case.gpu_only
        and case.layout is Layout.CONTIGUOUS
        and case.values is Values.NORMAL
        and len(case.shape) > 1
        and 64 < torch.Size(case.shape).numel() < 5000
    )
    return next(found, None) or a_small_case(spec)


def a_dtype(spec):
    """The widest that the op takes."""
    return "float32" if "float32" in spec.dtypes else spec.dtypes[0]


def third_derivatives(op, grads, arguments):
    """Gradients of a sum of gradients, twice over: for each input and each upstream gradient."""
    leaves = [arguments[name] for name in grads if isinstance(arguments.get(name), torch.Tensor)]
    outputs = as_outputs(op(**arguments))
    generator = torch.Generator().manual_seed(4)
    upstream = [torch.randn(o.shape, generator=generator).to(o.dtype) for o in outputs]
    found, wanted = [], [*leaves, *(u.requires_grad_() for u in upstream)]
    values, weights = outputs, upstream
    for order in (2, 3):
        grads = torch.autograd.grad(
            values, wanted if order > 2 else leaves, weights, create_graph=True, allow_unused=True
        )
        grads = [g if g is not None else torch.zeros(()) for g in grads]
        found.append([g.detach() for g in grads])
        curved = sum((g * g.detach().cos()).sum() for g in grads if g.requires_grad)
        if not isinstance(curved, torch.Tensor):
            break
        values, weights = [curved], [torch.ones_like(curved)]
    return [g.double() for grads in found[1:] for g in grads]


@pytest.mark.parametrize("name", SPECS)
def test_second_derivatives_agree_with_float64(name):
    spec = SPECS[name]
    arguments = draw_arguments(spec, a_case(spec), a_dtype(spec), "cpu", seed=1)
    truth = reference_arguments(arguments, a_case(spec))
    found = third_derivatives(spec.op, spec.grads, arguments)
    wanted = third_derivatives(spec.reference, spec.grads, truth)
    assert len(found) == len(wanted) > 0
    assert any(bool(want.any()) for want in wanted) or name == "relu"
    for got, want in zip(found, wanted, strict=True):
        error = (got - want).norm() / want.norm().clamp_min(1e-3)
        assert error < (1e-2 if name in HALVES else 1e-3)


@pytest.mark.parametrize("name", [name for name in SPECS if name not in HALVES])
def test_gradgradcheck_passes_in_float64(name):
    spec = SPECS[name]
    arguments = {
        key: value.detach().double() if key in spec.grads else value
        for key, value in draw_arguments(spec, a_small_case(spec), "float32", "cpu", seed=1).items()
    }
    names = [n for n in spec.grads if n in arguments]
    leaves = [arguments[n].requires_grad_() for n in names]

    def function(*values):
        return spec.op(**arguments | dict(zip(names, values, strict=True)))

    if name in WITHOUT_FLOAT64:
        with pytest.raises(TypeError, match="is float64"):
            function(*leaves)
        return
    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


def test_a_tensor_given_twice_has_both_its_gradients():
    x = torch.randn(4, 6, requires_grad=True)
    wide = x.detach().double().requires_grad_()
    found = []
    for value, y in ((x, vk.swiglu(x, x)), (wide, torch.nn.functional.silu(wide) * wide)):
        (dx,) = torch.autograd.grad(y.square().sum(), value, create_graph=True)
        found.append(torch.autograd.grad(dx.sum(), value)[0].double())
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)


def test_a_frozen_weight_has_no_second_derivative_and_the_input_has():
    x, weight = torch.randn(3, 6, requires_grad=True), torch.ones(6)
    (dx,) = torch.autograd.grad(vk.layer_norm(x, weight).square().sum(), x, create_graph=True)
    (again,) = torch.autograd.grad(dx.square().sum(), x)
    assert again.isfinite().all()


@pytest.mark.parametrize("name", WITHOUT)
def test_an_op_without_gradient_says_so(name):
    spec = vk.load_specs()[name]
    arguments = draw_arguments(spec, a_case(spec), a_dtype(spec), "cpu", seed=1)
    first = next(
        value
        for value in arguments.values()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    )
    first.requires_grad_()
    if name.startswith("arg"):
        assert not spec.op(**arguments).requires_grad
        return
    with pytest.raises(NotImplementedError, match=f"{name}: has no gradient"):
        spec.op(**arguments)


@pytest.mark.parametrize("name", vk.OPS)
def test_a_forward_mode_tangent_is_not_lost_unseen(name):
    spec = vk.load_specs()[name]
    arguments = draw_arguments(spec, a_case(spec), a_dtype(spec), "cpu", seed=1)
    first = next(
        name
        for name, value in arguments.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    )
    with torch.autograd.forward_ad.dual_level(), torch.no_grad():
        value = arguments[first].detach()
        arguments[first] = torch.autograd.forward_ad.make_dual(value, torch.ones_like(value))
        if name.startswith("arg"):
            spec.op(**arguments)
            return
        with pytest.raises(NotImplementedError, match="forward-mode"):
            spec.op(**arguments)
