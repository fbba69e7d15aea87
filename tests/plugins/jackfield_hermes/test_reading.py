"""Answers of the family, as its models write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Tool
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, ReasoningPiece
from jackfield_hermes.dialect import hermes

if TYPE_CHECKING:
    from jackfield.ports.dialect import ChatReader

_SCHEMA: Final = (
    '{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"},'
    ' "tags": {"type": "array"}, "sure": {"type": "boolean"}, "code": {"type": ["string", "null"]}}}'
)
CHAT: Final = ChatPrompt((Message("user", "?"),), tools=(Tool(name="weather", parameters=_SCHEMA), Tool(name="now")))

TAGGED: Final = "<tool_call><function=x><parameter=y><think>"


def _reader(prompt_end: str = "", template: str = TAGGED) -> ChatReader:
    dialect = hermes(ChatFormat(template), named=True)
    assert dialect is not None
    return dialect.reader(CHAT, prompt_end)


def _calls(text: str) -> list[tuple[str, dict[str, object]]]:
    reader = _reader()
    found: list[tuple[str, str]] = []
    for piece in [*reader.feed(text), *reader.end(cut=False)]:
        if isinstance(piece, CallPiece):
            found.append((piece.name, ""))
        elif isinstance(piece, ArgumentsPiece):
            found[-1] = (found[-1][0], found[-1][1] + piece.text)
    assert not reader.malformed
    return [(name, json.loads(arguments)) for name, arguments in found]


def test_thoughts_content_and_calls() -> None:
    """In this order, without the white space between them."""
    reader = _reader("<|im_start|>assistant\n<think>\n")
    text = 'It may rain.\n</think>\n\nI look.\n\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    pieces = [*reader.feed(text), *reader.end(cut=False)]
    assert pieces == [
        ReasoningPiece("It may rain."),
        ContentPiece("I look."),
        CallPiece("now"),
        ArgumentsPiece("{}"),
    ]


def test_thoughts_that_the_model_begins() -> None:
    """As Qwen 3 does."""
    reader = _reader()
    assert [*reader.feed("<think>\nHm"), *reader.feed("m.\n</think>\n\nNo.")] == [
        ReasoningPiece("Hm"),
        ReasoningPiece("m."),
        ContentPiece("No."),
    ]
    assert not reader.reasoning


def test_strings_come_as_they_are_written() -> None:
    """Between tags: what has come is passed on, escaped, before the value ends."""
    reader = _reader()
    reader.feed("<tool_call>\n<function=weather>\n<parameter=city>\n")
    assert reader.feed('Os"\nlo') == [ArgumentsPiece('Os\\"\\nlo')]


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        ("city", "12", "12"),
        ("city", "true", "true"),
        ("city", " a\n\nb ", " a\n\nb "),
        ("city", "</para", "</para"),
        ("days", "12", 12),
        ("days", " 12 ", 12),
        ("days", "many", "many"),
        ("tags", '["a", {"b": 1}]', ["a", {"b": 1}]),
        ("sure", "true", True),
        ("sure", "False", False),
        ("code", "null", None),
        ("code", "None", None),
        ("code", "12", "12"),
        ("unknown", "1.5", 1.5),
        ("unknown", "NaN", "NaN"),
        ("unknown", "[" * 5000, "[" * 5000),
        ("unknown", "plain", "plain"),
    ],
)
def test_values_between_tags(parameter: str, text: str, value: object) -> None:
    """As the schema says, and strings where they are nothing else."""
    call = f"<function=weather>\n<parameter={parameter}>\n{text}\n</parameter>\n</function>"
    assert _calls(f"<tool_call>\n{call}\n</tool_call>") == [("weather", {parameter: value})]


@pytest.mark.parametrize(
    "text",
    [
        "<function=weather><parameter=city>Oslo</parameter></function>",
        "<tool_call><function=weather><parameter=city>Oslo</parameter></function></tool_call>",
        '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>',
        '<tool_call>[{"name": "weather", "arguments": {"city": "Oslo"}}]</tool_call>',
        '<tool_call>\n{"arguments": {"city": "Oslo"}, "name": "weather"}\n</tool_call>',
        '<tool_call>\n{"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}\n</tool_call>',
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}',
    ],
)
def test_other_ways_to_write_a_call(text: str) -> None:
    """Models leave the tag out, write another form, swap members, or quote the arguments."""
    assert _calls(text) == [("weather", {"city": "Oslo"})]


def test_a_call_without_its_tag_is_text_where_calls_are_json() -> None:
    """``<function=`` means nothing there."""
    reader = _reader(template="")
    assert reader.feed("<function=now></function>") == [ContentPiece("<function=now></function>")]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>\n<function=whether>\n</function>\n</tool_call>",
        "<tool_call>\n<function=" + "x" * 5000,
        "<tool_call>\n<function=now>\n<other>",
        "<tool_call>\n<function=weather>\n<parameter=city>\nOslo",
        "<tool_call>\n<function=now>\n<parameter=a>\n1\n</parameter>\n<parameter=a>\n2\n</parameter>\n</function>",
        '<tool_call>\n{"name": "weather"',
        '<tool_call>\n{"name": "weather", "arguments": [1]}\n</tool_call>',
        '<tool_call>\n{"arguments": {}}\n</tool_call>',
        "<tool_call>",
    ],
)
def test_malformed_calls(text: str) -> None:
    """They are marked, and what is left of them is content."""
    reader = _reader()
    pieces = [*reader.feed(text), *reader.end(cut=False)]
    assert reader.malformed
    assert any(isinstance(piece, ContentPiece | CallPiece) for piece in pieces)


@pytest.mark.parametrize(
    "second",
    [
        ', {"name": "now", "arguments": {}}]</tool_call>',
        ']</tool_call><tool_call>{"name": "now", "arguments": {}}</tool_call>',
        "]</tool_call><function=now></function>",
    ],
)
def test_a_call_too_many_is_malformed(second: str) -> None:
    """Where one is all that may be, however a second one is written."""
    dialect = hermes(ChatFormat(TAGGED), named=True)
    assert dialect is not None
    reader = dialect.reader(msgspec.structs.replace(CHAT, parallel_tool_calls=False), "")
    pieces = [*reader.feed('<tool_call>[{"name": "now", "arguments": {}}' + second), *reader.end(cut=False)]
    assert [piece for piece in pieces if isinstance(piece, CallPiece)] == [CallPiece("now")]
    assert reader.malformed
