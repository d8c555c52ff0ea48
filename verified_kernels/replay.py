"""Launching: on the device of the tensors, and from memory for inputs of a kind met before.

`launch(kernel, grid)` stands for `kernel[grid]`, and is the one place that launches go through. A
kernel must run on the device that its tensors lie on, which need not be the current one: pointers
of another device would be read on a stream that nothing orders them by.

`remembered(launcher)` takes the Python out of a launcher. Between its call and the work of the GPU
a launcher checks its input, derives strides and a grid, picks a configuration and makes outputs,
and Triton derives from the arguments once more which compiled kernel is meant: 20 to 60
microseconds, where a small kernel runs for two. All of that follows from the *kind* of the inputs:
shapes, strides, dtypes, device and alignment of tensors, and every other argument as it is. So the
first call of a kind runs as written, the second does too and is recorded, and from the third on the
recording is played: it makes the same empty tensors and starts the same compiled kernels on the new
addresses.

A recording is sound only if it holds all that the launcher did. While one is made, every operator
of PyTorch that the launcher calls is seen. Views and empty tensors are understood; anything else, a
copy of an input with gaps for example, spoils the recording, and calls of that kind run as written
for good. Beyond that a launcher promises to be a function of its arguments' kinds: it reads no
values of tensors, of their addresses at most the last four bits, and no state that changes.

Under torch.compile, where the launcher is traced, for subclasses of tensors, and while a profiler
wants to hear of launches, nothing is played.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import triton
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

F = TypeVar("F", bound=Callable[..., Any])

# Kinds that one launcher remembers; then all are forgotten. Sequence lengths that never come
# again would fill the memory otherwise.
MOST_KINDS = 4096
# Addresses that differ by a multiple of this are alike to every kernel: the widest load.
ALIGNMENT = 16
_PLAIN = frozenset({Tensor, torch.nn.Parameter})
_aten = torch.ops.aten
EMPTY = frozenset(
    {
        _aten.empty.memory_format,
        _aten.empty_strided.default,
        _aten.empty_like.default,
        _aten.new_empty.default,
        _aten.new_empty_strided.default,
    }
)
"""The operators that make tensors without entries of their own."""


# As inductor's own code makes tensors, on the current device: half the time of the public function.
_empty_strided_cuda: Any = getattr(
    getattr(getattr(torch._C, "_dynamo", None), "guards", None), "_empty_strided_cuda", None
)
# Releases whose launcher is known to do what `_bound` says.
_IS_KNOWN_TRITON = triton.__version__.startswith("3.6.")


class Varying(int):
    """An integer argument that no recording holds as it is, such as a seed.

    A launcher hands it to a kernel unchanged, to a parameter that Triton does not specialise.
    """


class _Current(threading.local):
    recording: _Recording | None = None


_current = _Current()
# Stands for the recording of a kind that was met once.
_UNRECORDED = object()
# On the CPU there is nothing to gain. Tests set it, and the interpreter stands for the GPU.
_on_cpu = False


def launch(kernel: Any, grid: Sequence[int]) -> Callable[..., Any]:
    """`kernel[grid]` on the device of its first tensor or descriptor, for what the kernel takes."""
    if torch.compiler.is_compiling():
        # torch.compile knows this form, and sees to the device itself.
        return kernel[grid]
    return functools.partial(_launch, kernel, grid)


def _launch(kernel: Any, grid: Sequence[int], *args: Any, **options: Any) -> None:
    if _current.recording is not None:
        _current.recording.launch(kernel, grid, args, options)
    else:
        _launch_on_device(kernel, grid, args, options)


def _launch_on_device(
    kernel: Any, grid: Sequence[int], args: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    """The compiled kernel, once it is launched."""
    index = next(_memory_of(a).get_device() for a in args if _holds_memory(a))
    values = [int(a) if type(a) is Varying else a for a in args]
    if index < 0 or index == torch.cuda.current_device():
        return kernel[grid](*values, **options)
    with torch.cuda.device(index):
        return kernel[grid](*values, **options)


def _holds_memory(value: Any) -> bool:
    """True for a tensor, and for a descriptor of one."""
    return isinstance(value, Tensor) or hasattr(value, "block_shape")


def _memory_of(value: Any) -> Tensor:
    found: Tensor = value if isinstance(value, Tensor) else value.base
    return found


def remembered(launcher: F) -> F:
    """The launcher, played from a recording where its inputs are of a kind met twice before.

    Its arguments are positional: tensors, and hashable values. It gives a tensor or a tuple of
    tensors and None.
    """
    tapes: dict[Any, Any] = {}

    @functools.wraps(launcher)
    def call(*args: Any) -> Any:
        if torch.compiler.is_compiling():
            return launcher(*args)
        kind = _kind_of(args)
        if kind is None:
            return launcher(*args)
        if kind not in tapes:
            # Met for the first time: the next call is recorded.
            if len(tapes) >= MOST_KINDS:
                tapes.clear()
            tapes[kind] = _UNRECORDED
            return launcher(*args)
        tape = tapes[kind]
        if tape is None or _is_watched():
            return launcher(*args)
        if tape is _UNRECORDED:
            result, tapes[kind] = _record(launcher, args)
            return result
        return tape.play(args)

    call.tapes = tapes  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


def _kind_of(args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """What a recording depends on, or None for inputs that are never played."""
    parts: list[Any] = []
    for a in args:
        kind = type(a)
        if kind in _PLAIN:
            index = a.get_device()
            if index < 0 and not _on_cpu:
                return None
            parts += (a.shape, a.stride(), a.dtype, index, a.data_ptr() % ALIGNMENT)
        elif kind is Varying:
            # Triton passes it in 32 bits or in 64.
            parts.append(a < 2**31)
        elif isinstance(a, Tensor):
            return None
        else:
            parts.append(a)
    return tuple(parts)


def _is_watched() -> bool:
    """True while something wants to hear of every launch, as Triton's profiler does."""
    hook = triton.knobs.runtime.launch_enter_hook
    return hook is not None and bool(getattr(hook, "calls", True))


