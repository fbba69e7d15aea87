"""Steps: chats that the server keeps."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from pytest_bdd import then, when

from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from jackfield.testing.client import JsonValue, Reply, Stream
    from jackfield.testing.target import Target

Body: TypeAlias = "dict[str, Any]"
"""A JSON object of OpenAI's."""

PATH = "/v1/chat/completions"


@when(words("I mark the answer with {key:Text} as {value:Text}"))
def mark(server: Target, reply: Reply, key: str, value: str) -> None:
    """In place of what was there."""
    changed = _send(server, "POST", f"/{reply.completion.id}", {"metadata": {key: value}})
    assert changed.status == HTTPStatus.OK, changed.summary


@when("I delete the answer")
def delete(server: Target, reply: Reply) -> None:
    """For good."""
    assert _send(server, "DELETE", f"/{reply.completion.id}").status == HTTPStatus.OK


@then("the answer can be read again, as it was")
def read_again(server: Target, reply: Reply) -> None:
    """To the last field."""
    sent = msgspec.json.decode(reply.body)
    kept = _read(server, f"/{reply.completion.id}")
    assert {name: kept[name] for name in sent} == sent


@then("the streamed answer can be read again")
def stream_read_again(server: Target, stream: Stream) -> None:
    """As one answer."""
    kept = _read(server, f"/{stream.chunks[0].id}")
    assert kept["choices"][0]["message"]["content"] == stream.text


@then(words("it is listed among those whose {key:Text} is {value:Text}"))
def listed(server: Target, reply: Reply, key: str, value: str) -> None:
    """And all of those have it."""
    found = _read(server, f"?metadata[{key}]={value}&limit=100&order=desc")["data"]
    assert reply.completion.id in [each["id"] for each in found]
    assert all(each["metadata"][key] == value for each in found)


@then("its messages can be listed")
def messages_listed(server: Target, reply: Reply) -> None:
    """Those that were asked."""
    found = _read(server, f"/{reply.completion.id}/messages")["data"]
    assert [each["role"] for each in found] == ["user"]


@then("the answer cannot be read again")
def not_kept(server: Target, reply: Reply) -> None:
    """As if it had never been."""
    assert _send(server, "GET", f"/{reply.completion.id}").status == HTTPStatus.NOT_FOUND


def _read(server: Target, path: str) -> Body:
    reply = _send(server, "GET", path)
    assert reply.status == HTTPStatus.OK, reply.summary
    found: Body = msgspec.json.decode(reply.body)
    return found


def _send(server: Target, method: str, path: str, body: JsonValue = None) -> Reply:
    return server.run(server.client.request(method, PATH + path, body))
