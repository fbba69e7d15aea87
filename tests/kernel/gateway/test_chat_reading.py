"""Answers to conversations: what becomes of text, tokens, log probabilities and ends."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatPrompt, Message
from jackfield.gateway.chat_reading import ChatReading
from jackfield.gateway.foreign import NamedDialect
from jackfield.parsing.reading import GeneratorReader
from jackfield.ports.dialect import Opening, Traits
from jackfield.types import (
    Finished,
    GenerateRequest,
    ReasoningDelta,
    Started,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.parsing.reading import Reading
    from jackfield.ports.constraint import Constraint
    from jackfield.types import FinishReason, GenerateEvent

CHAT = ChatPrompt((Message("user", "hi"),))


class Reader(GeneratorReader):
    """``<t>thoughts</t>``, content, ``<c>arguments</c>``; a call without an end is malformed."""

    def answer(self) -> Reading[None]:
        """See ``GeneratorReader``."""
        yield from self.thoughts("<t>", "</t>")
        while (yield from self.content("<c>")) is not None:
            self.begin_call("f")
            self.malformed = (yield from self.until(("</c>",), self.argue)) is None and not self.cut
            self.end_call()


class Dialect:
    """The smallest there is."""

    traits = Traits(reasoning="optional")

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        return Opening(variables={}, constraint=constraint)

    def reader(self, chat: ChatPrompt, prompt_end: str) -> Reader:
        """See ``ChatDialect``."""
        return Reader(prompt_end)


def reading(**fields: object) -> ChatReading:
    """Of answers to a request with *fields*."""
    request = msgspec.structs.replace(GenerateRequest(model="m", prompt=CHAT), **fields)
    return ChatReading(NamedDialect("small", Dialect()), CHAT, request)


def finished(reason: FinishReason = "stop", *, index: int = 0, stopped_by: int | str | None = None) -> Finished:
    """The worker's end of an answer."""
    return Finished(reason, Usage(7, 9), Timings(0.0, 0.0, 0.0), index, stopped_by)


def read(found: ChatReading, texts: Sequence[str], end: Finished | None = None) -> list[GenerateEvent]:
    """What the reading makes of *texts*, a token each."""
    events = itertools.chain.from_iterable(found.read(TextDelta(text, 1)) for text in texts)
    return [*events, *found.read(end or finished())]


def scored(pieces: Sequence[bytes]) -> list[TextDelta]:
    """What the worker sends for tokens of these bytes: text as soon as it is whole."""
    deltas: list[TextDelta] = []
    said, waiting = 0, b""
    entries: list[TokenLogprob] = []
    for number, piece in enumerate(pieces):
        entries.append(TokenLogprob(number, piece, -1.0, offset=said))
        waiting += piece
        try:
            text = waiting.decode()
        except UnicodeDecodeError:
            continue
        deltas.append(TextDelta(text, len(entries), 0, tuple(entries)))
        said, waiting, entries = said + len(text), b"", []
    return deltas


def test_thoughts_content_and_calls_are_told_apart() -> None:
    """Calls are numbered, each has an id of its own, and thoughts are counted."""
    events = read(reading(), ["<t>", "a b", "</t>", "Hi", "<c>", "{}", "</c>", "<c>", "[]", "</c>"])
    assert events[0] == ReasoningDelta("a b", 1)
    assert events[1] == TextDelta("Hi", 1)
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [(call.call, call.name, call.arguments) for call in calls] == [
        (0, "f", ""),
        (0, "", "{}"),
        (1, "f", ""),
        (1, "", "[]"),
    ]
    ids = [call.id for call in calls if call.id]
    assert len(set(ids)) == 2
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.reason == "tool_calls"
    assert end.usage == Usage(7, 9, 0, 3)


@pytest.mark.parametrize(
    ("texts", "reason", "expected"),
    [
        (["Hi"], "stop", "stop"),
        (["Hi"], "length", "length"),
        (["<c>{}</c>"], "stop", "tool_calls"),
        (["<c>{}</c>"], "length", "length"),
        (["<c>{"], "stop", "malformed_tool_call"),
        (["<c>{"], "length", "length"),
    ],
)
def test_why_an_answer_ended(texts: list[str], reason: FinishReason, expected: FinishReason) -> None:
    """An answer that a limit ended says so, whatever it was in the middle of."""
    end = read(reading(), texts, finished(reason))[-1]
    assert isinstance(end, Finished)
    assert end.reason == expected


@pytest.mark.parametrize(("stopped_by", "told"), [("mine", "mine"), ("</c>", None), (5, 5), (None, None)])
def test_only_the_clients_stops_are_told(stopped_by: int | str | None, told: int | str | None) -> None:
    """Those of the dialect are its own affair."""
    end = read(reading(stop=("mine",)), ["Hi"], finished(stopped_by=stopped_by))[-1]
    assert isinstance(end, Finished)
    assert end.stopped_by == told


def test_answers_are_read_each_by_itself() -> None:
    """Side by side, as they come; none sees another's marks."""
    found = reading(n=2)
    events = [
        *found.read(Started(7, 9, "<assistant>")),
        *found.read(TextDelta("<t>a", 1, 0)),
        *found.read(TextDelta("b", 1, 1)),
        *found.read(TextDelta("</t>c<c>{}</c>", 1, 0)),
        *found.read(finished(index=1)),
        *found.read(finished(index=0)),
    ]
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("b", 1, 1), TextDelta("c", 1, 0)]
    ends = [event for event in events if isinstance(event, Finished)]
    assert [(end.index, end.reason, end.usage.reasoning_tokens) for end in ends] == [
        (1, "stop", 0),
        (0, "tool_calls", 2),
    ]


