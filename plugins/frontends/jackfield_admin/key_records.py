"""Bodies and answers about keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from jackfield.ports.identity import SCOPES
from jackfield.ports.key_issuer import IssuedKey
from jackfield.types import PRIORITY_MAX

GRACE_MAX_S: Final = 10 * 365 * 86_400
"""Longer is for ever."""

_Text: TypeAlias = Annotated[str, Meta(max_length=200)]
_Moment: TypeAlias = Annotated[datetime, Meta(tz=True, description="With its zone; it must lie ahead.")]


class KeyCreation(msgspec.Struct, kw_only=True):
    """What a new key is for."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="Letters, digits and . _ @ -")]
    """Of whoever uses it."""
    owner: _Text = ""
    """Who answers for it: a person, a team, an address."""
    scopes: (
        Annotated[
            tuple[_Text, ...],
            Meta(
                min_length=1,
                max_length=64,
                description=f"What it may do; nothing that the caller may not. Known: {', '.join(SCOPES)}; * is all."
                " Null: what the command line gives.",
            ),
        ]
        | None
    ) = None
    models: Annotated[tuple[_Text, ...], Meta(max_length=1000, description="Names or aliases. Null: all.")] | None = (
        None
    )
    priority: Annotated[int, Meta(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0
    """The most urgent priority that its requests may ask for; lower goes first."""
    expires: _Moment | None = None


class Rotation(msgspec.Struct, kw_only=True):
    """How a key is replaced."""

    grace_s: Annotated[float, Meta(ge=0, le=GRACE_MAX_S)] = 0.0
    """Seconds for which the old one stays good."""
    expires: _Moment | None = None
    """Of the new one; null gives it the old one's lifetime, if that has one."""


class Keys(msgspec.Struct, kw_only=True):
    """All keys of one issuer, also those that are refused."""

    issuer: str
    issuers: list[str]
    """Whose keys can be managed."""
    keys: list[IssuedKey]


class MadeKey(msgspec.Struct, kw_only=True):
    """A key that was just made."""

    key: str
    """The key itself; it is not shown again."""
    issued: IssuedKey
    replaced: IssuedKey | None = None
    """The one in whose place it is."""
    warnings: list[str] = []


class RevokedKeys(msgspec.Struct, kw_only=True):
    """What was refused only now."""

    revoked: list[IssuedKey]
