"""JSON as it comes, against Python's own reader."""

from __future__ import annotations

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.parsing.json_text import DEPTH_MAX, JsonScanner, NotJson

VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
LIKE_JSON: Final = st.text(st.sampled_from('{}[]:,"\\/ \n01-+.eEtrufalsn\x01ä🎹'), max_size=12)


def _extent(text: str) -> int | None:
    """How many characters the first value of *text* has; None if it has none."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    spaces = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        return json.JSONDecoder(parse_constant=refuse).raw_decode(text, spaces)[1]
    except ValueError:
        return None


def _scanned(text: str, cuts: list[int]) -> tuple[int, bool] | None:
    """Characters and whether they are a value, fed in parts; None where it is none."""
    scanner, total = JsonScanner(), 0
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        try:
            total += scanner.feed(text[begin:end])
        except NotJson:
            return None
    return total, scanner.end()


@given(
    value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]), rest=st.text(max_size=5), data=st.data()
)
def test_values_and_where_they_end(
    value: object, *, ascii_only: bool, indent: int | None, rest: str, data: st.DataObject
) -> None:
    """However they are cut; what stands behind is left. A number ends where no more of one can come."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    whole = f"{text}\n{rest}"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    assert _scanned(whole, cuts) == (len(text), True)
    assert _scanned(text, [cut for cut in cuts if cut <= len(text)]) == (len(text), True)


@given(text=LIKE_JSON)
def test_what_is_no_json_is_none(text: str) -> None:
    """Complete is what Python reads; what it refuses is refused, or is not complete."""
    scanned = _scanned(text, [])
    extent = _extent(text)
    if scanned is not None and scanned[1]:
        assert extent == scanned[0]
    # a number is read as far as it is one by Python; here it must end where another sign can stand
    elif extent is not None:
        assert text[:extent].strip()[-1] in "0123456789els"


@given(text=LIKE_JSON, data=st.data())
def test_any_cut_is_refused_at_the_same_place(text: str, data: st.DataObject) -> None:
    """The first character that cannot stand there."""

    def refused(parts: list[str]) -> int | None:
        scanner, total = JsonScanner(), 0
        for part in parts:
            try:
                total += scanner.feed(part)
            except NotJson as error:
                return total + error.at
        return None

    cut = data.draw(st.integers(0, len(text)))
    assert refused([text]) == refused([text[:cut], text[cut:]]) == refused(list(text))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("[1 2", 3),
        ('{"a" 1', 5),
        ("[,", 1),
        ('{"a":1,}', 7),
        ('"\n', 1),
        ('"\\x', 2),
        ('"\\u12g', 5),
        ("tru ", 3),
        ("01 ", 2),
    ],
)
def test_where_it_breaks(text: str, at: int) -> None:
    """The index of the character."""
    with pytest.raises(NotJson) as found:
        JsonScanner().feed(text)
    assert found.value.at == at


def test_depth_and_length_are_bounded() -> None:
    """Deep nesting, and numbers that never end."""
    scanner = JsonScanner()
    assert scanner.feed("[" * DEPTH_MAX) == DEPTH_MAX
    with pytest.raises(NotJson):
        scanner.feed("[")
    with pytest.raises(NotJson):
        JsonScanner().feed("[" + "1e" * 10_000)
