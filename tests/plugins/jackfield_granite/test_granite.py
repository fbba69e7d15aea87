"""What is Granite's own: two forms of calls, thoughts of two kinds, earlier calls, and grammars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.ports.dialect import ContentPiece, ReasoningPiece
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield_granite.dialect import GraniteDialect, granite
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine

if TYPE_CHECKING:
    from jackfield.ports.constraint import Constraint

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"
OLD: Final = (TEMPLATES / "ibm-granite-granite-3.3-2B-Instruct.jinja").read_text()
NEW: Final = (TEMPLATES / "ibm-granite-granite-4.0.jinja").read_text()
IN_WORDS: Final = "<|start_of_role|> Write your thoughts after 'Here is my thought process:'"
VOCABULARY: Final = KitVocabulary()
ENGINE: Final = LlguidanceEngine(VOCABULARY, LlguidanceConfig())
ASKED: Final = (Message("user", "?"),)
SCHEMA: Final = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'
LOOSE: Final = Tool(name="f", parameters=SCHEMA)
STRICT: Final = Tool(name="f", parameters=SCHEMA, strict=True)
RIGHT: Final = '{"name": "f", "arguments": {"n": 1}}'
WRONG: Final = '{"name": "f", "arguments": {"n": "1"}}'


def made(template: str) -> GraniteDialect:
    """The dialect for a template of the family."""
    dialect = granite(ChatFormat(template), named=False)
    assert dialect is not None
    return dialect


def accepts(constraint: Constraint | None, text: str) -> bool:
    """Whether *text* may be written and ended."""
    assert constraint is not None
    tokens = [*VOCABULARY.encode(text, add_bos=False, parse_special=True), VOCABULARY.END_TOKENS[0]]
    return ENGINE.compile(constraint).matcher().allows(tokens) == len(tokens)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (OLD, "<think>Hm.\n</think>\n<response>So: <b>.</response>"),
        (OLD, "<think>Hm.</think>So: <b>."),
        (IN_WORDS, "Here is my thought process:\nHm.\n\nHere is my response:\nSo: <b>."),
    ],
)
def test_thoughts(template: str, text: str) -> None:
    """Marks of thoughts and of the response are taken out."""
    reader = made(template).reader(ChatPrompt(ASKED), "")
    pieces = [piece for sign in text for piece in reader.feed(sign)]
    pieces += reader.end(cut=False)
    assert "".join(piece.text for piece in pieces if isinstance(piece, ReasoningPiece)) == "Hm."
    assert "".join(piece.text for piece in pieces if isinstance(piece, ContentPiece)) == "So: <b>."


def test_a_response_tag_that_nothing_began_is_content() -> None:
    """Answers about XML lose nothing."""
    reader = made(OLD).reader(ChatPrompt(ASKED), "")
    assert [*reader.feed("Use </response>."), *reader.end(cut=False)] == [ContentPiece("Use </response>.")]


def test_thinking_is_switched_where_the_model_can() -> None:
    """3.3 has a switch; 4.0 has no thoughts."""
    assert made(OLD).open(ChatPrompt(ASKED, thinking=Thinking(enabled=True)), None).variables["thinking"] is True
    assert made(NEW).traits.reasoning == "none"


def test_earlier_calls_reach_templates_that_leave_them_out() -> None:
    """3.x gets them as text, 4.x as they are."""
    called = Message("assistant", "Well.", tool_calls=(ToolCall("1", "f", '{"n": 1}'),))
    chat = ChatPrompt((*ASKED, called, Message("tool", "2", tool_call_id="1")), (LOOSE,))
    assert made(OLD).open(chat, None).variables["messages"][1] == {
        "role": "assistant",
        "content": f"Well.<|tool_call|>[{RIGHT}]",
    }
    assert made(NEW).open(chat, None).variables["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"n": 1}


@pytest.mark.parametrize(
    ("template", "form", "two"),
    [
        (OLD, "<|tool_call|>[{}]", f"<|tool_call|>[{RIGHT}, {RIGHT}]"),
        (NEW, "<tool_call>\n{}\n</tool_call>", "\n".join([f"<tool_call>\n{RIGHT}\n</tool_call>"] * 2)),
    ],
)
def test_grammars_of_calls(template: str, form: str, two: str) -> None:
    """Required, strict and single calls are enforced."""
    right, wrong = form.replace("{}", RIGHT), form.replace("{}", WRONG)
    required = made(template).open(ChatPrompt(ASKED, (LOOSE,), ToolChoice("required")), None).constraint
    assert accepts(required, right)
    assert accepts(required, wrong)
    assert accepts(required, two)
    assert not accepts(required, "No.")
    strict = made(template).open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert accepts(strict, "No.")
    assert accepts(strict, "Well" + right)
    assert not accepts(strict, wrong)
    one = made(template).open(ChatPrompt(ASKED, (STRICT,), parallel_tool_calls=False), None).constraint
    assert accepts(one, right)
    assert not accepts(one, two)


def test_one_call_at_most() -> None:
    """Without other demands 4.x stops at the end of a call; the list of 3.x needs a grammar."""
    chat = ChatPrompt(ASKED, (LOOSE,), parallel_tool_calls=False)
    assert made(NEW).open(chat, None).stop == ("</tool_call>",)
    assert not accepts(made(OLD).open(chat, None).constraint, f"<|tool_call|>[{RIGHT}, {RIGHT}]")
