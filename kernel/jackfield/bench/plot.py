"""Figures as a picture: an SVG without scripts, fonts or links, which any browser shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from jackfield.bench.driver import Outcome
    from jackfield.bench.summary import Summary

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette, which people who see few colours can tell apart."""

_WIDTH, _HEIGHT = 380, 260
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 34, 12, 44
_POINTS_MAX: Final = 400
"""Points of a line; more than a screen shows would only make the file large."""

_TICKS: Final = 4
"""Steps of an axis, about."""

_SHOWN: Final = 0.99
"""Share of the values that a distribution's axis reaches: one that stands out would press all others into a corner."""

_DASHES: Final = ("", "6 3", "2 2")
"""Of lines, in the second and third round of the colours."""

_LEGEND_WIDTH: Final = 110


class Line(NamedTuple):
    """One line of a panel."""

    title: str
    points: Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """One diagram."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    dots: bool = False
    """Whether each point is a measurement of its own."""


def draw(summaries: Sequence[Summary], outcomes: Sequence[Sequence[Outcome]]) -> str:
    """The picture of a measurement.

    Parameters:
        summaries: One for each level.
        outcomes: Of the same levels.

    Returns:
        SVG text: how TTFT and ITL are distributed, and throughput over the levels where there are several.
    """
    titles = [summary.level.title for summary in summaries]
    good = [[outcome for outcome in level if outcome.error is None] for level in outcomes]
    ttft = [[outcome.ttft_s for outcome in level if outcome.ttft_s is not None] for level in good]
    itl = [[gap for outcome in level for gap in outcome.gaps_s] for level in good]
    panels = _latency_panels(titles, ttft, itl)
    if len(summaries) > 1:
        speeds = sorted(
            (summary.level.rate or float(summary.level.concurrency or 1), summary.output_tokens_per_s)
            for summary in summaries
        )
        kind = "arrivals a second" if summaries[0].level.rate else "requests at once"
        panels.append(Panel("throughput", kind, "output tokens a second", [Line("", speeds)], dots=True))
    return picture(panels, titles)


def draw_latencies(titles: Sequence[str], ttft: Sequence[Sequence[float]], itl: Sequence[Sequence[float]]) -> str:
    """How times to the first token and between tokens are distributed.

    Parameters:
        titles: Of the lines.
        ttft: Seconds, for each line.
        itl: The same.

    Returns:
        SVG text.
    """
    return picture(_latency_panels(titles, ttft, itl), titles)


def _latency_panels(
    titles: Sequence[str], ttft: Sequence[Sequence[float]], itl: Sequence[Sequence[float]]
) -> list[Panel]:
    x_label = f"ms, up to the {_SHOWN:.0%} mark"
    return [
        Panel("time to first token", x_label, "share of requests, %", _distributions(titles, ttft)),
        Panel("inter-token latency", x_label, "share of tokens, %", _distributions(titles, itl)),
    ]


def _distributions(titles: Sequence[str], values: Sequence[Sequence[float]]) -> list[Line]:
    return [Line(title, _distribution(each)) for title, each in zip(titles, values, strict=True) if each]


def _distribution(seconds: Sequence[float]) -> list[tuple[float, float]]:
    ordered = sorted(seconds)
    last = math.ceil(_SHOWN * len(ordered)) - 1
    step = max(1, len(ordered) // _POINTS_MAX)
    places = [*range(0, last, step), last]
    return [(ordered[place] * 1000, (place + 1) / len(ordered) * 100) for place in places]


def picture(panels: Sequence[Panel], titles: Sequence[str]) -> str:
    """SVG text: *panels* side by side, and below them what the lines are that they all have."""
    width = _WIDTH * len(panels)
    columns = (width - 24) // _LEGEND_WIDTH
    height = _HEIGHT + 20 * math.ceil(len(titles) / columns) + 4
    body = "".join(_panel(panel, number * _WIDTH) for number, panel in enumerate(panels))
    legend = "".join(_legend(title, number, columns) for number, title in enumerate(titles))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="11">'
        f'<rect width="{width}" height="{height}" fill="white"/>{body}{legend}</svg>\n'
    )


def _legend(title: str, number: int, columns: int) -> str:
    row, column = divmod(number, columns)
    x, y = 12 + column * _LEGEND_WIDTH, _HEIGHT + 10 + 20 * row
    return f'<path d="M{x} {y}h22" {_stroke(number)}/><text x="{x + 28}" y="{y + 4}">{escape(title)}</text>'


def _panel(panel: Panel, offset: int) -> str:
    points = [point for line in panel.lines for point in line.points]
    scales = _scale([x for x, _ in points]), _scale([y for _, y in points])
    lines = "".join(_line(line, number, scales, dots=panel.dots) for number, line in enumerate(panel.lines))
    middle = _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
    return (
        f'<g transform="translate({offset} 0)">'
        f'<text x="{middle:g}" y="18" text-anchor="middle" font-weight="bold">{escape(panel.title)}</text>'
        f'<text x="{middle:g}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(panel.x_label)}</text>'
        f'<text transform="translate(12 {_HEIGHT / 2:g}) rotate(-90)" text-anchor="middle">{escape(panel.y_label)}'
        f"</text>{_axes(*scales)}{lines}</g>"
    )


class _Scale(NamedTuple):
    """An axis from 0: round steps, the last one at or above the largest value."""

    step: float
    steps: int

    @property
    def end(self) -> float:
        return self.step * self.steps


def _scale(values: Sequence[float]) -> _Scale:
    most = max(values, default=0) or 1
    magnitude = 10.0 ** math.floor(math.log10(most / _TICKS))
    step = next(round_ * magnitude for round_ in (1, 2, 2.5, 5, 10) if round_ * magnitude * (_TICKS + 1) >= most)
    return _Scale(step, math.ceil(most / step - 1e-9))


def _axes(across: _Scale, up: _Scale) -> str:
    marks = []
    for tick in range(up.steps + 1):
        _, y = _place(0, tick * up.step, across, up)
        marks.append(
            f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tick * up.step:.6g}</text>'
        )
    for tick in range(across.steps + 1):
        x, _ = _place(tick * across.step, 0, across, up)
        marks.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{tick * across.step:.6g}</text>'
        )
    return "".join(marks)


def _line(line: Line, number: int, scales: tuple[_Scale, _Scale], *, dots: bool) -> str:
    places = [_place(*point, *scales) for point in line.points]
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_colour(number)}"/>' for x, y in places)
    return f'<polyline points="{text}" fill="none" {_stroke(number)}/>' + (circles if dots else "")


def _place(x: float, y: float, across: _Scale, up: _Scale) -> tuple[float, float]:
    left = _LEFT + x / across.end * (_WIDTH - _LEFT - _RIGHT)
    return left, _HEIGHT - _BOTTOM - y / up.end * (_HEIGHT - _TOP - _BOTTOM)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _stroke(number: int) -> str:
    dashes = _DASHES[number // len(COLOURS) % len(_DASHES)]
    return f'stroke="{_colour(number)}" stroke-width="1.6"' + (f' stroke-dasharray="{dashes}"' if dashes else "")
