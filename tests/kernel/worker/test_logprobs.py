"""Log probabilities and echoed prompts: every entry with its text, whatever is held back, cut off or computed again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.testing.script import END
from jackfield.testing.scripted import DUE, FALLBACK
from jackfield.types import Finished, TextDelta, TextPrompt, TokenLogprob, TokenPrompt
from jackfield.worker.engine.output import Output
from jackfield.worker.engine.sequence import Ends

if TYPE_CHECKING:
    from tests.kernel.worker.conftest import Peer, Serve

    from jackfield.channel.messages import SequenceEvent

EURO = "€".encode()
TOTAL = math.log(math.exp(DUE) + math.exp(FALLBACK) + 255)


def deltas(events: list[SequenceEvent], index: int = 0) -> list[TextDelta]:
    """The text of one answer."""
    return [event for event in events if isinstance(event, TextDelta) and event.index == index]


def entries(events: list[SequenceEvent], index: int = 0) -> list[TokenLogprob]:
    """The entries of one answer."""
    return [entry for delta in deltas(events, index) for entry in delta.logprobs]


def pieces(events: list[SequenceEvent], index: int = 0) -> bytes:
    """What the entries spell."""
    return b"".join(entry.piece for entry in entries(events, index))


@pytest.mark.parametrize("n", [1, 2])
def test_drawn_tokens_have_theirs(peer: Peer, n: int) -> None:
    """By the raw logits, the likeliest first, none for the end token."""
    peer.chat(1, "[say:ab]", logprobs=2, n=n)
    events = peer.until_end(1, answers=n)
    for index in range(n):
        first, second = entries(events, index)
        assert (first.token, first.piece, second.piece) == (ord("a"), b"a", b"b")
        assert first.logprob == pytest.approx(DUE - TOTAL)
        assert [top.piece for top in first.top] == [b"a", b"."]
        assert [top.logprob for top in first.top] == pytest.approx([DUE - TOTAL, FALLBACK - TOTAL])


def test_none_unless_asked_for(peer: Peer) -> None:
    """And 0 gives the tokens' own without others."""
    peer.chat(1, "[say:ab]")
    peer.chat(2, "[say:ab]", logprobs=0)
    assert entries(peer.until_end(1)) == []
    assert [entry.top for entry in entries(peer.until_end(2))] == [(), ()]


def test_they_are_of_the_raw_logits(peer: Peer) -> None:
    """What a ban forces is as unlikely as it was; an unlikely token is told from an impossible one."""
    peer.chat(1, "[say:a]", logprobs=1, min_tokens=3, max_tokens=3)
    drawn = entries(peer.until_end(1))
    assert [entry.piece for entry in drawn] == [b"a", b".", b"."]
    assert drawn[1].logprob == pytest.approx(FALLBACK - TOTAL)
    assert drawn[1].top[0].piece == b"<end>"


@pytest.mark.parametrize(
    ("script", "stop", "shown"),
    [
        ("one STOP two", "STOP", b"one "),
        ("one ST", "STOP", b"one ST"),
        ("€uro", "u", "€".encode()),
    ],
)
def test_held_back_text_keeps_its_entries_and_cut_off_text_loses_them(
    peer: Peer, script: str, stop: str, shown: bytes
) -> None:
    """Entries spell what was shown, delta by delta."""
    peer.chat(1, f"[say:{script}]", logprobs=0, stop=(stop,))
    events = peer.until_end(1)
    assert pieces(events) == shown
    for delta in deltas(events):
        assert b"".join(entry.piece for entry in delta.logprobs) == delta.text.encode()


def test_a_preempted_answer_has_each_entry_once(serve: Serve) -> None:
    """Computing again shows nothing again."""
    peer = serve(max_sequences=3, context=160, kv_tokens=160)
    for number in range(3):
        peer.chat(number, f"[repeat:90:{number}]", logprobs=1)
    for number in range(3):
        assert pieces(peer.until_end(number)) == str(number).encode() * 90


