"""Steps: messages in Anthropic's dialect."""

from __future__ import annotations

from http import HTTPStatus
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import msgspec
from pytest_bdd import given, then, when

from jackfield.sse import SseEvent, SseParser
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.target import Target

_PATH: Final = "/v1/messages"


@given("a server with a scripted model that speaks as Anthropic", target_fixture="server")
def anthropic_server(servers: Callable[[str], Target]) -> Target:
    """It calls tools as Hermes models do."""
    return servers(scripted_manifest({"scripted": 'dialect = "hermes"'}, enabled=("anthropic", "hermes")))


@when(words("I send the message {text:Text}"), target_fixture="message")
@when(words("I send the message {text:Text} with"), target_fixture="message")
def send_message(server: Target, text: str, datatable: Table = None) -> Reply:
    """The table's rows join the request."""
    return _send(server, text, **fields(datatable))


@when(words("I send a message of {count:d} words"), target_fixture="message")
def send_long_message(server: Target, count: int) -> Reply:
    """More than the model reads."""
    return _send(server, "word " * count)


@when(words("I stream the message {text:Text}"), target_fixture="message")
def stream_message(server: Target, text: str) -> Reply:
    """As events."""
    return _send(server, text, stream=True)


@when(words("I send a message that has the model call the tool {name:Text} for {city:Text}"), target_fixture="message")
def send_with_tool(server: Target, name: str, city: str) -> Reply:
    """The scripted model says what is to be read as a call."""
    schema: JsonValue = {"type": "object", "properties": {"city": {"type": "string"}}}
    call = msgspec.json.encode({"name": name, "arguments": {"city": city}}).decode()
    tools: list[JsonValue] = [{"name": name, "input_schema": schema}]
    return _send(server, f"[say:<tool_call>\n{call}\n</tool_call>]", tools=tools)


@when(words("I count the tokens of the message {text:Text}"), target_fixture="counted")
def count_message(server: Target, text: str) -> int:
    """Without computing an answer."""
    body: JsonValue = {"model": server.client.model, "messages": [{"role": "user", "content": text}]}
    reply = server.run(server.client.request("POST", f"{_PATH}/count_tokens", body))
    assert reply.status == HTTPStatus.OK, reply.summary
    return int(_json(reply)["input_tokens"])


@then(words("the message's answer is {text:Text}"))
def message_is(message: Reply, text: str) -> None:
    """Its text blocks, whole."""
    assert message.status == HTTPStatus.OK, message.summary
    assert "".join(block["text"] for block in _json(message)["content"]) == text


@then(words("the message ended because of {reason:Text}"))
def message_ended(message: Reply, reason: str) -> None:
    """``stop_reason``; a stop sequence is named too."""
    answer = _json(message)
    assert answer["stop_reason"] == reason
    assert (answer["stop_sequence"] is not None) == (reason == "stop_sequence")


@then("the message's usage says what was cached")
def message_usage(message: Reply) -> None:
    """Apart from what was computed."""
    usage = _json(message)["usage"]
    assert usage["input_tokens"] > 0
    assert usage["output_tokens"] > 0
    assert usage["cache_read_input_tokens"] >= 0


@then("the message's events are, repeated ones once")
def message_events(message: Reply, datatable: list[list[str]]) -> None:
    """Their names, in order."""
    assert [name for name, _ in groupby(_events(message))] == [name for (name,) in datatable]


@then(words("the message's events end with {name:Text}"))
def message_events_end(message: Reply, name: str) -> None:
    """Nothing comes after it."""
    assert _events(message)[-1] == name


@then(words("the message's streamed text is {text:Text}"))
def message_streamed(message: Reply, text: str) -> None:
    """All text deltas."""
    deltas = [event["delta"] for event in _data(message) if event["type"] == "content_block_delta"]
    assert "".join(delta["text"] for delta in deltas) == text


@then(words("the message calls {name:Text} for {city:Text}"))
def message_calls(message: Reply, name: str, city: str) -> None:
    """With an object as input."""
    assert message.status == HTTPStatus.OK, message.summary
    [block] = [block for block in _json(message)["content"] if block["type"] == "tool_use"]
    assert (block["name"], block["input"]) == (name, {"city": city})


@then("as many tokens went in as were counted")
def message_counted(message: Reply, counted: int) -> None:
    """Cached ones included."""
    usage = _json(message)["usage"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == counted


@then(words("the message is refused with {status:d} {kind:Text} and {said:Text}"))
def message_refused(message: Reply, status: int, kind: str, said: str) -> None:
    """In Anthropic's shape; the message names the field."""
    assert message.status == status, message.summary
    body = _json(message)
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert said in body["error"]["message"]
    assert body["request_id"] == message.headers["request-id"]


def _send(server: Target, text: str, **more: JsonValue) -> Reply:
    messages = [{"role": "user", "content": text}]
    body = {"model": server.client.model, "max_tokens": 200, "messages": messages, **more}
    return server.run(server.client.request("POST", _PATH, body))


def _json(reply: Reply) -> dict[str, Any]:
    return msgspec.json.decode(reply.body, type=dict[str, Any])


def _parsed(reply: Reply) -> list[SseEvent]:
    parser = SseParser()
    return [item for item in parser.feed(reply.body) if isinstance(item, SseEvent)]


def _events(reply: Reply) -> list[str]:
    return [str(event["type"]) for event in _data(reply)]


def _data(reply: Reply) -> list[dict[str, Any]]:
    return [msgspec.json.decode(event.data, type=dict[str, Any]) for event in _parsed(reply)]
