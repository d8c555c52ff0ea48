"""Count the aten operators of model architectures: `python scripts/trace_models.py [NAME ...]`.

Each architecture of `scripts/traced_models.toml` is built from its own configuration class, with
few layers and without weights, and run through a dispatch mode on fake tensors: nothing is
computed, nothing downloaded. It runs twice. In training, forward and backward are seen as autograd
runs them. In inference mode, operators that are made of others (`linear`, `lstm`) are seen as the
model wrote them. An operator occurs in the forward pass of an architecture if either run shows it.

Needs torch, transformers and diffusers, at the versions that the data names. With NAMEs only those
are traced, to try them, and nothing is written.
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

MODELS = Path(__file__).parent / "traced_models.toml"
DATA = Path(__file__).parent.parent / "wishlist" / "data" / "model_ops.json"
# How an architecture calls its number of layers; two of them tell as much as forty.
LAYERS = (
    "num_hidden_layers",
    "num_layers",
    "n_layer",
    "n_layers",
    "encoder_layers",
    "decoder_layers",
)
FEW_LAYERS = 2
# Operators that only ask, never compute.
NOT_ATEN = "prim::"
NAMED = 4
# What aten calls a convolution of each channel by itself; it has no name for one dimension.
DEPTHWISE = {2: "_conv_depthwise2d", 3: "conv_depthwise3d"}
BY_MASK = (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_)


class PlausibleValues(TorchDispatchMode):
    """Answers what a model asks of values that nobody computed, so that it goes on.

    A number is 1, a truth value False, and half of the elements are nonzero.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            dtype = args[0].dtype
            return False if dtype is torch.bool else 1.0 if dtype.is_floating_point else 1
        if func is torch.ops.aten.nonzero.default:
            return torch.stack(_half_of(args[0]), dim=1)
        if func is torch.ops.aten.masked_select.default:
            return args[0].new_empty([args[0].numel() // 2])
        if func.overloadpacket is torch.ops.aten._ctc_loss:
            steps, batch, _ = args[0].shape
            states = 2 * args[1].shape[-1] + 1
            return args[0].new_empty([batch]), args[0].new_empty([batch, steps, states])
        if func.overloadpacket in BY_MASK:
            places = [place for index in args[1] for place in _places(index)]
            args = (args[0], places, *args[2:])
        return func(*args, **(kwargs or {}))


def _places(index: torch.Tensor | None) -> Sequence[torch.Tensor | None]:
    is_mask = index is not None and index.dtype in (torch.bool, torch.uint8)
    return _half_of(index) if is_mask else [index]


def _half_of(mask: torch.Tensor) -> list[torch.Tensor]:
    """Return the positions of half of the elements, a tensor of them for each dimension."""
    place = mask.new_zeros([mask.numel() // 2], dtype=torch.int64)
    return [place] * mask.dim()


class OperatorCount(TorchDispatchMode):
    """Counts every operator that is dispatched while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket._qualified_op_name
        if not name.startswith(NOT_ATEN):
            self.calls[_precise(name, args)] += 1
        return func(*args, **(kwargs or {}))


def _precise(name: str, args: tuple[Any, ...]) -> str:
    """Return which convolution a call of the general one is; other operators by their names."""
    if name not in ("aten::convolution", "aten::convolution_backward"):
        return name
    first = 0 if name == "aten::convolution" else 1
    weight, transposed = args[first + 1], args[first + 6]
    groups, n_dims = args[-1] if first == 0 else args[-2], weight.dim() - 2
    kind = f"conv_transpose{n_dims}d" if transposed else f"conv{n_dims}d"
    if groups > 1 and weight.shape[1] == 1 and not transposed:
        kind = DEPTHWISE.get(n_dims, kind)
    return f"aten::{kind}{'_backward' if first else ''}"


def main(names: list[str]) -> int:
    """Trace the architectures; write the counts, or print those of the ones that are named."""
    logging.disable()
    torch.distributions.Distribution.set_default_validate_args(False)
    listed = tomllib.loads(MODELS.read_text(encoding="utf-8"))
    traced, failed = {}, []
    for name, entry in sorted(listed["models"].items()):
        if names and name not in names:
            continue
        try:
            traced[name] = trace(entry, listed["inputs"])
            print(f"{name}: {sum(map(len, traced[name]))} operators", file=sys.stderr, flush=True)
        except Exception as error:  # whatever a model's code may raise
            failed.append(name)
            print(
                f"{name}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr, flush=True
            )
    if names:
        for name, (forward, backward) in traced.items():
            print(name, dict(forward.most_common()), dict(backward.most_common()), sep="\n")
    elif not failed:
        versions = {name: version(name) for name in ("torch", "transformers", "diffusers")}
        DATA.write_text(_data(listed["models"], traced, versions), encoding="utf-8")
    print(f"{len(traced)} traced, {len(failed)} failed: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def trace(entry: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """Return how often each operator is called in the forward and in the backward pass."""
    torch.manual_seed(0)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    model = build(entry, fake)
    forward, backward, written = OperatorCount(), OperatorCount(), OperatorCount()
    with fake, PlausibleValues():
        given = {
            name: _tensor(spec)
            for name, spec in (inputs[entry["inputs"]] | entry.get("with", {})).items()
        }
        model.train()
        with forward:
            loss = _loss(model(**given))
        with backward:
            loss.backward()
        model.eval()
        # Some models write into buffers, which inference mode refuses.
        with suppress(RuntimeError), torch.inference_mode(), written:
            model(**given)
    # Of an operator that both runs show, the run that shows it more often counts.
    return forward.calls | written.calls, backward.calls


def build(entry: Mapping[str, Any], fake: FakeTensorMode) -> torch.nn.Module:
    """Return the model of an entry, its parameters and buffers fake tensors of the CPU."""
    package, _, name = entry["model"].rpartition(".")
    kind = getattr(importlib.import_module(package), name)
    with torch.device("meta"):
        if package == "transformers":
            config_class = kind.config_class
            known = inspect.signature(config_class).parameters
            few = {layers: FEW_LAYERS for layers in LAYERS if layers in known}
            model = kind(config_class(**(few | entry.get("config", {}))))
        else:
            model = kind(**entry.get("config", {}))
        model.to(getattr(torch, entry.get("dtype", "float32")))
    for module in model.modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[key] = torch.nn.Parameter(
                    _fake(parameter.detach(), fake), requires_grad=parameter.requires_grad
                )
        for key, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[key] = _fake(buffer, fake)
    return model


def _fake(tensor: torch.Tensor, fake: FakeTensorMode) -> torch.Tensor:
    if tensor.device.type != "meta":
        return fake.from_tensor(tensor)
    converter = fake.fake_tensor_converter
    return converter.from_meta_and_device(fake, tensor, torch.device("cpu"))


def _tensor(spec: object) -> object:
    """Return the tensor that `float 2 3 224 224` describes; what is no such text, as it is."""
    if not isinstance(spec, str):
        return spec
    dtype, *shape = spec.split()
    return torch.zeros([int(size) for size in shape], dtype=getattr(torch, dtype))


def _loss(output: Any) -> torch.Tensor:
    """Return the loss of a model that has one, else a sum over all that it gives."""
    loss = getattr(output, "loss", None)
    if isinstance(loss, torch.Tensor) and loss.requires_grad:
        return loss.sum()
    return sum(t.float().mean() for t in _tensors(output) if t.requires_grad)


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, tuple | list):
        for value in output:
            yield from _tensors(value)


def _data(
    models: Mapping[str, Any],
    traced: Mapping[str, tuple[Counter[str], Counter[str]]],
    versions: Mapping[str, str],
) -> str:
    """Return the counts as JSON: of each operator and pass, in which architectures, how often."""
    operators = sorted({name for passes in traced.values() for calls in passes for name in calls})
    counts = {}
    for operator in operators:
        counts[operator] = {}
        for n, direction in enumerate(("forward", "backward")):
            calls = {
                name: traced[name][n][operator] for name in traced if traced[name][n][operator]
            }
            counts[operator][direction] = {
                "architectures": len(calls),
                "calls": sum(calls.values()),
                "among": sorted(calls)[:NAMED],
            }
    data = {
        "made_by": "scripts/trace_models.py",
        "versions": versions,
        "architectures": {name: models[name]["kind"] for name in sorted(traced)},
        "operators": counts,
    }
    lines = json.dumps(data, indent=1)
    return f"{lines}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
