"""What answers must look like: every way to say so, and what happens to contradictions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ClientError, InvalidRequest, MalformedBody, UnknownField, http
from jackfield.ports.constraint import (
    CHOICES_MAX,
    GRAMMAR_LENGTH_MAX,
    Choice,
    Constraint,
    GrammarText,
    JsonObject,
    JsonSchema,
    Pattern,
)
from jackfield_openai.decode import decode_chat, decode_completion

if TYPE_CHECKING:
    from jackfield_openai.bodies import Call

Value = object

SCHEMA = '{"type": "object", "properties": {"Größe": {"type": "integer"}}}'
"""Written with spaces, which stay; encoders write none."""


def chat(body: str, mode: str = "strict") -> Call:
    """Decode a chat whose other fields are *body*, as JSON."""
    text = f'{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{body}}}'
    return decode_chat(text.encode(), "warn" if mode == "warn" else "strict")


def shape(body: str) -> Constraint | None:
    """What *body* demands, which is the same in chats and completions."""
    text = f'{{"model":"m","prompt":"hi",{body}}}'
    constraint = decode_completion(text.encode(), "strict").requests[0].constraint
    assert chat(body).requests[0].constraint == constraint
    return constraint


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('"response_format": {"type": "text"}', None),
        ('"response_format": {"type": "json_object"}', JsonObject()),
        ('"response_format": {"type": "json_object", "schema": {}}', JsonObject()),
        ('"response_format": {"type": "json_object", "schema": null}', JsonObject()),
        (
            f'"response_format": {{"type": "json_object", "schema": {SCHEMA}}}',
            JsonSchema(SCHEMA, "response_format.schema"),
        ),
        (
            f'"response_format": {{"type": "json_schema", "schema": {SCHEMA}}}',
            JsonSchema(SCHEMA, "response_format.schema"),
        ),
        (
            f'"response_format": {{"type": "json_schema", "json_schema": {{"name": "a", "schema": {SCHEMA}}}}}',
            JsonSchema(SCHEMA, "response_format.json_schema.schema"),
        ),
        (
            (
                '"response_format": {"type": "json_schema", "json_schema": '
                '{"name": "a", "description": "b", "strict": false, "schema": {}}}'
            ),
            JsonSchema("{}", "response_format.json_schema.schema"),
        ),
        (
            '"response_format": {"type": "json_schema", "json_schema": {"strict": null, "schema": {"type":"null"}}}',
            JsonSchema('{"type":"null"}', "response_format.json_schema.schema"),
        ),
        ('"structured_outputs": {}', None),
        ('"structured_outputs": {"json_object": false, "choice": null}', None),
        ('"structured_outputs": {"json_object": true}', JsonObject()),
        (f'"structured_outputs": {{"json": {SCHEMA}}}', JsonSchema(SCHEMA, "structured_outputs.json")),
        (
            '"structured_outputs": {"json": "{\\"type\\": \\"null\\"}"}',
            JsonSchema('{"type": "null"}', "structured_outputs.json"),
        ),
        ('"structured_outputs": {"regex": "[0-9]+"}', Pattern("[0-9]+", "structured_outputs.regex")),
        ('"structured_outputs": {"choice": ["a", "b"]}', Choice(("a", "b"), "structured_outputs.choice")),
        (
            '"structured_outputs": {"grammar": "root ::= [0-9]+"}',
            GrammarText("gbnf", "root ::= [0-9]+", "structured_outputs.grammar"),
        ),
        (f'"guided_json": {SCHEMA}', JsonSchema(SCHEMA, "guided_json")),
        ('"guided_json": "{}"', JsonSchema("{}", "guided_json")),
        ('"guided_regex": "[0-9]+"', Pattern("[0-9]+", "guided_regex")),
        ('"guided_choice": ["a"]', Choice(("a",), "guided_choice")),
        ('"guided_grammar": "start: /[0-9]+/"', GrammarText("lark", "start: /[0-9]+/", "guided_grammar")),
        (
            '"guided_grammar": "# root ::= x\\nstart: \\"a\\""',
            GrammarText("lark", '# root ::= x\nstart: "a"', "guided_grammar"),
        ),
        ('"grammar": ""', None),
        ('"grammar": "root ::= [0-9]+"', GrammarText("gbnf", "root ::= [0-9]+")),
        ('"grammar": "%llguidance {}\\nstart: /a/"', GrammarText("lark", "%llguidance {}\nstart: /a/")),
        ('"json_schema": {}', JsonObject()),
        ('"json_schema": { }', JsonObject()),
        (f'"json_schema": {SCHEMA}', JsonSchema(SCHEMA)),
        ('"json_schema": "{\\"type\\": \\"null\\"}"', JsonSchema('{"type": "null"}')),
        ('"regex": "a|b"', Pattern("a|b")),
        ('"ebnf": "root ::= [0-9]+"', GrammarText("gbnf", "root ::= [0-9]+", "ebnf")),
        ('"response_format": {"type": "text"}, "grammar": "", "regex": "a"', Pattern("a")),
    ],
)
def test_every_way_to_demand_a_shape_is_understood(body: str, expected: Constraint | None) -> None:
    """OpenAI's, vLLM's (of today and of before), llama-server's, SGLang's; a schema stays as it was written."""
    assert shape(body) == expected


@pytest.mark.parametrize(
    ("body", "first", "second"),
    [
        ('"response_format": {"type": "json_object"}, "grammar": "root ::= [0-9]"', "response_format", "grammar"),
        ('"json_schema": {}, "grammar": "root ::= [0-9]"', "grammar", "json_schema"),
        ('"guided_regex": "a", "guided_choice": ["a"]', "guided_regex", "guided_choice"),
        (
            '"structured_outputs": {"regex": "a", "json_object": true}',
            "structured_outputs.json_object",
            "structured_outputs.regex",
        ),
        (
            '"regex": "a", "response_format": {"type": "json_schema", "json_schema": {"schema": {}}}',
            "response_format.json_schema.schema",
            "regex",
        ),
    ],
)
@pytest.mark.parametrize("mode", ["strict", "warn"])
def test_two_shapes_are_refused(body: str, first: str, second: str, mode: str) -> None:
    """Both are named; the second one is at fault."""
    with pytest.raises(InvalidRequest) as refused:
        chat(body, mode)
    assert refused.value.message.startswith(f"{first} and {second} both")
    assert refused.value.param == second


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('"response_format": {}', "response_format.type"),
        ('"response_format": "json_object"', "response_format"),
        ('"response_format": []', "response_format"),
        ('"response_format": {"type": 1}', "response_format.type"),
        ('"response_format": {"type": "xml"}', "response_format.type"),
        ('"response_format": {"type": "text", "schema": {}}', "response_format.schema"),
        ('"response_format": {"type": "json_object", "json_schema": {}}', "response_format.json_schema"),
        ('"response_format": {"type": "json_object", "schema": []}', "response_format.schema"),
        ('"response_format": {"type": "json_schema"}', "response_format.json_schema"),
        ('"response_format": {"type": "json_schema", "json_schema": "{}"}', "response_format.json_schema"),
        (
            '"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}',
            "response_format.json_schema.schema",
        ),
        (
            '"response_format": {"type": "json_schema", "json_schema": {"schema": true}}',
            "response_format.json_schema.schema",
        ),
        (
            '"response_format": {"type": "json_schema", "json_schema": {"schema": {}}, "schema": {}}',
            "response_format.json_schema",
        ),
        (
            '"response_format": {"type": "json_schema", "json_schema": {"schema": {}, "name": 1}}',
            "response_format.json_schema.name",
        ),
        (
            '"response_format": {"type": "json_schema", "json_schema": {"schema": {}, "strict": "yes"}}',
            "response_format.json_schema.strict",
        ),
        ('"structured_outputs": true', "structured_outputs"),
        ('"structured_outputs": {"json": 1}', "structured_outputs.json"),
        ('"structured_outputs": {"json_object": 1}', "structured_outputs.json_object"),
        ('"structured_outputs": {"choice": "a"}', "structured_outputs.choice"),
        ('"structured_outputs": {"choice": []}', "structured_outputs.choice"),
        ('"structured_outputs": {"choice": [1]}', "structured_outputs.choice[0]"),
        ('"guided_choice": [""]', "guided_choice"),
        ('"guided_regex": ""', "guided_regex"),
        ('"guided_json": ""', "guided_json"),
        ('"guided_grammar": ""', "guided_grammar"),
        ('"grammar": {}', "grammar"),
        ('"json_schema": []', "json_schema"),
        ('"regex": 1', "regex"),
        ('"ebnf": ""', "ebnf"),
    ],
)
def test_a_wrong_value_names_its_path(body: str, param: str) -> None:
    """As the client wrote it."""
    with pytest.raises(InvalidRequest) as refused:
        chat(body)
    assert (refused.value.param, http(refused.value).code) == (param, "invalid_value")
    assert "`" not in refused.value.message


@pytest.mark.parametrize(
    ("body", "param", "hint"),
    [
        ('"response_format": {"type": "text", "strict": true}', "response_format.strict", ""),
        (
            '"response_format": {"type": "json_schema", "json_schema": {"schema": {}, "stric": true}}',
            "response_format.json_schema.stric",
            "did you mean response_format.json_schema.strict?",
        ),
        (
            '"structured_outputs": {"regexp": "a"}',
            "structured_outputs.regexp",
            "did you mean structured_outputs.regex?",
        ),
    ],
)
def test_unknown_inner_fields_are_refused_or_listed(body: str, param: str, hint: str) -> None:
    """By their path, with the nearest known one."""
    with pytest.raises(UnknownField) as refused:
        chat(body)
    assert refused.value.param == param
    assert hint in refused.value.message
    assert chat(body, "warn").ignored == (param,)


def test_a_field_given_twice_within_is_refused() -> None:
    """Which of the two holds would be anybody's guess."""
    with pytest.raises(MalformedBody) as refused:
        chat('"response_format": {"type": "text", "type": "json_object"}')
    assert refused.value.param == "response_format.type"


