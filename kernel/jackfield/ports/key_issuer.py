"""Key issuers: authenticators whose keys are made and taken back while the server runs.

An ``Authenticator`` may have a ``KeyIssuer``'s methods besides its own; then ``Gateway.key_issuers`` has it, under the
authenticator's name, for frontends that let principals with scope ``keys:write`` manage keys. One object is both, so
that what was changed holds at once. Where no enabled authenticator is one, keys are managed elsewhere.

Who may change what is the frontend's business: it hands over a ``Judge``, which sees keys as they are in the very
moment of the change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec
from msgspec import UNSET, UnsetType

from jackfield.secret import Secret

DEADLINE_S: Final = 15.0
"""How long a call may take: others may be changing keys too."""

KeyState: TypeAlias = Literal["active", "rotated", "blocked", "expired", "revoked"]
"""rotated: replaced by a newer one, and good until its grace period ends; blocked: refused until it is unblocked."""


class IssuedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without itself."""

    name: str
    """Of whoever uses it; a rotated key and its successor share it."""
    fingerprint: str
    """Six characters, as ``Principal.fingerprint``; unique among an issuer's keys."""
    prefix: str = ""
    """What the key begins with: whoever holds it can tell that it is this one, and nobody can guess it by that. Empty
    where the issuer does not keep it."""
    state: KeyState
    scopes: tuple[str, ...]
    """What it may do; empty leaves that to its roles."""
    owner: str = ""
    """Who answers for it: a person, a team."""
    user: str = ""
    team: str = ""
    tenant: str = ""
    roles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """See ``Principal`` for these five."""
    models: tuple[str, ...] | None = None
    """Names or aliases of the models it may use; None is all, or those that its roles bring, if it has any."""
    priority: int = 0
    """The most urgent priority that its requests may ask for; lower goes first."""
    created: datetime
    expires: datetime | None = None
    """None does not expire."""
    revoked: datetime | None = None
    """From when on it is refused; in the future for a rotated key in its grace period."""
    blocked: datetime | None = None
    """Since when it is out of use."""
    last_used: datetime | None = None
    """To the minute or so; None where it was not used, or nobody knows."""


class KeyGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key is for; see ``IssuedKey``."""

    name: str
    scopes: tuple[str, ...]
    owner: str = ""
    user: str = ""
    team: str = ""
    tenant: str = ""
    roles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    priority: int = 0
    expires: datetime | None = None
    """In UTC."""


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different about a key; what is ``UNSET`` stays. See ``IssuedKey``."""

    scopes: tuple[str, ...] | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    user: str | UnsetType = UNSET
    team: str | UnsetType = UNSET
    tenant: str | UnsetType = UNSET
    roles: tuple[str, ...] | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    expires: datetime | UnsetType | None = UNSET
    """In UTC; None lets it not expire any more."""
    blocked: bool | UnsetType = UNSET
    """Whether it is refused from now on, or good again."""


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was just made: nobody can show it again."""

    key: Secret
    issued: IssuedKey
    replaced: IssuedKey | None = None
    """The one in whose place it is, as that is now."""


Judge: TypeAlias = Callable[[Sequence[IssuedKey], Sequence[IssuedKey]], None]
"""Told which keys a change is about, and all others, both as they are before it. What it raises refuses the change.
It is quick, asks nobody, and may be called by any thread."""


@runtime_checkable
class KeyIssuer(Protocol):
    """What an ``Authenticator`` may have besides: keys that can be changed.

    A change is whole or not at all, also after a crash in the middle of it, and calls may overlap. Once a call has
    returned, this authenticator judges by it: a new key is good, a revoked one is refused.
    """

    async def issued(self) -> Sequence[IssuedKey]:
        """All keys, also those that are refused, oldest first.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 15 s (``DEADLINE_S``).
        Failure policy: closed; anything but ``JackfieldError`` answers 503 and is logged by name.
        """
        ...

    async def issue(self, grant: KeyGrant) -> NewKey:
        """Make a key.

        Raises:
            InvalidRequest: *grant* cannot be kept; ``param`` names its field.
            Conflict: A key that is not revoked has that name, or there are as many keys as there may be.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 15 s (``DEADLINE_S``).
        Failure policy: closed; anything but ``JackfieldError`` answers 503 and is logged by name.
        """
        ...

    async def change(self, which: str, change: KeyChange, judge: Judge) -> Sequence[IssuedKey]:
        """Let the keys called *which*, or the one with that fingerprint, be different from now on.

        Those that are refused for ever stay as they are.

        Parameters:
            which: Name, fingerprint or prefix.
            change: What is to be different.
            judge: Asked about those that would change.

        Returns:
            Those that may have changed, as they are now.

        Raises:
            KeyNotFound: There is no such key.
            Conflict: All of them were revoked.
            InvalidRequest: *change* cannot be kept; ``param`` names its field.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 15 s (``DEADLINE_S``).
        Failure policy: closed; anything but ``JackfieldError`` answers 503 and is logged by name.
        """
        ...

    async def revoke(self, which: str, judge: Judge) -> Sequence[IssuedKey]:
        """Refuse the keys called *which*, or the one with that fingerprint, from now on.

        Parameters:
            which: Name, fingerprint or prefix.
            judge: Asked about those of them that are not refused yet, if there are any.

        Returns:
            Those that were not refused before, as they are now; empty where all were.

        Raises:
            KeyNotFound: There is no such key.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 15 s (``DEADLINE_S``).
        Failure policy: closed; anything but ``JackfieldError`` answers 503 and is logged by name.
        """
        ...

    async def rotate(self, which: str, judge: Judge, *, grace_s: float, expires: datetime | None) -> NewKey:
        """Give the holder of a key a new one, with the same name, owner and rights.

        Parameters:
            which: Name, fingerprint or prefix of the present key.
            judge: Asked about it.
            grace_s: Seconds for which the old one stays good.
            expires: When the new one ends, in UTC; None gives it the old one's lifetime, if that has one.

        Raises:
            KeyNotFound: There is no such key.
            Conflict: It was revoked or rotated.
            InvalidRequest: *grace_s* or the new expiry lies too far ahead.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 15 s (``DEADLINE_S``).
        Failure policy: closed; anything but ``JackfieldError`` answers 503 and is logged by name.
        """
        ...
