"""What answers are held to: calls of the family's forms with the right arguments, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from jackfield.chat import ChatFormat, ChatPrompt, Message, Tool, ToolChoice
from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import Choice, JsonObject, Pattern
from jackfield_hermes.dialect import HermesDialect, hermes

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.constraint import Constraint

    Takes = Callable[[Constraint | None, str], bool]

_SCHEMA: Final = (
    '{"type": "object", "required": ["city"], "additionalProperties": false, "properties":'
    ' {"city": {"type": "string", "maxLength": 8}, "unit": {"enum": ["C", "F"]}, "days": {"$ref": "#/$defs/days"}},'
    ' "$defs": {"days": {"type": "integer", "minimum": 1}}}'
)
WEATHER: Final = Tool(name="weather", parameters=_SCHEMA, strict=True, param="tools[0].function.parameters")
NOW: Final = Tool(name="now")
CHAT: Final = ChatPrompt((Message("user", "?"),), tools=(WEATHER, NOW), tool_choice=ToolChoice("required"))
AUTO: Final = msgspec.structs.replace(CHAT, tool_choice=ToolChoice())


def _dialect(template: str) -> HermesDialect:
    dialect = hermes(ChatFormat(template), named=True)
    assert dialect is not None
    return dialect


JSON: Final = _dialect("<tool_call>")
TAGGED: Final = _dialect("<tool_call><function=x><parameter=y>")


def call(body: str) -> str:
    """A call as the family writes it."""
    return f"<tool_call>\n{body}\n</tool_call>"


def json_call(arguments: str, name: str = "weather") -> str:
    """In JSON."""
    return call(f'{{"name": "{name}", "arguments": {arguments}}}')


def tagged_call(name: str = "weather", **parameters: str) -> str:
    """With parameters between tags."""
    inner = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in parameters.items())
    return call(f"<function={name}>\n{inner}</function>")


@pytest.mark.parametrize(
    ("dialect", "text", "good"),
    [
        (JSON, json_call('{"city": "Oslo"}'), True),
        (JSON, json_call('{"city": "Oslo", "unit": "C", "days": 2}'), True),
        (JSON, json_call('{"city": "Oslo"}') + "\n" + json_call('{"a": [1]}', "now"), True),
        (JSON, json_call('{"unit": "C"}'), False),
        (JSON, json_call('{"city": "Oslo", "days": 0}'), False),
        (JSON, json_call('{"city": "Oslo"}', "whether"), False),
        (JSON, "It rains.", False),
        (JSON, "It rains. " + json_call('{"city": "Oslo"}'), False),
        (TAGGED, tagged_call(city="Oslo"), True),
        (TAGGED, tagged_call(city="Os\nlo"), True),
        (TAGGED, tagged_call(city=""), True),
        (TAGGED, tagged_call(city="Oslo", unit="F", days="12"), True),
        (TAGGED, tagged_call(city="Oslo") + "\n" + tagged_call("now", of='a "b"\n</c>', at="1"), True),
        (TAGGED, tagged_call("now"), True),
        (TAGGED, tagged_call(), False),
        (TAGGED, tagged_call(city="Llanfairpwll"), False),
        (TAGGED, tagged_call(city="Oslo", unit="K"), False),
        (TAGGED, tagged_call(city="Oslo", days="0"), False),
        (TAGGED, tagged_call(city="Oslo", days='"1"'), False),
        (TAGGED, tagged_call(city="Oslo", other="1"), False),
        (TAGGED, tagged_call("whether", city="Oslo"), False),
    ],
)
def test_a_required_call(takes: Takes, dialect: HermesDialect, text: str, good: bool) -> None:  # noqa: FBT001
    """Arguments of the strict tool satisfy its schema; those of the other one are anything."""
    assert takes(dialect.open(CHAT, None).constraint, text) is good


@pytest.mark.parametrize(
    ("dialect", "written"), [(JSON, json_call('{"city": "Oslo"}')), (TAGGED, tagged_call(city="Oslo"))]
)
def test_a_call_that_may_be(takes: Takes, dialect: HermesDialect, written: str) -> None:
    """Content, calls, or both; also calls of strict tools only as their schemas say."""
    constraint = dialect.open(AUTO, None).constraint
    assert takes(constraint, "It rains <b>.")
    assert takes(constraint, written)
    assert takes(constraint, f"I look.\n{written}\n{written}")
    assert not takes(constraint, "<tool_call>\nnothing\n</tool_call>")


@pytest.mark.parametrize(
    ("dialect", "written"), [(JSON, json_call('{"city": "Oslo"}')), (TAGGED, tagged_call(city="Oslo"))]
)
def test_one_call_at_most(takes: Takes, dialect: HermesDialect, written: str) -> None:
    """By the grammar where there is one; otherwise the answer ends behind the first."""
    one = msgspec.structs.replace(CHAT, parallel_tool_calls=False)
    constraint = dialect.open(one, None).constraint
    assert takes(constraint, written)
    assert not takes(constraint, f"{written}\n{written}")
    loose = msgspec.structs.replace(AUTO, tools=(NOW,), parallel_tool_calls=False)
    opening = dialect.open(loose, None)
    assert opening.constraint is None
    assert opening.stop == ("</tool_call>",)


@pytest.mark.parametrize("dialect", [JSON, TAGGED])
def test_only_the_named_tool(takes: Takes, dialect: HermesDialect) -> None:
    """Others are not in the grammar, nor in the prompt."""
    named = msgspec.structs.replace(CHAT, tool_choice=ToolChoice("required", ("now",)))
    opening = dialect.open(named, None)
    assert [tool["function"]["name"] for tool in opening.variables["tools"]] == ["now"]
    texts = {JSON: (json_call('{"city": "Oslo"}'), json_call("{}", "now"))}
    weather, now = texts.get(dialect, (tagged_call(city="Oslo"), tagged_call("now")))
    assert takes(opening.constraint, now)
    assert not takes(opening.constraint, weather)


def test_content_that_must_look_like_something(takes: Takes) -> None:
    """Either that, or calls."""
    for constraint, good, bad in (
        (Choice(("yes", "no")), "no", "maybe"),
        (JsonObject(), '{"a": 1}', "[1]"),
        (Pattern(r"a/b\\/?|\d+"), "a/b\\/", "x"),
    ):
        held = JSON.open(AUTO, constraint).constraint
        assert takes(held, good)
        assert takes(held, json_call('{"city": "Oslo"}'))
        assert not takes(held, bad)


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ('{"properties": {"a": {"type": "string", "pattern": "x"}}}', "pattern"),
        ('{"properties": {"a": {"type": ["string", "null"]}}}', "type"),
        ('{"properties": {"a": {}}}', "type"),
        ('{"properties": {}, "required": ["a"]}', "required"),
        ('{"properties": {}, "minProperties": 1}', "minProperties"),
        ('{"properties": {}, "additionalProperties": {"type": "integer"}}', "additionalProperties"),
        ('{"properties": []}', "properties"),
        ('{"properties": {"a": {"type": "string", "minLength": "1"}}}', "lengths"),
    ],
)
def test_what_cannot_be_held_is_refused(schema: str, what: str) -> None:
    """By its path and its keyword; in JSON it can, or the constraint engine refuses it."""
    strict = msgspec.structs.replace(WEATHER, parameters=schema)
    chat = msgspec.structs.replace(CHAT, tools=(strict,))
    with pytest.raises(InvalidRequest, match=what) as refusal:
        TAGGED.open(chat, None)
    assert refusal.value.param == WEATHER.param
    assert JSON.open(chat, None).constraint is not None


@pytest.mark.parametrize(
    "schema", ['{"properties": {"a": {"type": "integer"}}}', '{"anyOf": [{"type": "string"}, {}]}']
)
def test_arguments_are_an_object_also_where_their_schema_does_not_say_so(takes: Takes, schema: str) -> None:
    """Any other value would be no call."""
    chat = ChatPrompt(
        (Message("user", "?"),),
        tools=(Tool(name="f", parameters=schema, strict=True),),
        tool_choice=ToolChoice("required"),
    )
    constraint = JSON.open(chat, None).constraint
    call = '<tool_call>\n{{"name": "f", "arguments": {}}}\n</tool_call>'
    assert takes(constraint, call.format('{"a": 1}'))
    assert not takes(constraint, call.format("5"))
    assert not takes(constraint, call.format('"x"'))
