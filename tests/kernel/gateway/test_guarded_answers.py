"""Answers as guardrails leave them: nothing that is masked or blocked is sent, however the text comes."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.gateway.watchmen import QuickWatchman, Watchman, answers

from jackfield.errors import ContentBlocked, GuardrailFailed, http
from jackfield.ports.guardrail import Mask, Verdict
from jackfield.types import (
    Finished,
    PromptProgress,
    ReasoningDelta,
    Started,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jackfield.gateway.guarded_answers import GuardedAnswers
    from jackfield.types import GenerateEvent

STARTED = Started(7, 64)

PATTERNS = {r"bomb": 5, r"\bab\b": 4, r"b{2,4}a": 6, r"[ab]b m": 5, r"o": 2}
"""Each with the longest of what it is about: a watchman wants to see what follows it, too."""

letters = st.text(st.sampled_from("abom "), max_size=40)
cuts = st.lists(st.integers(1, 7), min_size=1, max_size=8)
patterns = st.sampled_from(sorted(PATTERNS.items()))
endless = st.sampled_from(sorted(item for item in PATTERNS.items() if r"\b" not in item[0]))
"""Those that are the same whatever follows."""


def end(index: int = 0) -> Finished:
    """The worker's end of an answer."""
    return Finished("stop", Usage(7, 9), Timings(0.0, 0.0, 0.0), index)


def pieces(text: str, lengths: Sequence[int]) -> list[str]:
    """*text* in pieces of *lengths*, over and over."""
    places = itertools.takewhile(lambda place: place < len(text), itertools.accumulate(itertools.cycle(lengths)))
    return [text[start:stop] for start, stop in itertools.pairwise([0, *places, len(text)]) if stop > start]


def scored(*tokens: str, logprob: float | None = -1.0) -> tuple[TokenLogprob, ...]:
    """The scores of *tokens*, which follow each other."""
    places = itertools.accumulate(map(len, tokens), initial=0)
    return tuple(
        TokenLogprob(number, token.encode(), logprob, (), place)
        for number, (token, place) in enumerate(zip(tokens, places, strict=False))
    )


def told(found: GuardedAnswers, events: Iterable[GenerateEvent]) -> list[GenerateEvent]:
    """What *found* makes of *events*, one after the other."""
    return [said for event in events for said in found.read(event)]


def streamed(found: GuardedAnswers, text: str, lengths: Sequence[int] = (3,)) -> list[GenerateEvent]:
    """What it makes of an answer of *text* that comes in pieces."""
    return told(found, [STARTED, *(TextDelta(piece, 1) for piece in pieces(text, lengths)), end()])


def content(events: Sequence[GenerateEvent], index: int = 0) -> str:
    """The text of *events*."""
    return "".join(event.text for event in events if isinstance(event, TextDelta) and event.index == index)


def reason(events: Sequence[GenerateEvent]) -> str:
    """Why they end."""
    last = events[-1]
    assert isinstance(last, Finished)
    return last.reason


@given(text=letters, lengths=cuts, looked=patterns)
def test_a_stream_is_masked_as_the_whole_text_is(text: str, lengths: list[int], looked: tuple[str, int]) -> None:
    """However it is cut."""
    pattern, longest = looked
    events = streamed(answers(QuickWatchman(pattern, "mask", "#", longest=longest)), text, lengths)
    assert content(events) == re.sub(pattern, "#", text)
    assert reason(events) == "stop"


@given(text=letters, lengths=cuts, looked=patterns)
def test_nothing_of_what_is_blocked_is_sent(text: str, lengths: list[int], looked: tuple[str, int]) -> None:
    """Not even its first letter; and what has none of it is not changed."""
    pattern, longest = looked
    events = streamed(answers(QuickWatchman(pattern, longest=longest)), text, lengths)
    found = re.search(pattern, text)
    if found is None:
        assert (content(events), reason(events)) == (text, "stop")
    else:
        assert reason(events) == "content_filter"
        assert text.startswith(content(events))
        assert len(content(events)) <= found.start()


@given(text=st.text("xyz", max_size=40), lengths=cuts, longest=st.integers(1, 12))
def test_no_more_is_held_back_than_a_match_is_long(text: str, lengths: list[int], longest: int) -> None:
    """Less one character, which is what the first text waits for as well."""
    found = answers(QuickWatchman("bomb", longest=longest))
    came = sent = 0
    for piece in pieces(text, lengths):
        came += len(piece)
        sent += len(content(found.read(TextDelta(piece, 1))))
        assert came - sent == min(came, longest - 1)
    assert content(found.read(end())) == text[sent:]


