"""Messages and tools in OpenAI's shape: what they become, and what hostile ones cost."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import Message, Tool, ToolCall
from jackfield.errors import ClientError, InvalidRequest, MalformedBody
from jackfield.frontends.messages import MESSAGES_MAX, read_messages
from jackfield.frontends.rules import Screening
from jackfield.frontends.tools import names_function, read_tool_choice, read_tools


def raw(value: object) -> msgspec.Raw:
    """A JSON value as it was sent."""
    return msgspec.Raw(msgspec.json.encode(value))


def messages(value: object) -> tuple[Message, ...]:
    """What an array of messages becomes."""
    return read_messages(raw(value), Screening("strict"))


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_parts_are_joined() -> None:
    """By line breaks, whoever speaks."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages([{"role": "developer", "content": parts}]) == (Message("developer", "a\nb"),)


def test_an_answer_is_taken_back_as_it_came() -> None:
    """With the empty fields that it has, thoughts and calls."""
    answer = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "reasoning_content": "Hm.",
        "tool_calls": [{**CALL, "index": 0}],
    }
    assert messages([answer]) == (Message("assistant", "", tool_calls=(ToolCall("c", "f", "{}"),), reasoning="Hm."),)


def test_what_clients_of_many_servers_add_is_taken() -> None:
    """LiteLLM's messages as its users send them back, and marks of what to keep, as routers' clients set them."""
    called = {
        "role": "assistant",
        "tool_calls": [{**CALL, "provider_specific_fields": {"thought_signature": "x"}}],
        "provider_specific_fields": {"refusal": None},
        "annotations": [],
    }
    marked = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    found = messages(
        [
            {"role": "user", "content": [marked], "cache_control": {"type": "ephemeral"}},
            called,
            {"role": "assistant", "content": "b", "reasoning_details": [], "thinking_blocks": []},
        ]
    )
    assert [message.content for message in found] == ["a", "", "b"]
    assert found[1].tool_calls == (ToolCall("c", "f", "{}"),)


def test_marks_of_tools_are_taken() -> None:
    """All prefixes are kept, those that end with a tool among them."""
    marked = {"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}
    assert read_tools(raw([marked])) == (Tool(name="f", param="tools[0].function.parameters"),)


@pytest.mark.parametrize("field", ["reasoning_details", "thinking_blocks"])
def test_thoughts_in_shapes_of_others_are_no_thoughts_here(field: str) -> None:
    """They are refused, or left out where that is allowed, and said to be."""
    said = [{"role": "assistant", "content": "b", field: [{"type": "thinking", "thinking": "Hm."}]}]
    with pytest.raises(InvalidRequest) as error:
        messages(said)
    assert error.value.param == f"messages[0].{field}"
    lenient = Screening("warn")
    assert read_messages(raw(said), lenient) == (Message("assistant", "b"),)
    assert lenient.ignored == [f"messages[0].{field}"]


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        (None, False),
        ("required", False),
        ({"type": "function", "function": {"name": "f"}}, True),
        ({"function": {"name": "f"}}, True),
        ({"type": "function", "name": "f"}, True),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}, False),
    ],
)
def test_choices_that_name_a_function(choice: object, named: bool) -> None:  # noqa: FBT001 -- a case
    """In the shape of chats, and in that of responses."""
    assert names_function(None if choice is None else raw(choice)) == named


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "assistant", "content": None}, "messages[0].content"),
        ({"role": "user", "content": None, "reasoning_content": "x"}, "messages[0].content"),
        ({"role": "user", "content": []}, "messages[0].content"),
        ({"role": "nobody", "content": "x"}, "messages[0].role"),
        ({"content": "x"}, "messages[0].role"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "function", "content": "x"}, "messages[0].name"),
        (
            {"role": "assistant", "content": "", "tool_calls": [{**CALL, "type": "custom"}]},
            "messages[0].tool_calls[0].type",
        ),
        ({"role": "assistant", "content": "", "tool_calls": [{**CALL, "x": 1}]}, "messages[0].tool_calls[0].x"),
        (
            {"role": "assistant", "content": "", "tool_calls": [CALL], "function_call": {"name": "f"}},
            "messages[0].function_call",
        ),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "messages[0].content[0].type"),
    ],
)
def test_what_is_wrong_is_named(message: dict[str, object], param: str) -> None:
    """By its path."""
    with pytest.raises(InvalidRequest) as error:
        messages([message])
    assert error.value.param == param


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "user", "content": "x"}] * (MESSAGES_MAX + 1),
        [{"role": "user", "content": [{"type": "text", "text": "x"}] * (MESSAGES_MAX + 1)}],
        [{"role": "assistant", "content": "", "tool_calls": [CALL] * (MESSAGES_MAX + 1)}],
    ],
)
def test_there_may_be_only_so_many(value: object) -> None:
    """Messages, parts of one, calls of one."""
    with pytest.raises(ClientError):
        messages(value)


json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "function", "name", "type", "x"]), inner)
    ),
    max_leaves=12,
)


@given(json)
def test_whatever_comes_is_read_or_refused(value: object) -> None:
    """Never anything else."""
    sent = raw(value)
    for read in (lambda: messages(value), lambda: read_tools(sent), lambda: read_tool_choice(sent)):
        with suppress(ClientError):
            read()


def test_schemas_are_kept_as_they_were_sent() -> None:
    """In the order of the client, numbers and escapes untouched."""
    schema = b'{"type":"object","properties":{"z":{"const":1.50},"a":{"const":"\\u20ac"}}}'
    [tool] = read_tools(msgspec.Raw(b'[{"type":"function","function":{"name":"f","parameters":%b}}]' % schema))
    assert tool == Tool(name="f", parameters=schema.decode(), param="tools[0].function.parameters")


@pytest.mark.parametrize("parameters", [None, {}])
def test_a_tool_may_take_nothing(parameters: object) -> None:
    """Absent, null and empty are the same."""
    [tool] = read_tools(raw([{"function": {"name": "f", "parameters": parameters}}]))
    assert tool.parameters == ""


def test_too_many_small_things_are_refused() -> None:
    """A body of megabytes is refused before much of it was built."""
    for value in (
        [{"role": "user", "content": "x", **{f"f{number}": 1 for number in range(9)}}] * 9000,
        [{"role": "user", "content": [{"type": "text", "text": "x"}] * 25_000}],
    ):
        with pytest.raises((InvalidRequest, MalformedBody)):
            messages(value)
    with pytest.raises(InvalidRequest):
        read_tools(raw([{"function": {"name": "f", "parameters": {"enum": ["x"] * 200_000}}}]))


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "custom", "custom": {"name": "f"}}, "tools[1].type"),
        ({"type": "file_search", "vector_store_ids": []}, "tools[1].type"),
        ({"function": {"name": "f g"}}, "tools[1].function.name"),
        ({"function": {"name": ""}}, "tools[1].function.name"),
        ({"function": {"name": "g", "parameters": {"type": "string"}}}, "tools[1].function.parameters"),
        ({"function": {"name": "g", "parameters": {"type": ["object"]}}}, "tools[1].function.parameters"),
        ({"function": {"name": "g", "odd": 1}}, "tools[1].function.odd"),
    ],
)
def test_tools_that_are_refused(tool: object, param: str) -> None:
    """By the path of what is wrong: tools of other kinds, names, and schemas that are not of objects."""
    with pytest.raises(ClientError) as refused:
        read_tools(raw([{"function": {"name": "f"}}, tool]))
    assert refused.value.param == param
