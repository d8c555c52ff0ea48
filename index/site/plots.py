"""Plots as SVG, drawn when the site is made: no script, text that a reader can select."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

_ROW, _LEFT, _WIDTH, _RIGHT = 26, 150, 420, 60
_TOP = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What providers reached at one size, in GB/s by name; ours is the first."""

    size: str
    rates: Mapping[str, float]


def rate_plot(title: str, rows: Sequence[Rates], copy: float | None) -> Markup:
    """Return a row for each size with a dot for each provider; `copy`, the line of a plain copy."""
    most = max([rate for row in rows for rate in row.rates.values()] + [copy or 0.0]) * 1.05
    height = _TOP + _ROW * len(rows) + 34
    names = list(dict.fromkeys(name for row in rows for name in row.rates))
    parts = [f"<title>{escape(title)}</title>"]
    for tick in range(5):
        x = _LEFT + _WIDTH * tick / 4
        parts.append(_line("grid-line", x, height))
        parts.append(
            f'<text class="tick" x="{x:.0f}" y="{height - 14}" text-anchor="middle">'
            f"{most * tick / 4:,.0f}</text>"
        )
    if copy:
        parts.append(_line("copy-line", _LEFT + _WIDTH * copy / most, height))
    for n, row in enumerate(rows):
        parts += _row(row, _TOP + _ROW * n + _ROW / 2, most, names)
    label = f'<text class="tick" x="{_LEFT + _WIDTH + 8}" y="{height - 14}">GB/s</text>'
    return Markup(  # noqa: S704 (every text in it is escaped)
        f'<svg class="plot" role="img" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}">'
        f"{''.join(parts)}{label}</svg>"
    )


def _line(name: str, x: float, height: int) -> str:
    return f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{height - 30}"/>'


def _row(row: Rates, y: float, most: float, names: Sequence[str]) -> list[str]:
    spots = {name: _LEFT + _WIDTH * rate / most for name, rate in row.rates.items()}
    parts = [
        f'<text class="size" x="{_LEFT - 10}" y="{y + 4:.0f}" text-anchor="end">'
        f"{escape(row.size[:24])}</text>",
        f'<line class="span" x1="{min(spots.values()):.1f}" x2="{max(spots.values()):.1f}" '
        f'y1="{y:.0f}" y2="{y:.0f}"/>',
    ]
    for name, x in reversed(spots.items()):
        n = names.index(name)
        size = 6 if n == 0 else 4.5
        parts.append(
            f'<circle class="dot d{min(n, 5)}" cx="{x:.1f}" cy="{y:.0f}" r="{size}">'
            f"<title>{escape(name)}: {row.rates[name]:,.0f} GB/s</title></circle>"
        )
    return parts
