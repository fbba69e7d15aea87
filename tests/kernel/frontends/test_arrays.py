"""Single values of bodies, and what is said of those that are wrong."""

from __future__ import annotations

import json
from typing import Literal

import msgspec
import pytest

from jackfield.errors import InvalidRequest, JackfieldError, MalformedBody, UnknownField
from jackfield.frontends.arrays import typed


class Body(msgspec.Struct):
    """One with two fields."""

    count: int = 0
    name: str = ""
    kind: Literal["a", "b"] = "a"


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """One that has to be there, and no others."""

    name: str
    inner: tuple[Strict, ...] = ()


DECODER = msgspec.json.Decoder(Body)


STRICT = msgspec.json.Decoder(Strict)


def test_what_fits() -> None:
    """It is decoded."""
    assert typed(DECODER, b'{"count": 3}').count == 3


@pytest.mark.parametrize(
    ("data", "kind", "param"),
    [
        (b"", MalformedBody, None),
        (b'{"count": 3', MalformedBody, None),
        (b'{"count": 3} {}', MalformedBody, None),
        (b'{"other": ' + b"[" * 100_000, MalformedBody, None),
        (b'{"name": "\xff"}', MalformedBody, None),
        (b"[]", MalformedBody, None),
        (b'{"count": "3"}', InvalidRequest, "count"),
    ],
)
def test_what_does_not(data: bytes, kind: type[JackfieldError], param: str | None) -> None:
    """Whatever a client sends, it is the client's mistake."""
    with pytest.raises(kind) as caught:
        typed(DECODER, data)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("data", "kind", "param"),
    [
        (b'{"other": 1, "name": "a"}', UnknownField, "other"),
        (b"{}", InvalidRequest, "name"),
        (b'{"name": "a", "inner": [{"name": "b"}, {}]}', InvalidRequest, "inner[1].name"),
        (b'{"name": "a", "inner": [{"name": "b", "more": 1}]}', UnknownField, "inner[0].more"),
        (json.dumps({"x" * 100_000: 1, "name": "a"}).encode(), UnknownField, "x" * 64),
    ],
)
def test_fields_are_named(data: bytes, kind: type[JackfieldError], param: str) -> None:
    """Those that are missing, and those that nobody knows; not in any length."""
    with pytest.raises(kind) as caught:
        typed(STRICT, data)
    assert caught.value.param == param
    assert len(caught.value.message) < 100


@pytest.mark.parametrize("value", ["whispered", "whispered - at `$.name`", "`whispered`", "whispered" * 100_000])
@pytest.mark.parametrize("path", ["", "some.kind"])
def test_values_are_not_repeated(value: str, path: str) -> None:
    """Whatever somebody wrote there, and whatever it looks like."""
    decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(Literal["a", "b"] if path else Body)
    with pytest.raises(InvalidRequest) as caught:
        typed(decoder, json.dumps(value if path else {"kind": value}).encode(), path)
    assert caught.value.param == (path or "kind")
    assert "whispered" not in caught.value.message
    assert "none of the values" in caught.value.message
