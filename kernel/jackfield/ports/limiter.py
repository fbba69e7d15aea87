"""Limiters: how much a caller may use.

``jackfield_limiters`` hands over factories of ``Limiter``. Work for a model is reserved by an estimate before it
begins, adjusted once the prompt was counted, and settled with what was really used, whatever became of it: an
answer, an error, a client that left, a worker that died. A request that only asks a model something is reserved as one
that takes no tokens. All limiters must agree; what one has reserved is released where another refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from jackfield.ports.identity import Principal

DEADLINE_S: Final = 1.0
"""How long a limiter may take for one call."""

Measure: TypeAlias = Literal[
    "requests", "tokens", "prompt_tokens", "completion_tokens", "concurrency", "queue", "money"
]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one request is expected to use."""

    request_id: str
    principal: "Principal | None" = None
    user: str = ""
    """The end user that the request names."""
    model: str
    """Its own name; empty for what goes to none."""
    action: str
    """The scope: ``generate``, ``embed``, ``rerank``, ``moderate``; or ``ask``: about tokens or a template."""
    prompt_tokens: int
    """Estimated."""
    completion_tokens: int = 0
    """At most, of all answers together."""
    answers: int = 1
    """0 for ``ask``, which takes a request and a place while it lasts, and no tokens."""
    queue: int = 0
    """How many answers may wait for the model, from everybody."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What it has really used."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Of these."""
    completion_tokens: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one limit is left."""

    measure: Measure
    limit: float
    remaining: float
    """After this request's reservation."""
    reset_s: float
    """Seconds until all of it is there again."""
    scope: str = ""
    """Whose limit it is, for people and metrics: ``key``, ``team``, ``key and model``, …; few different ones."""
    window: str = ""
    """``second``, ``minute``, ``hour``, ``day``, ``month``; empty where it is held and given back."""
    rule: str = ""
    """What its operator calls it."""


class Reservation(Protocol):
    """What one request has reserved. Exactly one of ``settle`` and ``release`` ends it; further calls do nothing."""

    @property
    def standings(self) -> Sequence[Standing]:
        """What is left of the limits that apply, for ``x-ratelimit-*``."""
        ...

    async def begin(self, prompt_tokens: int) -> None:
        """A worker has accepted the request, whose prompt has so many tokens; it may wait there for its turn.

        Called at most once, and ended before ``leave_queue`` and ``settle``; not for pooled work, which has no such
        moment.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 1 s (``DEADLINE_S``).
        Failure policy: open; it is logged by name.
        """
        ...

    async def leave_queue(self) -> None:
        """The first text of its answers has come: it waits in no queue any more.

        Called at most once, after ``begin`` and ended before ``settle``; not where there is no text before the end, and
        not for pooled work.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 1 s (``DEADLINE_S``).
        Failure policy: open; it is logged by name.
        """
        ...

    async def settle(self, spent: Spent) -> None:
        """The request has ended, and has used this.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 1 s (``DEADLINE_S``).
        Failure policy: open; it is logged by name, and the reservation ends by its own time.
        """
        ...

    async def release(self) -> None:
        """The request was refused before it used anything.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 1 s (``DEADLINE_S``).
        Failure policy: open; it is logged by name, and the reservation ends by its own time.
        """
        ...


class Limiter(Protocol):
    """Counts."""

    async def reserve(self, claim: Claim) -> Reservation:
        """Take what *claim* is expected to use.

        Raises:
            LimitExceeded: There is not so much left; ``retry_after`` says when there may be, ``standings`` what is
                left, ``measure`` and ``scope`` of what and for whom.

        Process and thread: gateway, event loop thread, which it must not block; calls may overlap. Deadline: 1 s
        (``DEADLINE_S``). Failure policy: closed; anything but ``LimitExceeded``, and a deadline missed, refuses the
        request with 503 and is logged by name. A limiter whose options say ``fail = "open"`` answers for itself.
        """
        ...

    async def close(self) -> None:
        """Write down what must survive, and give back what it holds.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        open; it is logged by name.
        """
        ...


class LimitEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of one limit for somebody, as operators see it."""

    whose: Mapping[str, str] = {}
    """Who it is: ``key``, ``user``, ``team``, ``model``, … by what it is counted for; empty for everybody."""
    standing: Standing


@runtime_checkable
class LimitBook(Protocol):
    """What a ``Limiter`` may have besides: counters that can be looked at, and set to zero."""

    async def entries(self, only: Mapping[str, str]) -> Sequence[LimitEntry]:
        """What is left for those who have asked for something, last first; at most 1,000.

        Parameters:
            only: Which ones: names of ``whose`` and what they must be, and ``rule``; empty for all.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 1 s (``DEADLINE_S``).
        Failure policy: closed; the request is answered with 503, and it is logged by name.
        """
        ...

    async def reset(self, only: Mapping[str, str]) -> int:
        """Set the counters of these to zero; places that are held stay held.

        Parameters:
            only: As for ``entries``; never empty.

        Returns:
            How many counters these were.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 1 s (``DEADLINE_S``).
        Failure policy: closed; the request is answered with 503, and it is logged by name.
        """
        ...


LimiterFactory: TypeAlias = Callable[[], Limiter]
"""What ``jackfield_limiters`` hands over; raises ``ManifestError`` or ``PluginError`` to refuse the start."""
