"""Steps: streamed answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from pytest_bdd import given, then, when

from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from jackfield.testing.client import OpenStream, Reply, Stream
    from jackfield.testing.target import Target


@pytest.fixture
def stream(server: Target, opened: OpenStream) -> Stream:
    """All of the answer that is being streamed; waits for its end."""
    return server.run(opened.finished())


@pytest.fixture
def streams(server: Target, several: list[OpenStream]) -> list[Stream]:
    """All of the answers that are being streamed; waits for their ends."""
    return [server.run(opened.finished()) for opened in several]


@when(words("I stream {prompt:Text}"), target_fixture="opened")
@when(words("I stream {prompt:Text} with"), target_fixture="opened")
def open_stream(server: Target, prompt: str, datatable: Table = None) -> OpenStream:
    """Begin to stream an answer; later steps wait for its end."""
    return server.run(server.client.open(prompt, **fields(datatable)))


@given(words("an answer to {prompt:Text} is being streamed"), target_fixture="opened")
def being_streamed(server: Target, prompt: str) -> OpenStream:
    """An answer of which the first words have come."""
    opened = server.run(server.client.open(prompt))
    server.run(opened.reached(3))
    return opened


@when(words("I stream these one after the other, without waiting"), target_fixture="several")
def open_several(server: Target, datatable: list[list[str]]) -> list[OpenStream]:
    """One stream for each row, opened in that order."""
    return [server.run(server.client.open(prompt)) for (prompt,) in datatable]


@when("I hang up")
def hang_up(server: Target, opened: OpenStream) -> None:
    """Close the connection in the middle of the answer."""
    server.run(opened.hang_up())


@when(words("I ask {prompt:Text} and hang up after {seconds:g} seconds"))
def ask_and_hang_up(server: Target, prompt: str, seconds: float) -> None:
    """Close the connection before the answer has come."""
    with pytest.raises(TimeoutError):
        server.loop.run(server.client.ask(prompt), timeout_s=seconds)


@then("the streamed text is the answer")
def same_text(stream: Stream, reply: Reply) -> None:
    """Streamed or not, letter for letter."""
    assert stream.text == reply.text


@then(words("the streamed text is {text:Text}"))
def streamed_text(stream: Stream, text: str) -> None:
    """This text, in any pieces."""
    assert stream.text == text
    assert stream.done


@then("the first piece has the role and no later one has")
def one_role(stream: Stream) -> None:
    """Clients take the role from the first piece."""
    assert stream.roles == ("assistant",)
    assert stream.chunks[0].choices[0].delta.role == "assistant"


@then("no piece but the first is empty")
def no_empty_pieces(stream: Stream) -> None:
    """A piece has text, or says why the answer ended, or how many tokens it took."""
    for chunk in stream.chunks[1:]:
        assert chunk.usage or any(choice.delta.content or choice.finish_reason for choice in chunk.choices), chunk


@then(words("one piece says that it ended because of {reason:Text}"))
def one_reason(stream: Stream, reason: str) -> None:
    """Once, after all text."""
    assert stream.finish_reasons == (reason,)


@then(words("{count:d} answers are streamed, each with its role, its text and its end"))
def several_streamed(stream: Stream, count: int) -> None:
    """Their pieces may come in any order among each other."""
    assert stream.done
    choices = [choice for chunk in stream.chunks for choice in chunk.choices]
    for index in range(count):
        first, *texts, last = [choice for choice in choices if choice.index == index]
        assert first.delta.role == "assistant"
        assert texts
        assert all(choice.delta.content and choice.delta.role is None for choice in texts)
        assert last.finish_reason
    assert {choice.index for choice in choices} == set(range(count))


@then("all pieces have the same id")
def one_id(stream: Stream) -> None:
    """Clients join pieces by it."""
    assert len({chunk.id for chunk in stream.chunks}) == 1


@then("the last piece has the usage")
def usage_last(stream: Stream) -> None:
    """Once, with no text."""
    assert len(stream.usages) == 1
    assert stream.chunks[-1].usage is not None
    assert not stream.chunks[-1].choices
    assert stream.usages[0].total_tokens == stream.usages[0].prompt_tokens + stream.usages[0].completion_tokens


@then("the stream ends with DONE")
def ends_with_done(stream: Stream) -> None:
    """Only a stream without an error does."""
    assert stream.done
    assert not stream.broken
    assert not stream.errors


@then(words("the stream ends with the error {code:Text} and no DONE"))
def ends_with_error(stream: Stream, code: str) -> None:
    """One event, the last one, and then a proper end of the connection."""
    assert [error.code for error in stream.errors] == [code]
    assert not stream.done
    assert not stream.broken
    assert not stream.finish_reasons


@then(words("what came before the error is {text:Text}"))
def text_before_error(stream: Stream, text: str) -> None:
    """Nothing that was computed is lost."""
    assert stream.text == text


@then("they end in that order")
def in_order(streams: list[Stream]) -> None:
    """First come, first served."""
    assert all(stream.done for stream in streams), streams
    ends = [stream.arrivals[-1].at for stream in streams]
    assert ends == sorted(ends)


@then(words("{prompt:Text} is answered within {seconds:g} seconds"))
def answered_within(server: Target, prompt: str, seconds: float) -> None:
    """The server has room again."""
    start = time.monotonic()
    reply = server.run(server.client.ask(prompt))
    assert reply.status == 200, reply.summary
    assert time.monotonic() - start < seconds
