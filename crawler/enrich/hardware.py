"""For which backend a kernel is, and which architecture it asks for at least.

Told by what the index keeps of a kernel as facts, so that it can be worked out again without its
text. A kernel of which nothing is told runs wherever Triton does. Pure.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec

_WORDS = re.compile(r"[_\-. ]+")
# Numbers of architectures: compute capabilities, and AMD's targets with the names of families.
_SM = re.compile(r"sm_?(7[05]|8[069]|9[0]|1[0-2][0-9])a?")
_GFX = re.compile(r"gfx(?:9[0-9a-f]{0,2}|1[0-2][0-9]{2})")
_FAMILIES = {"cdna3": "gfx942", "cdna4": "gfx950", "cdna5": "gfx1250", "gfx95": "gfx950"}
_ARCHITECTURE_WORDS = {"ampere": "sm_80", "hopper": "sm_90", "blackwell": "sm_100"}

# Beginnings of calls that only such an architecture has an instruction for.
_ARCHITECTURE_CALLS = (
    ("gl.nvidia.blackwell.", "sm_100"),
    ("tl.extra.tlx.tcgen05_", "sm_100"),
    ("gl.nvidia.hopper.", "sm_90"),
    ("gl.nvidia.ampere.", "sm_80"),
    ("gl.amd.cdna3.", "gfx942"),
    ("gl.amd.cdna4.", "gfx950"),
    ("gl.amd.cdna5.", "gfx1250"),
    ("gl.amd.gfx1250.", "gfx1250"),
)
_FP8 = frozenset({"float8e4nv"})


class _Backend(msgspec.Struct, forbid_unknown_fields=True):
    about: str
    folders: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    below: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A backend or an architecture, and what tells that the kernel is for it."""

    hardware: str
    reason: str


def hardware_of(
    *,
    repo: str,
    path: str,
    qualname: str,
    tl_calls: Collection[str] = (),
    features: Collection[str] = (),
    dtypes: Collection[str] = (),
    configs: Sequence[Collection[str]] = (),
) -> tuple[Claim, ...]:
    """Return the backend that a kernel is for and the architectures it asks for; () is any.

    All is as in its record; `configs` has of each configuration of its autotuner the names of the
    launch options.
    """
    claims = _by_place(repo, path, qualname) or list(_by_code(tl_calls, configs))
    names = {claim.hardware for claim in claims if claim.hardware in hardware_vocabulary()}
    if names <= {"nvidia"}:
        claims += _nvidia_asks(tl_calls, features, dtypes)
    if names == {"amd"}:
        claims += _by_calls(tl_calls, "gfx")
    first: dict[str, Claim] = {}
    for claim in claims:
        first.setdefault(claim.hardware, claim)
    return tuple(first.values())


def backend_names() -> tuple[str, ...]:
    """Return the backends that the vocabulary knows, in its order."""
    return tuple(hardware_vocabulary())


def hardware_asked(words: Collection[str]) -> tuple[str, ...]:
    """Return the backends that words of a question (lower case) ask for."""
    return tuple(
        name
        for name, entry in hardware_vocabulary().items()
        if not {name, *entry.asked}.isdisjoint(words)
    )


@cache
def hardware_vocabulary() -> Mapping[str, _Backend]:
    """Return the vocabulary that the package carries; it is read once."""
    text = resources.files("crawler").joinpath("data", "hardware.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, _Backend])


def _by_place(repo: str, path: str, qualname: str) -> list[Claim]:
    """Return what the folders of a kernel, its file, its name or its source say.

    The outermost folder settles the backend: `iluvatar/test/hopper` is a test of Iluvatar's. What
    the others add is the architecture.
    """
    *folders, file = path.lower().split("/")
    found = [claim for n in range(len(folders)) for claim in _of_folder(repo, folders[: n + 1])]
    found += _of_words(file.rpartition(".")[0], "file")
    found += _of_words(qualname.rpartition(".")[2].lower(), "name")
    found += (
        Claim(hardware=backend, reason=f"{repo} holds kernels for nothing else")
        for backend, entry in hardware_vocabulary().items()
        if repo in entry.sources
    )
    first = next((c.hardware for c in found if c.hardware in hardware_vocabulary()), "")
    prefix = {"nvidia": "sm_", "amd": "gfx"}.get(first, "none")
    return [c for c in found if c.hardware == first or c.hardware.startswith(prefix)]


def _of_folder(repo: str, folders: Sequence[str]) -> list[Claim]:
    name = folders[-1].lstrip("_")
    place = f"{repo}:{'/'.join(folders[:-1])}"
    entries = hardware_vocabulary().items()
    named = [backend for backend, entry in entries if entry.below.get(name) == place]
    named = named or [backend for backend, entry in entries if name in entry.folders]
    claims = [Claim(hardware=b, reason=f"it stands in the folder {folders[-1]}") for b in named]
    if name in _ARCHITECTURE_WORDS:
        claims.append(Claim(hardware=_ARCHITECTURE_WORDS[name], reason=f"its folder is {name}"))
    return claims or _of_words(name, "folder")


def _of_words(text: str, kind: str) -> list[Claim]:
    """Return what the first or last word of a name says, or an architecture anywhere in it."""
    words = [word for word in _WORDS.split(text) if word]
    told: list[tuple[str, str]] = []
    for word in words:
        compute, target = _SM.fullmatch(word), _GFX.fullmatch(word)
        if compute is not None:
            told += [("nvidia", word), (f"sm_{compute[1]}", word)]
        elif target is not None or word in _FAMILIES:
            told.append(("amd", word))
            # `gfx9` is a family of many.
            told += [(_FAMILIES.get(word, word), word)] if len(word) > len("gfx9") else []
    for backend, entry in hardware_vocabulary().items():
        if len(words) > 1 and words[-1] in entry.endings:
            told.append((backend, words[-1]))
        elif len(words) > 1 and kind == "file" and words[0] in entry.starts:
            told.append((backend, words[0]))
    told += [(_ARCHITECTURE_WORDS[w], w) for _, w in told if w in _ARCHITECTURE_WORDS]
    return [Claim(hardware=h, reason=f"its {kind} has the word {word}") for h, word in told]


def _by_code(tl_calls: Collection[str], configs: Sequence[Collection[str]]) -> Iterator[Claim]:
    for name, entry in hardware_vocabulary().items():
        for call in sorted(tl_calls):
            if call.startswith(entry.calls) and ".libdevice." not in call:
                yield Claim(hardware=name, reason=f"it calls {call}")
                break
        taken = frozenset(entry.options)
        if configs and taken and all(not taken.isdisjoint(options) for options in configs):
            yield Claim(hardware=name, reason="every configuration has an option of that backend")


def _nvidia_asks(
    tl_calls: Collection[str], features: Collection[str], dtypes: Collection[str]
) -> Iterator[Claim]:
    yield from _by_calls(tl_calls, "sm_")
    if "tma" in features:
        yield Claim(hardware="sm_90", reason="it loads by tensor descriptors (TMA)")
    if "dot" in features and not _FP8.isdisjoint(dtypes):
        yield Claim(hardware="sm_89", reason="it multiplies 8-bit floating-point numbers")


def _by_calls(tl_calls: Collection[str], kind: str) -> Iterator[Claim]:
    """Yield the newest architecture that the calls are instructions of."""
    for start, architecture in _ARCHITECTURE_CALLS:
        if architecture.startswith(kind):
            call = next((call for call in sorted(tl_calls) if call.startswith(start)), None)
            if call is not None:
                yield Claim(hardware=architecture, reason=f"it calls {call}")
                return
