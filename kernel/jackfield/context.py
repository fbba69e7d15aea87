"""``RequestContext``: the one object that travels with a request through the gateway."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from jackfield.ports.identity import Principal
    from jackfield.types import Finished


class Room(NamedTuple):
    """How many answers one model takes at a time, those that wait included."""

    most: int
    left: int
    """How many more it would have taken then."""
    reset_s: float
    """Seconds until there is room for all of them, as was to be expected then."""


class RequestContext:
    """What the stages of the pipeline have learnt about one request.

    Each stage may add to it; what is set stays. Lives on the gateway's event loop.

    Parameters:
        request_id: Sent back as ``x-request-id`` and written to every log line of the request.
        route: Path pattern of the route, for labels.
        client: Address of the peer, for the access log.
    """

    __slots__ = (
        "arrived",
        "body_bytes",
        "client",
        "code",
        "completion_tokens",
        "deadline",
        "fingerprint",
        "finished",
        "first_token",
        "gaps",
        "model",
        "principal",
        "prompt_tokens",
        "queue_s",
        "request_id",
        "revision",
        "room",
        "route",
        "user",
    )

    def __init__(self, request_id: str, route: str, client: str) -> None:
        self.request_id = request_id
        self.route = route
        self.client = client
        self.arrived = time.monotonic()
        """Monotonic seconds."""
        self.deadline: float | None = None
        """Monotonic seconds after which nobody wants the answer any more; None waits for ever."""
        self.body_bytes = 0
        """Of the request's body, as it is held in memory."""
        self.principal: Principal | None = None
        """Who calls; None where no authenticator is enabled, or before it was asked."""
        self.fingerprint = ""
        """Of the credential that was presented, where somebody knows it: also of one that was refused."""
        self.user = ""
        """Mark of the caller's own user, where the request names one; never the name itself."""
        self.model = ""
        """The model's own name, once resolved."""
        self.revision = ""
        """Mark of the model and of what computes it, once resolved: another one where the same request may have another
        answer; empty where that is not known."""
        self.room: Room | None = None
        """What room the model had when the request was let in; of several requests the last one."""
        self.first_token: float | None = None
        """Monotonic seconds at which the first text arrived from the worker."""
        self.gaps: list[float] = []
        """Seconds between text events."""
        self.queue_s: float | None = None
        """Seconds that it waited in the worker; of several answers what the one that ended last waited."""
        self.prompt_tokens = 0
        """Of the prompts that workers have accepted."""
        self.completion_tokens = 0
        """Whose text has arrived from the worker: what a client that left, or an error, has cost."""
        self.finished: Finished | None = None
        self.code: str | None = None
        """``error.code`` of what went wrong, also after the first byte."""

    def detached(self) -> RequestContext:
        """A context for the same request, for work that outlives its HTTP request: what that ends does not end it."""
        other = RequestContext(self.request_id, self.route, self.client)
        for name in ("arrived", "deadline", "fingerprint", "principal", "user"):
            setattr(other, name, getattr(self, name))
        return other

    def learn(self, other: RequestContext) -> None:
        """Take over what *other*, which was detached from this one, has learnt of the work."""
        for name in _OF_THE_WORK:
            setattr(self, name, getattr(other, name))


_OF_THE_WORK: Final = (
    "code",
    "completion_tokens",
    "finished",
    "first_token",
    "gaps",
    "model",
    "prompt_tokens",
    "queue_s",
    "revision",
    "room",
)
"""What a request's work says of it."""
