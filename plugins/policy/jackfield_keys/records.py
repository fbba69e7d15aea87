"""What is kept of a key, checked: a ``KeyRecord``, as a table of a key file or as a document of the policy store."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec

from jackfield.ports.identity import SCOPE
from jackfield.ports.key_issuer import IssuedKey
from jackfield.ports.policy import NAME as ASKABLE
from jackfield.types import PRIORITY_MAX

if TYPE_CHECKING:
    from jackfield.ports.key_issuer import KeyState

KIND: Final = "key"
"""What records and documents of keys are called."""

Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone: ``2027-01-31T00:00:00Z``."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")
"""What keys may be called: safe in logs and on command lines."""

KEYS_MAX: Final = 10_000
"""More people than that need a directory, not keys."""

TEXT_MAX: Final = 200
"""Longest owner, user, team, tenant, model name or scope, in characters."""

WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,63}\Z")
"""What roles and tags look like."""

_WIDE_SPACE: Final = "\u3000"
"""Stands between Japanese names; Python does not count it as printed."""

_PREFIX: Final = re.compile(r"[!-~]{0,16}\Z")
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
FINGERPRINT: Final = 6
"""Digits of a digest that tell keys apart, for people."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One key."""

    name: str
    """Of whoever uses it; a rotated key and its successor share it."""
    digest: str
    """``sha256:`` and the digest of the key in hexadecimal."""
    scopes: tuple[str, ...]
    """What it may do; empty leaves that to its roles."""
    created: Moment
    prefix: str = ""
    """Its first characters; empty of keys that were made when none were kept."""
    owner: str = ""
    user: str = ""
    team: str = ""
    tenant: str = ""
    roles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    """Names or aliases of the models it may use; None is all, or those that its roles bring, if it has any."""
    priority: int = 0
    """The most urgent priority that requests with it may ask for; lower goes first."""
    expires: Moment | None = None
    revoked: Moment | None = None
    """From when on it is refused; in the future for a rotated key in its grace period."""
    blocked: Moment | None = None
    """Since when it is refused until it is unblocked."""

    def __post_init__(self) -> None:
        if not NAME.match(self.name):
            raise ValueError("name must be letters, digits and . _ @ - (at most 64)")
        if not _DIGEST.fullmatch(self.digest):
            raise ValueError("digest must be sha256: and 64 hexadecimal digits")
        if not (self.scopes or self.roles) or not all(map(SCOPE.match, self.scopes)):
            raise ValueError("scopes must be a list of words such as generate or models:read")
        if not _PREFIX.match(self.prefix):
            raise ValueError("prefix must be the first characters of the key")
        for field in ("roles", "tags"):
            if not all(map(WORD.match, getattr(self, field))):
                raise ValueError(f"{field} must be words of letters, digits and . _ : @ / - (at most 64)")
        self._check_texts()
        if not -PRIORITY_MAX <= self.priority <= PRIORITY_MAX:
            raise ValueError(f"priority must be between {-PRIORITY_MAX} and {PRIORITY_MAX}")

    def _check_texts(self) -> None:
        for field in ("owner", "user", "team", "tenant"):
            text: str = getattr(self, field)
            if len(text) > TEXT_MAX or not ASKABLE.match(text):
                raise ValueError(f'{field} must be a printable text of at most {TEXT_MAX} characters without " and \\')
        for field in ("scopes", "models"):
            for text in getattr(self, field) or ():
                if not 0 < len(text) <= TEXT_MAX or not _printed(text):
                    raise ValueError(f"{field} must be printable texts of at most {TEXT_MAX} characters")

    @property
    def digest_bytes(self) -> bytes:
        """The digest itself."""
        return bytes.fromhex(self.digest.partition(":")[2])

    @property
    def fingerprint(self) -> str:
        """The first six digits of the digest, as ``jackfield.ports.identity.fingerprint`` gives them for the key."""
        return self.digest.partition(":")[2][:FINGERPRINT]

    def is_called(self, which: str) -> bool:
        """Whether *which* is its name, its fingerprint or its prefix."""
        return which in (self.name, self.fingerprint) or (which == self.prefix and which != "")

    def issued(self, last_used: datetime | None = None) -> IssuedKey:
        """What may be shown of it, as it is now."""
        return IssuedKey(
            name=self.name,
            fingerprint=self.fingerprint,
            prefix=self.prefix,
            state=self.state(datetime.now(UTC)),
            scopes=self.scopes,
            owner=self.owner,
            user=self.user,
            team=self.team,
            tenant=self.tenant,
            roles=self.roles,
            tags=self.tags,
            models=self.models,
            priority=self.priority,
            created=self.created,
            expires=self.expires,
            revoked=self.revoked,
            blocked=self.blocked,
            last_used=last_used,
        )

    def state(self, now: datetime) -> KeyState:
        """Where it stands at *now*."""
        if self.revoked is not None and self.revoked <= now:
            return "revoked"
        if self.expires is not None and self.expires <= now:
            return "expired"
        if self.blocked is not None:
            return "blocked"
        return "active" if self.revoked is None else "rotated"


def _printed(text: str) -> bool:
    """Whether nothing in it is unseen, turns the direction of the rest, or is no character."""
    return text.replace(_WIDE_SPACE, " ").isprintable()


def called(record: KeyRecord) -> str:
    """A key, for a record: its name and fingerprint."""
    return f"{record.name} ({record.fingerprint})"


def differently(before: KeyRecord, now: KeyRecord) -> str:
    """The same, with the names of what is different."""
    fields = [name for name in now.__struct_fields__ if getattr(before, name) != getattr(now, name)]
    return f"{called(now)}: {', '.join(fields)}"
