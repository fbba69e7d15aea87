"""What is Gemma's own: values with quotes of their own, thoughts anywhere, calls in JSON where the prompt asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatFormat, ChatPrompt, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece, Piece, ReasoningPiece
from jackfield.worker.template import ChatTemplate
from jackfield_gemma.dialect import gemma

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatDialect

TEMPLATES: Final = Path(__file__).parents[2] / "fixtures" / "templates"
FOUR: Final = (TEMPLATES / "google-gemma-4-31B-it.jinja").read_text()
TWO: Final = (TEMPLATES / "google-gemma-2-2b-it.jinja").read_text()
ASKED: Final = (Message("user", "?"),)
SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": ["integer", "null"]},
            "unit": {"enum": ["C", "F", 1, None]},
            "where": {"$ref": "#/$defs/where"},
            "tags": {"type": "array", "items": {"type": "boolean"}},
        },
        "required": ["city", "unit"],
        "$defs": {
            "where": {
                "type": "object",
                "properties": {"x:y": {"type": "number"}, "inner": {"$ref": "#/$defs/where"}},
                "additionalProperties": False,
            }
        },
    }
)
LOOSE: Final = Tool(name="f", description="d", parameters=SCHEMA)
STRICT: Final = Tool(name="f", parameters=SCHEMA, strict=True)


def made(template: str = FOUR) -> ChatDialect:
    """The dialect for a template of the family."""
    dialect = gemma(ChatFormat(template), named=False)
    assert dialect is not None
    return dialect


def read(text: str, template: str = FOUR, *, cut: bool = False) -> tuple[list[Piece], bool]:
    """What an answer says, and whether it is malformed."""
    reader = made(template).reader(ChatPrompt(ASKED, (LOOSE,)), "")
    return [*reader.feed(text), *reader.end(cut=cut)], reader.malformed


def arguments(pieces: list[Piece]) -> object:
    """Of the only call."""
    return json.loads("".join(piece.text for piece in pieces if isinstance(piece, ArgumentsPiece)))


def said(pieces: list[Piece]) -> str:
    """All content."""
    return "".join(piece.text for piece in pieces if isinstance(piece, ContentPiece))


def written(value: object) -> str:
    """*value* as Gemma 4 writes it."""
    if isinstance(value, str):
        return f'<|"|>{value}<|"|>'
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


VALUES: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text("abc_", min_size=1), inner)),
    max_leaves=10,
)


@given(st.dictionaries(st.text("abc_", min_size=1), VALUES))
def test_any_value_becomes_json(values: dict[str, object]) -> None:
    """Whatever arguments are, they come out as they went in."""
    pieces, malformed = read(f"<|tool_call>call:f{written(values)}<tool_call|>")
    assert arguments(pieces) == values
    assert not malformed


def test_quoted_keys_and_words_of_python() -> None:
    """What the template prints in other places is read too."""
    pieces, _ = read('<|tool_call>call:f{ <|"|>a<|"|>: None , b:[True,False, 1.5e3]}<tool_call|>')
    assert arguments(pieces) == {"a": None, "b": [True, False, 1500.0]}


@pytest.mark.parametrize(
    "inside", ["a:b}", "a:1,a:2}", "a:01}", "a}", ":", "a:" + "[" * 70, "a:" + "1" * 600, 'a:<|"|>b']
)
def test_what_is_no_value_is_content_and_malformed(inside: str) -> None:
    """A broken call is shown; nothing is raised."""
    pieces, malformed = read("<|tool_call>call:f{" + inside)
    assert malformed
    assert pieces[0] == CallPiece("f")


def test_a_cut_call_is_not_malformed() -> None:
    """A limit ends it."""
    assert read('<|tool_call>call:f{a:<|"|>b', cut=True)[1] is False


def test_thoughts_may_come_between_calls() -> None:
    """Each channel of thoughts is told apart."""
    text = (
        '<|channel>thought\nOne.\n<channel|>Hm.<|tool_call>call:f{city:<|"|>A<|"|>}<tool_call|><|channel>thought\nTwo.'
    )
    pieces, malformed = read(text + "<channel|>Done.")
    assert [piece.text for piece in pieces if isinstance(piece, ReasoningPiece)] == ["One.", "Two."]
    assert said(pieces) == "Hm.Done."
    assert arguments(pieces) == {"city": "A"}
    assert not malformed


def test_thinking_is_switched() -> None:
    """By the template's own switch."""
    opening = made().open(ChatPrompt(ASKED, thinking=Thinking(enabled=False)), None)
    assert opening.variables["enable_thinking"] is False


