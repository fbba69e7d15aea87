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
        wait_s=_wait_s(len(waiting), waiting_tokens, table, cache, limits),
        cache=cache_stats(cache),
    )


def _wait_s(waiting: int, waiting_tokens: int, table: SequenceTable, cache: PrefixCache, limits: RunnerLimits) -> float:
    """How long a sequence that comes now would wait for its first step, in seconds.

    What is left of prompts before it is computed first, at the measured speed of prefill. Where no slot is free for it
    even then, so many running answers must end, of all that run evenly; each is taken to be as long as it may.
    """
    token_s = cache.token_s()
    prompts = waiting_tokens + sum(max(0, sequence.prompt_cells - sequence.computed) for sequence in table.running)
    wait = prompts * token_s
    ends_needed = len(table.running) + waiting + 1 - limits.max_sequences
    if ends_needed <= 0 or not table.running:
        return wait
    owed = sorted(sequence.request.ends.max_tokens - sequence.generated for sequence in table.running)
    rounds, place = divmod(ends_needed - 1, len(owed))
    tokens = rounds * (sum(owed) / len(owed)) + owed[place]
    return wait + tokens * cache.costs.step_s(len(owed), cache.cells.used) if token_s else wait
