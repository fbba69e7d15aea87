"""Steps: what the model thinks."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from pytest_bdd import then, when

from jackfield.testing.steps.tools import told
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from jackfield.testing.client import OpenStream, Reply, Stream
    from jackfield.testing.target import Target


@when("the model says", target_fixture="reply")
def says(server: Target, docstring: str) -> Reply:
    """A scripted model's text."""
    return server.run(server.client.ask(told(docstring)))


@when("the model says without thoughts", target_fixture="reply")
def says_without(server: Target, docstring: str) -> Reply:
    """Thoughts are not asked for."""
    return server.run(server.client.ask(told(docstring), include_reasoning=False))


@when(words("the model says, within {budget:d} tokens of thoughts"), target_fixture="reply")
def says_within(server: Target, budget: int, docstring: str) -> Reply:
    """More are not allowed."""
    return server.run(server.client.ask(told(docstring), reasoning_budget_tokens=budget, max_tokens=60))


@when(words("the model says, in {most:d} tokens"), target_fixture="reply")
def says_shortly(server: Target, most: int, docstring: str) -> Reply:
    """Thoughts and all."""
    return server.run(server.client.ask(told(docstring), max_tokens=most))


@when(words("the model says, until it says {stop:Text}"), target_fixture="reply")
def says_until(server: Target, stop: str, docstring: str) -> Reply:
    """A stop string."""
    return server.run(server.client.ask(told(docstring), stop=[stop]))


@when("the model streams", target_fixture="opened")
def streams(server: Target, docstring: str) -> OpenStream:
    """A scripted model's text, piece by piece."""
    return server.run(server.client.open(told(docstring)))


@then(words("its thoughts are {text:Text}"))
def thoughts_are(reply: Reply, text: str) -> None:
    """Apart from the answer."""
    assert reply.completion.choices[0].message.reasoning_content == text


@then("it has no thoughts")
def no_thoughts(reply: Reply) -> None:
    """Not even empty ones."""
    assert b"reasoning_content" not in reply.body


@then(words("its thoughts have at most {count:d} characters"))
def thoughts_short(reply: Reply, count: int) -> None:
    """A scripted model's tokens are bytes."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert 0 < len(reply.completion.choices[0].message.reasoning_content or "") <= count


@then("the thoughts are counted among its tokens")
def thoughts_counted(reply: Reply) -> None:
    """As tokens of the answer, and by themselves."""
    usage = reply.completion.usage
    assert usage.completion_tokens_details is not None
    assert 0 < usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens


@then(words("{count:d} of its tokens are of thoughts"))
def thoughts_counted_as(reply: Reply, count: int) -> None:
    """The marks around them included."""
    details = reply.completion.usage.completion_tokens_details
    assert details is not None
    assert details.reasoning_tokens == count


@then(words("the streamed thoughts are {text:Text}, before all text"))
def streamed_thoughts(stream: Stream, text: str) -> None:
    """Piece by piece, each apart from the text."""
    deltas = [choice.delta for chunk in stream.chunks for choice in chunk.choices]
    assert "".join(delta.reasoning_content or "" for delta in deltas) == text
    thought = [number for number, delta in enumerate(deltas) if delta.reasoning_content]
    said = [number for number, delta in enumerate(deltas) if delta.content]
    assert thought[-1] < said[0]
