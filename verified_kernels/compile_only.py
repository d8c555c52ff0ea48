"""Compiles what the launchers launch, for GPUs that are not here.

`python -m verified_kernels.compile_only [NAME...]` runs every spec's cases on CPU tensors with
launching replaced by recording, and compiles each distinct recording to machine code for every
target. It needs no GPU, and finds what the interpreter cannot: types that do not meet, shapes that
are no power of two, more shared memory than a chip has. What is recorded is what is launched, so
a new kernel or a new configuration is covered without a line here.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from verified_kernels import OPS
from verified_kernels.check import as_outputs, draw_arguments, leaves_of
from verified_kernels.spec import Case, Spec, specs_of
from verified_kernels.structure import Structure, fault_of

TARGETS = {
    "sm_80": (GPUTarget("cuda", 80, 32), 166_912),
    "sm_90": (GPUTarget("cuda", 90, 32), 232_448),
    "sm_100": (GPUTarget("cuda", 100, 32), 232_448),
    "gfx942": (GPUTarget("hip", "gfx942", 64), 65_536),
}
_TYPES = {
    torch.float32: "*fp32",
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.int32: "*i32",
    torch.int64: "*i64",
    torch.bool: "*i1",
    torch.uint8: "*u8",
    torch.int8: "*i8",
    torch.float64: "*fp64",
    torch.float8_e4m3fn: "*fp8e4nv",
    torch.float8_e5m2: "*fp8e5",
}
_OPTIONS = ("num_warps", "num_stages", "maxnreg")


@dataclass(frozen=True, slots=True)
class Launch:
    """One specialisation of a kernel: types, constants, alignment and options.

    `members` are constants within arguments that are tuples, by position; so is `aligned`.
    """

    kernel: Any
    signature: tuple[tuple[str, str | tuple[str, ...]], ...]
    constants: tuple[tuple[str, Any], ...]
    members: tuple[tuple[tuple[int, ...], Any], ...]
    aligned: tuple[tuple[int, ...], ...]
    options: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """Kernel and constants, for a person."""
        constants = ", ".join(f"{n}={v}" for n, v in self.constants if n.isupper())
        kernel = f"{self.kernel.fn.__module__.rpartition('.')[2]}.{self.kernel.fn.__name__}"
        return f"{kernel}({constants})"


class _Recorder:
    """While entered, launches are kept instead of made."""

    def __init__(self) -> None:
        self.launches: dict[Launch, None] = {}

    def __enter__(self) -> _Recorder:
        self._run = JITFunction.run

        def run(kernel: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> None:
            self.launches[_launch_of(kernel, args, kwargs)] = None

        JITFunction.run = run
        return self

    def __exit__(self, *exception: object) -> None:
        JITFunction.run = self._run


def _launch_of(kernel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Launch:
    options = {n: v for n, v in kwargs.items() if n in _OPTIONS}
    values = dict(zip(kernel.arg_names, args, strict=False))
    values |= {n: v for n, v in kwargs.items() if n not in _OPTIONS}
    signature: dict[str, str | tuple[str, ...]] = {}
    constants: dict[str, Any] = {}
    members: dict[tuple[int, ...], Any] = {}
    aligned: list[tuple[int, ...]] = []
    for index, parameter in enumerate(kernel.params):
        name, value = parameter.name, values.get(parameter.name, parameter.default)
        if parameter.do_not_specialize and type(value) is int:
            signature[name] = _integer_type(value)
        elif parameter.is_constexpr or _is_constant(value):
            signature[name], constants[name] = "constexpr", value
        elif isinstance(value, tuple):
            signature[name] = tuple(_type_of(v) for v in value)
            members |= {(index, i): v for i, v in enumerate(value) if _is_constant(v)}
            aligned += [(index, i) for i, v in enumerate(value) if _is_aligned(v)]
        else:
            signature[name] = _type_of(value)
            if _is_aligned(value):
                aligned.append((index,))
    return Launch(
        kernel,
        tuple(signature.items()),
        tuple(constants.items()),
        tuple(members.items()),
        tuple(aligned),
        tuple(options.items()),
    )


def _is_constant(value: Any) -> bool:
    """True for what Triton makes a constant at a launch: None and an integer of 1."""
    return value is None or (type(value) is int and value == 1)


def _is_aligned(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.data_ptr() % 16 == 0
    return type(value) is int and value % 16 == 0


def _type_of(value: Any) -> str:
    """The type that Triton gives an argument."""
    if _is_constant(value):
        return "constexpr"
    if isinstance(value, Tensor):
        return _TYPES[value.dtype]
    if hasattr(value, "block_shape"):
        return _descriptor_type(value)
    if isinstance(value, bool):
        return "i1"
    if isinstance(value, int):
        return _integer_type(value)
    return "fp32"


def _integer_type(value: int) -> str:
    return "i32" if -(2**31) <= value < 2**31 else "i64"


def _descriptor_type(descriptor: Any) -> str:
    """The type that Triton gives a tensor descriptor; one of Gluon's has a layout too."""
    block = ", ".join(map(str, descriptor.block_shape))
    layout = getattr(descriptor, "layout", None)
    behind = "" if layout is None else f",{layout!r}"
    return f"tensordesc<{_TYPES[descriptor.base.dtype][1:]}[{block}]{behind}>"


