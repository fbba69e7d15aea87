"""Observers: metrics, traces, logs. They are told of events and never asked.

``jackfield_observers`` hands over factories of ``Observer``. All methods are called by the gateway's event loop thread
and must not block: 100 µs a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec


class RequestEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A request got its last byte, or its error, or its client left."""

    route: str
    """The route's path pattern, never the path as sent: label values must be bounded."""
    model: str
    """The model's own name; empty where no model was resolved."""
    status: int
    """HTTP status of the answer; 499 where the client left first."""
    code: str
    """``error.code``, or the finish reason of an answer (``stop``, ``length``), or ``ok``."""
    duration_s: float
    """From the first byte of the request until the end."""
    queue_s: float | None = None
    """Wait in the scheduler's queue, as the worker measured it."""
    ttft_s: float | None = None
    """From the first byte of the request until the first token's text arrived at the gateway."""
    gaps_s: tuple[float, ...] = ()
    """Times between tokens at the gateway, one per text event after the first, in order."""
    prompt_tokens: int = 0
    """Of the prompts that were accepted, also where the request failed or its client left."""
    completion_tokens: int = 0
    """Drawn for it; where it did not end by itself, those whose text had arrived at the gateway."""
    cached_tokens: int = 0


class WorkerChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A worker entered a state, or reported progress in it."""

    model: str
    state: str
    """A ``WorkerState``."""
    restarts: int
    """How often it was started again since the server started."""


class StoreStats(msgspec.Struct, frozen=True, kw_only=True):
    """One KV store of a worker; counters since it started."""

    name: str
    entries: int
    used_bytes: int
    limit_bytes: int
    hits: int
    """States read back and used."""
    dropped: int
    """States found damaged or lost to errors."""
    error: str = ""
    """What is wrong with the store as a whole, for people; empty while it works."""
    troubles: Mapping[str, int] = {}
    """What has gone wrong: how often, by reason. Those of the store, and the engine's own: ``exception``, ``behind``
    (too much waited for the store already), ``hung`` (it was to be read from, or written to, while it had not come back
    from a call)."""


class CacheStats(msgspec.Struct, frozen=True, array_like=True):
    """A worker's prefix cache; counters since it started."""

    lookups: int = 0
    """Answers that looked for their prompt."""
    hits: int = 0
    """Those that found at least a part of it."""
    cached_tokens: int = 0
    """Prompt tokens that were found and not computed."""
    idle_tokens: int = 0
    """KV cells held at present by prefixes that no running sequence reads."""
    saved_bytes: int = 0
    restored_bytes: int = 0
    evicted_tokens: int = 0
    """Tokens that left the device, kept by a store or not."""
    recomputed: Mapping[str, int] = {}
    """Tokens computed although they had been computed before, by reason: ``preempted``, ``evicted``,
    ``no_checkpoint``, ``state_lost``, ``no_room``."""
    idle_cell_s: float = 0.0
    """Input of the cost model, measured: what one idle cell adds to one row of a step, seconds."""
    restore_token_s: float = 0.0
    """Input of the cost model, measured: what restoring one token takes, seconds."""
    kept: int = 0
    """Decisions of the cost model: idle prefixes that were read again while they were still on the device."""
    moved: int = 0
    """Decisions of the cost model: idle prefixes taken off the device because they had cost as much as restoring."""
    stores: tuple[StoreStats, ...] = ()


class EngineStats(msgspec.Struct, frozen=True, array_like=True, tag="stats"):
    """What one worker's engine loop reports, at most four times a second."""

    running: int
    """Sequences that hold a slot."""
    waiting: int
    """Sequences that wait for one."""
    kv_used: int
    """KV cells held, in tokens."""
    kv_total: int
    steps: int
    """Engine steps since the worker started."""
    prompt_tokens: int
    """Prompt tokens computed since the worker started (real prefill only, repeats included)."""
    generated_tokens: int
    """Tokens drawn since the worker started."""
    preemptions: int
    step_s: float
    """Total wall time of all steps, seconds."""
    own_s: float
    """Of that, the loop's own share: a step minus backend decode, samplers and masks, seconds."""
    sampler_s: float
    """Of that, drawing tokens, seconds."""
    mask_s: float = 0.0
    """Of that, waiting for masks of structured output that were not ready when the step was computed, seconds."""
    waiting_tokens: int = 0
    """Tokens that waiting sequences would have to compute."""
    wait_s: float = 0.0
    """How long a sequence that comes now would wait for its first step, by live throughput; seconds."""
    cache: CacheStats = CacheStats()
    prefill_s: float = 0.0
    """Of all answers that ended: from their first step to their first token, added up, seconds."""
    decode_s: float = 0.0
    """Of all answers that ended: from their first token to their last, added up, seconds."""
    busy_slots: int = 0
    """Sequences computed in a step, added up over all steps."""
    longest: int = 0
    """Tokens of the longest sequence that ended, prompt and answer."""


class WorkerReported(msgspec.Struct, frozen=True, kw_only=True):
    """An ``EngineStats`` with the model it is about."""

    model: str
    stats: EngineStats


class LimitRefused(msgspec.Struct, frozen=True, kw_only=True):
    """A limiter refused a request."""

    limiter: str
    """Its name."""
    measure: str
    """What there was not so much left of: ``requests``, ``tokens``, ``money``, …"""
    scope: str
    """Whose limit it was: ``key``, ``team and model``, …"""
    model: str
    """The model's own name."""


class GuardrailActed(msgspec.Struct, frozen=True, kw_only=True):
    """A guardrail has masked something in a request or its answer, or has blocked it; once for all of a kind."""

    guardrail: str
    """Its name."""
    stage: str
    """``input`` or ``output``."""
    category: str
    code: str
    action: str
    """``masked`` or ``blocked``."""
    model: str
    """The model's own name."""


class AuditLost(msgspec.Struct, frozen=True, kw_only=True):
    """An audit sink has lost events."""

    sink: str
    """Its name."""
    count: int
    """How many since it was said last."""


ObservedEvent: TypeAlias = RequestEnded | WorkerChanged | WorkerReported | LimitRefused | GuardrailActed | AuditLost


class Observer(Protocol):
    """Is told what happened."""

    def observe(self, event: ObservedEvent) -> None:
        """Take note of *event*. An event of a kind the observer does not know is ignored.

        Process and thread: gateway, event loop thread. Deadline: 100 µs; slower calls are counted, and logged by name
        at most once a minute. Failure policy: open; an exception is logged by name, at most once a minute, and dropped.
        """
        ...


@runtime_checkable
class Exposition(Protocol):
    """An observer that also has a page for ``/metrics`` on the health port."""

    def render(self, accept: str) -> tuple[str, bytes]:
        """The page.

        Parameters:
            accept: The request's ``Accept`` header, for content negotiation.

        Returns:
            Content type and body.

        Process and thread: gateway, event loop thread. Deadline: 100 ms; slower calls are counted, and logged by name
        at most once a minute. Failure policy: open; ``/metrics`` is 500 and the exception is logged by name.
        """
        ...


ObserverFactory: TypeAlias = Callable[[], Observer]
"""What ``jackfield_observers`` hands over."""
