"""Every op and module is one graph under torch.compile: no part of it falls back to Python.

Tracing needs real kernels, not the interpreter's, so it runs in a process of its own; what is
traced is not run, since that would take a GPU.
"""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")

import verified_kernels as vk

PROGRAM = """
import json
import torch
import torch.utils._triton
from torch._dynamo.backends.common import aot_autograd

torch.utils._triton.has_triton = lambda: True  # as where there is a GPU
import verified_kernels as vk
from verified_kernels.check import draw_arguments
from verified_kernels.spec import Case

def traced(function, arguments):
    kinds = []
    class Done(Exception):
        pass
    def compiler(graph, inputs):
        # Forward and backward alike, since they are traced together.
        kinds.extend(str(n.target) for n in graph.graph.nodes)
        raise Done
    def partition(joint, *rest, **more):
        kinds.extend(str(n.target) for n in joint.graph.nodes)
        raise Done
    backend = aot_autograd(fw_compiler=compiler, partition_fn=partition)
    torch.compiler.reset()
    try:
        torch.compile(function, fullgraph=True, backend=backend)(**arguments)
    except Exception as error:
        if not kinds:
            return f"{type(error).__name__}: {error}"[:2000]
    of_ours = ("triton_kernel_wrapper", "verified_kernels")
    return "kernel" if any(word in k for k in kinds for word in of_ours) else "no kernel"

# Shape and parameters, where two dimensions are not what the op takes.
SHAPES = {
    "attention": ((1, 2, 64, 64), {}),
    "attention_varlen": ((64, 2, 64), {"lens": (24, 40)}),
    "conv2d": ((1, 16, 8, 8, 16, 3, 3), {"padding": 1}),
    "decode_attention": ((1, 2, 1, 64), {"lens": (40,)}),
    "grouped_matmul": ((32, 64, 48), {"sizes": (20, 12)}),
    "linear": ((4, 64, 48), {}),
    "matmul": ((32, 64, 48), {}),
    "matmul_fp8": ((32, 64, 48), {}),
    "matmul_int4": ((4, 128, 48), {}),
    "matmul_int8": ((32, 64, 48), {}),
    "rope": ((1, 2, 4, 64), {"angles": (4, 64), "seq_before_heads": False}),
}

found = {}
for name, spec in vk.load_specs().items():
    shape, params = (4, 64), {}
    if name in SHAPES:
        shape, params = SHAPES[name]
    if name in ("add", "sub", "mul", "fma"):
        params = {n: shape for n in ("y", "z")[: 2 if name == "fma" else 1]}
    if name in ("sum", "amax", "amin", "argmax", "argmin", "var"):
        params = {"dim": -1}
    case = Case(id="small", shape=shape, params=params)
    arguments = draw_arguments(spec, case, "bfloat16", "cpu", seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found[name] = traced(spec.op, arguments)
modules = {
    "Dropout": vk.nn.Dropout(0.5),
    "LayerNorm": vk.nn.LayerNorm(64),
    "LayerNorm, bare": vk.nn.LayerNorm(64, elementwise_affine=False),
    "RMSNorm": vk.nn.RMSNorm(64),
    "SwiGLU": vk.nn.SwiGLU(64, 64),
}
for name, module in modules.items():
    found[name] = traced(lambda x: module(x), {"x": torch.randn(4, 64, requires_grad=True)})
print(json.dumps(found))
"""


TRACED = list(vk.load_specs())


@pytest.fixture(scope="module")
def traces():
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "name", [*TRACED, "Dropout", "LayerNorm", "LayerNorm, bare", "RMSNorm", "SwiGLU"]
)
def test_the_whole_of_it_is_traced(traces, name):
    assert traces[name] == "kernel"
