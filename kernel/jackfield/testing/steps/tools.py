"""Steps: tools, and answers that call them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from pytest_bdd import given, then, when

from jackfield.testing.manifests import tool_manifest
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.testing.client import JsonValue, OpenStream, Reply, Stream
    from jackfield.testing.target import Target


def told(text: str) -> str:
    """The prompt that makes a scripted model answer with *text*, whatever it has in it."""
    return f"[hex:{text.encode().hex()}]"


@given("a server with a scripted model that calls tools", target_fixture="server")
def tool_server(servers: Callable[[str], Target]) -> Target:
    """It says what it thinks and calls as Hermes models do."""
    return servers(tool_manifest())


@given(words("a server with a scripted model of the family {dialect:Text}"), target_fixture="server")
def family_server(servers: Callable[[str], Target], dialect: str) -> Target:
    """It says what it thinks and calls as models of that dialect do."""
    return servers(tool_manifest(dialect))


@given(words("a server with a scripted model of the family {dialect:Text} of {plugin:Text}"), target_fixture="server")
def plugins_family_server(servers: Callable[[str], Target], dialect: str, plugin: str) -> Target:
    """The same, where a plugin hands over several dialects."""
    return servers(tool_manifest(dialect, plugin))


@given("this tool", target_fixture="tool")
def tool(docstring: str) -> JsonValue:
    """What later questions come with."""
    return {"type": "function", "function": msgspec.json.decode(docstring)}


@given("this tool as it stands", target_fixture="tool")
def bare_tool(docstring: str) -> JsonValue:
    """Not a function."""
    given: JsonValue = msgspec.json.decode(docstring)
    return given


@when(words("I ask {prompt:Text} with that tool and"), target_fixture="reply")
def ask_with_tool(server: Target, prompt: str, tool: JsonValue, datatable: Table) -> Reply:
    """One question; the table's rows join the request."""
    return server.run(server.client.ask(prompt, tools=[tool], **fields(datatable)))


@when(words("I stream {prompt:Text} with that tool and"), target_fixture="opened")
def stream_with_tool(server: Target, prompt: str, tool: JsonValue, datatable: Table) -> OpenStream:
    """The same, streamed."""
    return server.run(server.client.open(prompt, tools=[tool], **fields(datatable)))


@when("the model says, with that tool", target_fixture="reply")
def says_with_tool(server: Target, tool: JsonValue, docstring: str) -> Reply:
    """A scripted model's text, which may be a call."""
    return server.run(server.client.ask(told(docstring), tools=[tool]))


@when("the model says, with that tool and one call at most", target_fixture="reply")
def says_with_tool_once(server: Target, tool: JsonValue, docstring: str) -> Reply:
    """The same, where an answer may have one call."""
    return server.run(server.client.ask(told(docstring), tools=[tool], parallel_tool_calls=False))


@when(words("I tell it that the tool says {result:Text}"), target_fixture="reply")
def tell_result(server: Target, reply: Reply, tool: JsonValue, result: str) -> Reply:
    """The whole conversation again, with the call and its result."""
    message = msgspec.to_builtins(reply.completion.choices[0].message)
    [call] = reply.completion.choices[0].message.tool_calls
    messages = [
        {"role": "user", "content": "What is the weather in Paris?"},
        message,
        {"role": "tool", "tool_call_id": call.id, "content": result},
    ]
    return server.run(server.client.ask("", messages=messages, tools=[tool], temperature=0, max_tokens=60))


@then(words("it calls {name:Text} with"))
def calls(reply: Reply, name: str, datatable: list[list[str]]) -> None:
    """One call, with these arguments."""
    assert reply.status == HTTPStatus.OK, reply.summary
    [call] = reply.completion.choices[0].message.tool_calls
    assert call.id
    assert call.function.name == name
    assert msgspec.json.decode(call.function.arguments) == _texts(datatable)


@then(words("it calls {name:Text} with one {argument:Text}"))
def calls_with_any(reply: Reply, name: str, argument: str) -> None:
    """One call, whatever the argument says."""
    assert reply.status == HTTPStatus.OK, reply.summary
    [call] = reply.completion.choices[0].message.tool_calls
    assert call.function.name == name
    assert list(msgspec.json.decode(call.function.arguments, type=dict[str, str])) == [argument]


@then(words("it calls {name:Text} {count:d} times"))
def calls_often(reply: Reply, name: str, count: int) -> None:
    """Each call has an id of its own."""
    assert reply.status == HTTPStatus.OK, reply.summary
    made = reply.completion.choices[0].message.tool_calls
    assert [call.function.name for call in made] == [name] * count
    assert len({call.id for call in made}) == count


@then(words("it streams a call of {name:Text} with"))
def streams_call(stream: Stream, name: str, datatable: list[list[str]]) -> None:
    """Its first piece has id and name; all pieces together have these arguments."""
    first, *others = [call for chunk in stream.chunks for choice in chunk.choices for call in choice.delta.tool_calls]
    assert first.id
    assert first.function.name == name
    assert all(call.id is None and call.function.name is None and call.index == 0 for call in others)
    text = "".join(call.function.arguments for call in (first, *others))
    assert msgspec.json.decode(text) == _texts(datatable)


@then("it calls nothing")
def calls_nothing(reply: Reply) -> None:
    """Only text."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert not reply.completion.choices[0].message.tool_calls


def _texts(table: list[list[str]]) -> JsonValue:
    return {name: value.replace('\\"', '"') for name, value in table}