@given(text=letters, lengths=cuts, first=patterns, second=patterns, third=patterns)
def test_maskers_follow_each_other_and_the_others_see_what_they_leave(
    text: str, lengths: list[int], first: tuple[str, int], second: tuple[str, int], third: tuple[str, int]
) -> None:
    """In their order, in a stream as in a whole text."""
    guardrails = [
        QuickWatchman(third[0], longest=third[1]),
        QuickWatchman(first[0], "mask", "m", longest=first[1]),
        QuickWatchman(second[0], "mask", "b", longest=second[1]),
    ]
    events = streamed(answers(*guardrails), text, lengths)
    left = re.sub(second[0], "b", re.sub(first[0], "m", text))
    found = re.search(third[0], left)
    if found is None:
        assert (content(events), reason(events)) == (left, "stop")
    else:
        assert reason(events) == "content_filter"
        assert len(content(events)) <= found.start()


@given(text=letters, lengths=cuts, looked=patterns, window=st.integers(8, 12))
def test_windows_catch_what_is_half_as_long(
    text: str, lengths: list[int], looked: tuple[str, int], window: int
) -> None:
    """However it is cut, by a guardrail that judges so much at a time."""
    pattern, longest = looked
    if longest > window // 2:
        return
    events = streamed(answers(QuickWatchman(pattern, longest=None, window=window)), text, lengths)
    found = re.search(pattern, text)
    assert reason(events) == ("stop" if found is None else "content_filter")
    assert len(content(events)) <= (len(text) if found is None else found.start())


@given(
    text=st.lists(st.sampled_from(["bomb", "mama", "abba", "o", " "]), max_size=9).map("".join),
    lengths=cuts,
    looked=endless,
    window=st.integers(8, 12),
    late=st.lists(st.booleans(), min_size=1, max_size=8),
)
def test_what_is_held_back_is_bounded_in_characters_and_time(
    text: str, lengths: list[int], looked: tuple[str, int], window: int, late: list[bool]
) -> None:
    """However it is cut, and whenever it has waited long enough: and a match that is split by that is still found."""
    pattern, longest = looked
    if longest > window // 2:
        return

    async def heard() -> list[GenerateEvent]:
        now = 0.0
        found = answers(Watchman(pattern, longest=None, window=window, window_s=60.0))
        said, came = [*await found.heard(STARTED)], ""
        with (
            patch("jackfield.gateway.guarding_sieve.time") as clock,
            patch("jackfield.gateway.guarded_answers.time") as other,
        ):
            clock.monotonic = other.monotonic = lambda: now
            for piece, waits in zip(pieces(text, lengths), itertools.cycle(late)):
                came += piece
                said += await found.heard(TextDelta(piece, 1))
                if isinstance(said[-1], Finished):
                    return said
                assert len(came) - len(content(said)) < window
                if waits and found.due is not None:
                    assert found.due <= now + 60.0
                    now += 60.0
                    said += await found.late()
                    assert isinstance(said[-1], Finished) or content(said) == came, "something waits any longer"
                    if isinstance(said[-1], Finished):
                        return said
            return [*said, *await found.heard(end())]

    events = asyncio.run(heard())
    match = re.search(pattern, text)
    if match is None:
        assert (reason(events), content(events)) == ("stop", text)
    else:
        assert reason(events) == "content_filter"
        assert len(content(events)) < match.end(), "the whole of it is never sent"


@given(text=letters, lengths=cuts, looked=patterns)
def test_one_that_judges_whole_texts_has_nothing_sent_before_the_end(
    text: str, lengths: list[int], looked: tuple[str, int]
) -> None:
    """Nor anything at all where it blocks."""
    found = answers(QuickWatchman(looked[0], longest=None))
    assert told(found, [TextDelta(piece, 1) for piece in pieces(text, lengths)]) == []
    events = found.read(end())
    blocked = re.search(looked[0], text) is not None
    assert content(events) == ("" if blocked else text)


