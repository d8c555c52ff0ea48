"""How long a kernel takes, beside PyTorch eager, torch.compile and Liger, in one run (GPU only).

`docs/verified.md` says what is measured and why. Two ways of calling. *Graph*: the call is captured
in a CUDA graph and replayed behind a queue of other work, so that only the GPU's time counts.
*Plain*: the call is made on an idle GPU, so that the launcher's Python counts too, which is what
bounds small sizes. Before each call the L2 cache is filled by reading a buffer four times its size;
reading, since what is written lingers there and would be written back on the timed call's account.
Reported: 20th percentile, median, 80th.

torch.compile chooses among configurations by timing them, so one compile is one draw. Each size is
compiled three times, each into a cache of its own, and the fastest counts. `warm` fills those
caches, several processes side by side; timings are taken by one process at a time.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from verified_kernels.check import as_outputs, draw_arguments, leaves_of
from verified_kernels.records import NO_TIMES, Pass, Timing
from verified_kernels.spec import DTYPES, Arguments, Case, Spec

REPEATS = 30
WARM_UP = 200  # flushes, about 20 ms: an idle GPU's clocks need a while to rise
OWN = "triton"  # the provider's name in `spread`
BUNDLED = "verified"  # the bundled function's, beside a candidate
PEERS = ("eager", "compile", "liger")
DRAWS = 3
# Where the compiled peers lie: a folder of this run, so that its compiles are fresh.
DRAWS_FOLDER = "VERIFIED_KERNELS_DRAWS"

Call = Callable[[], Any]
Provider = Callable[..., Any]


def _events() -> list[tuple[torch.cuda.Event, torch.cuda.Event]]:
    def event() -> torch.cuda.Event:
        return torch.cuda.Event(enable_timing=True)

    return [(event(), event()) for _ in range(REPEATS)]


def _percentiles_of(events: list[tuple[torch.cuda.Event, torch.cuda.Event]]) -> Timing:
    return _percentiles([start.elapsed_time(end) for start, end in events])


class _Flush:
    """Fills the L2 cache with lines of a buffer that nothing else reads."""

    def __init__(self) -> None:
        size = 4 * torch.cuda.get_device_properties("cuda").L2_cache_size
        self._buffer = torch.ones(size // 4, dtype=torch.float32, device="cuda")
        self._sum = torch.zeros((), device="cuda")

    def __call__(self) -> None:
        torch.sum(self._buffer, dim=0, out=self._sum)


def _percentiles(times: list[float]) -> Timing:
    fifths = statistics.quantiles(times, n=5, method="inclusive")
    return Timing(p20=fifths[0], median=statistics.median(times), p80=fifths[3])


def copy_bandwidth(flush: _Flush) -> float:
    """GB/s of a device-to-device copy of 2 GiB, bytes read plus bytes written."""
    source = torch.empty(1 << 29, dtype=torch.float32, device="cuda").normal_()
    target = torch.empty_like(source)
    # In a graph the copy would be a memcpy node, which can go another way than the kernel.
    timing = time_queued({"copy": lambda: target.copy_(source)}, flush)["copy"]
    return 2 * source.numel() * 4 / timing.median / 1e6


def captured(call: Call) -> Call:
    """A replay of what `call` launches on the current stream, which must not be the default."""
    stream = torch.cuda.current_stream()
    for _ in range(3):
        call()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        call()
    return graph.replay


def time_queued(calls: Mapping[str, Call], flush: _Flush) -> dict[str, Timing]:
    """Milliseconds of GPU time of each call, in turns, so that clocks and heat favour none."""
    events = {name: _events() for name in calls}
    for _ in range(WARM_UP):
        flush()
    for call in calls.values():
        call()
    for turn in range(REPEATS):
        for name, call in calls.items():
            start, end = events[name][turn]
            flush()
            start.record()
            call()
            end.record()
    torch.cuda.synchronize()
    return {name: _percentiles_of(pairs) for name, pairs in events.items()}


def time_plain(calls: Mapping[str, Call], flush: _Flush) -> dict[str, Timing]:
    """Milliseconds from each call on an idle GPU to the end of its work, in turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            call()
            flush()
            torch.cuda.synchronize()
            begin = time.perf_counter()
            call()
            torch.cuda.synchronize()
            times[name].append(1e3 * (time.perf_counter() - begin))
    return {name: _percentiles(values) for name, values in times.items()}


def _draws_folder() -> Path:
    return Path(os.environ.get(DRAWS_FOLDER) or tempfile.gettempdir()) / "draws"


@contextlib.contextmanager
def _drawn(draw: int) -> Iterator[None]:
    """While entered, torch.compile compiles anew, or finds what this draw compiled before."""
    before = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(_draws_folder() / str(draw))
    try:
        yield
    finally:
        if before is None:
            del os.environ["TORCHINDUCTOR_CACHE_DIR"]
        else:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = before


def _providers(
    spec: Spec, peers: Sequence[str], bundled: Spec | None
) -> Iterator[tuple[str, Provider]]:
    """Name and function of each provider, one at a time; `compile 1` to 3 are draws."""
    yield OWN, spec.op
    if bundled is not None:
        yield BUNDLED, bundled.op
    if "eager" in peers:
        yield "eager", spec.eager
    if "liger" in peers and spec.liger is not None:
        try:
            yield "liger", spec.liger()
        except ImportError as error:
            sys.stderr.write(f"{spec.name}: {NO_TIMES} Liger, which is not installed: {error}\n")
    if "compile" in peers:
        for draw in range(DRAWS):
            with _drawn(draw):
                yield f"compile {draw + 1}", torch.compile(_copy_of(spec.eager), dynamic=False)