@dataclass(slots=True)
class _Start:
    """One launch: its values in the order of the kernel's parameters, with gaps to be filled.

    `addresses` fills a gap with that of a source plus a number of bytes, `varying` with an argument
    of the launcher.
    """

    kernel: Any
    compiled: Any
    grid: tuple[int, ...]
    options: Mapping[str, Any]
    values: list[Any] = field(default_factory=list)
    addresses: list[tuple[int, _Place]] = field(default_factory=list)
    varying: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor lies: so many bytes after the first entry of a source."""

    source: int
    n_bytes: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def within(self, source: Tensor) -> Tensor:
        """The tensor at this place."""
        if source.dtype != self.dtype:
            source = source.view(self.dtype)
        offset = source.storage_offset() + self.n_bytes // self.dtype.itemsize
        return source.as_strided(self.shape, self.stride, offset)


class _Recording(TorchDispatchMode):
    """While entered, tells where what is launched comes from.

    A *source* is a number: that of the launcher's tensors in order, then of those it made empty.
    """

    def __init__(self, args: tuple[Any, ...]) -> None:
        super().__init__()
        self.args = args
        self.sources: list[Tensor] = [a for a in args if isinstance(a, Tensor)]
        self.starts: list[_Start] = []
        self.is_whole = True
        self._is_launching = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The operator's own result; that it ran is noted."""
        out = func(*args, **(kwargs or {}))
        if self._is_launching:
            # Triton's own, such as the interpreter's copies.
            return out
        if func in EMPTY:
            self.sources.append(out)
        elif not func.is_view:
            self.is_whole = False
        return out

    def launch(
        self, kernel: Any, grid: Sequence[int], args: tuple[Any, ...], options: Mapping[str, Any]
    ) -> None:
        """Launches, and notes it."""
        self._is_launching = True
        try:
            compiled = _launch_on_device(kernel, grid, args, options)
        finally:
            self._is_launching = False
        given: dict[str, Any] = {**dict(zip(kernel.arg_names, args, strict=False)), **options}
        others = {n: v for n, v in options.items() if n not in kernel.arg_names}
        start = _Start(kernel, compiled, tuple((*grid, 1, 1)[:3]), others)
        for position, name in enumerate(kernel.arg_names):
            value = given[name]
            if isinstance(value, Tensor):
                start.addresses.append((position, self.place(value)))
                value = None
            elif _holds_memory(value) or type(value) is tuple:
                # A descriptor, or several values in one: nothing says where their tensors lie.
                self.is_whole = False
            elif type(value) is Varying:
                # By identity: numbers that differ tomorrow may be equal today.
                at = next(i for i, a in enumerate(self.args) if a is value)
                start.varying.append((position, at))
            start.values.append(value)
        self.starts.append(start)

    def place(self, tensor: Tensor) -> _Place:
        """Where a tensor lies; the recording is spoilt if that is in no source."""
        memory, address = tensor.untyped_storage()._cdata, tensor.data_ptr()
        found = [i for i, s in enumerate(self.sources) if s.untyped_storage()._cdata == memory]
        if len(found) > 1:
            # Two inputs are parts of one tensor: which of them it is shows in the address alone.
            found = [i for i in found if self.sources[i].data_ptr() == address]
        self.is_whole &= len(found) == 1
        source = found[0] if found else 0
        behind = address - self.sources[source].data_ptr()
        return _Place(source, behind, tensor.shape, tensor.stride(), tensor.dtype)


