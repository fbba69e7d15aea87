"""What workers say of their prefix caches, as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from jackfield.cache_report import CacheCleared, CacheReport
from jackfield.cli.tables import print_table, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.cache_report import ScopeReport
    from jackfield.cli.cache_answers import WorkerCache
    from jackfield.ports.observer import StoreStats

CACHES: Final = ("MODEL", "PREFIXES", "RUNNING", "IDLE", "OF", "STORED", "HITS", "SAVED", "NOTE")
STORES: Final = ("MODEL", "STORE", "ENTRIES", "BYTES", "LIMIT", "HITS", "DROPPED", "NOTE")
SCOPES: Final = ("MODEL", "SCOPE", "PREFIXES", "RUNNING", "IDLE", "STORED")

SHOWN_S: Final = 0.05
"""Less would be shown as no time."""


def print_caches(caches: Sequence[WorkerCache], *, scopes: bool) -> None:
    """Print a table of caches, one of stores, and one of scopes if that is wanted."""
    print_table(CACHES, [_cache(each) for each in caches])
    reports = [(each.model, each.answer) for each in caches if isinstance(each.answer, CacheReport)]
    _print_more(STORES, [_store(model, each) for model, report in reports for each in report.stores])
    if scopes:
        _print_more(SCOPES, [_scope(model, each) for model, report in reports for each in report.scopes])
        for model, report in reports:
            if report.more_scopes:
                click.echo(f"{model}: {report.more_scopes} more")


def print_cleared(caches: Sequence[WorkerCache]) -> None:
    """Print one line for each worker."""
    for each in caches:
        if isinstance(each.answer, CacheCleared) and not each.answer.off:
            cleared = each.answer
            click.echo(
                f"{each.model}: cleared; prefixes: {cleared.prefixes:,}, tokens on the device:"
                f" {cleared.idle_tokens:,}, states in stores: {cleared.entries:,} ({size(cleared.stored_bytes)})"
            )
        else:
            click.echo(f"{each.model}: nothing cleared: {each.note}")


def _print_more(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        click.echo()
        print_table(header, rows)


def _cache(worker: WorkerCache) -> tuple[str, ...]:
    report = worker.answer
    if not isinstance(report, CacheReport) or report.off:
        return (worker.model, *("-" * (len(CACHES) - 2)), worker.note)
    return (
        worker.model,
        f"{report.prefixes:,}",
        f"{report.running_tokens:,}",
        f"{report.idle_tokens:,}",
        f"{report.kv_tokens:,}",
        f"{report.stored_tokens:,}",
        _hits(report),
        _saved(report),
        worker.note,
    )


def _hits(report: CacheReport) -> str:
    if not report.lookups:
        return "-"
    return f"{report.hits:,} of {report.lookups:,}, {100 * report.hits / report.lookups:.0f} %"


def _saved(report: CacheReport) -> str:
    tokens = f"{report.cached_tokens:,} of {report.cached_tokens + report.computed_tokens:,} tokens"
    # before a prompt was computed nobody knows how long that takes
    return f"{tokens}, {report.saved_s:.1f} s" if report.saved_s >= SHOWN_S else tokens


def _store(model: str, store: StoreStats) -> tuple[str, ...]:
    return (
        model,
        store.name,
        f"{store.entries:,}",
        size(store.used_bytes),
        size(store.limit_bytes),
        f"{store.hits:,}",
        f"{store.dropped:,}",
        "; ".join(filter(None, [store.error, *(f"{reason} {count:,}" for reason, count in store.troubles.items())])),
    )


def _scope(model: str, scope: ScopeReport) -> tuple[str, ...]:
    return (
        model,
        scope.scope,
        f"{scope.prefixes:,}",
        f"{scope.running_tokens:,}",
        f"{scope.idle_tokens:,}",
        f"{scope.stored_tokens:,}",
    )
