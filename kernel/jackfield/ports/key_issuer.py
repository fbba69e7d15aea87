"""Key issuers: authenticators whose keys are made and taken back while the server runs.

An ``Authenticator`` may have a ``KeyIssuer``'s methods besides its own; then ``Gateway.key_issuers`` has it, under the
authenticator's name, for frontends that let principals with scope ``admin`` manage keys. One object is both, so that
what was changed holds at once. Where no enabled authenticator is one, keys are managed elsewhere.

Who may change what is the frontend's business: it hands over a ``Judge``, which sees keys as they are in the very
moment of the change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from jackfield.secret import Secret

DEADLINE_S: Final = 15.0
"""How long a call may take: others may be changing keys too."""

KeyState: TypeAlias = Literal["active", "rotated", "expired", "revoked"]
"""rotated: replaced by a newer one, and good until its grace period ends."""


class IssuedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without itself."""

    name: str
    """Of whoever uses it; a rotated key and its successor share it."""
    fingerprint: str
    """Six characters, as ``Principal.fingerprint``; unique among an issuer's keys."""
    state: KeyState
    scopes: tuple[str, ...]
    owner: str = ""
    """Who answers for it: a person, a team."""
    models: tuple[str, ...] | None = None
    """Names or aliases of the models it may use; None is all."""
    priority: int = 0
    """The most urgent priority that its requests may ask for; lower goes first."""
    created: datetime
    expires: datetime | None = None
    """None does not expire."""
    revoked: datetime | None = None
    """From when on it is refused; in the future for a rotated key in its grace period."""


class KeyGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key is for; see ``IssuedKey``."""

    name: str
    scopes: tuple[str, ...]
    owner: str = ""
    models: tuple[str, ...] | None = None
    priority: int = 0
    expires: datetime | None = None
    """In UTC."""


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

    async def revoke(self, which: str, judge: Judge) -> Sequence[IssuedKey]:
        """Refuse the keys called *which*, or the one with that fingerprint, from now on.

        Parameters:
            which: Name or fingerprint.
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
            which: Name or fingerprint of the present key.
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
