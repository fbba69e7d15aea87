"""What is DeepSeek's own: three forms of calls, habits of templates, and grammars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import JsonObject
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, Piece, ReasoningPiece
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield.testing.marked_vocabulary import MarkedVocabulary
from jackfield.worker.template import ChatTemplate
from jackfield_deepseek.dialect import DeepseekDialect, deepseek
from jackfield_deepseek.marks import CALL, CALL_END, CALLS, CALLS_END, DSML, SEPARATOR
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine

if TYPE_CHECKING:
    from jackfield.ports.constraint import Constraint

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"
LLAMA: Final = "deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja"
QWEN: Final = "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja"
R1: Final = "llama-cpp-deepseek-r1.jinja"
V31: Final = "deepseek-ai-DeepSeek-V3.1.jinja"
V32: Final = "deepseek-ai-DeepSeek-V3.2.jinja"
V4: Final = "deepseek-ai-DeepSeek-V4.jinja"
FLASH: Final = "deepseek-ai-DeepSeek-V4-Flash-0731.jinja"
ALL: Final = (LLAMA, QWEN, R1, V31, V32, V4, FLASH)

SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Which"},
            "days": {"type": "integer"},
            "unit": {"$ref": "#/$defs/unit"},
        },
        "required": ["city"],
        "$defs": {"unit": {"enum": ["C", "F"]}},
    }
)
WEATHER: Final = Tool(name="weather", description="The weather", parameters=SCHEMA)
STRICT: Final = Tool(name="weather", parameters=SCHEMA, strict=True)
ASKED: Final = (Message("user", "Rain?"),)
CALLED: Final = Message(
    "assistant", "Looking.", (ToolCall("x", "weather", '{"city": "Tromsø"}'), ToolCall("y", "weather")), reasoning="Hm."
)
RESULTS: Final = (Message("tool", "sunshine", tool_call_id="y"), Message("tool", "drizzle", tool_call_id="x"))
ENGINES: Final = tuple(
    (vocabulary, LlguidanceEngine(vocabulary, LlguidanceConfig()))
    for vocabulary in (KitVocabulary(), MarkedVocabulary((CALLS, CALLS_END, CALL, CALL_END, SEPARATOR, DSML)))
)


def source(file: str) -> str:
    """A template's text."""
    return (TEMPLATES / file).read_text()


def made(file: str) -> DeepseekDialect:
    """The dialect for a template of the family."""
    dialect = deepseek(ChatFormat(source(file)), named=False)
    assert dialect is not None
    return dialect


def rendered(file: str, chat: ChatPrompt) -> str:
    """The prompt."""
    template = ChatTemplate(source(file), {"bos_token": "<BOS>"}, 100_000)
    text = template.render(made(file).open(chat, None).variables, continue_final=chat.continue_final)
    assert text is not None
    return text


def read(text: str, prompt_end: str = "", *, cut: bool = False) -> tuple[list[Piece], bool]:
    """What an answer says, and whether it is malformed; every form is read whatever the template is."""
    reader = made(R1).reader(ChatPrompt(ASKED, (WEATHER,)), prompt_end)
    return [*reader.feed(text), *reader.end(cut=cut)], reader.malformed


def arguments(pieces: list[Piece]) -> object:
    """Of the only call."""
    return json.loads("".join(piece.text for piece in pieces if isinstance(piece, ArgumentsPiece)))


def accepted(constraint: Constraint | None, text: str) -> bool:
    """Whether *text* may be written and ended, in vocabularies with the family's tokens and without."""
    assert constraint is not None
    found = set()
    for vocabulary, engine in ENGINES:
        tokens = [*vocabulary.encode(text, add_bos=False, parse_special=True), KitVocabulary.END_TOKENS[0]]
        found.add(engine.compile(constraint).matcher().allows(tokens) == len(tokens))
    assert len(found) == 1, "it depends on the vocabulary"
    return found.pop()


def tags(*values: tuple[str, str, str], block: str = "tool_calls") -> str:
    """A call between tags."""
    inside = (
        f'<｜DSML｜parameter name="{name}" string="{string}">{value}</｜DSML｜parameter>\n'
        for name, string, value in values
    )
    invoke = f'<｜DSML｜invoke name="weather">\n{"".join(inside)}</｜DSML｜invoke>\n'
    return f"<｜DSML｜{block}>\n{invoke}</｜DSML｜{block}>"


def test_whose_templates_it_takes() -> None:
    """Those of the family, and no others."""
    files = {path.name for path in TEMPLATES.glob("*.jinja")}
    assert {file for file in files if deepseek(ChatFormat(source(file)), named=False)} == {*ALL}
    assert {file for file in ALL if made(file).traits.reasoning == "always"} == {LLAMA, R1}
    assert [made(file).traits.efforts for file in (V32, V4, FLASH)] == [(), ("max",), ("high", "max")]


