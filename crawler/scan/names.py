"""The names that make a function a kernel, and those that are known never to."""

from __future__ import annotations

from crawler.models import Dialect

JIT_NAMES = {
    "triton.jit": Dialect.TRITON,
    "triton.JITFunction": Dialect.TRITON,
    "triton.runtime.JITFunction": Dialect.TRITON,
    "triton.runtime.jit.jit": Dialect.TRITON,
    "triton.runtime.jit.JITFunction": Dialect.TRITON,
    "triton.experimental.gluon.jit": Dialect.GLUON,
    "triton.experimental.gluon._runtime.jit": Dialect.GLUON,
    "triton.experimental.gluon._runtime.GluonJITFunction": Dialect.GLUON,
}
"""Full names of what turns a Python function into a kernel, with the language it is then in."""

AUTOTUNE_NAMES = frozenset({"triton.autotune", "triton.runtime.autotuner.autotune"})
HEURISTICS_NAMES = frozenset({"triton.heuristics", "triton.runtime.autotuner.heuristics"})
HANDS_ON_NAMES = AUTOTUNE_NAMES | HEURISTICS_NAMES
"""Decorator factories that give back the kernel they are applied to."""

WRAPS_KERNEL_NAMES = frozenset(
    {
        "torch.library.wrap_triton",
        "torch._library.triton.wrap_triton",
        "torch._library.capture_triton",
        "torch._library.triton.capture_triton",
        "triton.runtime.Autotuner",
        "triton.runtime.Heuristics",
        "triton.runtime.autotuner.Autotuner",
        "triton.runtime.autotuner.Heuristics",
    }
)
"""Functions that give back something to launch in place of the kernel."""

PARTIAL_NAMES = frozenset({"functools.partial"})

LANGUAGE_ROOTS = ("triton.language", "triton.experimental.gluon.language")
"""Modules whose functions only a kernel can call; what `tl` and `gl` stand for."""

CUSTOMARY_ALIASES = {"tl": "triton.language", "gl": "triton.experimental.gluon.language"}
"""What a name means by custom, where a file gets it from somewhere that cannot be followed."""

HANDED_ON = CUSTOMARY_ALIASES | {"triton": "triton", "gluon": "triton.experimental.gluon"}
"""Names that a package hands on from Triton as they are, often behind a check that it is there."""

_FOREIGN_PACKAGES = frozenset(
    "abc aiohttp argparse ast asyncio attr attrs builtins cachetools click collections "
    "contextlib copy cupy cutlass dataclasses einops enum fastapi flask functools helion "
    "hypothesis importlib inspect itertools jax jaxtyping joblib logging math mlx "
    "multiprocessing neuronxcc nki numba numpy os packaging pathlib pydantic pytest random re "
    "scipy sklearn sys tensorflow thunder threading tilelang time timeit torch torchvision "
    "tqdm transformers typing typing_extensions types unittest warnings".split()
)


def is_foreign_package(module: str) -> bool:
    """Tell whether a module belongs to a package that is known to make no Triton kernels."""
    return module.partition(".")[0] in _FOREIGN_PACKAGES
