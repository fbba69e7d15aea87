"""Single values of bodies, and what is said of those that are wrong."""

from __future__ import annotations

import msgspec
import pytest

from jackfield.errors import InvalidRequest, JackfieldError, MalformedBody
from jackfield.frontends.arrays import typed


class Body(msgspec.Struct):
    """One with two fields."""

    count: int = 0
    name: str = ""


DECODER = msgspec.json.Decoder(Body)


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