# --- echo -------------------------------------------------------------------------------------------------------------


def test_the_prompt_comes_first_and_takes_no_tokens(peer: Peer) -> None:
    """As it was sent, then the answer."""
    peer.submit(1, TextPrompt("[say:über]"), echo=True)
    events = deltas(peer.until_end(1))
    assert (events[0].text, events[0].tokens) == ("[say:über]", 0)
    assert peer.text(1) == "[say:über]über"
    assert peer.end(1).usage.completion_tokens == len("über".encode()) + 1


@pytest.mark.parametrize("logprobs", [None, 1])
def test_a_prompt_alone_is_measured(peer: Peer, logprobs: int | None) -> None:
    """With ``max_tokens`` 0 nothing is drawn; harnesses score texts like this."""
    peer.submit(1, TextPrompt("[say:x]"), echo=True, max_tokens=0, logprobs=logprobs)
    assert peer.text(1) == "[say:x]"
    end = peer.end(1)
    assert (end.reason, end.usage.prompt_tokens, end.usage.completion_tokens) == ("length", 7, 0)


def test_the_prompts_tokens_have_theirs(peer: Peer) -> None:
    """The first has none; each of the others has what the row before it said."""
    peer.submit(1, TextPrompt("a.b"), echo=True, logprobs=1, max_tokens=1)
    found = entries(peer.until_end(1))
    assert [entry.piece for entry in found[:3]] == [b"a", b".", b"b"]
    assert found[0].logprob is None
    assert found[0].top == ()
    assert found[1].logprob == pytest.approx(DUE - math.log(math.exp(DUE) + 256))
    assert found[2].logprob == pytest.approx(-math.log(math.exp(DUE) + 256))
    assert found[2].top[0].piece == b"."


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 66, 129, 300])
def test_a_long_prompt_is_scored_in_bounded_steps(serve: Serve, length: int) -> None:
    """Whatever the cuts, every token has one entry, in order."""
    peer = serve(options={"max_batch_tokens": 512})
    prompt = tuple(ord("a") + index % 26 for index in range(length))
    peer.submit(1, TokenPrompt(prompt), echo=True, logprobs=0, max_tokens=0)
    found = entries(peer.until_end(1))
    assert tuple(entry.token for entry in found) == prompt
    assert [entry.logprob is None for entry in found] == [True] + [False] * (length - 1)
    assert peer.text(1) == bytes(prompt).decode()


def test_a_prompt_that_is_preempted_while_it_is_scored_has_each_entry_once(serve: Serve) -> None:
    """The pool is too small for all; each text is whole in the end, and so are its entries."""
    peer = serve(max_sequences=3, context=400, kv_tokens=420, options={"max_batch_tokens": 512})
    for number in range(3):
        prompt = tuple([ord("a") + number] * 150)
        peer.submit(number, TokenPrompt(prompt), echo=True, logprobs=1, max_tokens=100, ignore_eos=True)
    for number in range(3):
        events = peer.until_end(number)
        assert pieces(events).startswith(bytes([ord("a") + number] * 150))
        assert len(entries(events)) == 250


def test_control_tokens_wait_for_text(peer: Peer) -> None:
    """A prompt that ends with a token without text gives its entry with the first text of the answer."""
    peer.submit(1, TokenPrompt((ord("a"), END)), echo=True, logprobs=0, max_tokens=2, min_tokens=2)
    events = deltas(peer.until_end(1))
    assert (events[0].text, [entry.piece for entry in events[0].logprobs]) == ("a", [b"a"])
    assert [entry.piece for entry in events[1].logprobs][:2] == [b"<end>", b"a"]


def test_scored_prompts_do_not_hold_up_others(peer: Peer) -> None:
    """An answer that runs goes on while a prompt is scored."""
    peer.chat(1, "[repeat:200:a]", max_tokens=300)
    peer.submit(2, TokenPrompt((65,) * 300), echo=True, logprobs=0, max_tokens=1)
    assert peer.text(1) == "a" * 200
    assert len(entries(peer.until_end(2))) == 301