@pytest.mark.parametrize("file", ALL)
def test_tools_calls_and_results_reach_the_prompt(file: str) -> None:
    """Results in the order of calls, what was said before, and tools of which the template says nothing."""
    text = rendered(file, ChatPrompt((Message("developer", "Be brief."), *ASKED), (WEATHER,)))
    assert text.count("The weather") == 1
    assert text.index("The weather") < text.index("Rain?")
    assert "Be brief." in text
    assert "The weather" not in rendered(file, ChatPrompt(ASKED, (WEATHER,), ToolChoice("none")))
    later = rendered(file, ChatPrompt((*ASKED, CALLED, *RESULTS), (WEATHER,)))
    assert later.index("Looking.") < later.index("Tromsø") < later.index("drizzle") < later.index("sunshine")
    assert "\\u00f8" not in later
    assert '\\"city' not in later


def test_calls_of_the_history_look_as_the_model_writes_them() -> None:
    """In each form."""
    chat = ChatPrompt((*ASKED, CALLED, *RESULTS), (WEATHER,))
    fenced = f'{CALL}function{SEPARATOR}weather\n```json\n{{"city": "Tromsø"}}\n```{CALL_END}'
    for file in (LLAMA, QWEN, R1):
        assert fenced in rendered(file, chat)
    assert f'{CALLS}{CALL}weather{SEPARATOR}{{"city": "Tromsø"}}{CALL_END}' in rendered(V31, chat)
    tagged = '<｜DSML｜parameter name="city" string="true">Tromsø</｜DSML｜parameter>'
    assert f'<｜DSML｜function_calls>\n<｜DSML｜invoke name="weather">\n{tagged}' in rendered(V32, chat)
    assert f'<｜DSML｜tool_calls>\n<｜DSML｜invoke name="weather">\n{tagged}' in rendered(V4, chat)


def test_all_instructions_reach_the_prompt() -> None:
    """Some templates show only the last."""
    messages = (Message("system", "Be brief."), *ASKED, Message("developer", "Be kind."))
    assert all("Be brief.\n\nBe kind." in rendered(file, ChatPrompt(messages)) for file in ALL)


@pytest.mark.parametrize("file", [QWEN, V31, V32, V4, FLASH])
def test_thoughts_are_switched(file: str) -> None:
    """By the variable that the template has."""
    with_thoughts = rendered(file, ChatPrompt(ASKED, thinking=Thinking(enabled=True)))
    without = rendered(file, ChatPrompt(ASKED, thinking=Thinking(enabled=False)))
    assert with_thoughts.rstrip().endswith("<think>")
    assert without.endswith("</think>")


def test_efforts_reach_templates_that_know_them() -> None:
    """Others are thoughts as usual."""
    hardest = ChatPrompt(ASKED, thinking=Thinking(enabled=True, effort="max"))
    assert "Reasoning Effort" in rendered(V4, hardest)
    hard = ChatPrompt(ASKED, thinking=Thinking(enabled=True, effort="high"))
    assert "Reasoning Effort" in rendered(FLASH, hard)
    assert "Reasoning Effort" not in rendered(V4, hard)


def test_an_answer_is_continued() -> None:
    """Where it ended."""
    chat = ChatPrompt((*ASKED, Message("assistant", "It r")), continue_final=True)
    assert all(rendered(file, chat).endswith("It r") for file in ALL)


@pytest.mark.parametrize(
    "call",
    [
        f'{CALLS}{CALL}function{SEPARATOR}weather\n```json\n{{"city": "Os`lo"}}\n```{CALL_END}{CALLS_END}',
        f'{CALLS}{CALL}function{SEPARATOR}weather\n```json\n{{"city": "Os`lo"}}\n```\n{CALL_END}',
        f'{CALL}function{SEPARATOR}weather\n{{"city": "Os`lo"}}{CALLS_END}',
        f'<｜tool_calls_begin｜>weather{SEPARATOR}{{"city": "Os`lo"}}',
        f'{CALLS}{CALL}weather{SEPARATOR}{{"city": "Os`lo"}}{CALL_END}{CALLS_END}',
        tags(("city", "true", "Os`lo")),
        tags(("city", "true", "Os`lo"), block="function_calls"),
        tags(("city", "false", '"Os`lo"')),
        tags(("city", "true", "Os`lo")).replace(' string="true"', ""),
    ],
)
def test_forms_of_calls(call: str) -> None:
    """Those of all templates, and how models vary them."""
    pieces, malformed = read(f"Hm.</think>\n\nLooking.\n\n{call}", "<think>\n")
    assert pieces[:3] == [ReasoningPiece("Hm."), ContentPiece("Looking."), CallPiece("weather")]
    assert arguments(pieces) == {"city": "Os`lo"}
    assert not malformed