@given(text=letters, lengths=cuts, looked=patterns)
def test_those_who_take_their_time_say_the_same(text: str, lengths: list[int], looked: tuple[str, int]) -> None:
    """As those who answer at once."""
    pattern, longest = looked
    events: list[GenerateEvent] = [STARTED, *(TextDelta(piece, 1) for piece in pieces(text, lengths)), end()]

    async def heard() -> list[GenerateEvent]:
        found = answers(Watchman(pattern, "mask", "#", longest=longest))
        assert found.waits
        return [said for event in events for said in await found.heard(event)]

    assert asyncio.run(heard()) == told(answers(QuickWatchman(pattern, "mask", "#", longest=longest)), events)


@given(text=letters, sizes=st.lists(st.integers(1, 4), min_size=1, max_size=9), lengths=cuts, looked=patterns)
def test_log_probabilities_go_with_their_text_or_not_at_all(
    text: str, sizes: list[int], lengths: list[int], looked: tuple[str, int]
) -> None:
    """A token of which anything was masked has none; those of others say where the client has them."""
    pattern, longest = looked
    tokens = pieces(text, sizes)
    places = [0, *itertools.accumulate(map(len, tokens))]
    scores = scored(*tokens)
    events: list[GenerateEvent] = [STARTED]
    at = 0
    for count in itertools.cycle(lengths):
        if at >= len(tokens):
            break
        group = tuple(scores[at : at + count])
        events.append(TextDelta("".join(tokens[at : at + count]), len(group), 0, group))
        at += count
    said = told(answers(QuickWatchman(pattern, "mask", "#", longest=longest)), [*events, end()])
    masked = {place for found in re.finditer(pattern, text) for place in range(*found.span())}
    whole = content(said)
    assert whole == re.sub(pattern, "#", text)
    shown = [score for event in said if isinstance(event, TextDelta) for score in event.logprobs]
    spans = itertools.pairwise(places)
    untouched = [number for number, (start, stop) in enumerate(spans) if not masked & set(range(start, stop))]
    assert [score.token for score in shown] == untouched
    for score in shown:
        assert whole[score.offset : score.offset + len(score.piece)] == score.piece.decode()
    assert sum(event.tokens for event in said if isinstance(event, TextDelta)) == (len(tokens) if whole else 0)


def test_token_ids_of_what_is_masked_are_not_told() -> None:
    """They come as scores without probabilities, and are treated as these."""
    ids = scored("a ", "bo", "mb", " z", logprob=None)
    events = told(answers(QuickWatchman("bomb", "mask", "#")), [TextDelta("a bomb z", 4, 0, ids), end()])
    assert content(events) == "a # z"
    assert [each.token for event in events if isinstance(event, TextDelta) for each in event.logprobs] == [0, 3]


def test_a_token_that_was_not_said_whole_has_no_score() -> None:
    """Its piece would show what a stop text has cut off."""
    score = TokenLogprob(1, b"abomb", -1.0)
    events = told(answers(QuickWatchman("bomb")), [TextDelta("a", 1, 0, (score,)), end()])
    assert [event.logprobs for event in events if isinstance(event, TextDelta)] == [()]


marks = st.lists(st.sampled_from(["[A_1]", "[A_11]", "[A", "_1", "]", "x", "[", "[A_2]"])).map("".join)


@given(text=marks, lengths=cuts)
def test_originals_come_back_however_their_placeholders_come(text: str, lengths: list[int]) -> None:
    """Each as it was, never divided."""
    restorable = {"[A_1]": "joe@example.com", "[A_11]": "ann@example.com"}
    events = streamed(answers(restorable=restorable), text, lengths)
    expected = text.replace("[A_11]", "ann@example.com").replace("[A_1]", "joe@example.com")
    assert content(events) == expected
    for original in restorable.values():
        whole = sum(event.text.count(original) for event in events if isinstance(event, TextDelta))
        assert whole == expected.count(original)


def test_what_comes_back_is_not_judged_again() -> None:
    """It is the client's own."""
    found = answers(QuickWatchman("joe", "mask", "#"), restorable={"[A_1]": "joe"})
    assert content(streamed(found, "hi [A_1], or joe", (4,))) == "hi joe, or #"


