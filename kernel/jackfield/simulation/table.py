"""Figures for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.bench.summary import Spread
    from jackfield.simulation.figures import ClassFigures, Figures

HEADER: Final = (
    "scheduler",
    "class",
    "requests",
    "TTFT p50",
    "p90",
    "p99",
    "ITL p50",
    "p99",
    "max",
    "end to end p50",
    "p99",
    "preempted",
)
"""Of the classes; times are milliseconds."""

SHARES_HEADER: Final = ("scheduler", "tokens/s", "simulated", "shares while several tenants wait")


def class_rows(figures: Sequence[Figures]) -> list[tuple[str, ...]]:
    """One row for each class and scheduler; a class's rows stand together."""
    rows = [(each.title, one.scheduler, each) for one in figures for each in one.classes]
    titles = list(dict.fromkeys(title for title, _, _ in rows))
    rows.sort(key=lambda row: titles.index(row[0]))
    return [_row(scheduler, each) for _, scheduler, each in rows]


def share_rows(figures: Sequence[Figures]) -> list[tuple[str, ...]]:
    """One row for each scheduler."""
    return [
        (
            one.scheduler,
            f"{one.tokens_per_s:.1f}",
            f"{one.simulated_s:.1f} s",
            ", ".join(f"{tenant or '-'} {share:.1%}" for tenant, share in one.shares.items()) or "-",
        )
        for one in figures
    ]


def _row(scheduler: str, each: ClassFigures) -> tuple[str, ...]:
    return (
        scheduler,
        each.title,
        str(each.requests),
        *_cells(each.ttft_ms, "p50", "p90", "p99"),
        *_cells(each.itl_ms, "p50", "p99", "max"),
        *_cells(each.e2e_ms, "p50", "p99"),
        str(each.preemptions),
    )


def _cells(spread: Spread | None, *names: str) -> list[str]:
    return ["-" if spread is None else f"{getattr(spread, name):.0f}" for name in names]
