"""Steps: chats in Ollama's dialect."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.testing.client import Reply
    from jackfield.testing.target import Target


@given("a server with a scripted model that speaks as Ollama", target_fixture="server")
def ollama_server(servers: Callable[[str], Target]) -> Target:
    """Besides OpenAI's dialect."""
    return servers(scripted_manifest(enabled=("ollama",)))


@when(words("I chat as Ollama's clients do: {text:Text}"), target_fixture="chat")
@when(words("I chat as Ollama's clients do: {text:Text} with"), target_fixture="chat")
def chat(server: Target, text: str, datatable: Table = None) -> Reply:
    """One message, in one piece unless the table says otherwise."""
    body = {
        "model": server.client.model,
        "messages": [{"role": "user", "content": text}],
        "stream": False,
        **fields(datatable),
    }
    return server.run(server.client.request("POST", "/api/chat", body))


@then(words("Ollama's answer is {text:Text}"))
def chat_is(chat: Reply, text: str) -> None:
    """Of all lines."""
    assert chat.status == HTTPStatus.OK, chat.summary
    assert "".join(line["message"]["content"] for line in _lines(chat) if "message" in line) == text


@then(words("Ollama's refusal names {field:Text}"))
def chat_refused(chat: Reply, field: str) -> None:
    """In Ollama's shape, which has nothing but a text."""
    assert chat.status == HTTPStatus.BAD_REQUEST, chat.summary
    assert field in msgspec.json.decode(chat.body, type=dict[str, str])["error"]


@then("Ollama's answer came in several lines")
def chat_lines(chat: Reply) -> None:
    """The last one alone is done."""
    assert chat.headers["Content-Type"] == "application/x-ndjson"
    lines = _lines(chat)
    assert len(lines) > 2
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]


@then(words("Ollama's answer is done because of {reason:Text}"))
def chat_done(chat: Reply, reason: str) -> None:
    """``done_reason``."""
    last = _lines(chat)[-1]
    assert (last["done"], last["done_reason"]) == (True, reason)


@then("Ollama's answer has its figures")
def chat_figures(chat: Reply) -> None:
    """Tokens, and nanoseconds."""
    last = _lines(chat)[-1]
    assert last["prompt_eval_count"] > 0
    assert last["eval_count"] > 0
    assert last["total_duration"] >= last["eval_duration"] >= 0


@then("Ollama's last line is an error")
def chat_error(chat: Reply) -> None:
    """No line says that the answer is done."""
    *before, last = _lines(chat)
    assert last["error"]
    assert not any(line["done"] for line in before)


@then("these fields were left out")
def left_out(chat: Reply, datatable: list[list[str]]) -> None:
    """As the header says."""
    assert sorted(chat.headers["x-jackfield-ignored"].split(",")) == sorted(name for (name,) in datatable)


def _lines(chat: Reply) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in chat.body.splitlines()]
