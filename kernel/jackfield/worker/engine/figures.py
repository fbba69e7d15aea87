"""What the engine says of itself: its statistics, with how long a sequence that comes now would wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.worker.engine.prefix.report import cache_stats

if TYPE_CHECKING:
    from jackfield.ports.backend import RunnerLimits
    from jackfield.ports.observer import EngineStats
    from jackfield.worker.engine.clock import StepClock
    from jackfield.worker.engine.prefix.cache import PrefixCache
    from jackfield.worker.engine.table import SequenceTable


def engine_stats(clock: StepClock, table: SequenceTable, cache: PrefixCache, limits: RunnerLimits) -> EngineStats:
    """Counters and gauges of this moment."""
    waiting = [*table.waiting, *table.held]
    waiting_tokens = sum(sequence.pending for sequence in waiting)
    stats = clock.stats(
        running=len(table.running), waiting=len(waiting), kv_used=cache.cells.busy, kv_total=limits.kv_tokens
    )
    return msgspec.structs.replace(
        stats,
        waiting_tokens=waiting_tokens,
        wait_s=_prompts_s(waiting_tokens, table, cache)
        + _places_s(len(waiting), table, limits, clock.answer_tokens, cache),
        cache=cache_stats(cache),
    )


def _prompts_s(waiting_tokens: int, table: SequenceTable, cache: PrefixCache) -> float:
    """How long what is left of all prompts takes, in seconds, at the measured speed of prefill."""
    left = sum(max(0, sequence.prompt_cells - sequence.computed) for sequence in table.running)
    return (waiting_tokens + left) * cache.token_s()


def _places_s(
    waiting: int, table: SequenceTable, limits: RunnerLimits, answer_tokens: float, cache: PrefixCache
) -> float:
    """How long a sequence that comes now would wait for a slot, in seconds.

    As many answers must end as wait before it, of all that run evenly; each is taken to be as long as answers were
    lately, or as it may be at most. Who waits gets the slots that are free.
    """
    free = limits.max_sequences - len(table.running)
    ends_needed = waiting + 1 - free
    if ends_needed <= 0:
        return 0.0
    running = [
        max(0.0, min(sequence.request.ends.max_tokens, answer_tokens) - sequence.generated)
        for sequence in table.running
    ]
    owed = sorted([*running, *[answer_tokens] * free])
    rounds, place = divmod(ends_needed - 1, len(owed))
    return (rounds * answer_tokens + owed[place]) * cache.costs.step_s(len(owed), cache.cells.used)
