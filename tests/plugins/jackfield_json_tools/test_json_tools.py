"""What models are told, what their answers are held to, and how these are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Tool, ToolCall, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import Choice, JsonObject, JsonSchema, Pattern
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece
from jackfield.worker.template import ChatTemplate
from jackfield_json_tools.dialect import JsonToolsDialect, json_tools

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.constraint import Constraint

    Takes = Callable[[Constraint | None, str], bool]

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"
SILENT: Final = ("google-gemma-2-2b-it", "microsoft-Phi-3.5-mini-instruct", "llama-cpp-rwkv-world")
"""Templates that know nothing of tools."""

WEATHER: Final = Tool(
    name="weather",
    description="Tells of rain",
    parameters='{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}',
    strict=True,
)
CHAT: Final = ChatPrompt(
    (
        Message("user", "Rain in Oslo?"),
        Message("assistant", tool_calls=(ToolCall("c1", "weather", '{"city": "Bergen"}'),)),
        Message("tool", "It pours.", tool_call_id="c1", name="weather"),
    ),
    tools=(WEATHER, Tool(name="now")),
)
REQUIRED: Final = msgspec.structs.replace(CHAT, tool_choice=ToolChoice("required"))
DIALECT: Final = JsonToolsDialect("")
CALL: Final = '{"name": "weather", "arguments": {"city": "Oslo"}}'


def _prompt(name: str, chat: ChatPrompt) -> str:
    source = (TEMPLATES / f"{name}.jinja").read_text()
    template = ChatTemplate(source, {"bos_token": "", "eos_token": "</s>"}, 100_000)
    prompt = template.render(json_tools(ChatFormat(source), named=False).open(chat, None).variables)
    assert prompt is not None
    return prompt


@pytest.mark.parametrize("name", SILENT)
def test_templates_that_know_no_tools(name: str) -> None:
    """Tools, earlier calls and results reach the prompt all the same, also where there is no system message."""
    prompt = _prompt(name, CHAT)
    for part in ("Tells of rain", '"tool_calls"', '"content"', "Bergen", "It pours.", "Rain in Oslo?"):
        assert part in prompt


@pytest.mark.parametrize("name", SILENT)
def test_without_tools_nothing_is_told(name: str) -> None:
    """The conversation is as it was."""
    prompt = _prompt(name, ChatPrompt(CHAT.messages[:1]))
    assert "Rain in Oslo?" in prompt
    assert "tool" not in prompt


def test_templates_that_print_tools() -> None:
    """They get them; the system message only says how they are called, behind what it said."""
    dialect = JsonToolsDialect("{{ tools }}{{ message.tool_calls | tojson }}system")
    chat = msgspec.structs.replace(CHAT, messages=(Message("system", "Be brief."), *CHAT.messages))
    variables = dialect.open(chat, None).variables
    assert variables["tools"][0]["function"]["name"] == "weather"
    system = variables["messages"][0]["content"]
    assert system.startswith("Be brief.\n\n")
    assert "Tells of rain" not in system
    assert variables["messages"][2]["tool_calls"][0]["function"]["arguments"] == {"city": "Bergen"}


@pytest.mark.parametrize(
    ("chat", "text", "good"),
    [
        (CHAT, f'{{"tool_calls": [{CALL}]}}', True),
        (CHAT, f'{{"tool_calls": [{CALL}, {{"name": "now", "arguments": {{}}}}]}}', True),
        (CHAT, '{"content": "It \\"rains\\".\\n"}', True),
        (CHAT, "It rains.", False),
        (CHAT, '{"tool_calls": []}', False),
        (CHAT, '{"tool_calls": [{"name": "weather", "arguments": {}}]}', False),
        (REQUIRED, f'{{"tool_calls": [{CALL}]}}', True),
        (REQUIRED, '{"content": "No."}', False),
        (msgspec.structs.replace(CHAT, parallel_tool_calls=False), f'{{"tool_calls": [{CALL}, {CALL}]}}', False),
    ],
)
def test_what_answers_are_held_to(takes: Takes, chat: ChatPrompt, text: str, good: bool) -> None:  # noqa: FBT001
    """Calls or content, in JSON."""
    assert takes(DIALECT.open(chat, None).constraint, text) is good


@pytest.mark.parametrize(
    ("constraint", "good", "bad", "content"),
    [
        (Choice(("yes", 'n"o')), '{"content": "n\\"o"}', '{"content": "maybe"}', 'n"o'),
        (JsonObject(), '{"value": {"a": 1}}', '{"value": 1}', '{"a": 1}'),
        (JsonSchema('{"type": "integer"}'), '{"value": 12}', '{"value": "12"}', "12"),
        (JsonSchema('{"const": "x"}'), '{"value": "x"}', '{"content": "x"}', '"x"'),
    ],
)
def test_content_that_must_look_like_something(
    takes: Takes, constraint: Constraint, good: str, bad: str, content: str
) -> None:
    """It does, in its place in the JSON, and is read from there."""
    held = DIALECT.open(CHAT, constraint).constraint
    assert takes(held, good)
    assert not takes(held, bad)
    assert takes(held, f'{{"tool_calls": [{CALL}]}}')
    reader = DIALECT.reader(CHAT, "")
    pieces = [*reader.feed(good), *reader.end(cut=False)]
    assert pieces == [ContentPiece(content)]


def test_other_constraints_are_refused() -> None:
    """By their field; without tools they are enforced as they are."""
    with pytest.raises(InvalidRequest) as refusal:
        DIALECT.open(CHAT, Pattern("x", param="regex"))
    assert refusal.value.param == "regex"
    alone = ChatPrompt(CHAT.messages[:1])
    assert DIALECT.open(alone, Pattern("x")).constraint == Pattern("x")
    assert DIALECT.open(alone, None).constraint is None


def test_content_comes_as_it_is_written() -> None:
    """Decoded, before the string ends; what an escape needs waits."""
    reader = DIALECT.reader(CHAT, "")
    assert reader.feed('{"content": "It \\"ra') == [ContentPiece('It "ra')]
    assert reader.feed("ins\\u00") == [ContentPiece("ins")]
    assert reader.feed("e4 \\") == [ContentPiece("ä ")]
    assert reader.feed('n"}') == [ContentPiece("\n")]
    assert reader.end(cut=False) == []
    assert not reader.malformed


@pytest.mark.parametrize("text", ['{"other": 1}', "[]", "No.", '{"content"', '{"tool_calls":'[:8], "{" + " " * 99])
def test_any_other_answer_is_content(text: str) -> None:
    """Models that no grammar holds write what they like."""
    reader = DIALECT.reader(CHAT, "")
    pieces = [*reader.feed(text), *reader.end(cut=False)]
    assert "".join(piece.text for piece in pieces if isinstance(piece, ContentPiece)).strip() == text.strip()
    assert not reader.malformed


def test_without_tools_json_is_content() -> None:
    """It is nobody's form then."""
    reader = DIALECT.reader(ChatPrompt(CHAT.messages[:1]), "")
    text = '{"content": "x"}'
    assert [*reader.feed(text), *reader.end(cut=False)] == [ContentPiece(text)]


def test_calls_behind_thoughts() -> None:
    """Where the template speaks of them."""
    dialect = JsonToolsDialect("<think> enable_thinking")
    assert dialect.traits.reasoning == "optional"
    reader = dialect.reader(CHAT, "<think>\n")
    pieces = [*reader.feed(f'Hm.</think>\n\n{{"tool_calls": [{CALL}]}}'), *reader.end(cut=False)]
    assert pieces[1:] == [CallPiece("weather"), ArgumentsPiece('{"city": "Oslo"}')]


@pytest.mark.parametrize(
    ("template", "named", "tools"),
    [
        ("{{ messages }}", False, True),
        ("{{ message.tool_calls }}", False, False),
        ("{{ message.tool_calls }}", True, True),
    ],
)
def test_a_model_with_a_way_of_its_own(template: str, *, named: bool, tools: bool) -> None:
    """It is not told of another one, unless an operator says so."""
    traits = json_tools(ChatFormat(template), named=named).traits
    assert (traits.tools, traits.parallel_tool_calls) == (tools, tools)
