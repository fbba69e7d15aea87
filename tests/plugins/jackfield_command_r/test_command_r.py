"""What is Command R's own: lists of actions, marks around answers, switches of thoughts, and grammars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.ports.constraint import JsonObject
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, Piece, ReasoningPiece
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield.testing.marked_vocabulary import MarkedVocabulary
from jackfield.worker.template import ChatTemplate
from jackfield_command_r.dialect import command_r
from jackfield_command_r.marks import ACTION, ACTION_END, AROUND_CONTENT
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine

if TYPE_CHECKING:
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatDialect

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"
PLUS: Final = "CohereForAI-c4ai-command-r-plus-tool_use.jinja"
SEVEN: Final = "CohereForAI-c4ai-command-r7b-12-2024-tool_use.jinja"
MINI: Final = "Cohere2MoE.jinja"
ALL: Final = (PLUS, SEVEN, MINI)

SCHEMA: Final = '{"type": "object", "properties": {"city": {"type": "string", "description": "Which"}}}'
WEATHER: Final = Tool(name="weather", description="The weather", parameters=SCHEMA)
STRICT: Final = Tool(name="weather", parameters=SCHEMA, strict=True)
ASKED: Final = (Message("user", "Rain?"),)
CALLED: Final = Message(
    "assistant", "Looking.", (ToolCall("x", "weather", '{"city": "Tromsø"}'), ToolCall("y", "weather")), reasoning="Hm."
)
RESULTS: Final = (Message("tool", "sunshine", tool_call_id="y"), Message("tool", "drizzle", tool_call_id="x"))
ENGINES: Final = tuple(
    (vocabulary, LlguidanceEngine(vocabulary, LlguidanceConfig()))
    for vocabulary in (KitVocabulary(), MarkedVocabulary((ACTION, ACTION_END, *AROUND_CONTENT)))
)
ONE: Final = '[\n    {"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Oslo"}}\n]'
TWO: Final = ONE.replace("\n]", ',\n    {"tool_call_id": "1", "tool_name": "weather", "parameters": {}}\n]')
LISTED: Final = '[\n    {\n        "tool_name": "weather",\n        "parameters": {"city": "Oslo"}\n    }\n]'


def source(file: str) -> str:
    """A template's text."""
    return (TEMPLATES / file).read_text()


def made(file: str) -> ChatDialect:
    """The dialect for a template of the family."""
    dialect = command_r(ChatFormat(source(file)), named=False)
    assert dialect is not None
    return dialect


def rendered(file: str, chat: ChatPrompt) -> str:
    """The prompt."""
    template = ChatTemplate(source(file), {"bos_token": "<BOS>"}, 100_000)
    text = template.render(made(file).open(chat, None).variables, continue_final=chat.continue_final)
    assert text is not None
    return text


def read(file: str, text: str, prompt_end: str = "", *, cut: bool = False) -> tuple[list[Piece], bool]:
    """What an answer says, and whether it is malformed."""
    reader = made(file).reader(ChatPrompt(ASKED, (WEATHER,)), prompt_end)
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
    assert {file for file in files if command_r(ChatFormat(source(file)), named=False)} == {*ALL}
    assert [made(file).traits.reasoning for file in ALL] == ["none", "optional", "optional"]


@pytest.mark.parametrize("file", ALL)
def test_tools_calls_and_results_reach_the_prompt(file: str) -> None:
    """Results in the order of calls, and what was said before."""
    assert "The weather" in rendered(file, ChatPrompt(ASKED, (WEATHER,)))
    assert "The weather" not in rendered(file, ChatPrompt(ASKED, (WEATHER,), ToolChoice("none")))
    text = rendered(file, ChatPrompt((*ASKED, CALLED, *RESULTS), (WEATHER,)))
    assert text.index("Looking.") < text.index("Tromsø") < text.index("drizzle") < text.index("sunshine")


@pytest.mark.parametrize("file", [SEVEN, MINI])
def test_results_are_found_by_ids_that_are_there_once(file: str) -> None:
    """Clients may use one id in every turn."""
    messages = (*ASKED, CALLED, *RESULTS, Message("assistant", "Rain."), *ASKED, CALLED, *RESULTS)
    text = rendered(file, ChatPrompt(messages, (WEATHER,)))
    assert text.count("drizzle") == 2
    assert [text.count(f'"tool_call_id": "{number}"') for number in range(5)] == [2, 2, 2, 2, 0]
    assert "<|START_THINKING|>Hm.\n\nLooking.<|END_THINKING|><|START_ACTION|>" in text


