"""Answers as guardrails leave them: held back as far as they need, masked, cut off, and with originals restored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from jackfield.gateway.guarding_judging import Blocked, at_once, in_time, judged
from jackfield.gateway.guarding_notes import Notes
from jackfield.gateway.guarding_rope import Atom, atoms_of, joined
from jackfield.gateway.guarding_sieve import sieves
from jackfield.gateway.guards import Guard
from jackfield.gateway.restoring import Placeholders, Restoring
from jackfield.json_leaves import mapped_leaves
from jackfield.ports.guardrail import GuardedText, Subject
from jackfield.types import Finished, PromptProgress, ReasoningDelta, Started, TextDelta, Timings, ToolCallDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.context import RequestContext
    from jackfield.gateway.guarding_judging import Judging
    from jackfield.ports.guardrail import Channel
    from jackfield.types import GenerateEvent


class Reading(Protocol):
    """Turns what a worker says into what a client is told."""

    def read(self, event: GenerateEvent) -> Sequence[GenerateEvent]:
        """What *event* says."""
        ...


class AnswerRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the answers to one request are judged."""

    subject: Subject
    guards: tuple[Guard, ...]
    """In the order of the manifest."""
    notes: Notes
    placeholders: Placeholders | None
    """None where nothing is restored."""


class _Strand:
    """One channel of text of one answer."""

    def __init__(self, rules: AnswerRules, channel: Channel) -> None:
        self._sieves: Final = sieves(rules.guards, channel, rules.notes)
        self._restoring = Restoring(rules.placeholders) if rules.placeholders is not None else None

    @property
    def due(self) -> float | None:
        """See ``Sieve``."""
        return min((sieve.due for sieve in self._sieves if sieve.due is not None), default=None)

    @property
    def holding(self) -> bool:
        """Whether anything of it is held back."""
        return any(sieve.holding for sieve in self._sieves) or (self._restoring is not None and self._restoring.holding)

    def feed(self, atoms: Sequence[Atom], *, ended: bool = False) -> Judging[Sequence[Atom]]:
        """What may go on, now that *atoms* have come; raises ``Blocked``."""
        for sieve in self._sieves:
            atoms = yield from sieve.sift(atoms, ended=ended)
        return atoms if self._restoring is None else self._restoring.restore(atoms, ended=ended)


class _Call:
    """A call whose arguments are held until they are whole."""

    def __init__(self, first: ToolCallDelta) -> None:
        self.first = first
        self.arguments = [first.arguments]


class _Answer:
    """One of the request's answers.

    What is said stays in its order: what follows content waits until nothing of that is held back any more. Only where
    the content goes on before that, its end, which could not be judged alone, comes with the rest of it.

    Parameters:
        rules: How it is judged.
        index: Which one it is.
        plain: Whether texts come as the worker said them, so that offsets of tokens count from their begin.
    """

    def __init__(self, rules: AnswerRules, index: int, *, plain: bool) -> None:
        self._rules = rules
        self._index = index
        self._plain = plain
        self._came = self._told = 0
        """Characters of content."""
        self._content: Final = _Strand(rules, "content")
        self._thoughts: Final = _Strand(rules, "reasoning")
        self._call: _Call | None = None
        self._thinking = False
        """Whether a thought came last."""
        self._waiting: list[GenerateEvent] = []
        """What follows the content that is held back."""
        self.drawn = 0
        """Tokens whose text has come."""
        self.over = False

    @property
    def due(self) -> float | None:
        """When what waits is to be judged as it is."""
        return min((each.due for each in (self._content, self._thoughts) if each.due is not None), default=None)

    def hear(self, event: GenerateEvent, said: list[GenerateEvent]) -> Judging[None]:
        """Add what *event* says to *said*; raises ``Blocked``."""
        if isinstance(event, ToolCallDelta):
            yield from self._called(event, said)
            return
        if self._call is not None:
            yield from self._end_call(said)
        if isinstance(event, ReasoningDelta):
            self._thinking = True
            self.drawn += event.tokens
            self._think((yield from self._thoughts.feed([Atom(event.text, event.tokens)])), said)
            return
        if self._thinking:
            yield from self._end_thoughts(said)
        if isinstance(event, TextDelta):
            if self._waiting:
                said += self._waiting
                self._waiting.clear()
            begin = self._came if self._plain else None
            self._came += len(event.text)
            self.drawn += event.tokens
            self._speak((yield from self._content.feed(atoms_of(event, begin))), said)
        elif isinstance(event, Finished):
            self._speak((yield from self._content.feed((), ended=True)), said)
            said += [*self._waiting, self._finished(event)]
            self.over = True

    def overdue(self, said: list[GenerateEvent]) -> Judging[None]:
        """Add what has waited long enough to *said*; raises ``Blocked``."""
        self._speak((yield from self._content.feed(())), said)
        self._think((yield from self._thoughts.feed(())), said)
        if not self._content.holding:
            said += self._waiting
            self._waiting.clear()

    def cut(self, usage: Usage) -> Finished:
        """It ends here, because the rest is blocked."""
        self.over = True
        return Finished("content_filter", usage, Timings(0.0, 0.0, 0.0), self._index)

    def _called(self, delta: ToolCallDelta, said: list[GenerateEvent]) -> Judging[None]:
        if self._call is not None and self._call.first.call == delta.call:
            self._call.arguments.append(delta.arguments)
            return
        if self._thinking:
            yield from self._end_thoughts(said)
        yield from self._end_call(said)
        self._call = _Call(delta)

    def _end_thoughts(self, said: list[GenerateEvent]) -> Judging[None]:
        """Something else follows: a thought is a text of its own."""
        self._thinking = False
        self._think((yield from self._thoughts.feed((), ended=True)), said)

    def _end_call(self, said: list[GenerateEvent]) -> Judging[None]:
        """Say the call that is held, if there is one: whole, so that nothing in it is divided."""
        call, self._call = self._call, None
        if call is None:
            return
        written = "".join(call.arguments)
        texts: list[GuardedText] = []

        def collect(leaf: str) -> str:
            texts.append(GuardedText(text=leaf, channel="arguments", role="assistant"))
            return leaf

        mapped_leaves(written, collect)
        rules = self._rules
        if texts and rules.guards:
            others = iter((yield from judged(rules.guards, texts, "output", rules.notes)))
            written = mapped_leaves(written, lambda _: next(others))
        if rules.placeholders is not None:
            written = rules.placeholders.restored(written)
        self._follow(msgspec.structs.replace(call.first, arguments=written), said)

    def _follow(self, event: GenerateEvent, said: list[GenerateEvent]) -> None:
        (self._waiting if self._content.holding else said).append(event)

    def _think(self, atoms: Sequence[Atom], said: list[GenerateEvent]) -> None:
        if atoms and (thought := joined(atoms)).text:
            self._follow(ReasoningDelta(thought.text, thought.tokens, self._index), said)

    def _speak(self, atoms: Sequence[Atom], said: list[GenerateEvent]) -> None:
        if atoms and (whole := joined([self._placed(atom) for atom in atoms])).text:
            said.append(TextDelta(whole.text, whole.tokens, self._index, whole.scores))

    def _placed(self, atom: Atom) -> Atom:
        """*atom* with offsets that count from the begin of what the client has."""
        begin = self._told
        self._told += len(atom.text)
        if not atom.scores or not self._plain:
            return atom
        return atom._replace(scores=tuple([msgspec.structs.replace(each, offset=begin) for each in atom.scores]))

    def _finished(self, finished: Finished) -> Finished:
        if not finished.logprobs or not self._plain:
            return finished
        scores = tuple([msgspec.structs.replace(each, offset=self._told) for each in finished.logprobs])
        return msgspec.structs.replace(finished, logprobs=scores)


