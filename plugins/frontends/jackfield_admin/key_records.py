"""Bodies and answers about keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from jackfield.ports.identity import SCOPES
from jackfield.ports.key_issuer import IssuedKey
from jackfield.types import PRIORITY_MAX

GRACE_MAX_S: Final = 10 * 365 * 86_400
"""Longer is for ever."""

_Text: TypeAlias = Annotated[str, Meta(max_length=200)]
_Moment: TypeAlias = Annotated[datetime, Meta(tz=True, description="With its zone; it must lie ahead.")]


_Scopes: TypeAlias = Annotated[
    tuple[_Text, ...],
    Meta(
        max_length=64,
        description=f"What it may do; nothing that the caller may not. Known: {', '.join(SCOPES)}; * is all.",
    ),
]
_Models: TypeAlias = Annotated[
    tuple[_Text, ...],
    Meta(max_length=1000, description="Names or aliases. Null: all, or those of its roles, if it has any."),
]
_Roles: TypeAlias = Annotated[
    tuple[_Text, ...], Meta(max_length=64, description="Roles whose scopes and models it has; ones of the caller's.")
]
_Tags: TypeAlias = Annotated[tuple[_Text, ...], Meta(max_length=64, description="Words for policies.")]
_Owner: TypeAlias = Annotated[_Text, Meta(description="Who answers for it: a person, a team, an address.")]
_User: TypeAlias = Annotated[_Text, Meta(description="Who uses it; several keys of one person share limits by that.")]
_Team: TypeAlias = Annotated[_Text, Meta(description="Whose limits and budgets it shares.")]
_Tenant: TypeAlias = Annotated[_Text, Meta(description="With whom it shares records and cached prefixes.")]
_Priority: TypeAlias = Annotated[
    int,
    Meta(
        ge=-PRIORITY_MAX,
        le=PRIORITY_MAX,
        description="The most urgent priority that its requests may ask for; lower goes first.",
    ),
]


class KeyCreation(msgspec.Struct, kw_only=True):
    """What a new key is for."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="Letters, digits and . _ @ -")]
    """Of whoever uses it."""
    owner: _Owner = ""
    user: _User = ""
    team: _Team = ""
    tenant: _Tenant | None = None
    """Null: the caller's."""
    roles: _Roles = ()
    tags: _Tags = ()
    scopes: _Scopes | None = None
    """Null: what the command line gives."""
    models: _Models | None = None
    priority: _Priority = 0
    expires: _Moment | None = None


class KeyUpdate(msgspec.Struct, kw_only=True):
    """What is to be different about a key; what is not named stays, and lists are replaced."""

    owner: _Owner | UnsetType = UNSET
    user: _User | UnsetType = UNSET
    team: _Team | UnsetType = UNSET
    tenant: _Tenant | UnsetType = UNSET
    roles: _Roles | UnsetType = UNSET
    tags: _Tags | UnsetType = UNSET
    scopes: _Scopes | UnsetType = UNSET
    models: _Models | UnsetType | None = UNSET
    priority: _Priority | UnsetType = UNSET
    expires: _Moment | UnsetType | None = UNSET
    """Null: it does not expire any more."""


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


class KeysCalled(msgspec.Struct, kw_only=True):
    """Keys of one name, fingerprint or prefix."""

    issuer: str
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
