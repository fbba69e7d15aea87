"""What is read off a worker's report: one row for each metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from jackfield.ports.observer import CacheStats, EngineStats, StoreStats


class Figure(NamedTuple):
    """A metric of every model."""

    name: str
    documentation: str
    values: Callable[[EngineStats], Iterable[tuple[Sequence[str], float]]]
    """Each with its labels' values."""
    labels: Sequence[str] = ()
    """Besides ``model``."""


def _engine(name: str, documentation: str, value: Callable[[EngineStats], float]) -> Figure:
    return Figure(f"jackfield_{name}", documentation, lambda stats: [((), value(stats))])


def _cache(name: str, documentation: str, value: Callable[[CacheStats], float]) -> Figure:
    return _engine(f"prefix_cache_{name}", documentation, lambda stats: value(stats.cache))


def _store(name: str, documentation: str, value: Callable[[StoreStats], float]) -> Figure:
    return Figure(
        f"jackfield_kv_store_{name}",
        documentation,
        lambda stats: [((store.name,), value(store)) for store in stats.cache.stores],
        ("store",),
    )


GAUGES: Final = (
    _engine("requests_running", "Requests that hold a slot.", lambda stats: stats.running),
    _engine("requests_waiting", "Requests that wait for a slot.", lambda stats: stats.waiting),
    _engine("waiting_tokens", "Tokens that waiting requests must compute.", lambda s: s.waiting_tokens),
    _engine(
        "predicted_wait_seconds",
        "How long a request that comes now would wait for its first step.",
        lambda stats: stats.wait_s,
    ),
    _engine("kv_used_tokens", "KV cells held, in tokens.", lambda stats: stats.kv_used),
    _engine("kv_capacity_tokens", "KV cells there are, in tokens.", lambda stats: stats.kv_total),
    _engine(
        "kv_usage_ratio",
        "Share of the KV cells that is held, 0 to 1.",
        lambda stats: stats.kv_used / stats.kv_total if stats.kv_total else 0.0,
    ),
    _cache("idle_tokens", "KV cells held by prefixes that no running request reads.", lambda cache: cache.idle_tokens),
    _cache(
        "idle_cell_seconds",
        "Input of the cost model: what an idle cell adds to one row of a step.",
        lambda cache: cache.idle_cell_s,
    ),
    _cache(
        "restore_token_seconds",
        "Input of the cost model: what restoring one token takes.",
        lambda cache: cache.restore_token_s,
    ),
    _store("entries", "States that a store keeps.", lambda store: store.entries),
    _store("used_bytes", "Bytes that a store keeps.", lambda store: store.used_bytes),
    _store("limit_bytes", "Bytes that a store may keep.", lambda store: store.limit_bytes),
)

COUNTERS: Final = (
    _engine("engine_steps", "Engine steps.", lambda stats: stats.steps),
    _engine(
        "engine_prompt_tokens",
        "Prompt tokens computed, repeats after a preemption included, cached ones not.",
        lambda stats: stats.prompt_tokens,
    ),
    _engine("engine_generated_tokens", "Tokens drawn.", lambda stats: stats.generated_tokens),
    _engine("engine_preemptions", "Sequences that lost their slot to others.", lambda s: s.preemptions),
    _engine("engine_step_seconds", "Wall time of all engine steps.", lambda stats: stats.step_s),
    _engine(
        "engine_own_seconds",
        "The engine loop's own share of that: steps minus backend and samplers.",
        lambda stats: stats.own_s,
    ),
    _engine("engine_sampler_seconds", "Share of the steps spent drawing tokens.", lambda stats: stats.sampler_s),
    _engine(
        "engine_mask_seconds",
        "Share of the steps spent waiting for masks of structured output.",
        lambda stats: stats.mask_s,
    ),
    _cache("lookups", "Answers that looked for their prompt.", lambda cache: cache.lookups),
    _cache("hits", "Answers that found a part of their prompt.", lambda cache: cache.hits),
    _cache("cached_tokens", "Prompt tokens found and not computed.", lambda cache: cache.cached_tokens),
    _cache("evicted_tokens", "Tokens that left the device.", lambda cache: cache.evicted_tokens),
    _cache("saved_bytes", "Bytes copied off the device.", lambda cache: cache.saved_bytes),
    _cache("restored_bytes", "Bytes copied back to the device.", lambda cache: cache.restored_bytes),
    Figure(
        "jackfield_prefix_cache_recomputed_tokens",
        "Tokens computed although they had been computed before, by the reason.",
        lambda stats: [((reason,), tokens) for reason, tokens in stats.cache.recomputed.items()],
        ("reason",),
    ),
    Figure(
        "jackfield_prefix_cache_decisions",
        "Idle prefixes that the cost model kept until they were read again, or moved off the device.",
        lambda stats: [(("kept",), stats.cache.kept), (("moved",), stats.cache.moved)],
        ("decision",),
    ),
    _store("hits", "States that were read back from a store and used.", lambda store: store.hits),
    _store("dropped", "States that a store found damaged or lost to errors.", lambda store: store.dropped),
    Figure(
        "jackfield_kv_store_troubles",
        "What has gone wrong in a store, by the reason.",
        lambda stats: [
            ((store.name, reason), times) for store in stats.cache.stores for reason, times in store.troubles.items()
        ],
        ("store", "reason"),
    ),
)


def _llamacpp(name: str, documentation: str, value: Callable[[EngineStats], float]) -> Figure:
    return Figure(f"llamacpp:{name}", documentation, lambda stats: [((), value(stats))])


def _ratio(amount: float, of: float) -> float:
    return amount / of if of else 0.0


LLAMACPP_GAUGES: Final = (
    _llamacpp("requests_processing", "Number of requests processing.", lambda stats: stats.running),
    _llamacpp("requests_deferred", "Number of requests deferred.", lambda stats: stats.waiting),
    _llamacpp(
        "prompt_tokens_seconds", "Prompt tokens a second, over all.", lambda s: _ratio(s.prompt_tokens, s.prefill_s)
    ),
    _llamacpp(
        "predicted_tokens_seconds",
        "Generation tokens a second, over all.",
        lambda stats: _ratio(stats.generated_tokens, stats.decode_s),
    ),
    # a counter there, but a counter's name would end with _total here
    _llamacpp("n_tokens_max", "Longest sequence observed.", lambda stats: stats.longest),
    _llamacpp(
        "n_busy_slots_per_decode", "Sequences computed in a step.", lambda stats: _ratio(stats.busy_slots, stats.steps)
    ),
)
"""llama-server's names for what is known here under other ones (its ``tools/server/README.md``, GET /metrics)."""

LLAMACPP_COUNTERS: Final = (
    _llamacpp("prompt_tokens_total", "Number of prompt tokens processed.", lambda stats: stats.prompt_tokens),
    _llamacpp("tokens_predicted_total", "Number of generation tokens processed.", lambda stats: stats.generated_tokens),
    _llamacpp("n_decode_total", "Total number of engine steps.", lambda stats: stats.steps),
    _llamacpp("prompt_tokens_cached_total", "Number of prompt tokens found.", lambda stats: stats.cache.cached_tokens),
    _llamacpp("prompt_seconds_total", "Prompt process time of ended answers.", lambda stats: stats.prefill_s),
    _llamacpp("tokens_predicted_seconds_total", "Generation time of ended answers.", lambda stats: stats.decode_s),
    *(
        _llamacpp(f"spec_decode_num_{name}_total", "Speculative decoding: none.", lambda _: 0)
        for name in ("draft_tokens", "accepted_tokens", "drafts")
    ),
)
"""The same, of what only grows."""
