"""``RequestContext``: the one object that travels with a request through the gateway."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.masking import Masking
    from jackfield.ports.identity import Principal
    from jackfield.ports.limiter import Standing
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
        "changed",
        "client",
        "code",
        "completion_tokens",
        "deadline",
        "decision_id",
        "fingerprint",
        "finished",
        "first_token",
        "gaps",
        "masking",
        "method",
        "model",
        "principal",
        "prompt_tokens",
        "queue_s",
        "redact",
        "request_id",
        "revision",
        "room",
        "route",
        "scope",
        "standings",
        "user",
        "whole",
    )

    request_id: str
    route: str
    client: str
    arrived: float
    """Monotonic seconds."""
    deadline: float | None
    """Monotonic seconds after which nobody wants the answer any more; None waits for ever."""
    body_bytes: int
    """Of the request's body, as it is held in memory."""
    changed: str
    """What an administrative request has changed, as its handler says: the name of a key, a model, a document."""
    principal: Principal | None
    """Who calls; None where no authenticator is enabled, or before it was asked."""
    method: str
    """Of the HTTP request; empty for work that none waits for."""
    scope: str
    """Of its route; empty for work that none waits for."""
    decision_id: str
    """Of the last policy decision about it; empty where no policy engine is enabled."""
    redact: bool
    """Whether a policy forbids that anything of what it says is recorded, even a hash."""
    standings: Sequence[Standing]
    """What is left of the limits that apply to it, after what it has reserved."""
    masking: Masking | None
    """What guardrails have masked in its prompts; None where they have masked nothing."""
    fingerprint: str
    """Of the credential that was presented, where somebody knows it: also of one that was refused."""
    user: str
    """Mark of the caller's own user, where the request names one; never the name itself."""
    whole: bool
    """Whether the client gets the answer in one piece, so that one that a guardrail blocks can still be refused."""
    model: str
    """The model's own name, once resolved."""
    revision: str
    """Mark of the model and of what computes it, once resolved: another one where the same request may have another
    answer; empty where that is not known."""
    room: Room | None
    """What room the model had when the request was let in; of several requests the last one."""
    first_token: float | None
    """Monotonic seconds at which the first text arrived from the worker."""
    gaps: list[float]
    """Seconds between text events."""
    queue_s: float | None
    """Seconds that it waited in the worker; of several answers what the one that ended last waited."""
    prompt_tokens: int
    """Of the prompts that workers have accepted."""
    completion_tokens: int
    """Whose text has arrived from the worker: what a client that left, or an error, has cost."""
    finished: Finished | None
    code: str | None
    """``error.code`` of what went wrong, also after the first byte."""

    def __init__(self, request_id: str, route: str, client: str) -> None:
        self.request_id = request_id
        self.route = route
        self.client = client
        self.arrived = time.monotonic()
        self.deadline = None
        self.body_bytes = 0
        self.changed = ""
        self.principal = None
        self.method = ""
        self.scope = ""
        self.decision_id = ""
        self.redact = False
        self.standings = ()
        self.masking = None
        self.fingerprint = ""
        self.user = ""
        self.whole = False
        self.model = ""
        self.revision = ""
        self.room = None
        self.first_token = None
        self.gaps = []
        self.queue_s = None
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.finished = None
        self.code = None

    def detached(self) -> RequestContext:
        """A context for the same request, for work that outlives its HTTP request: what that ends does not end it."""
        other = RequestContext(self.request_id, self.route, self.client)
        for name in ("arrived", "deadline", "fingerprint", "method", "principal", "scope", "user"):
            setattr(other, name, getattr(self, name))
        return other

    def learn(self, other: RequestContext) -> None:
        """Take over what *other*, which was detached from this one, has learnt of the work."""
        for name in _OF_THE_WORK:
            setattr(self, name, getattr(other, name))


_OF_THE_WORK: Final = (
    "code",
    "completion_tokens",
    "decision_id",
    "finished",
    "first_token",
    "gaps",
    "masking",
    "model",
    "prompt_tokens",
    "queue_s",
    "redact",
    "revision",
    "room",
    "standings",
)
"""What a request's work says of it."""
