"""Faults in tables of options are told with the keys that are in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import pytest

from jackfield.errors import ManifestError
from jackfield.manifest import decode_table

if TYPE_CHECKING:
    from jackfield.manifest import Table


class Inner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    count: int = 0
    names: tuple[Literal["a", "b"], ...] = ()

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count must not be negative")


class Outer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: int = 0
    rules: dict[str, Inner] = {}

    def __post_init__(self) -> None:
        if self.level < 0:
            raise ValueError("level must not be negative")


@pytest.mark.parametrize(
    ("table", "param", "said"),
    [
        ({"level": "x"}, "config.p.level", "expected `int`, got `str`"),
        ({"level": -1}, "config.p.level", "must not be negative"),
        ({"rules": {"good": {}, "bad": {"count": "x"}}}, "config.p.rules.bad.count", "expected `int`, got `str`"),
        ({"rules": {"good": {}, "bad": {"nope": 1}}}, "config.p.rules.bad", "unknown field `nope`"),
        ({"rules": {"bad": {"names": ["a", "c"]}}}, "config.p.rules.bad.names[1]", "invalid enum value 'c'"),
        ({"rules": {"bad": {"count": -1}}}, "config.p.rules.bad", "count must not be negative"),
        ({"rules": 1}, "config.p.rules", "expected `object`, got `int`"),
    ],
)
def test_the_key_at_fault_is_named(table: Table, param: str, said: str) -> None:
    """Also below a name that the file's author has chosen."""
    with pytest.raises(ManifestError) as caught:
        decode_table(table, Outer, "config.p", lambda _: "here")
    assert caught.value.param == param
    assert caught.value.message.startswith(f"here: {param}: ")
    assert said in caught.value.message
