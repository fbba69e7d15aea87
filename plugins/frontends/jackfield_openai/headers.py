"""What headers say of the work behind an answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from jackfield.frontends.standings import tightest
from jackfield.ports.frontend import Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.context import RequestContext, Room
    from jackfield.ports.limiter import Measure, Standing

PROCESSING: Final = "openai-processing-ms"
TIMING: Final = "server-timing"

_MEASURES: Final[Sequence[Measure]] = ("requests", "tokens")

LIMITS: Final = (
    Parameter(
        name="x-ratelimit-limit-requests",
        where="header",
        kind=int,
        description="The caller's limit; without one, how many may run and wait",
    ),
    Parameter(name="x-ratelimit-remaining-requests", where="header", kind=int, description="More that may come"),
    Parameter(name="x-ratelimit-reset-requests", where="header", description="Until all may, as in 6m0s or 20ms"),
    Parameter(name="x-ratelimit-limit-tokens", where="header", kind=int, description="The caller's limit, if any"),
    Parameter(name="x-ratelimit-remaining-tokens", where="header", kind=int, description="What is left of it"),
    Parameter(name="x-ratelimit-reset-tokens", where="header", description="Until all of it is there again"),
)
"""What may still be asked for, for the server's description."""

WORK: Final = (
    Parameter(name=PROCESSING, where="header", kind=int, description="Until the answer began to leave"),
    Parameter(name=TIMING, where="header", description="Phases of the work, in milliseconds (W3C)"),
    *LIMITS,
)
"""All of them."""


def work_headers(context: RequestContext) -> Mapping[str, str]:
    """How long the server has been at it until the answer begins to leave, and what may still be asked for."""
    total_ms = (time.monotonic() - context.arrived) * 1000
    headers = {PROCESSING: str(round(total_ms)), TIMING: _timing(context, total_ms)}
    room = {} if context.room is None else room_headers(context.room)
    return {**headers, **room, **limit_headers(context.standings)}


def limit_headers(standings: Sequence[Standing]) -> Mapping[str, str]:
    """The caller's limits of requests and tokens, the tightest of each; none where there is none.

    What was reserved for the request counts as used.
    """
    headers: dict[str, str] = {}
    for measure in _MEASURES:
        standing = tightest(standings, measure)
        if standing is not None:
            headers[f"x-ratelimit-limit-{measure}"] = f"{standing.limit:.0f}"
            headers[f"x-ratelimit-remaining-{measure}"] = f"{standing.remaining:.0f}"
            headers[f"x-ratelimit-reset-{measure}"] = _duration(standing.reset_s)
    return headers


def room_headers(room: Room) -> Mapping[str, str]:
    """What room the model has, where the caller has no limit of requests."""
    return {
        "x-ratelimit-limit-requests": str(room.most),
        "x-ratelimit-remaining-requests": str(room.left),
        "x-ratelimit-reset-requests": _duration(room.reset_s),
    }


def _timing(context: RequestContext, total_ms: float) -> str:
    """W3C's Server-Timing, in milliseconds; phases that are over by now."""
    phases: dict[str, float] = {}
    if context.finished is not None:
        timings = context.finished.timings
        phases = {"queue": timings.queue_s, "prefill": timings.prefill_s, "decode": timings.decode_s}
    named = {**{name: seconds * 1000 for name, seconds in phases.items()}, "total": total_ms}
    return ", ".join(f"{name};dur={duration:.1f}" for name, duration in named.items())


def _duration(seconds: float) -> str:
    """As OpenAI writes it, which is Go's way: ``20ms``, ``6m0s``."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"
