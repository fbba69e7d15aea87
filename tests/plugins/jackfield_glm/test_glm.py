"""What is GLM's own: values as text, two forms, thoughts, and grammars of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, Piece, ReasoningPiece
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield_glm.dialect import GlmDialect, glm
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine

if TYPE_CHECKING:
    from jackfield.ports.constraint import Constraint

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"
VOCABULARY: Final = KitVocabulary()
ENGINE: Final = LlguidanceEngine(VOCABULARY, LlguidanceConfig())
ASKED: Final = (Message("user", "?"),)
SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "tags": {"type": "array"}},
        "required": ["city"],
    }
)
PLAN: Final = Tool(name="plan", parameters=SCHEMA)
STRICT: Final = Tool(name="plan", parameters=SCHEMA, strict=True)


def made(file: str = "GLM-4.6.jinja") -> GlmDialect:
    """The dialect for a template of the family."""
    dialect = glm(ChatFormat((TEMPLATES / file).read_text()), named=False)
    assert dialect is not None
    return dialect


def read(text: str, prompt_end: str = "", *, cut: bool = False) -> tuple[list[Piece], bool]:
    """What an answer says, and whether it is malformed."""
    reader = made().reader(ChatPrompt(ASKED, (PLAN,)), prompt_end)
    return [*reader.feed(text), *reader.end(cut=cut)], reader.malformed


def accepts(constraint: Constraint | None, text: str) -> bool:
    """Whether *text* may be written and ended."""
    assert constraint is not None
    tokens = [*VOCABULARY.encode(text, add_bos=False, parse_special=True), VOCABULARY.END_TOKENS[0]]
    return ENGINE.compile(constraint).matcher().allows(tokens) == len(tokens)


def call(**values: str) -> str:
    """A call of ``plan`` in the form of 4.6."""
    pairs = (f"<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n" for key, value in values.items())
    return f"<tool_call>plan\n{''.join(pairs)}</tool_call>"


@pytest.mark.parametrize(
    ("values", "arguments"),
    [
        ({}, {}),
        ({"city": 'Os"lo\n5', "days": "2"}, {"city": 'Os"lo\n5', "days": 2}),
        ({"city": "5", "tags": '["a", 1]'}, {"city": "5", "tags": ["a", 1]}),
        ({"days": "two", "else": "<b>"}, {"days": "two", "else": "<b>"}),
    ],
)
def test_values_are_what_the_schema_says(values: dict[str, str], arguments: dict[str, object]) -> None:
    """Strings are taken as they are, others are JSON where they can be; the schema decides."""
    for text in (call(**values), call(**values).replace("\n<", "<")):
        pieces, malformed = read(text)
        assert pieces[0] == CallPiece("plan")
        assert json.loads("".join(piece.text for piece in pieces if isinstance(piece, ArgumentsPiece))) == arguments
        assert not malformed


def test_thoughts_content_and_calls() -> None:
    """All of it in one answer."""
    pieces, malformed = read(f"\n<think>Hm.</think>\nLet me see.\n{call(city='Oslo')}")
    assert pieces[:3] == [ReasoningPiece("Hm."), ContentPiece("Let me see."), CallPiece("plan")]
    assert not malformed
    assert read("Hm.</think>Yes", "<|assistant|><think>")[0] == [ReasoningPiece("Hm."), ContentPiece("Yes")]
    assert read("Yes", "<think></think>")[0] == [ContentPiece("Yes")]


def test_a_broken_call_is_content_and_malformed() -> None:
    """What cannot be read is shown, unless a limit cut it off."""
    broken = "<tool_call>plan\n<arg_key>city</arg_key>\nOslo"
    assert read("<tool_call>other\n</tool_call>") == ([ContentPiece("<tool_call>other\n</tool_call>")], True)
    pieces, malformed = read(broken)
    assert malformed
    said = "".join(piece.text for piece in pieces if isinstance(piece, ContentPiece))
    assert said == "city</arg_key>\nOslo"
    assert read("<tool_call>plan\n<arg_key>ci", cut=True) == ([CallPiece("plan")], False)


def test_a_call_that_is_ended_at_its_last_mark_is_whole() -> None:
    """One call at most is kept by a stop text, which is not shown."""
    opening = made().open(ChatPrompt(ASKED, (PLAN,), parallel_tool_calls=False), None)
    assert opening.stop == ("</tool_call>",)
    pieces, malformed = read(call(city="Oslo").removesuffix("</tool_call>"))
    assert "".join(piece.text for piece in pieces if isinstance(piece, ArgumentsPiece)) == '{"city": "Oslo"}'
    assert not malformed


@pytest.mark.parametrize("file", ["GLM-4.6.jinja", "GLM-4.7-Flash.jinja"])
def test_grammars_of_calls(file: str) -> None:
    """Required and strict calls look like the model's template says."""
    line = "\n" if "4.6" in file else ""

    def form(*pairs: tuple[str, str]) -> str:
        inside = (f"<arg_key>{key}</arg_key>{line}<arg_value>{value}</arg_value>{line}" for key, value in pairs)
        return f"<tool_call>plan{line}{''.join(inside)}</tool_call>"

    required = made(file).open(ChatPrompt(ASKED, (PLAN,), ToolChoice("required")), None).constraint
    assert accepts(required, form(("x", "any <b> text")))
    assert accepts(required, form() + line + form())
    assert not accepts(required, "No.")
    strict = made(file).open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert accepts(strict, "No.")
    assert accepts(strict, f"Well{line}" + form(("city", "Oslo"), ("days", "2")))
    assert not accepts(strict, form(("city", "Oslo"), ("days", "two")))
    assert not accepts(strict, form(("days", "2")))
    one = made(file).open(ChatPrompt(ASKED, (PLAN,), ToolChoice("required"), parallel_tool_calls=False), None)
    assert accepts(one.constraint, form())
    assert not accepts(one.constraint, form() + line + form())


def test_what_cannot_be_enforced_is_refused() -> None:
    """A strict schema whose demands text between tags cannot keep names its tool."""
    schema = '{"type": "object", "properties": {"a": {"type": "string", "pattern": "x+"}}}'
    with pytest.raises(InvalidRequest, match="pattern"):
        made().open(ChatPrompt(ASKED, (Tool(name="f", parameters=schema, strict=True),)), None)


def test_thinking_is_switched() -> None:
    """The template's own switch, and nothing where nothing is asked."""
    for enabled in (True, False):
        variables = made().open(ChatPrompt(ASKED, thinking=Thinking(enabled=enabled)), None).variables
        assert variables["enable_thinking"] is enabled
    assert "enable_thinking" not in made().open(ChatPrompt(ASKED), None).variables