def _bound(start: _Start) -> tuple[Any, ...]:
    """What starts a compiled kernel: a function, and its arguments before and after the stream.

    Triton's launcher only makes room for scratch memory before it calls the function that it had
    compiled; where none is asked for, that function is taken.
    """
    compiled, run = start.compiled, start.compiled.run
    rest = (compiled.packed_metadata, None, None, None)
    scratch = (getattr(run, f"{kind}_scratch_size", 1) for kind in ("global", "profile"))
    if _IS_KNOWN_TRITON and not any(scratch):
        flags = (run.launch_cooperative_grid, run.launch_pdl, None, None)
        return run.launch, start.grid, (compiled.function, *flags, *rest)
    return run, start.grid, (compiled.function, *rest)


def _record(launcher: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, _Tape | None]:
    """The launcher's result, and a recording of how it came about if one can be made."""
    recording = _Recording(args)
    _current.recording = recording
    try:
        with recording:
            result = launcher(*args)
    finally:
        _current.recording = None
    results = result if isinstance(result, tuple) else (result,)
    places = [None if r is None else recording.place(r) for r in results]
    if not recording.is_whole:
        return result, None
    return result, _Tape(recording, places, is_tuple=isinstance(result, tuple))


class _Tape:
    """What a launcher does for one kind of inputs."""

    def __init__(
        self, recording: _Recording, results: list[_Place | None], *, is_tuple: bool
    ) -> None:
        self._inputs = [i for i, a in enumerate(recording.args) if isinstance(a, Tensor)]
        self._index = recording.sources[0].get_device()
        made = recording.sources[len(self._inputs) :]
        self._made = [(tuple(t.shape), t.stride(), t.dtype, t.device) for t in made]
        self._starts = recording.starts
        self._quick: list[tuple[Any, ...]] = []
        if self._index >= 0:
            self._quick = [
                (
                    *_bound(start),
                    start.values,
                    tuple((position, p.source, p.n_bytes) for position, p in start.addresses),
                    tuple(start.varying),
                )
                for start in recording.starts
            ]
        self._is_tuple = is_tuple
        self._results: list[int | _Place | None] = [self._shortened(r, results) for r in results]
        active = None if self._index < 0 else triton.runtime.driver.active
        self._stream_of: Any = None if active is None else active.get_current_stream

    def _shortened(
        self, result: _Place | None, results: list[_Place | None]
    ) -> int | _Place | None:
        """The number of the source that a result is: empty tensors are made in its shape."""
        if result is None:
            return None
        made = result.source - len(self._inputs)
        alone = [r for r in results if r is not None and r.source == result.source] == [result]
        if made < 0 or not alone or result.n_bytes:
            return result
        shape, _, dtype, device = self._made[made]
        if dtype != result.dtype or torch.Size(shape).numel() != torch.Size(result.shape).numel():
            return result
        self._made[made] = (tuple(result.shape), result.stride, dtype, device)
        return result.source

    def play(self, args: tuple[Any, ...]) -> Any:
        """What the launcher would give for these arguments."""
        tensors = [args[i] for i in self._inputs]
        if self._stream_of is None:
            self._make(tensors)
            self._start_interpreted(tensors, args)
        elif torch._C._cuda_getDevice() == self._index:
            self._make(tensors)
            self._start(tensors, args)
        else:
            with torch.cuda.device(self._index):
                self._make(tensors)
                self._start(tensors, args)
        if not self._is_tuple:
            return self._result(tensors, self._results[0])
        return tuple([self._result(tensors, r) for r in self._results])

    def _make(self, tensors: list[Tensor]) -> None:
        """Appends the launcher's empty tensors; its device is the current one."""
        if _empty_strided_cuda is None or self._index < 0 or torch._C._len_torch_dispatch_stack():
            for shape, stride, dtype, device in self._made:
                tensors.append(torch.empty_strided(shape, stride, dtype=dtype, device=device))
            return
        for shape, stride, dtype, _ in self._made:
            tensors.append(_empty_strided_cuda(shape, stride, dtype))

    @staticmethod
    def _result(tensors: list[Tensor], result: int | _Place | None) -> Tensor | None:
        if result is None:
            return None
        if isinstance(result, int):
            return tensors[result]
        return result.within(tensors[result.source])

    def _start(self, tensors: list[Tensor], args: tuple[Any, ...]) -> None:
        addresses = [t.data_ptr() for t in tensors]
        stream = self._stream_of(self._index)
        # As `kernel[grid]` ends, without the hooks that nothing listens to.
        for run, grid, options, template, places, varying in self._quick:
            values = template.copy()
            for position, source, n_bytes in places:
                values[position] = addresses[source] + n_bytes
            for position, at in varying:
                values[position] = int(args[at])
            run(*grid, stream, *options, *values)

    def _start_interpreted(self, tensors: list[Tensor], args: tuple[Any, ...]) -> None:
        for start in self._starts:
            values = start.values.copy()
            for position, place in start.addresses:
                values[position] = place.within(tensors[place.source])
            for position, at in start.varying:
                values[position] = int(args[at])
            start.kernel[start.grid](*values, **start.options)
