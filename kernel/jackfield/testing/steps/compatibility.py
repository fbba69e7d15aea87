"""Steps: fields and headers of other servers' clients."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from pytest_bdd import then, when

from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from jackfield.testing.client import Reply
    from jackfield.testing.openai_shapes import TextCompletion
    from jackfield.testing.target import Target


@when(words("I ask {prompt:Text} and begin the answer with {begun:Text}"), target_fixture="reply")
def ask_begun(server: Target, prompt: str, begun: str) -> Reply:
    """The last message is the assistant's."""
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": begun}]
    return server.run(server.client.ask("", messages=messages, max_tokens=12, temperature=0))


@then("a client is told not to try again")
def no_retry(reply: Reply) -> None:
    """In the words of OpenAI's clients."""
    assert reply.headers["x-should-retry"] == "false"


@then(words("the answer was served by the tier {tier:Text}"))
def served_by(reply: Reply, tier: str) -> None:
    """As the answer says."""
    assert reply.completion.service_tier == tier


@then("the answer says where the time went")
def timings(reply: Reply) -> None:
    """In llama-server's words."""
    found = msgspec.json.decode(reply.body)["timings"]
    usage = reply.completion.usage
    assert found["predicted_n"] == usage.completion_tokens
    assert found["prompt_n"] + found["cache_n"] == usage.prompt_tokens
    assert found["predicted_ms"] >= 0


@then("the answer says how many milliseconds it took")
def processing(reply: Reply) -> None:
    """No more than the client waited."""
    assert 0 <= int(reply.headers["openai-processing-ms"]) <= reply.seconds * 1000 + 1


@then(words("the answer says that there is room for {most:d} requests, and for {left:d} more"))
def room(reply: Reply, most: int, left: int) -> None:
    """In OpenAI's words."""
    headers = reply.headers
    assert int(headers["x-ratelimit-limit-requests"]) == most, reply.summary
    assert int(headers["x-ratelimit-remaining-requests"]) == left
    assert headers["x-ratelimit-reset-requests"]


@then("the answer says in which phases the time went")
def phases(reply: Reply) -> None:
    """As W3C's Server-Timing; together they are not longer than the whole."""
    said = dict(each.split(";dur=") for each in reply.headers["server-timing"].split(", "))
    assert said.keys() == {"queue", "prefill", "decode", "total"}
    parts = sum(float(said[name]) for name in ("queue", "prefill", "decode"))
    assert parts <= float(said["total"]) + 1


@then("both have the fingerprint of what computed them")
def fingerprints(reply: Reply, earlier: Reply) -> None:
    """One and the same."""
    one, other = (msgspec.json.decode(each.body)["system_fingerprint"] for each in (reply, earlier))
    assert one == other
    assert one.startswith("fp_")


@then(words("the answer repeats {name:Text} as {value:Text}"))
def repeated(reply: Reply, name: str, value: str) -> None:
    """A field of the whole answer."""
    assert msgspec.json.decode(reply.body)[name] == msgspec.json.decode(value.replace("'", '"'))


@then("all chunks with text have a length that is a multiple of 64")
def padded(reply: Reply) -> None:
    """So that the length says nothing of the text."""
    chunks = [
        event + b"\n\n" for event in reply.body.split(b"\n\n") if b'"content":"' in event and b'"role"' not in event
    ]
    assert chunks
    assert all(len(chunk) % 64 == 0 and b'"obfuscation":"' in chunk for chunk in chunks)


@then("it is told how far the prompt is before the first text")
def told_progress(reply: Reply) -> None:
    """In llama-server's words, from nothing to all of it."""
    events = [event.removeprefix(b"data: ") for event in reply.body.split(b"\n\n") if event]
    chunks = [msgspec.json.decode(event) for event in events if event != b"[DONE]"]
    told = [chunk["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk]
    assert told[0]["processed"] == told[0]["cache"]
    assert told[-1]["processed"] == told[-1]["total"]
    assert "prompt_progress" in chunks[1]


@then("there is one continuation, and all that were computed are counted")
def best_continuation(continuation: TextCompletion) -> None:
    """``best_of`` computes more than it sends."""
    [choice] = continuation.choices
    assert choice.text
    assert continuation.usage.completion_tokens > 8


@then(words("the answer has {text:Text}"))
def answer_has(reply: Reply, text: str) -> None:
    """Somewhere."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert text in reply.text


@then(words("the answer does not begin with {text:Text}"))
def answer_begins_otherwise(reply: Reply, text: str) -> None:
    """What the client has written is not repeated."""
    assert not reply.text.startswith(text)