def test_what_a_placeholder_was_made_of_has_no_scores() -> None:
    """They would be those of another text."""
    scores = scored("to ", "[A", "_1]", "!")
    events = told(answers(restorable={"[A_1]": "joe"}), [TextDelta("to [A_1]!", 4, 0, scores), end()])
    assert content(events) == "to joe!"
    shown = [each for event in events if isinstance(event, TextDelta) for each in event.logprobs]
    assert [(each.token, each.offset) for each in shown] == [(0, 0), (3, 6)]


def test_channels_are_judged_apart_and_stay_in_order() -> None:
    """What a channel holds back is told before another one begins."""
    found = answers(QuickWatchman("bomb", "mask", "#"))
    events = told(
        found,
        [
            ReasoningDelta("a bo", 2),
            ReasoningDelta("mb?", 1),
            TextDelta("No bombs.", 3),
            ToolCallDelta(0, "", "id", "f"),
            ToolCallDelta(0, '{"x": "bo'),
            ToolCallDelta(0, 'mb"}'),
            ToolCallDelta(1, "{}", "id2", "g"),
            end(),
        ],
    )
    assert events == [
        ReasoningDelta("a #?", 3),
        TextDelta("No #s.", 3),
        ToolCallDelta(0, '{"x": "#"}', "id", "f"),
        ToolCallDelta(1, "{}", "id2", "g"),
        end(),
    ]


def test_a_match_on_both_sides_of_a_call_is_caught() -> None:
    """The client would have it in one text."""
    call = ToolCallDelta(0, "{}", "id", "f")
    said = told(answers(QuickWatchman("bomb")), [TextDelta("a bo", 1), call, TextDelta("mb", 1), end()])
    assert content(said) == ""
    assert reason(said) == "content_filter"
    masked = told(answers(QuickWatchman("bomb", "mask", "#")), [TextDelta("a bo", 1), call, TextDelta("mb", 1), end()])
    assert content(masked) == "a #"
    assert call in masked


def test_calls_wait_for_the_text_before_them() -> None:
    """So that what a client shows is in the order in which it was said."""
    calls = [ToolCallDelta(number, "{}", f"id{number}", "f") for number in range(2)]
    said = told(answers(QuickWatchman("bomb")), [TextDelta("I will call", 3), *calls, ReasoningDelta("hm", 1), end()])
    assert said == [TextDelta("I will call", 3), *calls, ReasoningDelta("hm", 1), end()]


def test_thoughts_are_texts_of_their_own() -> None:
    """What follows one does not wait for the next one."""
    found = answers(QuickWatchman("bomb"))
    assert told(found, [ReasoningDelta("a bo", 2), TextDelta("and so it goes on", 1)])[0] == ReasoningDelta("a bo", 2)
    assert reason(told(found, [ReasoningDelta("mb", 1), end()])) == "stop"


@pytest.mark.parametrize("channel", ["content", "reasoning", "arguments"])
def test_only_channels_of_a_guardrail_are_its_own(channel: str) -> None:
    """The others pass."""
    found = answers(QuickWatchman("bomb", channels=frozenset({channel})))  # type: ignore[arg-type]  # one of them
    said: dict[str, GenerateEvent] = {
        "content": TextDelta("bomb", 1),
        "reasoning": ReasoningDelta("bomb", 1),
        "arguments": ToolCallDelta(0, '{"a": "bomb"}', "id", "f"),
    }
    for name, event in said.items():
        again = answers(QuickWatchman("bomb", channels=frozenset({channel})))  # type: ignore[arg-type]  # as above
        assert (reason(told(again, [event, end()])) == "content_filter") == (name == channel)
    assert reason(told(found, [end()])) == "stop"


arguments = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('bom"\\\n€ ')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from('bom"€')), inner, max_size=3),
    max_leaves=8,
).map(lambda value: {"value": value})


@given(value=arguments, lengths=cuts, ascii_only=st.booleans())
def test_masking_never_breaks_the_json_of_arguments(value: object, lengths: list[int], *, ascii_only: bool) -> None:
    """Whatever is in it, and however it comes."""
    written = json.dumps(value, ensure_ascii=ascii_only)
    deltas = [ToolCallDelta(0, "", "id", "f"), *(ToolCallDelta(0, piece) for piece in pieces(written, lengths))]
    [call, _] = told(answers(QuickWatchman("b", "mask", '"\\\n')), [*deltas, end()])
    assert isinstance(call, ToolCallDelta)
    assert json.loads(call.arguments) == json.loads(json.dumps(value).replace("b", '\\"\\\\\\n'))