# --- the text's own bookkeeping ---------------------------------------------------------------------------------------


class Shown:
    """Collects what an output shows."""

    cancelled = False
    lives = ()

    def __init__(self) -> None:
        self.deltas: list[TextDelta] = []

    def post(self, event: SequenceEvent) -> None:
        """Keep *event*."""
        assert isinstance(event, TextDelta)
        self.deltas.append(event)


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=4), max_size=30),
    st.lists(st.text("ab€", min_size=1, max_size=4), max_size=3),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_any_tokens_show_their_text_with_their_entries(
    tokens: list[bytes], stops: list[str], unsearched: int, prompt: int
) -> None:
    """However bytes fall, texts join to the whole, entries keep their order, and none comes before its text."""
    recipient = Shown()
    output = Output(recipient, 3, ends(stops, unsearched))
    scores = [TokenLogprob(number, piece, -1.0) for number, piece in enumerate(tokens)]
    output.echo(tokens[:prompt], scores[:prompt])
    drawn = list(zip(tokens, scores, strict=True))[prompt:]
    stop = None
    for number, (piece, score) in enumerate(drawn, 1):
        stop = output.draw(piece, score, last=number == len(drawn))
        if stop is not None:
            break
    text = "".join(delta.text for delta in recipient.deltas)
    order = [entry.token for delta in recipient.deltas for entry in delta.logprobs]
    assert order == list(range(len(order)))
    assert all(delta.text and delta.index == 3 for delta in recipient.deltas)
    assert sum(delta.tokens for delta in recipient.deltas) <= len(drawn)
    if stop is None and drawn:
        assert text == b"".join(tokens).decode(errors="replace")
        assert b"".join(tokens[: len(order)]).decode(errors="replace").startswith(text[:-1])
    elif stop is not None:
        whole = b"".join(tokens).decode(errors="replace")
        assert whole.startswith(text + stop)


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=3), st.sampled_from([b"a", "€".encode()[:2], "€".encode()[2:]])), max_size=30
    ),
    st.lists(st.text("ab€\ufffd", min_size=1, max_size=4), max_size=3),
)
def test_offsets_are_those_of_the_characters_that_tokens_begin_in(tokens: list[bytes], stops: list[str]) -> None:
    """Whatever a stop string holds back or cuts off, and whatever is no text."""
    recipient = Shown()
    output = Output(recipient, 0, ends(stops))
    for number, piece in enumerate(tokens, 1):
        if output.draw(piece, TokenLogprob(number, piece, -1.0), last=number == len(tokens)) is not None:
            break
    character = characters(b"".join(tokens))
    begin = 0
    for entry in [entry for delta in recipient.deltas for entry in delta.logprobs]:
        if entry.piece:
            assert entry.offset == character[begin]
        begin += len(entry.piece)


def ends(stops: list[str], unsearched: int = 0) -> Ends:
    """Of an answer that stop strings end, once so many tokens were drawn."""
    return Ends(max_tokens=100, end_tokens=frozenset(), stops=tuple(stops), min_tokens=unsearched)


def characters(data: bytes) -> list[int]:
    """For each byte the number of the character that it is in, where what is no UTF-8 is replaced."""
    found: list[int] = []
    number = start = 0
    for end in range(1, len(data) + 1):
        # the longest run from here that one character stands for
        if end < len(data) and len(data[start : end + 1].decode(errors="replace")) == 1:
            continue
        found += [number] * (end - start)
        number, start = number + 1, end
    assert number == len(data.decode(errors="replace"))
    return found


def test_an_end_without_text_is_no_event(peer: Peer) -> None:
    """An empty answer has an end and nothing else."""
    peer.chat(1, "[say:]", logprobs=1)
    events = peer.until_end(1)
    assert [type(event) for event in events[1:]] == [Finished]