def test_a_schema_that_is_not_utf_8_is_refused() -> None:
    """JSON is UTF-8."""
    body = b'{"model":"m","prompt":"hi","json_schema":{"title":"\xff"}}'
    with pytest.raises(MalformedBody, match="not UTF-8"):
        decode_completion(body, "strict")


LARGE = "x" * (GRAMMAR_LENGTH_MAX + 1)
FIELDS = ",".join(f'"f{number}":1' for number in range(20_000))
CHOICES = ",".join(['"a"'] * (CHOICES_MAX + 1))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (f'"json_schema": {{"title": "{LARGE}"}}', "json_schema"),
        (f'"guided_json": "{LARGE}"', "guided_json"),
        (f'"regex": "{LARGE}"', "regex"),
        (f'"grammar": "{LARGE}"', "grammar"),
        (f'"guided_choice": ["{LARGE}"]', "guided_choice"),
        (f'"guided_choice": [{CHOICES}]', "guided_choice"),
        (f'"guided_choice": [{",".join([CHOICES] * 1000)}]', "guided_choice"),
        (f'"response_format": {{{FIELDS}}}', None),
    ],
    ids=["schema", "text of a schema", "pattern", "grammar", "choice", "choices", "millions of choices", "fields"],
)
def test_what_is_too_much_is_refused_soon(body: str, param: str | None) -> None:
    """Before it is built."""
    started = time.process_time()
    with pytest.raises(InvalidRequest, match=r"more than|at most|1 to") as refused:
        chat(body, "warn")
    assert refused.value.param == param
    assert time.process_time() - started < 1.5


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["json_object", "json_schema", "text", "root ::= [0-9]+"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "json_schema", "schema", "name", "strict", "json", "regex", "choice", "x"]), inner
        )
    ),
    max_leaves=12,
)
names = st.sampled_from(
    ["response_format", "structured_outputs", "grammar", "json_schema", "regex", "ebnf", "guided_json", "guided_choice"]
)


@given(body=st.dictionaries(names, json_values, max_size=3), mode=st.sampled_from(["strict", "warn"]))
def test_anything_is_a_shape_or_the_clients_fault(body: dict[str, Value], mode: str) -> None:
    """No value gets past the checks as anything else, and what is accepted reaches the worker whole."""
    full = msgspec.json.encode({"model": "m", "prompt": "hi", **body})
    try:
        request = decode_completion(full, "warn" if mode == "warn" else "strict").requests[0]
    except ClientError as error:
        assert http(error).status == 400  # noqa: PT017 - most examples are no error
    else:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=type(request)) == request