def test_arguments_that_a_limit_has_cut_off_are_judged() -> None:
    """As far as they go."""
    cut = Finished("length", Usage(7, 9), Timings(0.0, 0.0, 0.0))
    [call, _] = told(
        answers(QuickWatchman("bomb", "mask", "#")), [ToolCallDelta(0, '{"a": "a bo\\u006db, \\u00', "id", "f"), cut]
    )
    assert isinstance(call, ToolCallDelta)
    assert call.arguments == '{"a": "a #, '


def test_originals_come_back_in_arguments() -> None:
    """Whole, in valid JSON."""
    [call, _] = told(
        answers(restorable={"[A_1]": "joe@example.com"}), [ToolCallDelta(0, '{"to": "[A_1]"}', "id", "f"), end()]
    )
    assert call == ToolCallDelta(0, '{"to": "joe@example.com"}', "id", "f")


def test_several_answers_are_judged_each_by_itself() -> None:
    """One that is blocked ends; the others go on."""
    found = answers(QuickWatchman("bomb"))
    events = told(
        found,
        [
            STARTED,
            TextDelta("bo", 1, 0),
            TextDelta("mb", 1, 1),
            TextDelta("mb!", 1, 0),
            TextDelta("x", 1, 0),
            end(0),
            end(1),
        ],
    )
    ends = {event.index: event for event in events if isinstance(event, Finished)}
    assert (content(events, 0), content(events, 1)) == ("", "mb")
    assert (ends[0].reason, ends[1].reason) == ("content_filter", "stop")
    assert ends[0].usage == Usage(7, 3)
    assert len([event for event in events if isinstance(event, Finished)]) == 2


def test_an_answer_in_one_piece_is_refused() -> None:
    """There is nothing of it that could be told."""
    with pytest.raises(ContentBlocked) as caught:
        streamed(answers(QuickWatchman("bomb"), whole=True), "here is a bomb for you")
    assert http(caught.value).status == 400
    assert caught.value.category == "test"
    assert "pattern" in caught.value.message
    assert "bomb" not in caught.value.message


def test_progress_passes() -> None:
    """It has no text."""
    progress = PromptProgress(3, 0, 1, 0.1)
    assert told(answers(QuickWatchman("bomb")), [STARTED, progress]) == [STARTED, progress]


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(masks=(Mask(0, 99, "#"),)),
        Verdict(masks=(Mask(-1, 2, "#"),)),
        Verdict(masks=(Mask(2, 2, "#"),)),
        Verdict(masks=(Mask(2, 4, "#"), Mask(3, 5, "#"))),
        Verdict(masks=("mask",)),  # type: ignore[arg-type]  # what a stranger's plugin may do
        Verdict(masks=(Mask("a", 2, "#"),)),  # type: ignore[arg-type]  # as above
        Verdict(masks=(Mask(0, 1, 5),)),  # type: ignore[arg-type]  # as above
        Verdict(masks=None),  # type: ignore[arg-type]  # as above
        Verdict(findings=("finding",)),  # type: ignore[arg-type]  # as above
        "verdict",
    ],
)
def test_what_is_no_sound_verdict_lets_nothing_pass(verdict: object) -> None:
    """The stream breaks, and names no text."""
    guardrail = QuickWatchman("bomb", "mask", "#", longest=2)
    guardrail.wrong = verdict  # type: ignore[assignment]  # as above
    with pytest.raises(GuardrailFailed):
        streamed(answers(guardrail), "something or other")


def test_a_guardrail_that_breaks_lets_nothing_pass() -> None:
    """Whatever it raises."""
    guardrail = QuickWatchman("bomb", longest=2)
    guardrail.broken = ZeroDivisionError("bomb")
    with pytest.raises(GuardrailFailed) as caught:
        streamed(answers(guardrail), "something or other")
    assert "bomb" not in caught.value.message


def test_text_that_waits_too_long_for_a_window_is_judged_as_it_is() -> None:
    """And sent, whole, if it passes."""

    async def waited() -> tuple[list[GenerateEvent], list[GenerateEvent]]:
        found = answers(Watchman("bomb", longest=None, window=100, window_s=0.01))
        before = [*await found.heard(TextDelta("a few words", 3))]
        assert found.due is not None
        await asyncio.sleep(max(0.0, found.due - time.monotonic()))
        return before, [*await found.late()]

    assert asyncio.run(waited()) == ([], [TextDelta("a few words", 3)])


