"""Templates, answers and grammars of the family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Tool, ToolCall, ToolChoice
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece
from jackfield.worker.template import ChatTemplate
from jackfield_llama3.dialect import Llama3Dialect, llama3

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.constraint import Constraint

    Takes = Callable[[Constraint | None, str], bool]

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"
FAMILY: Final = (
    "meta-llama-Llama-3.1-8B-Instruct",
    "meta-llama-Llama-3.2-3B-Instruct",
    "meta-llama-Llama-3.3-70B-Instruct",
)
WEATHER: Final = Tool(
    name="weather", parameters='{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
)
CHAT: Final = ChatPrompt((Message("user", "Rain?"),), tools=(WEATHER, Tool(name="now")))


def _source(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text()


def _read(text: str) -> tuple[str, list[tuple[str, object]], bool]:
    """Content, calls, and whether it was malformed."""
    reader = Llama3Dialect().reader(CHAT, "")
    content, calls = "", list[tuple[str, str]]()
    for piece in [*reader.feed(text), *reader.end(cut=False)]:
        if isinstance(piece, CallPiece):
            calls.append((piece.name, ""))
        elif isinstance(piece, ArgumentsPiece):
            calls[-1] = (calls[-1][0], calls[-1][1] + piece.text)
        elif isinstance(piece, ContentPiece):
            content += piece.text
    return content, [(name, json.loads(arguments)) for name, arguments in calls], reader.malformed


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.jinja")), ids=lambda path: path.stem)
def test_its_templates_and_those_of_others(path: Path) -> None:
    """Only its own are claimed."""
    assert (llama3(ChatFormat(path.read_text()), named=False) is not None) == (path.stem in FAMILY)


@pytest.mark.parametrize("name", FAMILY)
def test_turns_with_several_calls(name: str) -> None:
    """The templates refuse them, so each call is a turn with its result behind it; what was said stays."""
    calls = (ToolCall("a", "weather", '{"city": "Oslo"}'), ToolCall("b", "weather", '{"city": "Rome"}'))
    told = (Message("tool", "Rain.", tool_call_id="a"), Message("tool", "Sun.", tool_call_id="b"))
    chat = msgspec.structs.replace(
        CHAT, messages=(*CHAT.messages, Message("assistant", "I look.", tool_calls=calls), *told)
    )
    template = ChatTemplate(_source(name), {"bos_token": "<s>"}, 100_000)
    prompt = template.render(Llama3Dialect().open(chat, None).variables)
    assert prompt is not None
    places = [prompt.index(part) for part in ("I look.", '"Oslo"', "Rain.", '"Rome"', "Sun.")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "weather", "parameters": {"city": "Oslo"}}',
        '{"type": "function", "name": "weather", "parameters": {"city": "Oslo"}}',
        '{"type": "function", "function": "weather", "parameters": {"city": "Oslo"}}',
        '\n\n{"name": "weather", "arguments": {"city": "Oslo"}}\n',
        '[{"name": "weather", "parameters": {"city": "Oslo"}}]',
        '<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}',
        '<|python_tag|>weather.call(city="Oslo")',
        "<|python_start|>[weather(city='Oslo')]<|python_end|>",
        '[weather(city="Oslo")]',
    ],
)
def test_ways_to_call(text: str) -> None:
    """All that these models write."""
    assert _read(text) == ("", [("weather", {"city": "Oslo"})], False)


@pytest.mark.parametrize("between", ["", ";", "; ", "\n", ", "])
def test_several_calls(between: str) -> None:
    """One behind the other."""
    text = between.join(['{"name": "weather", "parameters": {"city": "Oslo"}}', '{"name": "now", "parameters": {}}'])
    assert _read(text) == ("", [("weather", {"city": "Oslo"}), ("now", {})], False)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "It rains.",
            '{"rain": true}',
            "[1, 2]",
            "[see](http://example.com)",
            "{name}",
            "[",
            "{",
            '{"',
            "{}",
            "[now]",
        ),
        'Say {"name": "weather", "parameters": {}}',
        "{" + " " * 100 + '"name": "weather"}',
    ],
)
def test_what_is_content(text: str) -> None:
    """Other JSON, other lists, and calls that are only spoken of."""
    assert _read(text) == (text, [], False)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "whether"}',
        "[whether()]",
        "[now(1)]",
        "<|python_tag|>print(1)",
        '{"type": "function"}',
        '{"name": "now',
    ],
)
def test_what_is_malformed(text: str) -> None:
    """It is marked, and comes as content."""
    assert _read(text) == (text, [], True)


def test_what_answers_are_held_to(takes: Takes) -> None:
    """Calls in JSON; where they may be, content that does not begin as they do."""
    strict = (msgspec.structs.replace(WEATHER, strict=True), Tool(name="now"))
    call, now = '{"name": "weather", "parameters": {"city": "Oslo"}}', '{"name": "now", "parameters": {"a": 1}}'
    required = msgspec.structs.replace(CHAT, tools=strict, tool_choice=ToolChoice("required"))
    held = Llama3Dialect().open(required, None).constraint
    assert takes(held, call)
    assert takes(held, f"{call}; {now}")
    assert not takes(held, '{"name": "weather", "parameters": {}}')
    assert not takes(held, "It rains.")
    free = Llama3Dialect().open(msgspec.structs.replace(CHAT, tools=strict), None).constraint
    assert takes(free, "It rains {heavily}.")
    assert takes(free, call)
    assert not takes(free, '{"name": "weather", "parameters": {}}')


def test_one_call_at_most(takes: Takes) -> None:
    """By the grammar, also where nothing else asks for one."""
    held = Llama3Dialect().open(msgspec.structs.replace(CHAT, parallel_tool_calls=False), None).constraint
    now = '{"name": "now", "parameters": {}}'
    assert takes(held, now)
    assert takes(held, "No.")
    assert not takes(held, f"{now}; {now}")
    assert Llama3Dialect().open(CHAT, None).constraint is None
