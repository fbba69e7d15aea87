"""What the prefix cache says of itself, to metrics and to operators; and how it is cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.cache_report import SCOPES_MAX, CacheCleared, CacheReport, ScopeReport, scope_name
from jackfield.ports.observer import CacheStats

if TYPE_CHECKING:
    from jackfield.worker.engine.prefix.cache import PrefixCache
    from jackfield.worker.engine.prefix.tree import Node, Root


def cache_stats(cache: PrefixCache) -> CacheStats:
    """For metrics."""
    counters = cache.counters
    return CacheStats(
        lookups=counters.lookups,
        hits=counters.hits,
        cached_tokens=counters.cached_tokens,
        idle_tokens=cache.cells.used - cache.cells.busy,
        saved_bytes=counters.saved_bytes,
        restored_bytes=counters.restored_bytes,
        evicted_tokens=counters.evicted_tokens,
        recomputed=dict(counters.recomputed),
        idle_cell_s=cache.costs.idle_cell_s,
        restore_token_s=cache.state_costs.restore_token_s,
        kept=counters.kept,
        moved=counters.moved,
        stores=tuple([tier.stats() for tier in cache.tiers]),
    )


def cache_report(cache: PrefixCache, *, off: str, kv_tokens: int, computed_tokens: int) -> CacheReport:
    """For operators.

    Parameters:
        cache: Is looked at.
        off: Why nothing is cached; empty where the cache works.
        kv_tokens: Cells of the pool.
        computed_tokens: Prompt tokens computed since the worker started.
    """
    if off:
        return CacheReport(off=off)
    scopes = sorted([_scope(root, cache) for root in cache.tree.roots.values()], key=_tokens, reverse=True)
    counters = cache.counters
    return CacheReport(
        prefixes=sum(scope.prefixes for scope in scopes),
        running_tokens=sum(scope.running_tokens for scope in scopes),
        idle_tokens=sum(scope.idle_tokens for scope in scopes),
        stored_tokens=sum(scope.stored_tokens for scope in scopes),
        kv_tokens=kv_tokens,
        lookups=counters.lookups,
        hits=counters.hits,
        cached_tokens=counters.cached_tokens,
        computed_tokens=computed_tokens,
        saved_s=max(0.0, counters.cached_tokens * cache.token_s() - counters.restore_s),
        scopes=scopes[:SCOPES_MAX],
        more_scopes=max(0, len(scopes) - SCOPES_MAX),
        stores=[tier.stats() for tier in cache.tiers],
    )


def clear(cache: PrefixCache, *, off: str) -> CacheCleared:
    """Forget everything that no running sequence reads, on the device and in stores."""
    if off:
        return CacheCleared(off=off)
    idle = cache.cells.used - cache.cells.busy
    usages = [tier.usage() for tier in cache.tiers]
    prefixes = sum(_ends(root) for root in cache.tree.roots.values())
    cache.saver.clear()
    for holder in list(cache.holders.residents):
        cache.holders.evict(holder, lost=True)
    cache.archive.clear()
    cache.tree.forget_bare()
    return CacheCleared(
        prefixes=prefixes - sum(_ends(root) for root in cache.tree.roots.values()),
        idle_tokens=idle - (cache.cells.used - cache.cells.busy),
        entries=sum(usage.entries for usage in usages),
        stored_bytes=sum(usage.used_bytes for usage in usages),
    )


def _scope(root: Root, cache: PrefixCache) -> ScopeReport:
    running = _running(root, cache)
    tokens = {"running": 0, "idle": 0, "stored": 0}
    for node in root.below():
        if node.held:
            tokens["running" if node in running else "idle"] += node.end - node.start
        tokens["stored"] += _stored(node)
    return ScopeReport(
        scope=scope_name(root.scope),
        prefixes=_ends(root),
        running_tokens=tokens["running"],
        idle_tokens=tokens["idle"],
        stored_tokens=tokens["stored"],
    )


def _running(root: Root, cache: PrefixCache) -> set[Node]:
    """Nodes that running sequences hold."""
    residents = cache.holders.residents
    return {
        each for node in root.below() if any(holder not in residents for holder in node.holders) for each in node.path()
    }


def _ends(root: Root) -> int:
    """Prefixes that end apart from each other, on the device or in stores."""
    return sum(
        1
        for node in root.below()
        if node.parent is not None and not any(_kept(child) for child in node.children.values()) and _kept(node)
    )


def _kept(node: Node) -> bool:
    return bool(node.held or node.states or node.checkpoint)


def _stored(node: Node) -> int:
    """Tokens of *node* that a store has."""
    stored, reach = 0, node.start
    for state in sorted(node.states, key=lambda each: each.start):
        start, end = max(state.start, reach), min(state.end, node.end)
        if end > start:
            stored += end - start
            reach = end
    return stored


def _tokens(scope: ScopeReport) -> int:
    return scope.running_tokens + scope.idle_tokens + scope.stored_tokens
