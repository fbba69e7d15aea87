"""What is Mistral's own: three forms of calls, ids of nine signs, thoughts in earlier answers, and grammars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Tool, ToolCall, ToolChoice
from jackfield.ports.constraint import JsonObject
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, Piece, ReasoningPiece
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield.testing.marked_vocabulary import MarkedVocabulary
from jackfield.worker.template import ChatTemplate
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine
from jackfield_mistral.dialect import MistralDialect, mistral
from jackfield_mistral.marks import ARGUMENTS, CALL_ID, CALLS, THINK

if TYPE_CHECKING:
    from jackfield.ports.constraint import Constraint

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"
NEMO: Final = "mistralai-Mistral-Nemo-Instruct-2407.jinja"
SMALL: Final = "Mistral-Small-3.2-24B-Instruct-2506.jinja"
DEVSTRAL: Final = "unsloth-mistral-Devstral-Small-2507.jinja"
MINISTRAL: Final = "mistralai-Ministral-3-14B-Reasoning-2512.jinja"
ALL: Final = (NEMO, SMALL, DEVSTRAL, MINISTRAL)

SCHEMA: Final = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
WEATHER: Final = Tool(name="weather", description="The weather", parameters=SCHEMA)
STRICT: Final = Tool(name="weather", parameters=SCHEMA, strict=True)
ASKED: Final = (Message("user", "Rain?"),)
CALLED: Final = Message(
    "assistant", tool_calls=(ToolCall("call_17", "weather", '{"city": "Tromsø"}'), ToolCall("a1b2c3d4e", "weather"))
)
HISTORY: Final = (
    Message("system", "Be brief."),
    Message("user", "Rain?"),
    CALLED,
    Message("tool", "second", tool_call_id="a1b2c3d4e"),
    Message("tool", "first", tool_call_id="call_17"),
)
ENGINES: Final = tuple(
    (vocabulary, LlguidanceEngine(vocabulary, LlguidanceConfig()))
    for vocabulary in (KitVocabulary(), MarkedVocabulary((CALLS, CALL_ID, ARGUMENTS, THINK.begin, THINK.end)))
)


def source(file: str) -> str:
    """A template's text."""
    return (TEMPLATES / file).read_text()


def made(file: str) -> MistralDialect:
    """The dialect for a template of the family."""
    dialect = mistral(ChatFormat(source(file)), named=False)
    assert dialect is not None
    return dialect


def rendered(file: str, chat: ChatPrompt) -> str:
    """The prompt."""
    template = ChatTemplate(source(file), {"bos_token": "<s>", "eos_token": "</s>"}, 100_000)
    text = template.render(made(file).open(chat, None).variables, continue_final=chat.continue_final)
    assert text is not None
    return text


def read(text: str, *, cut: bool = False) -> tuple[list[Piece], bool]:
    """What an answer says, and whether it is malformed."""
    reader = made(MINISTRAL).reader(ChatPrompt(ASKED, (WEATHER,)), "[/INST]")
    return [*reader.feed(text), *reader.end(cut=cut)], reader.malformed


def accepted(constraint: Constraint | None, text: str) -> bool:
    """Whether *text* may be written and ended, in vocabularies with the family's tokens and without."""
    assert constraint is not None
    found = set()
    for vocabulary, engine in ENGINES:
        tokens = [*vocabulary.encode(text, add_bos=False, parse_special=True), KitVocabulary.END_TOKENS[0]]
        found.add(engine.compile(constraint).matcher().allows(tokens) == len(tokens))
    assert len(found) == 1, "it depends on the vocabulary"
    return found.pop()


def test_whose_templates_it_takes() -> None:
    """Those of the family, and no others."""
    files = {path.name for path in TEMPLATES.glob("*.jinja")}
    assert {file for file in files if mistral(ChatFormat(source(file)), named=False)} == {*ALL}
    assert made(NEMO).traits.reasoning == "none"
    assert made(MINISTRAL).traits.reasoning == "always"


@pytest.mark.parametrize("file", ALL)
def test_tools_calls_and_results_reach_the_prompt(file: str) -> None:
    """Results in the order of calls."""
    first = rendered(file, ChatPrompt(ASKED, (WEATHER,)))
    assert first.startswith("<s>")
    assert "[AVAILABLE_TOOLS]" in first
    assert '"city"' in first
    assert "[AVAILABLE_TOOLS]" not in rendered(file, ChatPrompt(ASKED, (WEATHER,), ToolChoice("none")))
    later = rendered(file, ChatPrompt(HISTORY, (WEATHER,)))
    assert '{"city": "Tromsø"}' in later
    assert later.index("Tromsø") < later.index("first") < later.index("second")
    assert rendered(file, ChatPrompt((*ASKED, Message("assistant", "It r")), continue_final=True)).endswith("It r")


@pytest.mark.parametrize("file", [NEMO, SMALL])
def test_ids_become_nine_letters_and_digits(file: str) -> None:
    """The same ones each time; those that are right stay."""
    chat = ChatPrompt(HISTORY, (WEATHER,))
    text = rendered(file, chat)
    assert "call_17" not in text
    assert text.count("a1b2c3d4e") == 2
    messages = made(file).open(chat, None).variables["messages"]
    new = next(message for message in messages if "tool_calls" in message)["tool_calls"][0]["id"]
    assert len(new) == 9
    assert new.isalnum()
    assert text.count(new) == 2
    assert rendered(file, chat) == text