def _copy_of(function: Provider) -> Provider:
    """The function with code of its own, which torch.compile keeps its results by."""
    if not isinstance(function, FunctionType):
        return lambda **arguments: function(**arguments)
    copy = FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _calls(spec: Spec, provider: Provider, arguments: Arguments) -> dict[Pass, Call]:
    """The call to time for each direction; backward runs over a graph recorded here."""
    leaves = list(leaves_of(spec, arguments).values())
    frozen = {n: v.detach() if isinstance(v, Tensor) else v for n, v in arguments.items()}
    # Where the op has a gradient, forward is timed as in training: it saves what backward needs.
    calls: dict[Pass, Call] = {
        Pass.FORWARD: lambda: provider(**(arguments if leaves else frozen)),
    }
    if leaves:
        outputs = [o for o in as_outputs(provider(**arguments)) if o.requires_grad]
        upstream = [torch.empty_like(o).normal_() for o in outputs]
        calls[Pass.BACKWARD] = lambda: torch.autograd.grad(
            outputs, leaves, upstream, retain_graph=True
        )
    return calls


def _keep_buffers() -> None:
    """Lets compiled backward passes run more than once over one forward pass."""
    import torch._functorch.config

    torch._functorch.config.donated_buffer = False


def _arguments(spec: Spec, case: Case, dtype: str) -> Arguments:
    return draw_arguments(spec, case, dtype, "cuda", seed=11)


def warm(spec: Spec, peers: Sequence[str] = ()) -> None:
    """Runs every provider once a timed case, so that compilers' caches on disk are filled."""
    _keep_buffers()
    for case in spec.bench:
        for dtype in spec.bench_dtypes:
            torch.compiler.reset()
            arguments = _arguments(spec, case, dtype)
            for name, provider in _providers(spec, peers or PEERS, None):
                try:
                    for call in _calls(spec, provider, arguments).values():
                        call()
                except Exception as error:
                    sys.stderr.write(f"{spec.name}, {case.id}: {name} fails: {error}\n")


class Bench:
    """Times cases of one spec beside `peers` (all, without any named) and `bundled`.

    While `alone` is held no other process of a run uses the GPU for long.
    """

    def __init__(self, peers: Sequence[str] = (), bundled: Spec | None = None) -> None:
        _keep_buffers()
        self._peers = tuple(peers) or PEERS
        self._bundled = bundled
        self.alone = FileLock(Path(tempfile.gettempdir()) / "verified-kernels-timing.lock")
        with self.alone:
            self._flush = _Flush()
            self._copy_gb_per_s = copy_bandwidth(self._flush)
            torch.cuda.empty_cache()

    def time_case(self, spec: Spec, case: Case, dtype: str) -> dict[Pass, dict[str, Any]]:
        """For each direction the fields of a record that timing fills in."""
        plain: dict[Pass, dict[str, Call]] = {p: {} for p in Pass}
        graphs: dict[Pass, dict[str, Call]] = {p: {} for p in Pass}
        torch.compiler.reset()
        with torch.cuda.stream(torch.cuda.Stream()):
            # Compiling goes on beside the timings of others; it takes no time of the GPU.
            for name, provider in _providers(spec, self._peers, self._bundled):
                try:
                    arguments = _arguments(spec, case, dtype)
                    for direction, call in _calls(spec, provider, arguments).items():
                        graphs[direction][name] = captured(call)
                        plain[direction][name] = call
                except Exception as error:
                    if name == OWN:
                        raise
                    said = str(error).splitlines()[0]
                    sys.stderr.write(f"{spec.name}, {case.id}: {NO_TIMES} {name}: {said}\n")
            with self.alone:
                timed = {
                    p: (time_queued(graphs[p], self._flush), time_plain(plain[p], self._flush))
                    for p in Pass
                    if graphs[p]
                }
        return {
            p: self._fields(spec, case, dtype, p, _best_draw(queued), _best_draw(called))
            for p, (queued, called) in timed.items()
        }

    def _fields(
        self,
        spec: Spec,
        case: Case,
        dtype: str,
        direction: Pass,
        spread: dict[str, Timing],
        plain: dict[str, Timing],
    ) -> dict[str, Any]:
        cost = spec.cost(case, DTYPES[dtype].itemsize)
        forward = direction is Pass.FORWARD
        return {
            "ms": spread[OWN].median,
            "peers": {name: timing.median for name, timing in spread.items() if name != OWN},
            "bytes": cost.forward_bytes if forward else cost.backward_bytes,
            "flops": cost.forward_flops if forward else cost.backward_flops,
            "plain_ms": plain[OWN].median,
            "plain_peers": {name: timing.median for name, timing in plain.items() if name != OWN},
            "spread": spread,
            "copy_gb_per_s": self._copy_gb_per_s,
        }


def _best_draw(timings: dict[str, Timing]) -> dict[str, Timing]:
    """The timings with the fastest of the compiled peers as `compile`."""
    draws = [t for name, t in timings.items() if name.startswith("compile ")]
    others = {name: t for name, t in timings.items() if not name.startswith("compile ")}
    if draws:
        others["compile"] = min(draws, key=lambda timing: timing.median)
    return others
