"""Figures for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.bench.summary import Spread, Summary

_HEAD = ("load", "ok", "failed", "req/s", "in tok/s", "cached", "out tok/s")


def throughput_table(summaries: Sequence[Summary]) -> str:
    """One row a level: how much was done."""
    rows = [
        (
            summary.level.title,
            str(summary.requests - summary.failed),
            str(summary.failed),
            f"{summary.requests_per_s:.2f}",
            f"{summary.input_tokens_per_s:.0f}",
            f"{100 * summary.mean_cached_tokens / (summary.mean_input_tokens or 1):.0f} %",
            f"{summary.output_tokens_per_s:.1f}",
        )
        for summary in summaries
    ]
    return _table(_HEAD, rows)


def latency_table(summaries: Sequence[Summary]) -> str:
    """Four rows a level: how long it took, in milliseconds."""
    rows = [
        (summary.level.title, label, *_cells(spread))
        for summary in summaries
        for label, spread in (
            ("TTFT", summary.ttft_ms),
            ("ITL", summary.itl_ms),
            ("TPOT", summary.tpot_ms),
            ("end to end", summary.e2e_ms),
        )
    ]
    return _table(("load", "ms", "mean", "p50", "p90", "p95", "p99", "max"), rows)


def errors_list(summaries: Sequence[Summary]) -> str:
    """One line for each kind of error at each level; empty without any."""
    return "\n".join(
        f"{summary.level.title}: {count} x {error}"
        for summary in summaries
        for error, count in sorted(summary.errors.items())
    )


def _cells(spread: Spread | None) -> tuple[str, ...]:
    if spread is None:
        return ("-",) * 6
    values = (spread.mean, spread.p50, spread.p90, spread.p95, spread.p99, spread.max)
    return tuple(f"{value:.1f}" for value in values)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [click.style(_line(head, widths), bold=True)]
    return "\n".join(lines + [_line(row, widths) for row in rows])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()