def test_grammars_of_gemma_4(takes: Callable[[Constraint | None, str], bool]) -> None:
    """Required, strict and single calls are enforced."""

    def call(inside: str) -> str:
        return f"<|tool_call>call:f{{{inside}}}<tool_call|>"

    required = made().open(ChatPrompt(ASKED, (LOOSE,), ToolChoice("required")), None).constraint
    assert takes(required, call("") + call('x:[1,{y:<|"|>z<|"|>},null,-1.5]'))
    assert not takes(required, "No.")
    strict = made().open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert takes(strict, "No.")
    assert takes(strict, "Well." + call('city:<|"|>A<|"|>,unit:1'))
    assert takes(strict, call('city:<|"|><|"|>,days:null,unit:<|"|>C<|"|>,where:{inner:{<|"|>x:y<|"|>:1.5}},tags:[]'))
    assert not takes(strict, call('unit:1,city:<|"|>A<|"|>'))
    assert not takes(strict, call('city:<|"|>A<|"|>,unit:2'))
    assert not takes(strict, call('city:<|"|>A<|"|>'))
    assert not takes(strict, call('city:<|"|>A<|"|>,unit:1,tags:[1]'))
    single = ChatPrompt(ASKED, (LOOSE,), ToolChoice("required"), parallel_tool_calls=False)
    one = made().open(single, None).constraint
    assert takes(one, call(""))
    assert not takes(one, call("") * 2)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "string", "pattern": "x"}}},
        {"properties": {"a": {"type": "integer", "minimum": 1}}},
        {"properties": {"a": {"enum": [1.5]}}},
        {"properties": {"a": {"enum": []}}},
        {"properties": {"a": {"type": [["string"]]}}},
        {"properties": {"a": {"type": "text"}}},
        {"properties": {"a": {"$ref": "#/nowhere"}}},
        {"properties": {"a": {"$ref": 1}}},
        {"properties": {"a": {"anyOf": {}}}},
        {"properties": {"a": False}},
        {"properties": []},
        {"required": ["a"]},
        {"required": [[]]},
        {"additionalProperties": True},
    ],
)
def test_what_cannot_be_enforced_is_refused(schema: dict[str, object]) -> None:
    """The tool's schema is named, malformed ones too."""
    tool = Tool(name="f", parameters=json.dumps({"type": "object", **schema}), strict=True, param="tools[0]")
    with pytest.raises(InvalidRequest) as caught:
        made().open(ChatPrompt(ASKED, (tool,)), None)
    assert caught.value.param == "tools[0]"


def test_all_of_a_conversation_reaches_gemma_2() -> None:
    """System, tools, calls and results, in turns of users and the model."""
    called = Message("assistant", "Hm. ", tool_calls=(ToolCall("1", "f", '{"city": "A"}'),))
    chat = ChatPrompt((Message("system", "Be kind."), *ASKED, called, Message("tool", "rain"), *ASKED), (LOOSE,))
    text = ChatTemplate(TWO, {"bos_token": ""}, 10_000).render(made(TWO).open(chat, None).variables)
    assert text is not None
    assert '"description": "d"' in text
    assert text.endswith(
        "\n\nBe kind.\n\n?<end_of_turn>\n<start_of_turn>model\n"
        'Hm. {"name": "f", "parameters": {"city": "A"}}<end_of_turn>\n<start_of_turn>user\n'
        "<tool_response>\nrain\n</tool_response>\n\n?<end_of_turn>\n<start_of_turn>model\n"
    )


@pytest.mark.parametrize(
    "text", ['{"city": "A"}', "[1, 2]", "```python\nx = {}\n```", '{"name', "[]", '"name"', "```json\n{}\n```"]
)
def test_other_json_is_content(text: str) -> None:
    """An answer is only taken for a call where it begins like one."""
    pieces, malformed = read(text, TWO)
    assert (said(pieces), malformed) == (text, False)


def test_calls_between_fences() -> None:
    """Models put them around JSON, asked or not."""
    pieces, malformed = read('```tool_code\n{"name": "f", "parameters": {"city": "A"}}\n```\nDone.', TWO)
    assert arguments(pieces) == {"city": "A"}
    assert (said(pieces), malformed) == ("Done.", False)


def test_grammars_of_gemma_2(takes: Callable[[Constraint | None, str], bool]) -> None:
    """Required, strict and single calls are enforced."""
    right = '{"name": "f", "parameters": {"city": "A", "unit": 1}}'
    wrong = '{"name": "f", "parameters": {"city": 1}}'
    required = made(TWO).open(ChatPrompt(ASKED, (LOOSE,), ToolChoice("required")), None).constraint
    assert takes(required, right)
    assert takes(required, f"[{wrong}, {right}]")
    assert not takes(required, "No.")
    strict = made(TWO).open(ChatPrompt(ASKED, (STRICT,)), None).constraint
    assert takes(strict, "No. {}")
    assert takes(strict, right)
    assert not takes(strict, wrong)
    one = made(TWO).open(ChatPrompt(ASKED, (LOOSE,), parallel_tool_calls=False), None).constraint
    assert takes(one, wrong)
    assert not takes(one, f"[{right}, {right}]")