class GuardedAnswers:
    """Reads the answers to one request, and judges them. Event loop thread.

    Parameters:
        rules: How they are judged.
        reading: What reads them first; None where they are judged as the worker says them.
        context: Of the request.

    Attributes:
        waits: Whether some of the guardrails take their time, so that ``heard`` and not ``read`` is to be used.
    """

    def __init__(self, rules: AnswerRules, reading: Reading | None, context: RequestContext) -> None:
        self._rules = rules
        self._reading = reading
        self._context = context
        self._prompt_tokens = 0
        self._answers: dict[int, _Answer] = {}
        self.waits: Final = not all(guard.scans and guard.traits.window_s is None for guard in rules.guards)

    @property
    def due(self) -> float | None:
        """When ``late`` is to be called, in monotonic seconds; None where it need not be."""
        waiting = [each.due for each in self._answers.values() if not each.over]
        return min((due for due in waiting if due is not None), default=None)

    def read(self, event: GenerateEvent) -> Sequence[GenerateEvent]:
        """What *event* of the worker says, where all guardrails scan.

        Raises:
            ContentBlocked: A guardrail blocks an answer of which the client has nothing yet.
            GuardrailFailed: One of them broke.
        """
        return at_once(self._said(event), self._rules.subject)

    async def heard(self, event: GenerateEvent) -> Sequence[GenerateEvent]:
        """The same by whatever guardrails."""
        return await in_time(self._said(event), self._rules.subject)

    async def late(self) -> Sequence[GenerateEvent]:
        """What has waited long enough, judged as it is; raises as ``read``."""
        return await in_time(self._overdue(), self._rules.subject)

    def _said(self, event: GenerateEvent) -> Judging[Sequence[GenerateEvent]]:
        said: list[GenerateEvent] = []
        for each in (event,) if self._reading is None else self._reading.read(event):
            if isinstance(each, Started):
                self._prompt_tokens = each.prompt_tokens
                said.append(each)
                continue
            answer = self._answers.get(each.index)
            if answer is None:
                answer = self._answers[each.index] = _Answer(self._rules, each.index, plain=self._reading is None)
            if isinstance(each, PromptProgress):
                said.append(each)
            elif not answer.over:
                yield from self._guarded(answer, answer.hear(each, said), said)
        return said

    def _overdue(self) -> Judging[Sequence[GenerateEvent]]:
        said: list[GenerateEvent] = []
        now = time.monotonic()
        for answer in self._answers.values():
            if answer.due is not None and answer.due <= now and not answer.over:
                yield from self._guarded(answer, answer.overdue(said), said)
        return said

    def _guarded(self, answer: _Answer, judging: Judging[None], said: list[GenerateEvent]) -> Judging[None]:
        try:
            yield from judging
        except Blocked as blocked:
            if self._context.whole:
                raise blocked.error("the answer") from None
            said.append(answer.cut(Usage(self._prompt_tokens, answer.drawn)))
