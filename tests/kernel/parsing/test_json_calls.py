"""Calls in JSON, and JSON strings that are shown as they come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.parsing.json_calls import KEPT_MAX, JsonCallReader
from jackfield.parsing.reading import joined
from jackfield.ports.dialect import ArgumentsPiece, CallPiece, ContentPiece

if TYPE_CHECKING:
    from jackfield.parsing.reading import Reading
    from jackfield.ports.dialect import Piece

_ARGUMENTS: Final = st.dictionaries(
    st.text(max_size=5), st.none() | st.text() | st.integers() | st.lists(st.floats(-1, 1))
)


class Calls(JsonCallReader):
    """Nothing but calls."""

    def answer(self) -> Reading[None]:
        """One, or a list."""
        yield from self.call_array()


class Strings(JsonCallReader):
    """One JSON string."""

    def answer(self) -> Reading[None]:
        """Shown."""
        yield from self.json_string(self.show)


def _read(reader: JsonCallReader, text: str, step: int) -> list[Piece]:
    pieces: list[Piece] = []
    for at in range(0, len(text), step):
        pieces += reader.feed(text[at : at + step])
    return [*joined([*pieces, *reader.end(cut=False)])]


@given(
    arguments=_ARGUMENTS,
    order=st.permutations(["name", "arguments", "id", "type"]),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 2]),
    step=st.integers(1, 40),
)
def test_members_in_any_order(
    arguments: dict[str, object], order: list[str], *, ascii_only: bool, indent: int | None, step: int
) -> None:
    """With any others besides; arguments are passed on as they are written."""
    members = {"name": "f", "arguments": arguments, "id": "c1", "type": "function"}
    call = {key: members[key] for key in order}
    text = json.dumps([call, {"name": "g"}], ensure_ascii=ascii_only, indent=indent)
    reader = Calls("", {"f", "g"})
    first, given_, second, none = _read(reader, text, step)
    assert isinstance(first, CallPiece)
    assert first.name == "f"
    assert first.id == "c1" or order.index("id") > order.index("arguments")
    assert isinstance(given_, ArgumentsPiece)
    assert json.loads(given_.text) == arguments
    assert (second, none) == (CallPiece("g"), ArgumentsPiece("{}"))
    assert not reader.malformed


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"name": "f"}', "{}"),
        ('{"name": "f", "arguments": null}', "{}"),
        ('{"name": "f", "arguments": "{\\"a\\": 1}"}', '{"a": 1}'),
        ('{"parameters": {"a": 1}, "name": "f"}', '{"a": 1}'),
        ('{"name": "f", "parameters": {"a": 1}, "arguments": {"b": 1}}', '{"a": 1}'),
        ('{"id": "\\ud800", "name": "f"}', "{}"),
        ('{"id": 7, "name": "f"}', "{}"),
    ],
)
def test_ways_to_write_arguments(text: str, arguments: str) -> None:
    """None, as text, under another name, twice; an id that cannot be sent is none."""
    assert _read(Calls("", {"f"}), text, 3) == [CallPiece("f"), ArgumentsPiece(arguments)]


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[1]", '{"name": 1}', '{"name": "h"}', '{"name": "f", "arguments": 1}', '{"name": "f" "x"}', '{"name"'),
        *('{"name": "f", "arguments": "[1]"}', '{"name": "f", "arguments": "{"}', "{1: 2}", '{"arguments": {}}', "[{]"),
        '{"x": "' + "y" * KEPT_MAX + '", "name": "f"}',
        '{"name": "f", "arguments": ' + '{"a":' * 5000,
    ],
)
def test_what_is_no_call(text: str) -> None:
    """It is marked, whatever of it was shown."""
    reader = Calls("", {"f"})
    _read(reader, text, 50_000)
    assert reader.malformed


@given(text=st.text(), ascii_only=st.booleans(), step=st.integers(1, 20))
def test_strings_are_decoded_as_they_come(text: str, *, ascii_only: bool, step: int) -> None:
    """Escapes and their halves wait for the rest."""
    shown = _read(Strings("", ()), json.dumps(text, ensure_ascii=ascii_only), step)
    assert "".join(piece.text for piece in shown if isinstance(piece, ContentPiece)) == text.lstrip(" \t\r\n")


@given(text=st.text(st.sampled_from('"\\ud8c0f9 n/b'), max_size=30))
def test_any_cut_of_any_string_reads_the_same(text: str) -> None:
    """Broken ones too; half a character alone is shown as what cannot be read."""
    whole = _read(Strings("", ()), f'"{text}', 100)
    assert _read(Strings("", ()), f'"{text}', 1) == whole
    assert all(piece.text.encode() for piece in whole if isinstance(piece, ContentPiece))


_UNITS: Final = ("\\ud83c", "\\udfb9", "\\u0041", "\\\\", "ud83c", "\\n", '\\"', "a", "🎹")


class Values(JsonCallReader):
    """One JSON value."""

    def answer(self) -> Reading[None]:
        """Passed on."""
        yield from self.json_value(self.argue)


@given(units=st.lists(st.sampled_from(_UNITS), max_size=8), step=st.integers(1, 12))
def test_halves_of_characters(units: list[str], step: int) -> None:
    """Together they are one; a half alone cannot be sent, so it is replaced, however the text is cut."""
    text = f'"{"".join(units)}"'
    value = str(json.loads(text)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    passed = _read(Values("", ()), text, step)
    assert [json.loads(piece.text) for piece in passed if isinstance(piece, ArgumentsPiece)] == [value]
    shown = _read(Strings("", ()), text, step)
    assert "".join(piece.text for piece in shown if isinstance(piece, ContentPiece)) == value.lstrip()


@pytest.mark.parametrize("arguments", ['"{\\"a\\": NaN}"', '{"a": 1e999}', '"{\\"a\\": -1e999}"', '"[1]"', "[1]"])
def test_arguments_that_nobody_could_read(arguments: str) -> None:
    """They are malformed: no JSON, infinite, or no object."""
    reader = Calls("", {"f"})
    _read(reader, f'{{"name": "f", "arguments": {arguments}}}', 3)
    assert reader.malformed
