"""Conversations as templates take them: what JSON in JSON becomes."""

from __future__ import annotations

import msgspec
import pytest

from jackfield.chat import ChatPrompt, Message, Tool, ToolCall
from jackfield.errors import InvalidRequest
from jackfield.parsing.shaping import parameters_of, template_variables


def _called(arguments: str) -> ChatPrompt:
    return ChatPrompt((Message("user", "?"), Message("assistant", tool_calls=(ToolCall("a", "f", arguments),))))


def test_halves_of_characters_in_earlier_calls_are_mended() -> None:
    """They could not be sent to the worker."""
    variables = template_variables(_called('{"a": "\\ud83c", "b": "\\ud83c\\udfb9", "c": "\\\\ud83c"}'))
    assert msgspec.json.decode(msgspec.json.encode(variables))
    [_, message] = variables["messages"]
    assert message["tool_calls"][0]["function"]["arguments"] == {"a": "\ufffd", "b": "🎹", "c": "\\ud83c"}


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"', "NaN", '{"a": NaN}', '{"a": 1e999}', '{"a": ' * 5000])
def test_earlier_arguments_that_are_no_object(arguments: str) -> None:
    """Are refused, by the path of their message."""
    with pytest.raises(InvalidRequest, match="arguments of f are no JSON object") as refused:
        template_variables(_called(arguments))
    assert refused.value.param == "messages[1]"


@pytest.mark.parametrize("schema", ["{", "[]", '{"a": ' * 5000])
def test_a_schema_that_is_no_object(schema: str) -> None:
    """Is refused, by its own path."""
    with pytest.raises(InvalidRequest) as refused:
        parameters_of(Tool(name="f", parameters=schema, param="tools[0].input_schema"))
    assert refused.value.param == "tools[0].input_schema"
