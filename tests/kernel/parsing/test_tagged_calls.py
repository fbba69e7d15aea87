"""Arguments between tags: what they become, and the grammars that hold them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatPrompt, Message, Tool
from jackfield.parsing.grammars import CallGrammar
from jackfield.parsing.parameter_types import ALL_TYPES, parameter_types, typed_json
from jackfield.parsing.reading import GeneratorReader, joined
from jackfield.parsing.tagged_calls import TaggedArguments
from jackfield.parsing.tagged_grammar import TagForm, TaggedGrammar
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.parsing.reading import Reading
    from jackfield.ports.dialect import Piece

TOOL: Final = Tool(
    name="f",
    parameters='{"properties": {"text": {"type": "string"}, "count": {"type": "integer"}, "any": {},'
    ' "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}',
)


class Reader(GeneratorReader):
    """``<p=key>value</p>…<end>``."""

    def answer(self) -> Reading[None]:
        """One call."""
        self.begin_call("f")
        arguments = TaggedArguments(self, TOOL)
        while (yield from self.expect("<p=", "<end>")) == "<p=":
            key = yield from self.word(">")
            yield from arguments.value(key, "</p>")
        arguments.close()
        self.end_call()


def _read(parts: Sequence[str]) -> tuple[Sequence[Piece], bool]:
    reader = Reader("")
    pieces: list[Piece] = []
    for part in parts:
        pieces += reader.feed(part)
    return joined([*pieces, *reader.end(cut=False)]), reader.malformed


@given(
    values=st.dictionaries(st.sampled_from(["text", "count", "any", "maybe", 'o"dd']), st.text(max_size=12)),
    step=st.integers(1, 30),
)
def test_any_values_make_an_object(values: dict[str, str], step: int) -> None:
    """Strings are as they are written; others are JSON, or strings."""
    values = {key: value.replace("</p>", "") for key, value in values.items()}
    text = "".join(f"<p={key}>{value}</p>" for key, value in values.items()) + "<end>"
    pieces, malformed = _read([text[at : at + step] for at in range(0, len(text), step)])
    assert not malformed
    assert pieces[0] == CallPiece("f")
    assert isinstance(pieces[1], ArgumentsPiece)
    read = json.loads(pieces[1].text)
    assert list(read) == list(values)
    assert read.get("text") == values.get("text")
    assert not isinstance(read.get("maybe"), int | float | list | dict)


@pytest.mark.parametrize("text", ["<p=a>1</p><p=a>2</p><end>", "<p=a>1", "<p=text>1", "<p=a", "<q>", "<p=a>1</p>"])
def test_what_does_not_end(text: str) -> None:
    """It is marked, cut anyhow."""
    assert _read([text]) == _read(list(text))
    assert _read([text])[1]


def test_what_is_kept_is_bounded() -> None:
    """A value that is no string waits for its end, but not for ever."""
    reader = Reader("")
    reader.feed("<p=count>")
    for _ in range(20):
        reader.feed("1" * 100_000)
    assert reader.malformed
    assert isinstance(reader.feed("more")[0], ContentPiece)


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({"type": "string"}, {"string"}),
        ({"type": ["string", "null", 7]}, {"string", "null"}),
        ({"anyOf": [{"type": "integer"}, {"oneOf": [{"type": "null"}]}]}, {"integer", "null"}),
        ({"enum": ["a", 1, None, 1.5, [], {}, True]}, ALL_TYPES),
        ({"const": 2.0}, {"integer"}),
        ({"$ref": "#/$defs/a~1b"}, {"boolean"}),
        ({"$ref": "#/properties/x"}, ALL_TYPES),
        ({"$ref": "#/nowhere/at/all"}, ALL_TYPES),
        ({"$ref": "http://example.com/"}, ALL_TYPES),
        ({"type": "nonsense"}, ALL_TYPES),
        (True, ALL_TYPES),
    ],
)
def test_types_of_parameters(schema: object, types: set[str]) -> None:
    """As far as the schema says; what leads nowhere, or in circles, says nothing."""
    whole = {"properties": {"x": schema}, "$defs": {"a/b": {"type": "boolean"}}}
    assert parameter_types(Tool(name="f", parameters=json.dumps(whole)))["x"] == types


@pytest.mark.parametrize("schema", ["[]", "{", '{"properties": 1}', "null", "[" * 100_000])
def test_schemas_that_are_none(schema: str) -> None:
    """They say nothing of any parameter."""
    assert parameter_types(Tool(name="f", parameters=schema)) == {}


def test_a_schema_cannot_make_it_slow() -> None:
    """Each reference is followed once, however often it stands there."""
    branches = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 50} for n in range(12)}
    whole = {"properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": {**branches, "d12": {"type": "null"}}}
    assert parameter_types(Tool(name="f", parameters=json.dumps(whole)))["x"] <= ALL_TYPES


@given(text=st.text(max_size=10), types=st.sets(st.sampled_from(sorted(ALL_TYPES)), min_size=1))
def test_values_are_json(text: str, types: set[str]) -> None:
    """Always; a string may always be itself."""
    value = json.loads(typed_json(text, frozenset(types)))
    assert not isinstance(value, str) or value == text or json.loads(text) == value


def test_ends_that_are_marks() -> None:
    """Text before them is free text: marks may be tokens of their own, which no pattern matches."""
    grammar = CallGrammar(ChatPrompt((Message("user", "?"),), tools=(TOOL,)), None)
    form = TagForm("<p>{}</p><v>", "</v>\n", ("<p>", "</p>", "<v>", "</v>"))
    strict = Tool(name="f", parameters='{"properties": {"a": {"type": "string"}}, "required": ["a"]}', strict=True)
    grammar.rule("call", TaggedGrammar(grammar, form).parameters(strict))
    text = grammar.finish("call")
    assert set(text.marks) == set(form.marks)
    assert "free_text? mark_" in text.text
