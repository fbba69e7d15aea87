"""One running answer, as the engine sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from jackfield.ports.constraint import Matcher
from jackfield.sampling import SEED_MAX, SamplingParams
from jackfield.types import LineLimits
from jackfield.worker.engine.output import Output
from jackfield.worker.engine.prefix.finding import NOTHING
from jackfield.worker.engine.prefix.tokens import packed
from jackfield.worker.engine.thoughts import ThinkingMatcher

if TYPE_CHECKING:
    from collections.abc import Sequence as Several

    from jackfield.channel.messages import SequenceEvent
    from jackfield.lifecycle import LifeCycle, RequestEvent, RequestState
    from jackfield.ports.backend import Sampler
    from jackfield.worker.engine.prefix.cells import Segment
    from jackfield.worker.engine.prefix.states import State
    from jackfield.worker.engine.prefix.tree import Node

NO_SLOT: Final = -1


class Recipient(Protocol):
    """Who asked: takes the request's events. The engine calls it from its loop thread."""

    cancelled: bool
    """Set by another thread when nobody wants the answer any more; the engine drops the request at its next step."""

    @property
    def lives(self) -> Several[LifeCycle[RequestState, RequestEvent]]:
        """Where each of its answers stands; advanced by the intake thread until it is prepared, by the loop then."""
        ...

    def post(self, event: SequenceEvent) -> None:
        """Queue *event*; it leaves with the step's message."""
        ...


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request's answers end."""

    max_tokens: int
    """After all caps; 0 only measures the prompt."""
    end_tokens: frozenset[int]
    """Tokens that end an answer: the model's own, unless they are to be ignored."""
    stop_tokens: frozenset[int] = frozenset()
    """Others that do."""
    stops: tuple[str, ...] = ()
    """Strings that do."""
    min_tokens: int = 0
    """Tokens that must have been drawn before anything but ``max_tokens`` ends it."""
    lines: LineLimits | None = None
    """Lines that do."""
    keep: int = 0
    """Tokens at the start of the prompt that a shift at the end of the context must leave (BOS)."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What a request's answers must look like."""

    matchers: tuple[Matcher | ThinkingMatcher, ...]
    """One for each answer."""
    forcing: bool
    """Whether tokens that can only come next are taken over without being drawn."""


class Draws(msgspec.Struct, frozen=True, kw_only=True):
    """How a request's tokens are drawn: the parameters of ``Runner.sampler``, and the masks' source."""

    sampling: SamplingParams
    """With a seed."""
    bias: Mapping[int, float] = {}
    banned: tuple[int, ...] = ()
    banned_draws: int | None = None
    form: Form | None = None
    """What the answers must look like, if anything in particular."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown besides the text that was drawn."""

    logprobs: int | None = None
    """How many likely tokens are listed for each token; None gives no log probabilities."""
    echo: tuple[bytes, ...] | None = None
    """The bytes that each token of the prompt is shown as; None shows no prompt."""
    tokens: Mapping[int, bytes] = {}
    """Control tokens that are shown, by their names."""
    prompt_end: str = ""
    """Of a rendered conversation the end of its text; whoever reads the answer is told."""
    token_ids: bool = False
    """Whether each text comes with its tokens where it has no log probabilities."""
    progress: bool = False
    """Whether whoever asked is told how far the prompt is computed."""


NOTHING_ELSE: Final = Shown()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Whose request it is, and what follows from that."""

    tenant: str = ""
    """Who is served; empty where nobody is asked who calls."""
    priority: int = 0
    """Lower goes first."""
    scope: bytes | None = None
    """Who shares computed prefixes with it: 32 bytes; None shares nothing."""
    slot: int | None = None
    """The slot that the first answer takes where that is free."""


NOBODY: Final = Standing()


class PreparedRequest:
    """What the intake thread hands to the engine: tokens, limits, and who asked.

    Parameters:
        recipient: Who asked.
        prompt: Token ids, at least one, fewer than the context.
        draws: How tokens are drawn.
        ends: Where answers end.
        choices: How many answers.
        shown: What is shown besides their text.
        standing: Whose it is.
    """

    __slots__ = (
        "cached",
        "choices",
        "draws",
        "ends",
        "key",
        "open",
        "prompt",
        "recipient",
        "shown",
        "standing",
    )

    def __init__(
        self,
        recipient: Recipient,
        prompt: list[int],
        *,
        draws: Draws,
        ends: Ends,
        choices: int = 1,
        shown: Shown = NOTHING_ELSE,
        standing: Standing = NOBODY,
    ) -> None:
        self.recipient = recipient
        self.prompt = prompt
        self.draws = draws
        self.ends = ends
        self.choices = choices
        self.shown = shown
        self.standing = standing
        self.key = packed(prompt) if standing.scope is not None else b""
        """The prompt as the prefix cache compares it."""
        self.open: list[Sequence] = []
        """Answers that have not ended; the engine loop's."""
        self.cached: int | None = None
        """Tokens of the prompt that the prefix cache gave the answer that started first; the engine loop's. The others
        find what that one computes."""

    def sampling(self, index: int) -> SamplingParams:
        """How answer *index* is drawn: each has a seed of its own."""
        first = self.draws.sampling
        if not index or first.seed is None:
            return first
        return msgspec.structs.replace(first, seed=(first.seed + index) % SEED_MAX)