def test_parameters_are_what_their_tags_say() -> None:
    """Text is escaped; all else is JSON."""
    pieces, malformed = read(
        tags(("city", "true", '5 "<b>\n\\'), ("days", "false", "2"), ("x", "false", '["a", null]'))
    )
    assert arguments(pieces) == {"city": '5 "<b>\n\\', "days": 2, "x": ["a", None]}
    assert not malformed
    assert arguments(read(tags())[0]) == {}


@pytest.mark.parametrize(
    "text",
    [
        f"{CALLS}{CALL}whether{SEPARATOR}{{}}{CALL_END}",
        f"{CALLS}Rain",
        "<｜DSML｜tool_calls>\nRain",
        tags().replace('"weather"', '"whether"'),
    ],
)
def test_what_is_no_call_is_shown(text: str) -> None:
    """As content, and marked; a limit's cut is no mistake."""
    assert read(text) == ([ContentPiece(text)], True)
    assert not read(text[:12], cut=True)[1]


@pytest.mark.parametrize(
    ("file", "one", "two"),
    [
        (
            R1,
            f'{CALLS}{CALL}function{SEPARATOR}weather\n```json\n{{"city": "Oslo"}}\n```{CALL_END}{CALLS_END}',
            (
                f'{CALLS}{CALL}function{SEPARATOR}weather\n```json\n{{"city": "Oslo"}}\n```{CALL_END}\n'
                f"{CALL}function{SEPARATOR}weather\n```json\n{{}}\n```{CALL_END}{CALLS_END}"
            ),
        ),
        (
            V31,
            f'{CALLS}{CALL}weather{SEPARATOR}{{"city": "Oslo"}}{CALL_END}{CALLS_END}',
            (
                f'{CALLS}{CALL}weather{SEPARATOR}{{"city": "Oslo"}}{CALL_END}'
                f"{CALL}weather{SEPARATOR}{{}}{CALL_END}{CALLS_END}"
            ),
        ),
    ],
)
def test_grammars_of_calls_with_json(file: str, one: str, two: str) -> None:
    """In the form of the model's template."""
    dialect, required = made(file), ToolChoice("required")
    demanded = dialect.open(ChatPrompt(ASKED, (WEATHER,), required), None).constraint
    assert accepted(demanded, one)
    assert accepted(demanded, two)
    assert not accepted(demanded, "No.")
    single = dialect.open(ChatPrompt(ASKED, (WEATHER,), parallel_tool_calls=False), None).constraint
    assert accepted(single, f"Well.\n\n{one}")
    assert not accepted(single, two)
    strict = dialect.open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert accepted(strict, "No < need.")
    assert accepted(strict, one)
    assert not accepted(strict, one.replace('"Oslo"', "5"))
    either = dialect.open(ChatPrompt(ASKED, (WEATHER,)), JsonObject()).constraint
    assert accepted(either, '{"a": 1}')
    assert accepted(either, one)
    assert not accepted(either, "No.")


def test_grammars_of_calls_with_tags() -> None:
    """Arguments in the order of the schema; strings as text, all else as JSON."""
    demanded = made(V4).open(ChatPrompt(ASKED, (WEATHER,), ToolChoice("required")), None).constraint
    assert accepted(demanded, tags())
    assert accepted(demanded, tags(("a", "true", "x </b> <c"), ("b", "false", '{"c": [1]}')))
    assert not accepted(demanded, "No.")
    assert not accepted(demanded, tags(block="function_calls"))
    assert accepted(
        made(V32).open(ChatPrompt(ASKED, (WEATHER,), ToolChoice("required")), None).constraint,
        tags(block="function_calls"),
    )
    strict = made(V4).open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert accepted(strict, "No < need.")
    whole = (("city", "true", "<Oslo>"), ("days", "false", "2"), ("unit", "false", '"C"'))
    assert accepted(strict, f"Well.\n\n{tags(*whole)}")
    assert accepted(strict, tags(whole[0], whole[2]))
    assert accepted(strict, tags(("city", "true", "")))
    assert not accepted(strict, tags(whole[1]))
    assert not accepted(strict, tags(whole[0], ("days", "false", "two")))
    assert not accepted(strict, tags(whole[0], ("unit", "false", '"K"')))
    assert not accepted(strict, tags(whole[0], ("x", "true", "y")))


@pytest.mark.parametrize("more", [{"minProperties": 1}, {"required": ["x"]}])
def test_what_cannot_be_enforced_is_refused(more: dict[str, object]) -> None:
    """Each argument is written by itself; what is demanded of all of them names its tool."""
    schema = json.dumps({"type": "object", "properties": {"a": {"type": "string"}}, **more})
    tool = Tool(name="f", parameters=schema, strict=True, param="tools[0]")
    with pytest.raises(InvalidRequest, match=next(iter(more))) as refusal:
        made(V4).open(ChatPrompt(ASKED, (tool,)), None)
    assert refusal.value.param == "tools[0]"
