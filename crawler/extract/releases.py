"""An extracted file -> the releases of Triton that have all that it uses."""

from __future__ import annotations

from functools import lru_cache

from crawler.enrich.versions import version_ranges
from crawler.models import ScanSkip
from crawler.scan import link_snapshot, scan_file


@lru_cache(maxsize=64)
def releases_of(source: str, name: str) -> tuple[str | None, str | None]:
    """Return the first and the last release that have all that a file's kernel uses."""
    facts = scan_file("kernel.py", source.encode("utf-8", "replace"))
    if isinstance(facts, ScanSkip):
        return None, None
    kernels = link_snapshot({"kernel.py": facts})
    ranges = version_ranges(kernels)
    for kernel, found in zip(kernels, ranges, strict=True):
        if kernel.qualname == name:
            return found.min, found.max
    return None, None