class Prefix:
    """What the prefix cache keeps of a sequence.

    Parameters:
        key: The request's.
    """

    __slots__ = ("fetched", "found", "key", "lost", "node", "seen", "stops")

    def __init__(self, key: bytes) -> None:
        self.key = key
        """The sequence's tokens as the cache compares them: the prompt, and after a preemption all."""
        self.seen = -1
        """Version of its scope that ``found`` is of."""
        self.found = NOTHING
        """What it would find if it started now."""
        self.lost = 0
        """Tokens it had computed when it was preempted."""
        self.node: Node | None = None
        """Where in the prefix tree what it shares ends, while it runs."""
        self.stops: set[int] = set()
        """Positions where a checkpoint is to be taken."""
        self.fetched: Several[State] = ()
        """What a slow store has given back for it, in memory until it starts."""


class Sequence:
    """An answer in the engine. Implements ``jackfield.ports.scheduler.SequenceView``.

    Parameters:
        number: Rising in order of arrival.
        request: From the intake.
        index: Which of the request's answers it is.
        now: Monotonic seconds.

    Owned by the engine loop thread.
    """

    __slots__ = (
        "_id",
        "arrived",
        "computed",
        "first_token",
        "generated",
        "held_until",
        "index",
        "leaf",
        "life",
        "matcher",
        "output",
        "prefix",
        "prompt_cells",
        "request",
        "sampler",
        "scope",
        "scored",
        "slot",
        "started",
        "suspect",
        "tokens",
        "told",
        "unscored",
    )

    def __init__(self, number: int, request: PreparedRequest, index: int, now: float) -> None:
        self._id = number
        self.request = request
        self.index = index
        self.tokens = list(request.prompt)
        """Prompt and what was drawn so far, less what a context shift dropped."""
        self.prompt_cells = len(request.prompt)
        """How many of ``tokens``, from the start, are of the prompt."""
        self.generated = 0
        """Tokens drawn so far."""
        self.output = Output(request.recipient, index, request.ends)
        self.computed = 0
        """Tokens whose KV cells exist; while it waits, those that the prefix cache would give it."""
        self._uncached(request)
        self.scored = 0
        """Tokens of the prompt whose log probabilities were shown."""
        self.unscored = request.shown.echo is not None and request.shown.logprobs is not None
        """Whether the prompt's log probabilities are wanted and not all shown."""
        self.told = -1
        """How much of the prompt whoever asked was told is computed; -1 before it begins."""
        self.slot = NO_SLOT
        self.sampler: Sampler | None = None
        self.matcher = request.draws.form.matchers[index] if request.draws.form is not None else None
        """Where it stands in what it must look like; stays with it while it waits to be computed anew."""
        self.suspect = False
        """Whether it broke a backend call, or may have, and has not drawn a token since; it is computed alone."""
        self.life = request.recipient.lives[index]
        self.arrived = now
        self.started: float | None = None
        """When it was first scheduled."""
        self.first_token: float | None = None

    def _uncached(self, request: PreparedRequest) -> None:
        """Begin what the prefix cache knows of it."""
        self.scope = request.standing.scope
        """Who shares what it computes; None from where it is not what others would compute."""
        self.prefix = Prefix(request.key)
        self.leaf: Segment | None = None
        """Its last cells, while it runs."""
        self.held_until = 0.0
        """While it waits for a slow store: until when at most, in monotonic seconds."""

    @property
    def id(self) -> int:
        """Rising in order of arrival."""
        return self._id

    @property
    def pending(self) -> int:
        """Tokens known but not computed."""
        return len(self.tokens) - self.computed

    @property
    def masked(self) -> bool:
        """Whether its next token is drawn from what a mask allows."""
        matcher = self.matcher
        return matcher is not None and (not isinstance(matcher, ThinkingMatcher) or matcher.masking)

    @property
    def cells(self) -> int:
        """KV cells that it shares with no running sequence; while it waits, those that starting takes."""
        return self.prefix.found.cells if self.leaf is None else self.leaf.own()

    @property
    def tenant(self) -> str:
        """Who is served."""
        return self.request.standing.tenant

    @property
    def priority(self) -> int:
        """Lower goes first."""
        return self.request.standing.priority

    @property
    def discard(self) -> int:
        """How many tokens a context shift drops: half of those that may go, as in llama-server; at least 1."""
        return max(1, (self.computed - self.request.ends.keep) // 2)

    def shift(self, keep: int, discard: int) -> None:
        """Forget the *discard* tokens after the first *keep*, all of which have cells."""
        del self.tokens[keep : keep + discard]
        self.prompt_cells -= max(0, min(self.prompt_cells, keep + discard) - keep)
        self.computed -= discard