def recorded(spec: Spec) -> list[Launch]:
    """The distinct launches of a spec's cases, forward and backward, in bf16 or its last dtype."""
    with _Recorder() as recorder:
        for case in (*spec.cases, *(c for c in spec.bench if _is_small(c))):
            if case.gpu_only:
                continue
            dtype = spec.dtypes_of(case, interpreted=False)[-1]
            arguments = draw_arguments(spec, case, dtype, "cpu", seed=0)
            outputs = [o for o in as_outputs(spec.op(**arguments)) if o.requires_grad]
            leaves = list(leaves_of(spec, arguments).values())
            if outputs and leaves:
                upstream = [torch.ones_like(o) for o in outputs]
                torch.autograd.grad(outputs, leaves, upstream, allow_unused=True)
    return list(recorder.launches)


def _is_small(case: Case) -> bool:
    return torch.Size(case.shape).numel() <= 1 << 23


def compile_launch(
    launch: Launch, target: GPUTarget, shared_limit: int, wanted: Structure | None = None
) -> str | None:
    """None where the launch compiles as it should, else what is wrong.

    It must fit in the target's shared memory and, on sm_90, have the structure that is wanted.
    """
    source_of = ASTSource
    if launch.kernel.is_gluon():
        from triton.experimental.gluon._runtime import GluonASTSource

        source_of = GluonASTSource
    source = source_of(
        fn=launch.kernel,
        signature=dict(launch.signature),
        constexprs=dict((*launch.constants, *launch.members)),
        attrs={position: [["tt.divisibility", 16]] for position in launch.aligned},
    )
    options = dict(launch.options)
    if target.backend == "hip":
        options.pop("maxnreg", None)
    try:
        compiled = triton.compile(source, target=target, options=options)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    if compiled.metadata.shared > shared_limit:
        return f"needs {compiled.metadata.shared} bytes of shared memory, of {shared_limit}"
    if wanted is not None and target == TARGETS["sm_90"][0]:
        return fault_of(compiled, wanted)
    return None


def compile_all(
    names: Sequence[str], targets: Sequence[str]
) -> Iterator[tuple[str, str, str | None]]:
    """For each launch and target: the target, the launch's name, and what is wrong or None."""
    files = dict.fromkeys(OPS[name] for name in names or OPS)
    for file in files:
        module = importlib.import_module(f"verified_kernels.ops.{file}")
        by_target = getattr(module, "TARGET_CONSTANTS", {})
        launches: dict[Launch, None] = {}
        for spec in specs_of(module):
            if not names or spec.name in names:
                launches |= dict.fromkeys(recorded(spec))
        unsupported = getattr(module, "UNSUPPORTED_TARGETS", ())
        for launch in launches:
            structures = getattr(sys.modules[launch.kernel.fn.__module__], "STRUCTURE", {})
            wanted = structures.get(launch.kernel.fn.__name__)
            if wanted is not None and dict(launch.constants).get(wanted.unless):
                wanted = None
            for target in (t for t in targets if t not in unsupported):
                # Gluon is written for one architecture.
                if target == "sm_90" or not launch.kernel.is_gluon():
                    constants = dict(launch.constants)
                    fixed = by_target.get(target, {})
                    constants |= {k: v for k, v in fixed.items() if k in constants}
                    here = replace(launch, constants=tuple(constants.items()))
                    fault = compile_launch(here, *TARGETS[target], wanted)
                    yield target, launch.name, fault


def main() -> None:
    """Exit 1 if something does not compile."""
    parser = argparse.ArgumentParser(prog="python -m verified_kernels.compile_only")
    parser.add_argument("names", nargs="*", help="ops; all without any")
    parser.add_argument("--target", action="append", choices=tuple(TARGETS))
    options = parser.parse_args()
    if "TRITON_INTERPRET" in os.environ:
        parser.error("TRITON_INTERPRET is set; unset it, nothing is compiled while it is")
    if unknown := [name for name in options.names if name not in OPS]:
        parser.error(f"no verified kernel is called {', '.join(unknown)}")
    compiled = failed = 0
    for target, name, wrong in compile_all(options.names, options.target or tuple(TARGETS)):
        compiled += 1
        if wrong:
            failed += 1
            sys.stdout.write(f"{target}: {name}: {wrong}\n")
    sys.stdout.write(f"Triton {triton.__version__}: {compiled} compiled, {failed} failed\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
