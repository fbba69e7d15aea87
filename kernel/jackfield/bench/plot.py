"""Figures as a picture: an SVG without scripts, fonts or links, which any browser shows."""

from __future__ import annotations

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
    panels = [
        Panel("time to first token", "ms", "share of requests, %", _distributions(titles, ttft)),
        Panel("inter-token latency", "ms", "share of tokens, %", _distributions(titles, itl)),
    ]
    if len(summaries) > 1:
        speeds = [
            (summary.level.rate or float(summary.level.concurrency or 1), summary.output_tokens_per_s)
            for summary in summaries
        ]
        kind = "arrivals a second" if summaries[0].level.rate else "requests at once"
        panels.append(Panel("throughput", kind, "output tokens a second", [Line("", speeds)]))
    return _document(panels, titles)


def _distributions(titles: Sequence[str], values: Sequence[Sequence[float]]) -> list[Line]:
    return [Line(title, _distribution(each)) for title, each in zip(titles, values, strict=True) if each]


def _distribution(seconds: Sequence[float]) -> list[tuple[float, float]]:
    ordered = sorted(seconds)
    step = max(1, len(ordered) // _POINTS_MAX)
    places = [*range(0, len(ordered) - 1, step), len(ordered) - 1]
    return [(ordered[place] * 1000, (place + 1) / len(ordered) * 100) for place in places]


def _document(panels: Sequence[Panel], titles: Sequence[str]) -> str:
    width, height = _WIDTH * len(panels), _HEIGHT + 24
    body = "".join(_panel(panel, number * _WIDTH) for number, panel in enumerate(panels))
    legend = "".join(
        f'<rect x="{12 + number * 110}" y="{_HEIGHT + 4}" width="12" height="12" fill="{_colour(number)}"/>'
        f'<text x="{28 + number * 110}" y="{_HEIGHT + 14}">{escape(title)}</text>'
        for number, title in enumerate(titles)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="11">'
        f'<rect width="{width}" height="{height}" fill="white"/>{body}{legend}</svg>\n'
    )


def _panel(panel: Panel, offset: int) -> str:
    points = [point for line in panel.lines for point in line.points]
    x_max = max([x for x, _ in points], default=0) or 1
    y_max = max([y for _, y in points], default=0) or 1
    lines = "".join(_polyline(line, _colour(number), x_max, y_max) for number, line in enumerate(panel.lines))
    middle = _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
    return (
        f'<g transform="translate({offset} 0)">'
        f'<text x="{middle:g}" y="18" text-anchor="middle" font-weight="bold">{escape(panel.title)}</text>'
        f'<text x="{middle:g}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(panel.x_label)}</text>'
        f'<text transform="translate(12 {_HEIGHT / 2:g}) rotate(-90)" text-anchor="middle">{escape(panel.y_label)}'
        f"</text>{_axes(x_max, y_max)}{lines}</g>"
    )


def _axes(x_max: float, y_max: float) -> str:
    marks = []
    for tick in range(_TICKS + 1):
        x, y = _place(x_max * tick / _TICKS, y_max * tick / _TICKS, x_max, y_max)
        marks.append(
            f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{_number(y_max * tick / _TICKS)}</text>'
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
            f"{_number(x_max * tick / _TICKS)}</text>"
        )
    return "".join(marks)


def _polyline(line: Line, colour: str, x_max: float, y_max: float) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_place(*point, x_max, y_max) for point in line.points))
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.6"/>'


def _place(x: float, y: float, x_max: float, y_max: float) -> tuple[float, float]:
    across = _LEFT + x / x_max * (_WIDTH - _LEFT - _RIGHT)
    return across, _HEIGHT - _BOTTOM - y / y_max * (_HEIGHT - _TOP - _BOTTOM)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"  # noqa: PLR2004 - three digits, or all of them
