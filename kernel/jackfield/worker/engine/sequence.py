"""One running request, as the engine sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from jackfield.worker.engine.text import TextStream

if TYPE_CHECKING:
    from jackfield.channel.messages import SequenceEvent
    from jackfield.lifecycle import LifeCycle, RequestEvent, RequestState
    from jackfield.ports.backend import Sampler
    from jackfield.types import SamplingParams

NO_SLOT: Final = -1


class Recipient(Protocol):
    """Who asked: takes the sequence's events. The engine calls it from its loop thread."""

    cancelled: bool
    """Set by another thread when nobody wants the answer any more; the engine drops the sequence at its next step."""
    life: LifeCycle[RequestState, RequestEvent]
    """Where the request stands; advanced by the intake thread until it is prepared, by the engine loop's after that."""

    def post(self, event: SequenceEvent) -> None:
        """Queue *event*; it leaves with the step's message."""
        ...


class PreparedRequest:
    """What the intake thread hands to the engine: tokens, limits, and who asked."""

    __slots__ = ("banned", "max_tokens", "prompt", "recipient", "sampling", "text")

    def __init__(
        self,
        recipient: Recipient,
        prompt: list[int],
        *,
        max_tokens: int,
        sampling: SamplingParams,
        stops: tuple[str, ...],
        banned: tuple[int, ...],
    ) -> None:
        self.recipient = recipient
        self.prompt = prompt
        """Token ids, at least one, fewer than the context."""
        self.max_tokens = max_tokens
        """After all caps: prompt + max_tokens fits the context."""
        self.sampling = sampling
        self.text = TextStream(stops)
        self.banned = banned
        """Token ids never drawn; with ``ignore_eos`` the end tokens."""


class Sequence:
    """A request in the engine. Implements ``jackfield.ports.scheduler.SequenceView``.

    Parameters:
        number: Rising in order of arrival.
        request: From the intake.
        now: Monotonic seconds.

    Owned by the engine loop thread.
    """

    __slots__ = (
        "_id",
        "arrived",
        "computed",
        "first_token",
        "life",
        "limit",
        "prompt_tokens",
        "request",
        "sampler",
        "slot",
        "started",
        "suspect",
        "tokens",
    )

    def __init__(self, number: int, request: PreparedRequest, now: float) -> None:
        self._id = number
        self.request = request
        self.tokens = list(request.prompt)
        """Prompt and what was drawn so far."""
        self.prompt_tokens = len(request.prompt)
        self.limit = self.prompt_tokens + request.max_tokens
        """Length at which generation ends."""
        self.computed = 0
        """Tokens whose KV cells exist."""
        self.slot = NO_SLOT
        self.sampler: Sampler | None = None
        self.suspect = False
        """Whether it was in a backend call that failed, and has not drawn a token since."""
        self.life = request.recipient.life
        self.arrived = now
        self.started: float | None = None
        """When it was first scheduled."""
        self.first_token: float | None = None

    @property
    def id(self) -> int:
        """Rising in order of arrival."""
        return self._id

    @property
    def pending(self) -> int:
        """Tokens known but not computed."""
        return len(self.tokens) - self.computed

    @property
    def generated(self) -> int:
        """Tokens drawn so far."""
        return len(self.tokens) - self.prompt_tokens
