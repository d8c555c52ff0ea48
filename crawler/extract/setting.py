"""What runtime checks answer for one release of Triton and one target: no GPU is asked.

`setting.value("torch.version.hip")` and `setting.call("torch.cuda.get_device_capability")` know the
names that projects ask to tell releases and devices apart; everything else is not known.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from crawler.enrich.api_table import load_table

TORCH = "2.9.0"
"""The release of PyTorch that is taken to be there, with the Triton that is asked for."""

_NAMES = {
    75: "Tesla T4",
    80: "NVIDIA A100-SXM4-80GB",
    86: "NVIDIA GeForce RTX 3090",
    89: "NVIDIA GeForce RTX 4090",
    90: "NVIDIA H100 80GB HBM3",
    100: "NVIDIA B200",
    120: "NVIDIA GeForce RTX 5090",
}
_PROCESSORS = {75: 40, 80: 108, 86: 82, 89: 128, 90: 132, 100: 148, 120: 170}
_SHARED = {75: 65_536, 80: 166_912, 90: 232_448, 100: 232_448}
"""Bytes of shared memory that a block may have; the other known ones have 101,376."""
_PRESENT = frozenset({"triton", "torch", "numpy", "packaging"})
_ABSENT_DEVICES = frozenset("xpu npu mps musa mlu hpu tpu cpu mtia gcu".split())


class NotKnownError(Exception):
    """A value that only a run would tell; the message names it."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A name outside the project whose value is not looked into: `triton.language.float16`."""

    name: str


