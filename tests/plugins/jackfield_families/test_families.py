"""What the families' answers are held to, and what becomes of conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.plugins.jackfield_families.test_conforms import TEMPLATES, WRITTEN

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import JsonObject
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece
from jackfield.worker.template import ChatTemplate
from jackfield_families.dialect import factories
from jackfield_families.forms import FORMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatDialect, Piece

    Takes = Callable[[Constraint | None, str], bool]

_SCHEMA: Final = (
    '{"type": "object", "required": ["city"], "additionalProperties": false,'
    ' "properties": {"city": {"enum": ["Oslo", "Rome"]}}}'
)
WEATHER: Final = Tool(name="weather", parameters=_SCHEMA, strict=True, param="tools[0].function.parameters")
ASKED: Final = ChatPrompt((Message("user", "Rain?"),), tools=(WEATHER, Tool(name="now")))
REQUIRED: Final = msgspec.structs.replace(ASKED, tool_choice=ToolChoice("required"))


def _source(family: str) -> str:
    return (TEMPLATES / f"{WRITTEN[family][0]}.jinja").read_text("utf-8")


def _dialect(family: str) -> ChatDialect:
    dialect = factories()[family](ChatFormat(_source(family)), named=False)
    assert dialect is not None
    return dialect


def _call(family: str, *cities: str) -> str:
    _, around, call, between = WRITTEN[family]
    if FORMS[family].style == "python":  # held to JSON
        call = '{{"name": "weather", "arguments": {{"city": "{0}"}}}}'
    return around.format(between.join(call.format(city) for city in cities))


def _rendered(family: str, chat: ChatPrompt) -> str:
    template = ChatTemplate(_source(family), {"bos_token": "", "eos_token": "</s>"}, 100_000)
    text = template.render(dict(_dialect(family).open(chat, None).variables))
    assert text is not None
    return text


def _read(family: str, text: str) -> tuple[list[Piece], bool]:
    """The pieces of an answer, and whether it is malformed."""
    thinking = FORMS[family].thinking
    reader = _dialect(family).reader(ASKED, thinking.begin if family == "apriel" and thinking else "")
    pieces = [*reader.feed(text), *reader.end(cut=False)]
    return pieces, reader.malformed


@pytest.mark.parametrize("family", FORMS)
def test_calls_that_are_demanded(family: str, takes: Takes) -> None:
    """As the family writes them, with arguments of the schema, and nothing else."""
    constraint = _dialect(family).open(REQUIRED, None).constraint
    assert takes(constraint, _call(family, "Oslo"))
    assert takes(constraint, _call(family, "Oslo", "Rome")) is not FORMS[family].single
    assert not takes(constraint, _call(family, "Bonn"))
    assert not takes(constraint, "Hello")


@pytest.mark.parametrize("family", FORMS)
def test_one_call_at_most(family: str, takes: Takes) -> None:
    """Or none, with text in front or alone."""
    one = _dialect(family).open(msgspec.structs.replace(ASKED, parallel_tool_calls=False), None).constraint
    assert takes(one, "Hello")
    assert takes(one, f"Hello {_call(family, 'Oslo')}")
    assert not takes(one, _call(family, "Oslo", "Rome"))


@pytest.mark.parametrize("family", FORMS)
def test_a_call_or_content_of_a_shape(family: str, takes: Takes) -> None:
    """Either, and no other text."""
    constraint = _dialect(family).open(ASKED, JsonObject("response_format")).constraint
    assert takes(constraint, '{"rain": true}')
    assert takes(constraint, _call(family, "Oslo"))
    assert not takes(constraint, "Hello")


def _called(*calls: ToolCall) -> ChatPrompt:
    results = [Message("tool", f"{call.name} says", tool_call_id=call.id) for call in reversed(calls)]
    return msgspec.structs.replace(ASKED, messages=(*ASKED.messages, Message("assistant", "", calls), *results))


def test_ids_of_kimi() -> None:
    """Calls and results are numbered through the conversation, whatever ids clients gave."""
    text = _rendered("kimi", _called(ToolCall("b", "weather", '{"city": "Oslo"}'), ToolCall("a", "now")))
    assert "functions.weather:0<|tool_call_argument_begin|>" in text
    assert text.index("## Return of functions.weather:0") < text.index("## Return of functions.now:1")


def test_calls_that_a_template_leaves_out() -> None:
    """They stand in what the assistant said, as the model writes them."""
    source = (TEMPLATES / "LFM2-8B-A1B.jinja").read_text("utf-8")
    dialect = factories()["lfm2"](ChatFormat(source), named=False)
    assert dialect is not None
    messages = dialect.open(_called(ToolCall("a", "weather", '{"city": "Oslo"}')), None).variables["messages"]
    assert messages[1]["content"] == "<|tool_call_start|>[weather(city='Oslo')]<|tool_call_end|>"


@pytest.mark.parametrize(
    ("family", "thinking", "end"),
    [
        ("nemotron", Thinking(enabled=False), "<think></think>"),
        ("nemotron", Thinking(), "<think>\n"),
        ("minicpm", Thinking(enabled=False), "</think>\n\n"),
        ("seed", Thinking(enabled=False), "</seed:think>"),
        ("hunyuan", Thinking(enabled=True, effort="low"), "<think:opensource>"),
        ("hunyuan", Thinking(enabled=False), "</think:opensource>"),
    ],
)
def test_thoughts_are_switched(family: str, thinking: Thinking, end: str) -> None:
    """By what each template reads."""
    assert _rendered(family, msgspec.structs.replace(ASKED, thinking=thinking)).endswith(end)


def test_seed_is_told_of_a_budget() -> None:
    """Which the engine enforces all the same."""
    assert "is 512" in _rendered("seed", msgspec.structs.replace(ASKED, thinking=Thinking(budget=512)))


def test_what_says_how_to_think_goes_with_the_system() -> None:
    """In its message, where there is one."""
    told = (Message("system", "Be brief."), *ASKED.messages)
    chat = msgspec.structs.replace(ASKED, messages=told, thinking=Thinking(enabled=False))
    first, second = _dialect("nemotron").open(chat, None).variables["messages"]
    assert (first["role"], first["content"]) == ("system", "Be brief.\n\n/no_think")
    assert second["role"] == "user"


def test_a_family_of_one_call_an_answer() -> None:
    """Earlier answers with several become several, each with its result; what it writes behind one is content."""
    chat = _called(ToolCall("b", "weather", '{"city": "Oslo"}'), ToolCall("a", "now"))
    messages = _dialect("gigachat").open(chat, None).variables["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "tool"]
    assert all(len(message["tool_calls"]) == 1 for message in messages[1::2])
    pieces, malformed = _read("gigachat", _call("gigachat", "Oslo") + ' {"name": "now", "arguments": {}}')
    assert [piece for piece in pieces if isinstance(piece, CallPiece)] == [CallPiece("weather")]
    assert not malformed


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("lfm2", '<|tool_call_start|>[{"name": "weather", "arguments": {"city": "Oslo"}}]<|tool_call_end|>'),
        ("minicpm", '<function name="weather"><param name="city"><![CDATA[Oslo]]></param></function>'),
    ],
)
def test_other_ways_to_write_a_call(family: str, text: str) -> None:
    """Those that a grammar holds it to, or that its template shows."""
    pieces, malformed = _read(family, text)
    arguments = "".join(piece.text for piece in pieces if isinstance(piece, ArgumentsPiece))
    assert [piece for piece in pieces if isinstance(piece, CallPiece)] == [CallPiece("weather")]
    assert (msgspec.json.decode(arguments), malformed) == ({"city": "Oslo"}, False)


def test_a_mark_that_is_not_shown() -> None:
    """Behind Apriel's answers."""
    pieces, malformed = _read("apriel", "Hm.\n[BEGIN FINAL RESPONSE]\nYes.[END FINAL RESPONSE]")
    assert "".join(piece.text for piece in pieces if isinstance(piece, ContentPiece)) == "Yes."
    assert not malformed


def test_an_effort_that_a_template_does_not_know() -> None:
    """Is refused by its field, with those that it knows."""
    chat = msgspec.structs.replace(ASKED, thinking=Thinking(enabled=True, effort="medium"))
    with pytest.raises(InvalidRequest, match="low, high") as refused:
        _dialect("hunyuan").open(chat, None)
    assert refused.value.param == "reasoning_effort"
