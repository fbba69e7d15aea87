"""Thoughts in front of an answer: where its constraint begins, and how a budget ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.worker.conversations import answered, asked
from tests.kernel.worker.engines import Engine, Unsteady, load

from jackfield import build_kernel
from jackfield.errors import BackendFault
from jackfield.manifest import InstanceRef
from jackfield.ports.constraint import Choice
from jackfield.ports.dialect import ThinkingMarks
from jackfield.sampling import SamplingParams
from jackfield.testing import scripted_constraints
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield.testing.script import END, ScriptedTokenizer
from jackfield.testing.scripted_constraints import ChoiceEngine
from jackfield.types import GenerateRequest, ThinkingLimit
from jackfield.worker.engine.thought_marks import ThoughtMarks
from jackfield.worker.engine.thoughts import ThinkingMatcher
from jackfield.worker.host import WorkerHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.kernel.worker.conftest import Peer

    from jackfield.manifest import Manifest
    from jackfield.ports.backend import Runner

THINK = ThinkingMarks("<t>", "</t>", "\n")
COLOURS = Choice(("red", "green"))
CHOICES = InstanceRef("choices", scripted_constraints.__file__)


@pytest.fixture
def peer(manifest: Callable[..., Manifest], running: Callable[[WorkerHost], Peer]) -> Peer:
    """A gateway connected to a worker with the engine of choices."""
    made = manifest()
    host = WorkerHost(build_kernel(msgspec.structs.replace(made, enabled=(*made.enabled, CHOICES))), "m")
    host.load(lambda _: None)
    return running(host)


def _with_thoughts(fields: dict[str, object]) -> dict[str, object]:
    """*fields* of a request whose model thinks."""
    limit = ThinkingLimit(marks=THINK, budget=fields.get("budget"))  # type: ignore[arg-type]  # fields by name
    return {"thinking": limit, **{name: value for name, value in fields.items() if name != "budget"}}


@pytest.mark.parametrize(
    ("script", "fields", "text"),
    [
        pytest.param("<t>hm</t>\ngreen", {"constraint": COLOURS}, "<t>hm</t>\ngreen", id="thoughts and an answer"),
        pytest.param("<t>hm</t>green", {"constraint": COLOURS}, "<t>hm</t>\nred", id="what stands between is written"),
        pytest.param("green", {"constraint": COLOURS}, "green", id="no thoughts"),
        pytest.param("<u>green", {"constraint": Choice(("<u>green",))}, "<u>green", id="what looked like thoughts"),
        pytest.param("<t>a</s></t>", {"constraint": COLOURS}, "<t>a</s></t>\ngreen", id="what looked like their end"),
        pytest.param("<t>a<</t>", {"constraint": COLOURS}, "<t>a<</t>\ngreen", id="an end that was begun twice"),
        pytest.param("<t>hm", {"constraint": COLOURS, "max_tokens": 20}, None, id="the end may not come in thoughts"),
        pytest.param("<t>hmhm", {"budget": 2, "constraint": COLOURS}, "<t>hm</t>\ngreen", id="budget, constraint"),
        pytest.param("<t>hmhmhmhmhm!", {"budget": 2}, "<t>hm</t>\nmhm!", id="budget alone"),
        pytest.param("<t>hm</t>yes", {"budget": 9}, "<t>hm</t>yes", id="less than the budget"),
        pytest.param("  <t>hmhmhmhmhm!", {"budget": 1}, "  <t>h</t>\nhmhm!", id="space in front"),
        pytest.param("hm<t>hm", {"budget": 0}, "hm<t>hm", id="no thoughts at the beginning"),
        pytest.param("<t>123456789", {"budget": 0}, "<t></t>\n6789", id="no budget"),
        pytest.param("<t>hm</t>yes", {}, "<t>hm</t>yes", id="no budget, no constraint"),
        pytest.param("<t>hmhmhm", {"budget": 2, "max_tokens": 6}, "<t>hm<", id="a limit among what is forced"),
        pytest.param("<t>hmhmhm", {"budget": 2, "stop": ("/t",)}, "<t>hm<", id="a stop string in what is forced"),
        pytest.param("<t>hm", {"budget": 9}, "<t>hm", id="an end in thoughts"),
    ],
)
@pytest.mark.parametrize("scored", [False, True], ids=["forced", "drawn"])
def test_answers(
    peer: Peer,
    script: str,
    fields: dict[str, object],
    text: str | None,
    scored: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """Tokens that must come are taken over, or drawn where their probabilities are asked for: the text is the same."""
    peer.chat(1, f"[say:{script}]", **_with_thoughts(fields), logprobs=0 if scored else None)
    if text is None:
        assert peer.end(1).reason == "length"
    else:
        assert peer.text(1) == text
    if scored:
        pieces = b"".join(score.piece for event in peer.until_end(1) for score in getattr(event, "logprobs", ()))
        assert pieces.startswith(peer.text(1).encode())


@pytest.mark.parametrize(
    ("script", "fields", "text"),
    [
        ("hm</t>\ngreen", {"constraint": COLOURS}, "hm</t>\ngreen"),
        ("green", {"constraint": COLOURS, "budget": 3}, "gre</t>\ngreen"),
        ("green", {"constraint": COLOURS, "budget": 0}, "</t>\ngreen"),
        ("green", {"budget": 0}, "</t>\n"),
    ],
)
def test_a_prompt_may_have_begun_them(peer: Peer, script: str, fields: dict[str, object], text: str) -> None:
    """As templates of many families do; space behind the mark does not matter."""
    peer.submit(1, answered(f"[say:<t>{script}]", "<t>"), **_with_thoughts(fields))  # type: ignore[arg-type]
    assert peer.text(1) == text


def test_each_answer_has_its_own(peer: Peer) -> None:
    """Several answers to one request."""
    thinking = ThinkingLimit(marks=THINK, budget=2)
    peer.chat(1, "[say:<t>hmhm]", thinking=thinking, constraint=COLOURS, n=2)
    peer.until_end(1, answers=2)
    assert [peer.text(1, index) for index in range(2)] == ["<t>hm</t>\ngreen"] * 2


# --- one matcher, by itself ------------------------------------------------------------------------------------------

KIT = KitVocabulary()


def allowed(matcher: ThinkingMatcher) -> set[int]:
    """Which tokens a mask allows."""
    mask = np.zeros(-(-KIT.vocabulary // 32), np.uint32)
    matcher.mask(mask)
    return {int(token) for token in np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))}


def token_of(piece: bytes) -> int:
    """The token that is *piece*."""
    return next(token for token in range(KIT.vocabulary) if KIT.name(token) == piece)


def matcher_of(marks: ThoughtMarks, *, budget: int | None = None, begun: bool = True) -> ThinkingMatcher:
    """For one of two answers."""
    grammar = ChoiceEngine(KIT).compile(Choice(("yes", "maybe")))
    return ThinkingMatcher(marks, budget, grammar.matcher(), grammar.matcher(), begun=begun, ends=KIT.end_tokens)


def test_no_token_runs_from_thoughts_into_the_answer() -> None:
    """Those that end with the mark may be drawn; those that go on behind it may not, wherever it was begun."""
    marks = ThoughtMarks(KIT, ThinkingMarks("[", '":'))
    marks.prepare()
    over = {token for token in range(KIT.vocabulary) if b'":' in KIT.name(token)[:-1]}
    matcher = matcher_of(marks)
    assert over == {token_of(b'": '), token_of(b'": "')}
    assert allowed(matcher) == set(range(KIT.vocabulary)) - over - KIT.end_tokens
    matcher.accept(token_of(b'"'))
    assert allowed(matcher) == set(range(KIT.vocabulary)) - over - KIT.end_tokens
    matcher.accept(token_of(b":"))
    assert list(matcher.forced()) == KIT.encode("\n\n", add_bos=False, parse_special=False)
    with pytest.raises(BackendFault):
        matcher.accept(token_of(b"y"))


def test_what_may_begin() -> None:
    """The answer, or the mark: as far as tokens write it and nothing behind it."""
    marks = ThoughtMarks(KIT, ThinkingMarks('{"', "}"))
    marks.prepare()
    matcher = matcher_of(marks, begun=False)
    answer = {token_of(piece) for piece in (b"y", b"yes", b"m", b"maybe")}
    assert allowed(matcher) == answer | {token_of(b'{"'), token_of(b"{")}
    matcher.accept(token_of(b"{"))
    assert {KIT.name(token) for token in allowed(matcher)} == {b'"'}
    with pytest.raises(BackendFault):
        matcher.accept(token_of(b"y"))


def test_a_control_token_may_be_the_mark() -> None:
    """By its name; it has no text."""
    marks = ThoughtMarks(KIT, ThinkingMarks("<|mark|>", "<|mark|>", ""))
    marks.prepare()
    matcher = matcher_of(marks, begun=False)
    matcher.accept(KIT.MARK)
    assert matcher.masking
    matcher.accept(KIT.MARK)
    assert not matcher.finished
    matcher.accept(token_of(b"maybe"))
    assert matcher.finished


@given(st.text("ab", min_size=1, max_size=4), st.lists(st.text("ab", min_size=1, max_size=3), max_size=8))
def test_the_end_is_found_however_it_is_cut(end: str, pieces: list[str]) -> None:
    """And where it is found, the mask forbids just the tokens that go on behind it."""
    marks = ThoughtMarks(ScriptedTokenizer(), ThinkingMarks("<", end))
    matched, text = 0, ""
    for piece in pieces:
        text += piece
        matched, over = marks.search(matched, piece.encode())
        assert over is (end in text)
        if over:
            return
        assert text.endswith(end[:matched])


# --- in a batch of a real model ---------------------------------------------------------------------------------------

REAL = ThinkingMarks("<think>", "</think>")
WAYS = Choice(tuple(f"turn {way}, then {then}." for way in ("left", "right") for then in ("wait", "go on")))


def thinking_request(text: str, seed: int, **fields: object) -> GenerateRequest:
    """For an answer that the demo model thinks about: it does not end by itself."""
    return GenerateRequest(
        model="m",
        prompt=answered(text, "<think>"),
        sampling=SamplingParams(temperature=1.2, seed=seed),
        thinking=ThinkingLimit(marks=REAL, budget=6),
        **fields,  # type: ignore[arg-type]  # fields by name
    )


REQUESTS = {
    "forced": thinking_request("Which way?", 1, constraint=WAYS),
    "drawn and scored": thinking_request("Which way?", 1, constraint=WAYS, logprobs=2),
    "two answers": thinking_request("Which way?", 2, constraint=WAYS, logprobs=0, n=2),
    "budget alone": thinking_request("What can you do?", 3, logprobs=1, max_tokens=30),
}


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """The demo model, deterministic; it has the marks as tokens."""
    made = load("demo", sequences=6)
    yield made
    made.close()


@pytest.mark.parametrize("name", REQUESTS)
def test_alone_in_a_crowd_and_preempted_an_answer_is_the_same(runner: Runner, name: str) -> None:
    """Thoughts, answer and log probabilities, to the last bit."""
    request = REQUESTS[name]
    crowd = [thinking_request(f"Number {number}?", number, max_tokens=40) for number in range(3)]
    said = []
    for requests, scheduler in (([request], None), ([*crowd, request], None), ([*crowd, request], Unsteady())):
        with Engine(runner, scheduler, constraints=ChoiceEngine(runner.tokenizer)) as engine:
            asker = engine.ask(*requests)[-1]
        said.append([(asker.text_of(index), asker.scores_of(index)) for index in range(request.n)])
    assert said[0] == said[1] == said[2]
    for text, _ in said[0]:
        thoughts, _, answer = text.partition("</think>\n\n")
        assert len(runner.tokenizer.encode(thoughts, add_bos=False, parse_special=True)) <= 6 + 1
        assert answer in WAYS.choices or request.constraint is None


def test_an_answer_without_thoughts(runner: Runner) -> None:
    """The demo model does not think unless it is told to."""
    request = msgspec.structs.replace(REQUESTS["forced"], prompt=asked("Which way?"))
    with Engine(runner, constraints=ChoiceEngine(runner.tokenizer)) as engine:
        (asker,) = engine.ask(request)
    assert asker.text.rpartition("</think>\n\n")[2] in WAYS.choices


def test_end_tokens_are_none_of_the_thoughts() -> None:
    """Even where a stop token is asked for: what ends the answer is forbidden as long as a constraint waits."""
    marks = ThoughtMarks(ScriptedTokenizer(), THINK)
    marks.prepare()
    grammar = ChoiceEngine(ScriptedTokenizer()).compile(COLOURS)
    matcher = ThinkingMatcher(marks, None, grammar.matcher(), None, begun=True, ends=frozenset({END, ord("x")}))
    mask = np.zeros(9, np.uint32)
    matcher.mask(mask)
    bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
    assert not bits[END]
    assert not bits[ord("x")]
    assert bits.sum() == END - 1
