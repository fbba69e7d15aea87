"""What is Phi's own: tools in the system's message, two forms of calls, thoughts, and grammars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Tool, ToolCall, ToolChoice
from jackfield.ports.dialect import ContentPiece, ReasoningPiece
from jackfield.worker.template import ChatTemplate
from jackfield_phi.dialect import PhiDialect, phi

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.constraint import Constraint

MINI: Final = Path(__file__).with_name("phi-4-mini.jinja").read_text()
REASONING: Final = Path(__file__).with_name("phi-4-reasoning.jinja").read_text()
ASKED: Final = (Message("user", "?"),)
SCHEMA: Final = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'
LOOSE: Final = Tool(name="f", description="d", parameters=SCHEMA)
STRICT: Final = Tool(name="f", parameters=SCHEMA, strict=True)
RIGHT: Final = '{"name": "f", "arguments": {"n": 1}}'
WRONG: Final = '{"name": "f", "arguments": {"n": "1"}}'


def made(template: str) -> PhiDialect:
    """The dialect for a template of the family."""
    dialect = phi(ChatFormat(template), named=False)
    assert dialect is not None
    return dialect


def rendered(template: str, chat: ChatPrompt) -> str:
    """The prompt of *chat*."""
    text = ChatTemplate(template, {}, 10_000).render(made(template).open(chat, None).variables)
    assert text is not None
    return text


def test_tools_and_their_history_reach_phi_4_mini() -> None:
    """Tools stand in the system's message, calls in the assistant's, results have a role of their own."""
    called = Message("assistant", tool_calls=(ToolCall("1", "f", '{"n": 1}'),))
    chat = ChatPrompt((*ASKED, called, Message("tool", "2", tool_call_id="1")), (LOOSE,))
    told = json.dumps([{"name": "f", "description": "d", "parameters": json.loads(SCHEMA)}])
    assert rendered(MINI, chat) == (
        f"<|system|><|tool|>{told}<|/tool|><|end|><|user|>?<|end|>"
        f"<|assistant|><|tool_call|>[{RIGHT}]<|/tool_call|><|end|><|tool_response|>2<|end|><|assistant|>"
    )
    named = behind_system(chat)
    assert rendered(MINI, named).startswith(f"<|system|>Be kind.<|tool|>{told}<|/tool|>")
    assert "<|tool|>" not in rendered(MINI, ChatPrompt(ASKED))


def behind_system(chat: ChatPrompt) -> ChatPrompt:
    """*chat* behind a word of the system."""
    return ChatPrompt((Message("system", "Be kind."), *chat.messages), chat.tools)


def test_what_the_system_says_reaches_phi_4_reasoning() -> None:
    """Its template would leave it out."""
    assert "user<|im_sep|>Be kind.\n\n?<|im_end|>" in rendered(REASONING, behind_system(ChatPrompt(ASKED)))


def test_phi_4_reasoning_thinks_and_calls_nothing() -> None:
    """Thoughts are taken out of the answer."""
    dialect = made(REASONING)
    assert (dialect.traits.reasoning, dialect.traits.tools) == ("always", False)
    reader = dialect.reader(ChatPrompt(ASKED), "")
    pieces = [*reader.feed("<think>Hm.\n</think>\n\nYes."), *reader.end(cut=False)]
    assert pieces == [ReasoningPiece("Hm."), ContentPiece("Yes.")]


def test_templates_without_marks_are_left_to_others() -> None:
    """Phi-3.5 is served by a dialect that needs none; one that is named serves it."""
    plain = ChatFormat("{{ '<|user|>' + messages[0].content + '<|end|>' }}")
    assert phi(plain, named=False) is None
    dialect = phi(plain, named=True)
    assert dialect is not None
    assert not dialect.traits.tools


@pytest.mark.parametrize(
    ("template", "form"), [(MINI, "<|tool_call|>[{}]<|/tool_call|>"), (MINI + "{# functools #}", "functools[{}]")]
)
def test_grammars_of_calls(template: str, form: str, takes: Callable[[Constraint | None, str], bool]) -> None:
    """Required, strict and single calls are enforced."""
    right, wrong, two = (form.replace("{}", inside) for inside in (RIGHT, WRONG, f"{RIGHT}, {RIGHT}"))
    required = made(template).open(ChatPrompt(ASKED, (LOOSE,), ToolChoice("required")), None).constraint
    assert takes(required, right)
    assert takes(required, wrong)
    assert takes(required, two)
    assert not takes(required, "No.")
    strict = made(template).open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert takes(strict, "No.")
    assert takes(strict, "Well" + right)
    assert not takes(strict, wrong)
    one = made(template).open(ChatPrompt(ASKED, (LOOSE,), parallel_tool_calls=False), None).constraint
    assert takes(one, wrong)
    assert not takes(one, two)