@pytest.mark.parametrize(("file", "by_default"), [(SEVEN, False), (MINI, True)])
def test_thoughts_are_switched(file: str, *, by_default: bool) -> None:
    """The prompt has none, or lets them begin."""

    def none(thinking: Thinking) -> bool:
        return rendered(file, ChatPrompt(ASKED, thinking=thinking)).endswith("<|START_THINKING|><|END_THINKING|>")

    assert none(Thinking(enabled=False))
    assert not none(Thinking(enabled=True))
    assert none(Thinking()) != by_default


def test_all_in_one_answer() -> None:
    """Thoughts, calls, and answers between marks; ids of the model are not there once."""
    text = f"<|START_THINKING|>Hm.<|END_THINKING|><|START_ACTION|>{TWO}<|END_ACTION|>"
    pieces, malformed = read(SEVEN, text)
    assert pieces == [
        ReasoningPiece("Hm."),
        CallPiece("weather"),
        ArgumentsPiece('{"city": "Oslo"}'),
        CallPiece("weather"),
        ArgumentsPiece("{}"),
    ]
    assert not malformed
    assert read(SEVEN, "Hm.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>", "<|START_THINKING|>")[0] == [
        ReasoningPiece("Hm."),
        ContentPiece("Yes."),
    ]
    assert read(MINI, "<|START_TEXT|> Yes. <|END_TEXT|>")[0] == [ContentPiece("Yes.")]


def test_lists() -> None:
    """Before R7B; what is no list is content, and answering directly is no call."""
    pieces, malformed = read(PLUS, f"Well.\nAction:\n```json\n{LISTED}```")
    assert pieces == [ContentPiece("Well."), CallPiece("weather"), ArgumentsPiece('{"city": "Oslo"}')]
    assert not malformed
    direct = LISTED.replace("weather", "directly-answer")
    assert read(PLUS, f"Action: ```json\n{direct}```") == ([], False)
    assert read(PLUS, "Action: none.") == ([ContentPiece("Action: none.")], False)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (SEVEN, f"<|START_ACTION|>{ONE.replace('weather', 'whether')}<|END_ACTION|>"),
        (SEVEN, "<|START_ACTION|>Rain"),
        (PLUS, f"Action:\n```json\n{LISTED.replace('weather', 'whether')}```"),
    ],
)
def test_what_is_no_call_is_shown(file: str, text: str) -> None:
    """As content, and marked; a limit's cut is no mistake."""
    assert read(file, text) == ([ContentPiece(text)], True)
    assert not read(file, "<|START_ACTION|>[{", cut=True)[1]


@pytest.mark.parametrize(("file", "mark"), [(SEVEN, "<|START_RESPONSE|>"), (MINI, "<|START_TEXT|>")])
def test_grammars_of_actions(file: str, mark: str) -> None:
    """An action, or an answer behind its mark."""
    dialect, required = made(file), ToolChoice("required")
    one, two = f"<|START_ACTION|>{ONE}<|END_ACTION|>", f"<|START_ACTION|>{TWO}<|END_ACTION|>"
    demanded = dialect.open(ChatPrompt(ASKED, (WEATHER,), required), None).constraint
    assert accepted(demanded, one)
    assert accepted(demanded, two)
    assert not accepted(demanded, f"{mark}No.")
    single = dialect.open(ChatPrompt(ASKED, (WEATHER,), parallel_tool_calls=False), None).constraint
    assert accepted(single, one)
    assert accepted(single, f"{mark}No <of> these.")
    assert not accepted(single, two)
    strict = dialect.open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert accepted(strict, one)
    assert not accepted(strict, one.replace('"Oslo"', "5"))
    either = dialect.open(ChatPrompt(ASKED, (WEATHER,)), JsonObject())
    assert accepted(either.constraint, f'{mark}{{"a": 1}}')
    assert accepted(either.constraint, one)
    assert not accepted(either.constraint, f"{mark}No.")
    assert either.thinking is not None
    assert either.thinking.after == ""


def test_grammars_of_lists() -> None:
    """Behind whatever is said."""
    one = f"Action:\n```json\n{LISTED}```"
    demanded = made(PLUS).open(ChatPrompt(ASKED, (WEATHER,), ToolChoice("required")), None).constraint
    assert accepted(demanded, one)
    assert not accepted(demanded, "No.")
    strict = made(PLUS).open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert accepted(strict, f"Action!\n{one}")
    assert accepted(strict, "Action: none.")
    assert not accepted(strict, one.replace('"Oslo"', "5"))


def test_what_the_content_must_be_begins_behind_its_mark() -> None:
    """Without tools the engine writes the mark behind the thoughts."""
    asked = JsonObject()
    opening = made(SEVEN).open(ChatPrompt(ASKED), asked)
    assert opening.constraint is asked
    assert opening.thinking is not None
    assert opening.thinking.after == "<|START_RESPONSE|>"
