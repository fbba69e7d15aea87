"""Steps: answers that must look like something."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from pytest_bdd import given, then, when

from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jackfield.testing.client import JsonValue, OpenStream, Reply
    from jackfield.testing.target import Target

Kind: TypeAlias = "Callable[[JsonValue], bool]"


def _heads_and_tails(value: JsonValue) -> bool:
    while isinstance(value, dict):
        if value.keys() != {"head", "tail"} or value["head"] not in {1, 2}:
            return False
        value = value["tail"]
    return value is None


_KINDS: Final[Mapping[str, Kind]] = {
    "a text": lambda value: isinstance(value, str),
    "a whole number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "a list of heads and tails": _heads_and_tails,
}


@given("this schema", target_fixture="response_format")
def schema(docstring: str) -> JsonValue:
    """What later questions ask for."""
    name = {"name": "asked_for", "strict": True, "schema": msgspec.json.decode(docstring)}
    return {"type": "json_schema", "json_schema": name}


@given("this grammar", target_fixture="grammar")
def grammar(docstring: str) -> str:
    """What later questions ask for."""
    return docstring


@when(words("I ask {prompt:Text} for that grammar"), target_fixture="reply")
def ask_for_grammar(server: Target, prompt: str, grammar: str) -> Reply:
    """One question."""
    return server.run(server.client.ask(prompt, grammar=grammar))


@when(words("I ask {prompt:Text} for JSON of that schema"), target_fixture="reply")
@when(words("I ask {prompt:Text} for JSON of that schema with"), target_fixture="reply")
def ask_for_json(server: Target, prompt: str, response_format: JsonValue, datatable: Table = None) -> Reply:
    """One question; the table's rows join the request."""
    return server.run(server.client.ask(prompt, response_format=response_format, **fields(datatable)))


@when(words("I stream {prompt:Text} for JSON of that schema with"), target_fixture="opened")
def stream_json(server: Target, prompt: str, response_format: JsonValue, datatable: Table = None) -> OpenStream:
    """Begin to stream an answer; later steps wait for its end."""
    return server.run(server.client.open(prompt, response_format=response_format, **fields(datatable)))


@when(words("I ask {prompt:Text} for JSON of that schema among {count:d} other questions"), target_fixture="everybody")
def ask_in_company(server: Target, prompt: str, response_format: JsonValue, count: int) -> list[Reply]:
    """At the same time; the others are free to say what they like."""

    async def ask() -> list[Reply]:
        others = [server.client.ask(f"Question {number}: what can you do?", max_tokens=40) for number in range(count)]
        return list(await asyncio.gather(server.client.ask(prompt, response_format=response_format), *others))

    return server.run(ask())


@when("I look at the one that was asked for JSON", target_fixture="reply")
def constrained_one(everybody: list[Reply]) -> Reply:
    """The first of them."""
    return everybody[0]


@then("the answer is a JSON object with")
@then("each answer is a JSON object with")
def json_object(reply: Reply, datatable: list[list[str]]) -> None:
    """These members, each of its kind, and no others."""
    assert reply.status == HTTPStatus.OK, reply.summary
    for choice in reply.completion.choices:
        text = choice.message.content or ""
        value = msgspec.json.decode(text)
        assert isinstance(value, dict), text
        assert value.keys() == {name for name, _ in datatable}, text
        for name, kind in datatable:
            assert _is(kind, value[name]), f"{name} is not {kind}: {text}"


def _is(kind: str, value: JsonValue) -> bool:
    if kind.startswith("one of "):
        return value in kind.removeprefix("one of ").split(", ")
    return _KINDS[kind](value)


@then("the other answers are text")
def others_are_text(everybody: list[Reply]) -> None:
    """None of them was held up or forced into anything."""
    assert all(reply.status == HTTPStatus.OK and reply.text.strip() for reply in everybody[1:])
    assert not any(reply.text.startswith("{") for reply in everybody[1:])


@then("the answer begins a JSON object")
def begins_object(reply: Reply) -> None:
    """Whole, unless the limit of tokens cut it."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert reply.text.startswith("{")
    if reply.finish_reason == "stop":
        assert isinstance(msgspec.json.decode(reply.text), dict)


@then("the answer is one of")
def one_of(reply: Reply, datatable: list[list[str]]) -> None:
    r"""Letter for letter; ``\n`` in the table is a line break."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert reply.text in [text.replace("\\n", "\n") for (text,) in datatable]


@then(words("the answer matches {pattern:Text}"))
def matches(reply: Reply, pattern: str) -> None:
    """As a whole."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert re.fullmatch(pattern, reply.text), reply.text


@then(words("the error says {first:Text} and {second:Text}"))
def error_says(reply: Reply, first: str, second: str) -> None:
    """Both, in its message."""
    assert first in reply.error.message
    assert second in reply.error.message