def test_what_the_system_says_is_said_where_nemo_says_it() -> None:
    """With what the user said last, whoever speaks after that."""
    told = (Message("developer", "Be kind."), *ASKED)
    expected = f"[INST]Be kind.\n\n{ASKED[-1].content}[/INST]"
    assert expected in rendered(NEMO, ChatPrompt(told))
    called = Message("assistant", tool_calls=(ToolCall("", "weather"),))
    assert expected in rendered(NEMO, ChatPrompt((*told, called, Message("tool", "rain"))))
    assert expected in rendered(NEMO, ChatPrompt((*told, Message("assistant", "It")), continue_final=True))


@pytest.mark.parametrize(
    "messages",
    [
        (*ASKED, Message("assistant", "No."), *ASKED, Message("assistant", "It")),
        (Message("system", "Be kind."), Message("assistant", "It")),
    ],
)
def test_what_has_nothing_to_move_stays_as_it_is(messages: tuple[Message, ...]) -> None:
    """Neither what somebody else said first, nor where the user has said nothing."""
    opened = made(NEMO).open(ChatPrompt(messages, continue_final=True), None)
    assert [each["content"] for each in opened.variables["messages"]] == [each.content for each in messages]


def test_calls_without_ids_get_ids_that_differ() -> None:
    """Other clients' calls have none."""
    called = Message("assistant", tool_calls=(ToolCall("", "weather"), ToolCall("", "weather")))
    chat = ChatPrompt((*ASKED, called, Message("tool", "rain"), Message("tool", "sun")), (WEATHER,))
    messages = made(NEMO).open(chat, None).variables["messages"]
    ids = [each["id"] for each in messages[1]["tool_calls"]]
    assert len({*ids}) == 2
    assert [message["tool_call_id"] for message in messages[2:]] == ids


def test_thoughts_of_earlier_answers_reach_models_that_think() -> None:
    """They stand in front of what was said."""
    chat = ChatPrompt((*ASKED, Message("assistant", "Yes.", reasoning="Wet."), *ASKED))
    assert "[THINK]Wet.[/THINK]Yes.</s>" in rendered(MINISTRAL, chat)
    assert "Wet." not in rendered(SMALL, chat)


def test_all_in_one_answer() -> None:
    """Thoughts, content, and calls in each form."""
    pieces, malformed = read(
        '[THINK]\nHm. [/THINK] Well. [TOOL_CALLS]weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "\\u00d8"}'
        '[TOOL_CALLS] [{"name": "weather", "arguments": {}, "id": "x"}]'
    )
    assert pieces == [
        ReasoningPiece("Hm."),
        ContentPiece("Well."),
        CallPiece("weather", "a1b2c3d4e"),
        ArgumentsPiece('{"city": "\\u00d8"}'),
        CallPiece("weather"),
        ArgumentsPiece("{}"),
    ]
    assert not malformed


@pytest.mark.parametrize(
    "text",
    [
        "[TOOL_CALLS]whether[ARGS]{}",
        "[TOOL_CALLS]weather",
        '[TOOL_CALLS][{"name": "whether"}]',
        "[TOOL_CALLS]" + "weather " * 200,
    ],
)
def test_what_is_no_call_is_shown(text: str) -> None:
    """As content, and marked; a limit's cut is no mistake."""
    assert read(text) == ([ContentPiece(text)], True)
    assert not read("[TOOL_CALLS]weather[ARG", cut=True)[1]


@pytest.mark.parametrize(
    ("file", "one", "two"),
    [
        (
            NEMO,
            '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Oslo"}}]',
            (
                '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Oslo"}},'
                ' {"name": "weather", "arguments": {"city": "Oslo"}}]'
            ),
        ),
        (
            SMALL,
            '[TOOL_CALLS]weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "Oslo"}',
            (
                '[TOOL_CALLS]weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "Oslo"}'
                '[TOOL_CALLS]weather[CALL_ID]a1b2c3d4f[ARGS]{"city": "Oslo"}'
            ),
        ),
        (
            DEVSTRAL,
            '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}',
            '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}',
        ),
    ],
)
def test_grammars_of_calls(file: str, one: str, two: str) -> None:
    """In the form of the model's template."""
    dialect, required = made(file), ToolChoice("required")
    demanded = dialect.open(ChatPrompt(ASKED, (WEATHER,), required), None).constraint
    assert accepted(demanded, one)
    assert accepted(demanded, two)
    assert not accepted(demanded, "No.")
    assert not accepted(demanded, one.replace("weather", "whether"))
    single = dialect.open(ChatPrompt(ASKED, (WEATHER,), required, parallel_tool_calls=False), None).constraint
    assert accepted(single, one)
    assert not accepted(single, two)
    strict = dialect.open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert accepted(strict, "No [TOOLS] needed.")
    assert accepted(strict, f"Well. {one}")
    assert not accepted(strict, one.replace('"Oslo"', "5"))
    either = dialect.open(ChatPrompt(ASKED, (WEATHER,)), JsonObject()).constraint
    assert accepted(either, '{"a": 1}')
    assert accepted(either, one)
    assert not accepted(either, "No.")


def test_one_call_at_most() -> None:
    """Content may come first."""
    chat = ChatPrompt(ASKED, (WEATHER,), parallel_tool_calls=False)
    constraint = made(DEVSTRAL).open(chat, None).constraint
    assert accepted(constraint, "Well. [TOOL_CALLS]weather[ARGS]{}")
    assert not accepted(constraint, "[TOOL_CALLS]weather[ARGS]{}[TOOL_CALLS]weather[ARGS]{}")
    assert made(DEVSTRAL).open(ChatPrompt(ASKED, (WEATHER,)), None).constraint is None
