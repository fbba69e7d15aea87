"""Steps: fields and headers of other servers' clients, and streams that are taken up again."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.testing.client import Reply
    from jackfield.testing.openai_shapes import TextCompletion
    from jackfield.testing.target import Target

STREAM_HEADER = "x-jackfield-stream"


@given("a server with a scripted model whose streams can be taken up again", target_fixture="server")
def resumable_server(servers: Callable[[str], Target]) -> Target:
    """For a minute."""
    return servers(scripted_manifest() + "\n[config.openai]\nresume_s = 60\n")


@when(words("I ask {prompt:Text} and begin the answer with {begun:Text}"), target_fixture="reply")
def ask_begun(server: Target, prompt: str, begun: str) -> Reply:
    """The last message is the assistant's."""
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": begun}]
    return server.run(server.client.ask("", messages=messages, max_tokens=12, temperature=0))


@when(words("I stream {prompt:Text} and keep where it is"), target_fixture="reply")
def stream_whole(server: Target, prompt: str) -> Reply:
    """All of the events as they were sent."""
    return server.run(server.client.ask(prompt, stream=True))


@when(words("I take it up again after its event {number:d}"), target_fixture="rest")
def take_up(server: Target, reply: Reply, number: int) -> tuple[int, Reply]:
    """As browsers do."""
    headers = {"Last-Event-ID": str(number)}
    return number, server.run(server.client.request("GET", reply.headers[STREAM_HEADER], headers=headers))


@when("I cancel that stream")
def cancel_stream(server: Target, reply: Reply) -> None:
    """Once."""
    cancelled = server.run(server.client.request("DELETE", reply.headers[STREAM_HEADER]))
    assert cancelled.status == HTTPStatus.OK, cancelled.summary


@then("the rest is the same, event for event")
def same_rest(reply: Reply, rest: tuple[int, Reply]) -> None:
    """Byte for byte."""
    number, again = rest
    events = reply.body.split(b"\n\n")
    assert again.body == b"\n\n".join(events[number:])
    assert again.body.endswith(b"data: [DONE]\n\n")


@then("it is not found any more")
def stream_gone(server: Target, reply: Reply) -> None:
    """As if it had never been."""
    assert server.run(server.client.request("GET", reply.headers[STREAM_HEADER])).status == HTTPStatus.NOT_FOUND


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