@pytest.mark.parametrize(
    ("first", "rest", "sent"), [("a bo", "mb", "a bo"), ("a bomb", "", ""), ("a b", "om", "a bom")]
)
def test_what_went_on_because_it_waited_too_long_is_judged_again_with_what_follows(
    first: str, rest: str, sent: str
) -> None:
    """So that nothing gets through in two parts; what ends there is judged as it is."""

    async def told() -> str:
        found = answers(Watchman("bomb", longest=None, window=100, window_s=0.0))
        said = [*await found.heard(TextDelta(first, 3)), *await found.late()]
        if rest and not isinstance(said[-1], Finished):
            said += [*await found.heard(TextDelta(rest, 2)), *await found.heard(end())]
        assert reason(said) == ("stop" if "bomb" not in first + rest else "content_filter")
        return content(said)

    assert asyncio.run(told()) == sent


def test_an_answer_that_was_cut_off_waits_for_nothing() -> None:
    """Whoever serves the others would be woken for it for ever."""

    async def told() -> tuple[list[GenerateEvent], float | None]:
        found = answers(Watchman("bomb", longest=None, window=100, window_s=0.0))
        said = [*await found.heard(TextDelta("a bomb", 3, 0)), *await found.heard(TextDelta("fine", 1, 1))]
        return [*said, *await found.late()], found.due

    said, due = asyncio.run(told())
    assert [event.reason for event in said if isinstance(event, Finished)] == ["content_filter"]
    assert (content(said, 1), due) == ("fine", None)


@pytest.mark.parametrize("longest", [5, None])
def test_time_is_for_windows_alone(longest: int | None) -> None:
    """What is held back otherwise waits for what follows it, or for the end, whatever the guardrail says besides."""

    async def told() -> tuple[str, float | None, list[GenerateEvent]]:
        found = answers(Watchman("bomb", longest=longest, window_s=0.0))
        said = [*await found.heard(TextDelta("a bo", 2)), *await found.late(), *await found.heard(TextDelta("m", 1))]
        return content(said), found.due, [*await found.heard(TextDelta("b", 1)), *await found.heard(end())]

    sent, due, last = asyncio.run(told())
    assert due is None
    assert sent in {"", "a"}
    assert reason(last) == "content_filter"


mixed = st.lists(st.tuples(st.sampled_from(["content", "thought", "call"]), letters), max_size=12)


@given(parts=mixed, lengths=cuts, looked=patterns)
def test_whatever_comes_in_whatever_order_is_masked(
    parts: list[tuple[str, str]], lengths: list[int], looked: tuple[str, int]
) -> None:
    """Content as one text, each thought and each call by itself; nothing is lost, and nothing is said twice."""
    pattern, longest = looked
    events: list[GenerateEvent] = [STARTED]
    texts: dict[str, list[str]] = {"content": [], "thought": [], "call": []}
    before = ""
    for number, (kind, text) in enumerate(parts):
        if kind == "call":
            events.append(ToolCallDelta(number, json.dumps([text]), f"id{number}", "f"))
            texts[kind].append(text)
        elif text:
            made = TextDelta if kind == "content" else ReasoningDelta
            events += [made(piece, 1) for piece in pieces(text, lengths)]
            if kind == "thought" and before == "thought":
                texts[kind][-1] += text
            else:
                texts[kind].append(text)
        if text or kind == "call":
            before = kind
    said = told(answers(QuickWatchman(pattern, "mask", "#", longest=longest)), [*events, end()])
    calls = [json.loads(event.arguments)[0] for event in said if isinstance(event, ToolCallDelta)]
    thoughts = "".join(event.text for event in said if isinstance(event, ReasoningDelta))
    assert content(said) == re.sub(pattern, "#", "".join(texts["content"]))
    assert thoughts == "".join(re.sub(pattern, "#", text) for text in texts["thought"])
    assert calls == [re.sub(pattern, "#", text) for text in texts["call"]]
    assert reason(said) == "stop"
    drawn = [event for event in said if isinstance(event, TextDelta | ReasoningDelta)]
    asked = sum(isinstance(event, TextDelta | ReasoningDelta) for event in events)
    assert sum(event.tokens for event in drawn) == asked
