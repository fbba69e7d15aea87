"""Guardrails: checks of what goes into models and comes out of them.

``jackfield_guardrails`` hands over factories of ``Guardrail``. One judges texts: it lets them pass, masks spans of
them, or blocks the request. Prompts are judged before a model sees them, answers before a client does. A streamed
answer is held back as far as a guardrail needs, and nothing that one has blocked is ever sent.

Channels are judged apart: what a user reads, what a model thinks, and the arguments of its calls. Of arguments
guardrails see the decoded texts, so that masking one leaves valid JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from jackfield.ports.identity import Principal

DEADLINE_S: Final = 30.0
"""How long a guardrail may take for one call: it may ask a model."""

Stage: TypeAlias = Literal["input", "output"]
Channel: TypeAlias = Literal["content", "reasoning", "arguments"]
Action: TypeAlias = Literal["pass", "mask", "block"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a guardrail has seen. It never repeats the text."""

    category: str
    """What kind of thing, a small word: ``pii``, ``injection``, ``violence``, …"""
    code: str
    """The reason, for programs: ``email``, ``word_list``, …"""
    action: Action
    score: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 1.0
    """How sure it is."""


class Mask(NamedTuple):
    """A span that is replaced."""

    start: int
    """Characters from the text's begin."""
    end: int
    replacement: str
    """What stands there instead: ``[EMAIL_1]``."""
    restore: bool = False
    """Whether the answer may have the original back where the model repeats the replacement; input only."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a guardrail says of one text."""

    findings: tuple[Finding, ...] = ()
    masks: tuple[Mask, ...] = ()
    """In order; they do not overlap."""

    @property
    def blocked(self) -> bool:
        """Whether anything in it blocks."""
        return any(finding.action == "block" for finding in self.findings)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Whose texts they are."""

    stage: Stage
    request_id: str
    model: str
    route: str
    principal: "Principal | None" = None


class GuardedText(msgspec.Struct, frozen=True, kw_only=True):
    """One text to judge."""

    text: str
    channel: Channel = "content"
    role: str = ""
    """Who says it: ``system``, ``user``, ``assistant``, ``tool``; empty outside conversations."""
    begin: int = 0
    """Characters at its begin that a stream has sent before, or has masked: they say what stands before the rest, and
    nothing that begins in them is judged again."""
    complete: bool = True
    """Whether it ends here. Of a stream that goes on this is False, and what touches the text's end is no finding yet:
    a word may become another one."""


class GuardrailTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel must know of a guardrail."""

    stages: frozenset[Stage]
    channels: frozenset[Channel] = frozenset({"content", "reasoning", "arguments"})
    masks: bool = False
    """Whether it may mask; those that do run one after the other, in the order of the manifest, before all others,
    which run at the same time."""
    longest: int | None = None
    """Most characters of what it looks for, and of what around it says whether it is that: nothing before ``end -
    longest`` and nothing from ``start + longest`` on matters to a span. So much of a stream, less one, is held back,
    and so much of what was sent last stands before what follows (``GuardedText.begin``). None judges whole texts: an
    answer is then sent when it is complete, or in the parts of ``window``."""
    window: int | None = None
    """Characters of a stream that are judged at a time, where it judges whole texts only. Half of them are sent then;
    the other half is judged again with what follows, so that whatever is at most so long is seen whole. None waits for
    the end."""
    window_s: float | None = None
    """Seconds after which text that waits for a window to be full is judged, as if it ended there, and sent; it is
    judged again with what follows (``GuardedText.begin`` stands before it then). They begin anew when half a window is
    sent: a character waits twice as long at most. None lets it wait. What is held back for ``longest`` waits for what
    follows it, however long that takes: it may be the begin of something."""
    default_on: bool = True
    """Whether it judges requests that nobody has asked it to judge."""
    moderation: bool = True
    """Whether ``/v1/moderations`` answers from it."""
    categories: tuple[str, ...] = ()
    """Categories of what it may find; moderations name them all."""


class Guardrail(Protocol):
    """Judges texts."""

    @property
    def traits(self) -> GuardrailTraits:
        """What it does; always the same."""
        ...

    def concerns(self, subject: Subject) -> bool:
        """Whether it is to judge this request, by key, team, model and route.

        Process and thread: gateway, event loop thread. Deadline: 1 ms; slower calls are counted, and logged by name at
        most once a minute. Failure policy: closed; the request is refused with 503.
        """
        ...

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """A verdict for each of *texts*.

        Process and thread: gateway, event loop thread, which it must not block; calls may overlap. Deadline: 30 s
        (``DEADLINE_S``). Failure policy: closed; what is raised, a deadline missed and what is no verdict refuse the
        request with 503, and are logged by name. A guardrail whose options say ``fail = "open"`` answers for itself.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        open; it is logged by name.
        """
        ...


@runtime_checkable
class Scanner(Protocol):
    """What a ``Guardrail`` may have besides: verdicts at once. Streams are then judged without waiting."""

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """The verdict that ``judge`` would give, in time linear in the text.

        Process and thread: gateway, event loop thread. Deadline: 1 ms; slower calls are counted, and logged by name at
        most once a minute. Failure policy: closed; the request is refused with 503.
        """
        ...


GuardrailFactory: TypeAlias = Callable[["Asking"], Guardrail]
"""What ``jackfield_guardrails`` hands over; raises ``ManifestError`` or ``PluginError`` to refuse the start."""


class Asking(Protocol):
    """What the kernel offers a guardrail: its own models, as judges."""

    async def classify(self, model: str, texts: Sequence[str]) -> Sequence[Mapping[str, float]]:
        """For each of *texts* the probability of each label of a model that classifies.

        Raises:
            JackfieldError: There is no such model, it classifies nothing, or it is not ready.
        """
        ...