def test_thoughts_that_the_prompt_has_begun() -> None:
    """The reader learns how the prompt ends."""
    found = reading()
    found.read(Started(7, 9, "<assistant><t>\n"))
    assert found.read(TextDelta("deep", 1)) == [ReasoningDelta("deep", 1)]


@pytest.mark.parametrize(
    ("texts", "shown"),
    [([" there"], " there"), (["\n", " ", "there"], "\n there"), ([" ", "<c>{}</c>", " Hi"], "Hi"), ([" "], "")],
)
def test_a_continued_message_keeps_its_spaces(texts: list[str], shown: str) -> None:
    """What an answer begins with parts it from what was there, unless it begins with something else than text."""
    request = GenerateRequest(model="m", prompt=CHAT)
    chat = ChatPrompt((Message("user", "hi"), Message("assistant", "Hello")), continue_final=True)
    events = read(ChatReading(NamedDialect("small", Dialect()), chat, request), texts)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == shown


letters = st.text(st.sampled_from("ab <c/\n€😀"), max_size=12)


@given(text=letters, sizes=st.lists(st.integers(1, 3), max_size=20))
def test_each_score_goes_with_its_text(text: str, sizes: list[int]) -> None:
    """However an answer without marks is cut into tokens, in the middle of characters too."""
    data = ("x" + text).encode()
    places = sorted({0, len(data), *(cut for cut in itertools.accumulate(sizes) if cut < len(data))})
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    found = reading(logprobs=0)
    events = [*itertools.chain.from_iterable(found.read(delta) for delta in scored(pieces)), *found.read(finished())]
    shown = [event for event in events if isinstance(event, TextDelta)]
    assert "".join(event.text for event in shown).encode() == data
    assert b"".join(entry.piece for event in shown for entry in event.logprobs) == data


def test_text_that_came_apart_from_its_score() -> None:
    """The rest of a token might have begun a stop text: where the answer ends there, it comes by itself."""
    found = reading(logprobs=0, stop=("bc",))
    score = TokenLogprob(0, b"ab", -1.0)
    held = [TextDelta("a", 1, 0, (score,)), TextDelta("b", 1)]
    events = [event for delta in held for event in found.read(delta)]
    shown = [event for event in events if isinstance(event, TextDelta)]
    assert [(event.text, event.logprobs) for event in shown] == [("a", (score,)), ("b", ())]


def test_scores_of_thoughts_and_calls_are_not_shown() -> None:
    """Only those of content are."""
    found = reading(logprobs=0)
    events: list[GenerateEvent] = []
    for delta in scored([b"<t>", b"why", b"</t>", b"So", b" it", b"<c>", b"{}", b"</c>"]):
        events += found.read(delta)
    events += found.read(finished())
    shown = [event for event in events if isinstance(event, TextDelta)]
    assert [entry.piece for event in shown for entry in event.logprobs] == [b"So", b" it"]


def _one(deltas: Sequence[TextDelta]) -> TextDelta:
    """As deltas become one that wait for a slow reader."""
    parts = tuple((len(delta.text), delta.tokens) for delta in deltas)
    return TextDelta("".join(delta.text for delta in deltas), len(deltas), 0, (), parts)


@given(
    texts=st.lists(st.sampled_from(["<", "t", ">", "<t>", "a", " ", "</", "</t>", "b<c>", "</c>"]), max_size=12),
    sizes=st.lists(st.integers(1, 6), min_size=12, max_size=12),
)
def test_thoughts_are_counted_alike_however_text_comes(texts: list[str], sizes: list[int]) -> None:
    """Whether each token comes alone, or several as one."""
    alone, together = reading(), reading()
    expected = [event for text in texts for event in alone.read(TextDelta(text, 1))] + [*alone.read(finished())]
    left = [TextDelta(text, 1) for text in texts]
    found: list[GenerateEvent] = []
    for size in sizes:
        some, left = left[:size], left[size:]
        if some:
            found += together.read(some[0] if len(some) == 1 else _one(some))
    found += together.read(finished())
    assert found[-1] == expected[-1]
    for kind in (TextDelta, ReasoningDelta):
        said = ["".join(event.text for event in events if isinstance(event, kind)) for events in (found, expected)]
        assert said[0] == said[1]


def test_marks_of_thoughts_are_counted_whole() -> None:
    """Also those of several tokens; what turns out to be no mark is not."""
    ends = [read(reading(), texts)[-1] for texts in (["<", "t", ">", "a", "</", "t>", "b"], ["<", "t", "x", "a"])]
    assert [end.usage.reasoning_tokens for end in ends if isinstance(end, Finished)] == [6, 0]


@given(
    pieces=st.lists(st.sampled_from([b"<t>", b"a", "🎹".encode()[:2], "🎹".encode()[2:], b"</t>", b" b"]), max_size=8)
)
def test_thoughts_are_counted_alike_with_log_probabilities(pieces: list[bytes]) -> None:
    """Whose tokens are read one by one."""
    deltas = scored(pieces)
    counts: list[int] = []
    for found in (reading(logprobs=0), reading()):
        for delta in deltas:
            found.read(delta)
        end = found.read(finished())[-1]
        assert isinstance(end, Finished)
        counts.append(end.usage.reasoning_tokens)
    assert counts[0] == counts[1]