@dataclass(frozen=True, slots=True)
class Device:
    """What a driver says of the device, under any of the names that are asked for."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """A release of Triton (`3.6.0`) and a target: backend `cuda` or `hip`, and `90` or `gfx942`."""

    triton: str
    backend: str
    arch: str

    @property
    def capability(self) -> tuple[int, int]:
        """The compute capability, in AMD's numbering as PyTorch gives it for gfx targets."""
        digits = re.sub(r"\D.*$", "", self.arch.removeprefix("gfx")) or "90"
        if self.backend == "hip":
            major = digits[: max(len(digits) - 2, 1)]
            return int(major), int(digits[len(major)] if len(digits) > len(major) else 0)
        return int(digits) // 10, int(digits) % 10

    def device(self) -> Device:
        """Return what the driver says of the device."""
        number = self.capability[0] * 10 + self.capability[1]
        is_hip = self.backend == "hip"
        return Device(
            {
                "backend": self.backend,
                "arch": self.arch if is_hip else number,
                "warp_size": 64 if self.arch.startswith("gfx9") else 32,
                "major": self.capability[0],
                "minor": self.capability[1],
                "gcnArchName": self.arch if is_hip else "",
                "name": self.device_name(),
                "multi_processor_count": _PROCESSORS.get(number, 128),
                "type": "cuda",
            }
        )

    def _properties(self) -> dict[str, int]:
        number = self.capability[0] * 10 + self.capability[1]
        shared = 65_536 if self.backend == "hip" else _SHARED.get(number, 101_376)
        count = _PROCESSORS.get(number, 128)
        return {
            "max_shared_mem": shared,
            "multiprocessor_count": count,
            "warpSize": self.device().fields["warp_size"],
            "max_num_regs": 65_536,
        }

    def device_name(self) -> str:
        """Return the name of a usual device of the target."""
        if self.backend == "hip":
            return "AMD Instinct MI300X" if self.arch == "gfx942" else f"AMD {self.arch}"
        number = self.capability[0] * 10 + self.capability[1]
        return _NAMES.get(number, f"NVIDIA sm_{number}")

    def value(self, name: str) -> Any:
        """Return the value of a name outside the project; `Opaque` where it is none of those."""
        known = self._values()
        if name in known:
            return known[name]
        if name.startswith("math.") and hasattr(math, name[5:]):
            found = getattr(math, name[5:])
            return found if isinstance(found, float) else Opaque(name)
        return Opaque(name)

    def _values(self) -> dict[str, Any]:
        is_hip = self.backend == "hip"
        return {
            "triton.__version__": self.triton,
            "torch.__version__": TORCH,
            "torch.version.__version__": TORCH,
            "torch.version.hip": "6.4" if is_hip else None,
            "torch.version.cuda": None if is_hip else "12.8",
            "torch.version.xpu": None,
            "typing.TYPE_CHECKING": False,
            "sys.version_info": (3, 12, 0),
            "sys.platform": "linux",
            "os.name": "posix",
            "os.environ": {},
        }

    def call(self, name: str, args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        """Return what a call of a name outside the project gives.

        Raises:
            NotKnownError: It is not one of the checks that are understood.
        """
        if name in ("os.getenv", "os.environ.get"):
            return args[1] if len(args) > 1 else keywords.get("default")
        if name.startswith("math."):
            return self._math(name[5:], args)
        if name in ("triton.cdiv", "triton.language.cdiv"):
            return -(-args[0] // args[1])
        if name in ("triton.next_power_of_2", "triton.language.next_power_of_2"):
            return 1 << max(args[0] - 1, 0).bit_length()
        if name in ("packaging.version.parse", "packaging.version.Version"):
            return _version(args[0])
        if name == "importlib.util.find_spec":
            return Opaque("spec") if args[0] in _PRESENT else None
        if name in ("importlib.metadata.version", "importlib_metadata.version"):
            return {"triton": self.triton, "torch": TORCH}.get(args[0]) or _unknown(name)
        answers = self._answers()
        return answers[name]() if name in answers else _unknown(name)

    def _answers(self) -> dict[str, Callable[[], Any]]:
        device = self.device
        target = "triton.runtime.driver.active"
        return {
            "torch.cuda.is_available": lambda: True,
            "torch.cuda.device_count": lambda: 1,
            "torch.cuda.current_device": lambda: 0,
            "torch.cuda.get_device_capability": lambda: self.capability,
            "torch.cuda.get_device_name": self.device_name,
            "torch.cuda.get_device_properties": device,
            "torch.cuda.get_arch_list": list,
            "torch.backends.mps.is_available": lambda: False,
            "torch.xpu.is_available": lambda: False,
            "torch.npu.is_available": lambda: False,
            "torch.compiler.is_compiling": lambda: False,
            f"{target}.get_current_target": device,
            f"{target}.get_active_torch_device": device,
            f"{target}.get_current_device": lambda: 0,
            "triton.runtime.driver.get_current_target": device,
            "triton.runtime.driver.active.utils.get_device_properties": self._properties,
            "platform.system": lambda: "Linux",
            "platform.machine": lambda: "x86_64",
        }

    def has(self, owner: str, name: str) -> bool:
        """Tell whether a name outside has an attribute.

        Raises:
            NotKnownError: Nothing is known of it.
        """
        full = f"{owner}.{name}"
        if full.startswith("triton"):
            return self.has_name(full)
        if owner == "torch":
            return name not in _ABSENT_DEVICES - {"xpu", "mps", "cpu", "mtia"}
        return bool(_unknown(full))

    def has_name(self, full: str) -> bool:
        """Tell whether this release of Triton has a dotted name."""
        table = load_table()
        found = table.find(full)
        if found is None or found[0] != full:
            return False
        return bool(found[1].releases >> table.releases.index(self.triton) & 1)

    def takes(self, full: str, keyword: str) -> bool:
        """Tell whether a function of this release takes a keyword; True where that is unknown."""
        table = load_table()
        found = table.find(full)
        if found is None or found[0] != full:
            return True
        return bool(found[1].with_keyword(keyword) >> table.releases.index(self.triton) & 1)

    def can_import(self, module: str, name: str | None) -> bool:
        """Tell whether an import from outside the project works."""
        root = module.partition(".")[0]
        if root == "triton":
            return self.has_name(f"{module}.{name}" if name else module)
        return root in _PRESENT or root in sys.stdlib_module_names

    def _math(self, name: str, args: Sequence[Any]) -> Any:
        function = getattr(math, name, None)
        if function is None or name.startswith("_") or name in ("factorial", "comb", "perm"):
            return _unknown(f"math.{name}")
        return function(*args)


def parse_setting(triton: str | None, target: str) -> Setting:
    """Return the setting that `--triton` and `--target` name; without a release, the newest known.

    Raises:
        ValueError: There is no such release or target; the text says which there are.
    """
    releases = load_table().releases
    release = releases[-1] if triton is None else _release(triton, releases)
    match = re.fullmatch(r"(cuda):(?:sm_?)?(\d{2,3})|(hip):(gfx[0-9a-f]{3,4})", target)
    if match is None:
        raise ValueError(f"{target}: no target; give cuda:90 or hip:gfx942, say")
    return Setting(release, match[1] or match[3], match[2] or match[4])


def _release(wanted: str, releases: Sequence[str]) -> str:
    found = [r for r in releases if r == wanted or r.startswith(f"{wanted}.")]
    if not found:
        raise ValueError(f"{wanted}: no release of Triton; the newest known is {releases[-1]}")
    return found[-1]


def _version(text: Any) -> Version:
    try:
        return Version(str(text).partition("+")[0])
    except InvalidVersion:
        raise NotKnownError(f"{text} as a version") from None


def _unknown(name: str) -> Any:
    raise NotKnownError(name)
