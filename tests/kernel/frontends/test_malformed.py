"""What a body of the wrong kind is answered with."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from jackfield.errors import InvalidRequest
from jackfield.frontends.arrays import typed
from jackfield.frontends.malformed import SAID_MAX, without_value


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    kind: Literal["a", "b"] = "a"


class Checked(msgspec.Struct):
    """A body with a check of its own, which says what it was given."""

    kind: str

    def __post_init__(self) -> None:
        raise ValueError(f"nobody knows {self.kind}")


DECODER = msgspec.json.Decoder(Body)


@pytest.mark.parametrize("kind", [Body, Checked])
@pytest.mark.parametrize("body", [{"x" * 1_000_000: 1}, {"kind": "x" * 1_000_000}])
def test_what_a_client_wrote_is_not_repeated_at_length(kind: type[Body | Checked], body: dict[str, object]) -> None:
    decoder: msgspec.json.Decoder[Body | Checked] = msgspec.json.Decoder(kind)
    with pytest.raises(InvalidRequest) as refused:
        typed(decoder, msgspec.json.encode(body), "field")
    assert len(refused.value.message) < SAID_MAX + 20
    assert refused.value.param is not None
    assert refused.value.param.startswith("field")


def test_short_names_are_repeated() -> None:
    with pytest.raises(InvalidRequest, match="other"):
        typed(DECODER, b'{"other": 1}', "field")


@pytest.mark.parametrize("value", ["jf_0123456789", "it's - at `$.other` here", "a\nb", "`$"])
def test_what_is_said_of_a_choice_has_its_place_and_not_its_value(value: str) -> None:
    """It goes to logs, too."""
    with pytest.raises(msgspec.ValidationError) as caught:
        DECODER.decode(msgspec.json.encode({"kind": value}))
    assert without_value(caught.value) == "Invalid enum value - at `$.kind`"
