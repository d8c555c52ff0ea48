"""Badges that a repository or a kernel may show: plain SVG, made when the site is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from index.site.kernels import Kernel, range_text
from index.site.pages import repo_address

# Widths of letters in a font of eleven pixels, near enough.
_NARROW, _WIDE, _USUAL = frozenset("ijl.,:|'()fIrt "), frozenset("mwMW@"), 6.6


def badge_address(repo: str) -> str:
    """Return where the badge of a source is."""
    return f"badge{repo_address(repo).removeprefix('repo').removesuffix('.html')}.svg"


def range_badge_address(triton_min: str | None, triton_max: str | None, *, verified: bool) -> str:
    """Return where the badge of all kernels with this range is."""
    text = range_text(triton_min, triton_max).replace(" ", "-")
    return f"badge/kernel/{text}{'-verified' if verified else ''}.svg"


def range_badges(kernels: Iterable[Kernel]) -> dict[str, str]:
    """Return the badges of single kernels by address: one for each range that occurs."""
    found: dict[str, str] = {}
    for k in kernels:
        address = range_badge_address(k.triton_min, k.triton_max, verified=k.is_verified)
        if address not in found:
            text = f"Triton {range_text(k.triton_min, k.triton_max)}"
            found[address] = _badge(text + (", verified" if k.is_verified else ""))
    return found


def kernels_badge(kernels: Sequence[Kernel]) -> str:
    """Return the badge of a source: how many kernels, how many of them verified, their range."""
    count = f"{len(kernels):,} kernel{'' if len(kernels) == 1 else 's'}"
    verified = sum(k.is_verified for k in kernels)
    newest = sum(k.triton_min is not None and k.triton_max is None for k in kernels)
    ranged = sum(k.triton_min is not None for k in kernels)
    parts = [count]
    if ranged:
        parts.append(f"{100 * newest // ranged}% on the newest Triton")
    if verified:
        parts.append(f"{verified} verified")
    return _badge(", ".join(parts))


def _badge(text: str) -> str:
    label = "triton-index"
    left, right = _width(label) + 12, _width(text) + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{escape(label)}: {escape(text)}"><title>{escape(label)}: {escape(text)}'
        f'</title><clipPath id="r"><rect width="{left + right}" height="20" rx="4"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#24343a"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="#0a6363"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="6" y="14" textLength="{left - 12}">{escape(label)}</text>'
        f'<text x="{left + 6}" y="14" textLength="{right - 12}">{escape(text)}</text></g></svg>\n'
    )


def _width(text: str) -> int:
    sizes = (3.9 if c in _NARROW else 9.6 if c in _WIDE else _USUAL for c in text)
    return round(sum(sizes))
