"""Two layers of a Llama, trained with the verified kernels and with PyTorch's own (GPU only).

`python benchmarks/llama.py [--steps 30]` trains the same weights on the same tokens with
`torch.nn.functional` and with `verified_kernels`: in bf16, and with fp32 weights under autocast,
each eager and compiled with `fullgraph=True`. It prints a line each: how far the losses of a step
lie apart at most, milliseconds a step and peak memory of both. Exit 1 where the losses lie further
apart than bf16's noise.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

import verified_kernels as vk

# As in Llama 3 8B, with two layers in place of 32.
WIDTH, HIDDEN, HEADS, KEY_HEADS, VOCABULARY, LAYERS = 4096, 14336, 32, 8, 128256, 2
BATCH, POSITIONS = 2, 4096
EPS = 1e-5
# Losses start near ln(128,256) = 11.8, where neighbours in bf16 lie 0.06 apart.
NOISE = 0.07


@dataclass(frozen=True, slots=True)
class Functions:
    """The functions that a model is built of."""

    rms_norm: Callable[[Tensor, Tensor], Tensor]
    add_and_norm: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    swiglu: Callable[[Tensor, Tensor], Tensor]
    rope: Callable[[Tensor, Tensor, Tensor], Tensor]
    cross_entropy: Callable[[Tensor, Tensor], Tensor]


def _torch_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


def _torch_add_and_norm(x: Tensor, residual: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    h = x + residual
    return functional.rms_norm(h, (WIDTH,), weight, EPS), h


PYTORCH = Functions(
    lambda x, weight: functional.rms_norm(x, (WIDTH,), weight, EPS),
    _torch_add_and_norm,
    lambda gate, up: functional.silu(gate) * up,
    _torch_rope,
    functional.cross_entropy,
)
VERIFIED = Functions(
    lambda x, weight: vk.rms_norm(x, weight, eps=EPS),
    lambda x, residual, weight: vk.rms_norm(x, weight, residual, EPS),
    vk.swiglu,
    vk.rope,
    vk.cross_entropy,
)


class Layer(nn.Module):
    """Attention and a gated feed-forward block, each behind an RMS norm."""

    def __init__(self, functions: Functions) -> None:
        super().__init__()
        self.functions = functions
        width = WIDTH // HEADS
        self.qkv = nn.Linear(WIDTH, (HEADS + 2 * KEY_HEADS) * width, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate_up = nn.Linear(WIDTH, 2 * HIDDEN, bias=False)
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False)
        self.norms = nn.ParameterList([torch.ones(WIDTH), torch.ones(WIDTH)])

    def forward(self, x: Tensor, h: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """The feed-forward block's output, and the residual stream that it is to be added to."""
        f = self.functions
        batch, positions, _ = x.shape
        x, h = f.add_and_norm(x, h, self.norms[0])
        heads = self.qkv(x).view(batch, positions, -1, WIDTH // HEADS).transpose(1, 2)
        q, k, v = heads.split((HEADS, KEY_HEADS, KEY_HEADS), dim=1)
        q, k = f.rope(q, cos, sin), f.rope(k, cos, sin)
        x = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = self.out(x.transpose(1, 2).reshape(batch, positions, WIDTH))
        x, h = f.add_and_norm(x, h, self.norms[1])
        return self.down(f.swiglu(*self.gate_up(x).chunk(2, dim=-1))), h


class Llama(nn.Module):
    """The loss of predicting each next token."""

    def __init__(self, functions: Functions) -> None:
        super().__init__()
        self.functions = functions
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList(Layer(functions) for _ in range(LAYERS))
        self.norm = nn.Parameter(torch.ones(WIDTH))
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """The mean cross entropy over tokens [batch, positions + 1]."""
        h = self.embedding(tokens[:, :-1])
        x = torch.zeros_like(h)
        for layer in self.layers:
            x, h = layer(x, h, cos, sin)
        x, _ = self.functions.add_and_norm(x, h, self.norm)
        logits = self.head(x)
        return self.functions.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].reshape(-1))


def angles(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines [positions, width of a head]."""
    width = WIDTH // HEADS
    rates = 500000.0 ** (-torch.arange(0, width, 2, device="cuda") / width)
    turned = torch.arange(POSITIONS, device="cuda")[:, None] * rates
    both = torch.cat((turned, turned), dim=-1)
    return both.cos().to(dtype), both.sin().to(dtype)


@dataclass(frozen=True, slots=True)
class Run:
    """Losses of the steps, the median of their milliseconds, and the peak of memory in GB."""

    losses: list[float]
    milliseconds: float
    gigabytes: float


def train(functions: Functions, steps: int, *, autocast: bool, compiled: bool) -> Run:
    """Trains from fixed weights on fixed tokens."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.compiler.reset()
    torch.manual_seed(0)
    dtype = torch.float32 if autocast else torch.bfloat16
    with torch.device("cuda"):
        model = Llama(functions).to(dtype)
        tokens = torch.randint(VOCABULARY, (BATCH, POSITIONS + 1))
    cos, sin = angles(torch.bfloat16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    call = torch.compile(model, fullgraph=True) if compiled else model
    losses, times = [], []
    for step in range(steps + 3):
        if step == 3:
            torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
        begin = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
            loss = call(tokens, cos, sin)
        loss.backward()
        torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - begin))
        losses.append(loss.item())
        optimizer.step()
        optimizer.zero_grad()
    peak = torch.cuda.max_memory_allocated() / 1e9
    return Run(losses, statistics.median(times[3:]), peak)


def main() -> None:
    """Prints a line a mode; exit 1 if losses of one lie further apart than noise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    apart = False
    for autocast in (False, True):
        for compiled in (False, True):
            mode = {"autocast": autocast, "compiled": compiled}
            theirs = train(PYTORCH, options.steps, **mode)
            ours = train(VERIFIED, options.steps, **mode)
            pairs = zip(theirs.losses, ours.losses, strict=True)
            distance = max(abs(a - b) for a, b in pairs)
            apart |= distance > NOISE
            sys.stdout.write(
                f"{'autocast' if autocast else 'bf16'}, {'compiled' if compiled else 'eager'}: "
                f"losses {ours.losses[0]:.4f} to {ours.losses[-1]:.4f}, at most {distance:.4f} "
                f"apart; {ours.milliseconds:.1f} ms a step, PyTorch {theirs.milliseconds:.1f}; "
                f"{ours.gigabytes:.1f} GB, PyTorch {theirs.gigabytes:.1f}\n"
            )
            sys.stdout.flush()
    sys.exit(1 if apart else 0)


if __name__ == "__main__":
    main()
