"""What is harmony's own: channels, one call in an answer, efforts, and grammars that begin behind thoughts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import JsonObject
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, Piece, ReasoningPiece
from jackfield.testing.marked_vocabulary import MarkedVocabulary
from jackfield.worker.engine.thought_marks import ThoughtMarks
from jackfield.worker.engine.thoughts import ThinkingMatcher
from jackfield.worker.template import ChatTemplate
from jackfield_harmony.dialect import HarmonyDialect, harmony
from jackfield_harmony.marks import ALL
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine

if TYPE_CHECKING:
    from jackfield.ports.constraint import Constraint

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"
FILE: Final = "openai-gpt-oss-120b.jinja"
SOURCE: Final = (TEMPLATES / FILE).read_text()

SCHEMA: Final = """{"type": "object", "required": ["city"], "properties": {
    "city": {"type": "string", "description": "Which"}, "tags": {"type": "array", "items": {"type": "string"}}}}"""
WEATHER: Final = Tool(name="weather", description="The weather", parameters=SCHEMA)
STRICT: Final = Tool(name="weather", parameters=SCHEMA, strict=True)
NOW: Final = Tool(name="now", description="The time")
ASKED: Final = (Message("user", "Rain?"),)
VOCABULARY: Final = MarkedVocabulary(ALL)
ENGINE: Final = LlguidanceEngine(VOCABULARY, LlguidanceConfig())
CALL: Final = '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Oslo"}'

THOUGHT: Final = "<|channel|>analysis<|message|>Hm <b>.<|end|><|start|>assistant"
DEMANDED: Final = ChatPrompt(ASKED, (WEATHER,), ToolChoice("required"))


def rendered(chat: ChatPrompt) -> str:
    """The prompt."""
    template = ChatTemplate(SOURCE, {}, 100_000)
    text = template.render(HarmonyDialect().open(chat, None).variables, continue_final=chat.continue_final)
    assert text is not None
    return text


def read(text: str, *, continued: bool = False, cut: bool = False) -> tuple[list[Piece], bool]:
    """What an answer says, and whether it is malformed."""
    messages = (*ASKED, Message("assistant", "It")) if continued else ASKED
    chat = ChatPrompt(messages, (WEATHER, NOW), continue_final=continued)
    reader = HarmonyDialect().reader(chat, "It" if continued else "<|start|>assistant")
    return [*reader.feed(text), *reader.end(cut=cut)], reader.malformed


def accepted(constraint: Constraint | None, text: str) -> bool:
    """Whether *text* may be written and ended."""
    assert constraint is not None
    tokens = [*VOCABULARY.encode(text, add_bos=False, parse_special=True), VOCABULARY.END_TOKENS[1]]
    return ENGINE.compile(constraint).matcher().allows(tokens) == len(tokens)


def test_whose_templates_it_takes() -> None:
    """Those of the family, and no others."""
    files = {path.name for path in TEMPLATES.glob("*.jinja")}
    assert {file for file in files if harmony(ChatFormat((TEMPLATES / file).read_text()), named=False)} == {FILE}


def test_tools_and_instructions_reach_the_prompt() -> None:
    """All of them, wherever they stand."""
    messages = (Message("system", "Be brief."), Message("developer", "Be kind."), *ASKED, Message("system", "Now!"))
    text = rendered(ChatPrompt(messages, (WEATHER, NOW)))
    assert "# Instructions\n\nBe brief.\n\nBe kind.\n\nNow!\n\n# Tools" in text
    assert "// The weather\ntype weather = (_: {\n// Which\ncity: string,\ntags?: string[],\n}) => any;" in text
    assert "type now = () => any;" in text
    assert text.endswith("<|start|>user<|message|>Rain?<|end|><|start|>assistant")
    assert "# Tools" not in rendered(ChatPrompt(ASKED, (WEATHER,), ToolChoice("none")))


def test_each_call_of_the_history_has_its_result_behind_it() -> None:
    """The template takes one call of a message, and names the tool of the last."""
    called = Message(
        "assistant", "Looking.", (ToolCall("a", "weather", '{"city": "Tromsø"}'), ToolCall("b", "now")), reasoning="Hm."
    )
    results = (Message("tool", "noon", tool_call_id="b"), Message("tool", "rain", tool_call_id="a"))
    text = rendered(ChatPrompt((*ASKED, called, *results), (WEATHER, NOW)))
    assert text.endswith(
        "<|start|>assistant<|channel|>analysis<|message|>Hm.\n\nLooking.<|end|>"
        '<|start|>assistant to=functions.weather<|channel|>commentary json<|message|>{"city": "Tromsø"}<|call|>'
        '<|start|>functions.weather to=assistant<|channel|>commentary<|message|>"rain"<|end|>'
        "<|start|>assistant to=functions.now<|channel|>commentary json<|message|>{}<|call|>"
        '<|start|>functions.now to=assistant<|channel|>commentary<|message|>"noon"<|end|>'
        "<|start|>assistant"
    )


def test_an_answer_is_continued() -> None:
    """In the channel for answers."""
    chat = ChatPrompt((*ASKED, Message("assistant", "It", reasoning="Hm.")), continue_final=True)
    assert rendered(chat).endswith("<|start|>assistant<|channel|>final<|message|>It")
    assert read(" rains.<|return|>", continued=True)[0] == [ContentPiece("rains.")]


def test_efforts() -> None:
    """Three; others are refused, and so is none."""
    assert "Reasoning: medium" in rendered(ChatPrompt(ASKED))
    assert "Reasoning: low" in rendered(ChatPrompt(ASKED, thinking=Thinking(effort="low")))
    with pytest.raises(InvalidRequest, match="low, medium, high") as refusal:
        HarmonyDialect().open(ChatPrompt(ASKED, thinking=Thinking(effort="extreme", param="reasoning.effort")), None)
    assert refusal.value.param == "reasoning.effort"
    assert HarmonyDialect().traits.reasoning == "always"


def test_channels() -> None:
    """Thoughts, what is said before a call, and the call."""
    pieces, malformed = read(
        "<|channel|>analysis<|message|>Hm. <|end|>"
        "<|start|>assistant<|channel|>analysis<|message|>Well.<|end|>"
        "<|start|>assistant<|channel|>commentary<|message|>Looking.<|end|>"
        f"<|start|>assistant{CALL}<|call|>"
    )
    assert pieces == [
        ReasoningPiece("Hm.\n\nWell."),
        ContentPiece("Looking."),
        CallPiece("weather"),
        ArgumentsPiece('{"city": "Oslo"}'),
    ]
    assert not malformed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<|channel|>final<|message|>Yes.<|return|>", "Yes."),
        ("<|channel|>final<|message|>Yes.", "Yes."),
        ("<|message|>Yes.<|end|>", "Yes."),
        ("Yes.", "Yes."),
        ('{"a": "to=1"}', '{"a": "to=1"}'),
        (
            "<|channel|>commentary<|message|>One.<|end|><|start|>assistant<|channel|>final<|message|>Two.",
            "One.\n\nTwo.",
        ),
        ("<|channel|>final<|message|>One.<|start|>assistant<|channel|>final<|message|>Two.", "One.\n\nTwo."),
        ("<|end|><|start|>assistant<|channel|>final<|message|>Yes.", "Yes."),
    ],
)
def test_what_is_said(text: str, said: str) -> None:
    """Whatever ends a message, and with or without a channel."""
    pieces, malformed = read(text)
    assert "".join(piece.text for piece in pieces if isinstance(piece, ContentPiece)) == said
    assert len([piece for piece in pieces if not isinstance(piece, ContentPiece)]) == 0
    assert not malformed


def test_calls_without_arguments() -> None:
    """An empty message is an empty object, unless a limit ended it."""
    text = "<|channel|>commentary to=functions.now<|message|>"
    assert read(f"{text}<|call|>") == ([CallPiece("now"), ArgumentsPiece("{}")], False)
    assert read(text) == ([CallPiece("now"), ArgumentsPiece("{}")], False)
    assert read(text, cut=True) == ([CallPiece("now")], False)


def test_what_is_no_call_is_shown() -> None:
    """Tools of nobody, and arguments that are none."""
    python = "<|channel|>analysis to=python code<|message|>print(1)"
    assert read(python) == ([ContentPiece(python)], True)
    pieces, malformed = read("<|channel|>commentary to=functions.now <|constrain|>json<|message|>now")
    assert (pieces, malformed) == ([CallPiece("now"), ContentPiece("now")], True)
    assert read("<|channel|>" + "x" * 2000)[1]


def test_grammars_of_calls() -> None:
    """They begin behind the thoughts, with a channel."""
    dialect = HarmonyDialect()
    demanded = dialect.open(ChatPrompt(ASKED, (WEATHER,), ToolChoice("required")), None)
    assert accepted(demanded.constraint, CALL)
    assert not accepted(demanded.constraint, "<|channel|>final<|message|>No.")
    assert demanded.thinking is not None
    assert (demanded.thinking.end, demanded.thinking.after) == ("<|end|>", "<|start|>assistant")
    strict = dialect.open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert accepted(strict, "<|channel|>final<|message|>No | need <.")
    assert accepted(strict, CALL)
    assert accepted(strict, f"<|channel|>commentary<|message|>Well.<|end|><|start|>assistant{CALL}")
    assert not accepted(strict, CALL.replace('"Oslo"', "5"))
    either = dialect.open(ChatPrompt(ASKED, (WEATHER,)), JsonObject()).constraint
    assert accepted(either, CALL)
    assert accepted(either, '<|channel|>final<|message|>{"a": 1}')
    assert not accepted(either, "<|channel|>final<|message|>No.")


def test_what_the_content_must_be_begins_behind_the_channel() -> None:
    """Without tools the engine writes the channel, so that any constraint will do."""
    asked = JsonObject()
    opening = HarmonyDialect().open(ChatPrompt(ASKED), asked)
    assert opening.constraint is asked
    assert opening.thinking is not None
    assert opening.thinking.after == "<|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(
    ("chat", "asked", "text", "fits"),
    [
        (DEMANDED, None, f"{THOUGHT}{CALL}", True),
        (DEMANDED, None, CALL, True),
        (DEMANDED, None, f"{THOUGHT}<|channel|>final<|message|>No.", False),
        (DEMANDED, None, "<|channel|>final<|message|>No.", False),
        (ChatPrompt(ASKED), JsonObject(), f'{THOUGHT}<|channel|>final<|message|>{{"a": 1}}', True),
        (ChatPrompt(ASKED), JsonObject(), f"{THOUGHT}<|channel|>final<|message|>No.", False),
        (ChatPrompt(ASKED), JsonObject(), f"{THOUGHT}{CALL}", False),
    ],
)
def test_the_engine_lets_it_think_and_holds_it_to_the_grammar_then(
    chat: ChatPrompt, asked: Constraint | None, text: str, *, fits: bool
) -> None:
    """Thoughts and answers begin with the same mark; what follows it tells them apart."""
    opening = HarmonyDialect().open(chat, asked)
    assert opening.thinking is not None
    assert opening.constraint is not None
    marks, grammar = ThoughtMarks(VOCABULARY, opening.thinking), ENGINE.compile(opening.constraint)
    marks.prepare()
    matcher = ThinkingMatcher(
        marks, None, grammar.matcher(), grammar.matcher(), begun=False, ends=VOCABULARY.end_tokens
    )
    assert all(allowed(matcher, token) for token in VOCABULARY.encode(text, add_bos=False, parse_special=True)) == fits


def allowed(matcher: ThinkingMatcher, token: int) -> bool:
    """Whether *token* may come next; it then has come."""
    mask = np.zeros(-(-VOCABULARY.vocabulary // 32), np.uint32)
    matcher.mask(mask)
    if not mask[token // 32] >> (token % 32) & 1:
        return False
    matcher.accept(token)
    return True


def test_thoughts_that_were_ended_do_not_go_on() -> None:
    """Behind a budget comes an answer or a call."""
    chat = ChatPrompt(ASKED, (WEATHER,), thinking=Thinking(budget=10))
    constraint = HarmonyDialect().open(chat, None).constraint
    assert accepted(constraint, CALL)
    assert accepted(constraint, "<|channel|>final<|message|>No.")
    assert not accepted(constraint, "<|channel|>analysis<|message|>Hm.")
