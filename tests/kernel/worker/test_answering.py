"""Questions that a worker answers without computing: its vocabulary, its template, its sequences."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.kernel.worker.conversations import answered, asked

from jackfield.channel.messages import RequestFailed, Submit
from jackfield.questions import (
    Detokenise,
    ListSequences,
    Question,
    Render,
    Rendered,
    Sequences,
    Text,
    Tokenise,
    Tokens,
)
from jackfield.testing.script import END

if TYPE_CHECKING:
    from tests.kernel.worker.conftest import Peer, Serve

    from jackfield.channel.messages import SequenceEvent

DEADLINE_S = 20.0


def ask(peer: Peer, question: Question, number: int = 1) -> SequenceEvent:
    """What comes back, once it does."""
    peer.events.pop(number, None)
    peer.messages.send(Submit(number, question))
    deadline = time.monotonic() + DEADLINE_S
    while number not in peer.events and time.monotonic() < deadline:
        peer.receive()
    (event,) = peer.events[number]
    return event


def refusal(peer: Peer, question: Question) -> tuple[str, str | None]:
    """Code and field of the error that *question* is answered with."""
    event = ask(peer, question)
    assert isinstance(event, RequestFailed), event
    return event.error.code, event.error.param


def sequences(peer: Peer, number: int = 99) -> Sequences:
    """What runs and waits."""
    event = ask(peer, ListSequences(model="m"), number)
    assert isinstance(event, Sequences), event
    return event


def test_tokens_of_a_text_and_back(peer: Peer) -> None:
    """With the bytes of each; a control token has its name."""
    tokens = ask(peer, Tokenise(model="m", text="hé"))
    assert isinstance(tokens, Tokens)
    assert tokens == Tokens(tuple("hé".encode()), tuple(bytes((each,)) for each in "hé".encode()))
    assert ask(peer, Detokenise(model="m", tokens=(*tokens.tokens, END))) == Text("hé".encode() + b"<end>")
    assert ask(peer, Detokenise(model="m", tokens=(0xC3,))) == Text(b"\xc3")
    assert ask(peer, Detokenise(model="m", tokens=(104, END), pieces=True)) == Tokens((104, END), (b"h", b"<end>"))
    assert ask(peer, Tokenise(model="m", text="")) == Tokens((), ())


@pytest.mark.parametrize(
    ("question", "code", "param"),
    [
        (Tokenise(model="m", text="x" * 5_000_000), "context_length_exceeded", "content"),
        (Detokenise(model="m", tokens=(1, 257)), "invalid_value", "tokens[1]"),
        (Detokenise(model="m", tokens=(-1,)), "invalid_value", "tokens[0]"),
        (Render(model="m", prompt=asked("x" * 2_000_000)), "context_length_exceeded", "messages"),
    ],
)
def test_what_cannot_be_used_is_refused(peer: Peer, question: Question, code: str, param: str) -> None:
    """By name; and the next question is answered."""
    assert refusal(peer, question) == (code, param)
    assert ask(peer, Tokenise(model="m", text="a")) == Tokens((97,), (b"a",))


def test_prompts_of_conversations(peer: Peer) -> None:
    """The text that the template makes, and how long it is; it need not fit the context."""
    text = "<user>hello\n<assistant>"
    assert ask(peer, Render(model="m", prompt=asked("hello"))) == Rendered(text, len(text))
    text = "<user>hello\n<assistant>well"
    assert ask(peer, Render(model="m", prompt=answered("hello", "well"))) == Rendered(text, len(text))
    text = f"<user>{'x' * 600}\n<assistant>"
    assert ask(peer, Render(model="m", prompt=asked("x" * 600))) == Rendered(text, len(text))


def test_a_pooled_model_tells_nothing(serve: Serve) -> None:
    """It continues no text."""
    peer = serve(options={"tasks": ["embed"]})
    questions: list[Question] = [ListSequences(model="m"), Render(model="m", prompt=asked("x"))]
    for question in questions:
        assert refusal(peer, question) == ("unsupported_parameter", "model")


def test_sequences(peer: Peer) -> None:
    """Nothing at first; then who runs in which slot, and who waits. Nothing of what they say."""
    assert sequences(peer) == Sequences(2, ())
    for number in range(1, 4):
        peer.chat(number, "[delay:20][repeat:300:a]", max_tokens=400 + number, priority=number)
    peer.until_text(1)
    peer.until_text(2)
    known = sequences(peer)
    running, waiting = known.sequences[:2], known.sequences[2:]
    assert [(each.slot, each.state) for each in running] == [(0, "decode"), (1, "decode")]
    assert [(each.slot, each.state, each.generated_tokens) for each in waiting] == [(-1, "waiting", 0)]
    assert [each.max_tokens for each in known.sequences] == [401, 402, 403]
    assert [each.priority for each in known.sequences] == [1, 2, 3]
    assert {each.prompt_tokens for each in known.sequences} == {len("<user>[delay:20][repeat:300:a]\n<assistant>")}
    assert all(each.age_s >= 0 and each.tenant == "" for each in known.sequences)
    assert "repeat" not in repr(known)


def test_a_slot_is_free_again(peer: Peer) -> None:
    """The next one to run takes it."""
    peer.chat(1, "[delay:20][repeat:300:a]", max_tokens=400)
    peer.chat(2, "[say:short]")
    peer.end(2)
    peer.chat(3, "[delay:20][repeat:300:b]", max_tokens=400)
    peer.until_text(3)
    assert {each.id: each.slot for each in sequences(peer).sequences} in ({1: 0, 3: 1}, {3: 1})
