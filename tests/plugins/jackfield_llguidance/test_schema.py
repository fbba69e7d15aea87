"""Schemas: every keyword is enforced, or refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jackfield_llguidance
from jackfield.errors import InvalidRequest
from jackfield.ports.constraint import JsonSchema
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine
from jackfield_llguidance.formats import FORMATS
from jackfield_llguidance.keywords import KEYWORDS
from jackfield_llguidance.limits import (
    DEPTH_MAX,
    LEVELS_MAX,
    MULTIPLE_MAX,
    OPTIONAL_MAX,
    PATTERN_PROPERTIES_MAX,
    PATTERNS_TOGETHER_MAX,
    PROPERTIES_MAX,
)
from jackfield_llguidance.schema import SchemaReader

if TYPE_CHECKING:
    from collections.abc import Callable

VOCABULARY = KitVocabulary()
ENGINE = LlguidanceEngine(VOCABULARY, LlguidanceConfig())
PARAM = "response_format.json_schema.schema"


def compiled(schema: object) -> Callable[[object], bool]:
    """Whether a value may be written."""
    grammar = ENGINE.compile(JsonSchema(json.dumps(schema), PARAM))

    def accepts(value: object) -> bool:
        text = value if isinstance(value, str) and value[:1] in set('{["-0123456789tfn') else json.dumps(value)
        tokens = VOCABULARY.encode(text, add_bos=False, parse_special=False)
        return grammar.matcher().allows([*tokens, VOCABULARY.END_TOKENS[0]]) == len(tokens) + 1

    return accepts


def refusal(schema: object) -> str:
    """The words with which *schema* is refused."""
    with pytest.raises(InvalidRequest) as caught:
        ENGINE.compile(JsonSchema(schema if isinstance(schema, str) else json.dumps(schema), PARAM))
    assert caught.value.param == PARAM
    return caught.value.message


def chain(count: int, link: Callable[[int, dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """A schema that leads through *count* definitions, each of which refers to the next; *link* writes one."""
    links = {str(n): link(n, {"$ref": f"#/$defs/{n + 1}"}) for n in range(count)}
    return {"$ref": "#/$defs/0", "$defs": {**links, str(count): {"type": "string"}}}


A = {"type": "object", "properties": {"k": {"const": "a"}, "x": {"type": "integer"}}, "required": ["k"]}
B = {"type": "object", "properties": {"k": {"enum": ["b", "c"]}}, "required": ["k"]}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        pytest.param({"multipleOf": 0.01, "type": "number"}, ["19.99", "0.1"], ["0.001"], id="cents"),
        pytest.param({"type": "integer", "const": 1.0}, ["1"], ["2"], id="whole float"),
        pytest.param(
            {"type": "string", "format": "date"}, ['"2024-02-29"'], ['"2023-02-29"', '"0000-01-01"'], id="date"
        ),
        pytest.param(
            {"type": "string", "format": "date", "pattern": "^2"}, ['"2024-02-29"'], ['"1999-01-01"'], id="both"
        ),
        pytest.param({"oneOf": [A, B]}, ['{"k": "a"}', '{"k": "c"}'], ['{"k": "d"}'], id="disjoint by a member"),
        pytest.param({"oneOf": [{"type": "integer"}, {"type": "string"}]}, [1, '"x"'], ["1.5"], id="disjoint by type"),
        pytest.param(
            {"oneOf": [{"const": 1}, {"enum": [2, "x"]}, {"const": True}]},
            ["1", "2", "true"],
            ["3", "false"],
            id="values",
        ),
        pytest.param(
            {"type": "object", "oneOf": [{"required": ["k"], **B}, {"properties": {"k": False}}]},
            ['{"k": "b"}', "{}"],
            ['{"k": "z"}'],
            id="disjoint by what may not be there",
        ),
        pytest.param(
            {"anyOf": [{"const": 1}, {"const": 2}], "oneOf": [{"const": 2}, {"const": 3}]},
            ["2"],
            ["1", "3"],
            id="two unions",
        ),
        pytest.param(
            {"properties": {"a1": {}}, "patternProperties": {"^a": {"type": "integer"}}, "type": "object"},
            ['{"a1": 1}'],
            ['{"a1": "x"}'],
            id="a name that a pattern matches too",
        ),
        pytest.param(
            {"type": "object", "required": ["a"], "minProperties": 2, "additionalProperties": {"type": "null"}},
            ['{"a": null, "b": null}'],
            ['{"a": null}'],
            id="counted members",
        ),
        pytest.param({"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"const": 1}}}, ["1"], ["2"], id="escaped pointer"),
        pytest.param({"$ref": "#/allOf/0", "allOf": [{"const": 1}]}, ["1"], ["2"], id="pointer into a list"),
        pytest.param({"x-anything": {"not": 1}, "const": 1}, ["1"], ["2"], id="annotation of one's own"),
        pytest.param({"uniqueItems": False, "propertyNames": True, "const": 1}, ["1"], ["2"], id="asks for nothing"),
        pytest.param(
            {"properties": {"not": {"const": 1}}, "type": "object"}, ['{"not": 1}'], ['{"not": 2}'], id="a name"
        ),
        pytest.param({"enum": [{"not": 1}], "default": {"if": 1}}, ['{"not": 1}'], ["1"], id="values are no schemas"),
        pytest.param({"$schema": "http://json-schema.org/draft-07/schema#", "const": 1}, ["1"], ["2"], id="a dialect"),
        pytest.param(True, ["1", "[]"], [], id="anything"),
    ],
)
def test_what_is_enforced(schema: object, good: list[object], bad: list[object]) -> None:
    """Good values may be written, bad ones may not."""
    accepts = compiled(schema)
    assert [value for value in good if not accepts(value)] == []
    assert [value for value in bad if accepts(value)] == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        *(({keyword: "x"}, [repr(keyword), f"/{keyword}"]) for keyword, does in KEYWORDS.items() if does == "refused"),
        ({"unevaluatedProperties": False}, ["unevaluatedProperties", "/unevaluatedProperties"]),
        ({"propertyNames": {"maxLength": 3}}, ["propertyNames"]),
        ({"uniqueItems": True}, ["uniqueItems", "/uniqueItems"]),
        ({"uniqueItems": 0}, ["uniqueItems"]),
        ({"properties": {"a/b": {"items": {"not": {}}}}}, ["'not'", "/properties/a~1b/items/not"]),
        ({"$defs": {"unused": {"contains": {}}}}, ["'contains'", "/$defs/unused/contains"]),
        ({"x-guidance": {"lenient": True}}, ["x-guidance"]),
        ({"nullable": True}, ["'nullable' at /nullable"]),
        ({"anyOf": [{}, {"type": "text"}]}, ["'type' at /anyOf/1/type"]),
        ({"type": []}, ["/type"]),
        ({"enum": []}, ["/enum"]),
        ({"enum": "a"}, ["/enum"]),
        ({"allOf": []}, ["/allOf"]),
        ({"required": ["a", 1]}, ["/required"]),
        ({"properties": []}, ["/properties"]),
        ({"$defs": 1}, ["/$defs"]),
        ({"patternProperties": {"(": {}}}, ["pattern", "/"]),
        ({"patternProperties": {"a": {}, "(?:a)": 1}}, ["/patternProperties/(?:a)"]),
        ({"items": [{}]}, ["/items", "prefixItems"]),
        ({"prefixItems": {}}, ["/prefixItems"]),
        ({"items": 3}, ["/items", "object or a boolean"]),
        ({"minLength": -1}, ["/minLength"]),
        ({"minLength": 1.5}, ["/minLength"]),
        ({"maxItems": 10**12}, ["/maxItems"]),
        ({"minimum": "1"}, ["/minimum"]),
        ({"minimum": True}, ["/minimum"]),
        ({"exclusiveMaximum": False}, ["/exclusiveMaximum"]),
        ({"maximum": 2**53 + 1}, ["/maximum"]),
        ({"const": [{"a": 2**60}]}, ["/const"]),
        ({"const": 1e-13}, ["/const"]),
        ('{"const": 0.10000000000000000001}', ["/const"]),
        ('{"default": 0.10000000000000000001, "not": {}}', ["/not"]),
        ({"multipleOf": 0}, ["/multipleOf", "above 0"]),
        ({"multipleOf": -2}, ["/multipleOf"]),
        ({"multipleOf": MULTIPLE_MAX + 1}, ["/multipleOf"]),
        ({"allOf": [{"multipleOf": 9973}, {"multipleOf": 9967}]}, ["/allOf/1/multipleOf", "least common multiple"]),
        ({"pattern": 1}, ["/pattern"]),
        ({"pattern": "(?!a)"}, ["/pattern", "look-around"]),
        ({"format": "regex"}, ["/format", *FORMATS]),
        ({"format": 3}, ["/format"]),
        ({"$ref": 3}, ["/$ref"]),
        ({"$ref": "#/nothing"}, ["/$ref", "nothing at that place"]),
        ({"$ref": "#/enum/x", "enum": [1]}, ["/$ref", "nothing at that place"]),
        ({"$ref": "#name"}, ["/$ref", "into the schema itself"]),
        ({"$ref": "other.json"}, ["/$ref"]),
        ({"$ref": "#"}, ["/$ref", "leads back to itself"]),
        ({"anyOf": [{"type": "null"}, {"$ref": "#"}]}, ["$ref", "leads back to itself"]),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}, ["leads back to itself"]),
        ({"$schema": "https://example.org/mine"}, ["/$schema"]),
        ({"properties": {"a": {"$id": "x"}}}, ["/properties/a/$id"]),
        ({"oneOf": [{"type": "string"}, {"maxLength": 3}]}, ["/oneOf", "0 and 1"]),
        ({"oneOf": [{"type": "integer"}, {"type": "null"}, {"type": "number"}]}, ["/oneOf", "0 and 2"]),
        ({"oneOf": [{"$ref": "#/$defs/n"}, {"type": "null"}], "$defs": {"n": {"enum": [None, 1]}}}, ["/oneOf"]),
        ({"minProperties": 2}, ["/minProperties"]),
        ({"properties": {"a": {}, "b": {}}, "additionalProperties": False, "minProperties": 2}, ["/minProperties"]),
        ({"type": "object", "required": ["p"], "properties": {"p": {"type": "string", "minLength": 3, "maxLength": 2}}},
         ["/properties/p", "no value"]),
        ({"patternProperties": {"^a": {"const": 1}, "^ab": {"const": 2}}}, ["/patternProperties"]),
        ({"properties": {f"p{n}": {} for n in range(PROPERTIES_MAX + 1)}}, ["/properties"]),
        ({"properties": {f"p{n}": {} for n in range(OPTIONAL_MAX + 1)}}, ["/properties", "not required"]),
        ({"patternProperties": {f"^p{n}$": {} for n in range(PATTERN_PROPERTIES_MAX + 1)}}, ["/patternProperties"]),
        ({"allOf": [{"pattern": str(n)} for n in range(PATTERNS_TOGETHER_MAX + 1)]}, ["pattern", "hold for one text"]),
        ({"allOf": [{"items": {"pattern": str(n)}} for n in range(PATTERNS_TOGETHER_MAX + 1)]}, ["hold for one text"]),
        (chain(PATTERNS_TOGETHER_MAX + 1, lambda n, rest: {"pattern": str(n), **rest}), ["hold for one text"]),
        (chain(LEVELS_MAX // 2, lambda _, rest: {"items": rest}), ["nested", "referred to"]),
        (False, ["nothing satisfies it"]),
        (3, ["object or a boolean"]),
        ("nonsense", ["not valid JSON", "line 1"]),
        ('{"type": "null", "type": "string"}', ["name twice"]),
        ('{"const": NaN}', ["not valid JSON"]),
        ('{"const": "\\ud800"}', ["surrogate"]),
    ],
)  # fmt: skip
def test_what_is_refused(schema: object, words: list[str]) -> None:
    """With keyword and pointer, and the parameter."""
    message = refusal(schema)
    assert [word for word in words if word not in message] == [], message


def test_patterns_of_different_members_do_not_hold_together() -> None:
    """Schemas that extend others, also where they contain themselves."""
    base = {"type": "object", "properties": {f"p{n}": {"pattern": "^[a-z]$"} for n in range(20)}, "required": ["p0"]}
    below = {"anyOf": [{"$ref": "#/$defs/e"}, {"type": "null"}]}
    more = {"properties": {"left": below, "right": below}, "required": ["left"]}
    accepts = compiled({"$ref": "#/$defs/e", "$defs": {"base": base, "e": {"allOf": [{"$ref": "#/$defs/base"}, more]}}})
    assert accepts({"p0": "a", "left": {"p0": "b", "left": None}})
    assert not accepts({"p0": "a", "left": {"p0": "1", "left": None}})


def test_schemas_are_nested_to_a_depth() -> None:
    """As deep as is said, and no deeper."""
    schema: dict[str, Any] = {"const": 1}
    for _ in range(DEPTH_MAX):
        schema = {"items": schema}
    compiled(schema)
    assert f"{DEPTH_MAX} deep" in refusal({"items": schema})


def test_nothing_but_what_is_enforced_reaches_the_library() -> None:
    """What it would pass over in silence is gone, formats are patterns, ``oneOf`` has become ``anyOf``."""
    schema = {
        "title": "t",
        "x-mine": 1,
        "type": "string",
        "format": "uuid",
        "oneOf": [{"const": "a"}, {"const": "b"}],
    }
    read = SchemaReader(json.dumps(schema), PARAM).schemas[""]
    assert read == {"type": "string", "pattern": f"^(?:{FORMATS['uuid']})$", "anyOf": [{"const": "a"}, {"const": "b"}]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYWORDS, "a"]), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(JSON)
def test_no_schema_is_a_surprise(schema: object) -> None:
    """It is refused with the parameter, or compiled; nothing else is raised."""
    try:
        ENGINE.compile(JsonSchema(json.dumps(schema), PARAM))
    except InvalidRequest as error:
        assert error.param == PARAM  # noqa: PT017  # either is fine


def test_the_readme_has_every_keyword_and_format() -> None:
    """In the list where it belongs."""
    readme = (Path(jackfield_llguidance.__file__).parent / "README.md").read_text()
    lines = {line.split("|")[1].strip(): line for line in readme.splitlines() if line.startswith("| ")}
    for keyword, support in KEYWORDS.items():
        assert f"`{keyword}`" in lines[support], keyword
    for name in FORMATS:
        assert f"`{name}`" in lines["values of `format`"], name
