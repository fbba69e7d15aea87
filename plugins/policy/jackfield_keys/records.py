"""What a key file says, checked: one ``KeyRecord`` for each key."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec
import tomli

from jackfield.errors import ManifestError
from jackfield.ports.identity import SCOPE
from jackfield.ports.key_issuer import IssuedKey
from jackfield.types import PRIORITY_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.key_issuer import KeyState

Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone: ``2027-01-31T00:00:00Z``."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")
"""What keys may be called: safe in logs and on command lines."""

KEYS_MAX: Final = 10_000
"""More people than that need a directory, not a file."""

TEXT_MAX: Final = 200
"""Longest owner, model name or scope, in characters."""

_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_FINGERPRINT: Final = 6


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key, as the file knows it."""

    name: str
    """Of whoever uses it; a rotated key and its successor share it."""
    digest: str
    """``sha256:`` and the digest of the key in hexadecimal."""
    scopes: tuple[str, ...]
    created: Moment
    owner: str = ""
    models: tuple[str, ...] | None = None
    """Names or aliases of the models it may use; None is all."""
    priority: int = 0
    """The most urgent priority that requests with it may ask for; lower goes first."""
    expires: Moment | None = None
    revoked: Moment | None = None
    """From when on it is refused; in the future for a rotated key in its grace period."""

    def __post_init__(self) -> None:
        if not NAME.match(self.name):
            raise ValueError("name must be letters, digits and . _ @ - (at most 64)")
        if not _DIGEST.fullmatch(self.digest):
            raise ValueError("digest must be sha256: and 64 hexadecimal digits")
        if not self.scopes or not all(SCOPE.match(scope) for scope in self.scopes):
            raise ValueError("scopes must be a list of words such as generate or models:read")
        for field, texts in (("owner", (self.owner,)), ("scopes", self.scopes), ("models", self.models or ())):
            empty = "" in texts and field != "owner"
            if empty or any(len(text) > TEXT_MAX or not text.isprintable() for text in texts):
                raise ValueError(f"{field} must be printable texts of at most {TEXT_MAX} characters")
        if not -PRIORITY_MAX <= self.priority <= PRIORITY_MAX:
            raise ValueError(f"priority must be between {-PRIORITY_MAX} and {PRIORITY_MAX}")

    @property
    def digest_bytes(self) -> bytes:
        """The digest itself."""
        return bytes.fromhex(self.digest.partition(":")[2])

    @property
    def fingerprint(self) -> str:
        """The first six digits of the digest, as ``jackfield.ports.identity.fingerprint`` gives them for the key."""
        return self.digest.partition(":")[2][:_FINGERPRINT]

    def issued(self) -> IssuedKey:
        """What may be shown of it, as it is now."""
        return IssuedKey(
            name=self.name,
            fingerprint=self.fingerprint,
            state=self.state(datetime.now(UTC)),
            scopes=self.scopes,
            owner=self.owner,
            models=self.models,
            priority=self.priority,
            created=self.created,
            expires=self.expires,
            revoked=self.revoked,
        )

    def state(self, now: datetime) -> KeyState:
        """Where it stands at *now*."""
        if self.revoked is not None and self.revoked <= now:
            return "revoked"
        if self.expires is not None and self.expires <= now:
            return "expired"
        return "active" if self.revoked is None else "rotated"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    keys: tuple[KeyRecord, ...] = ()


def parse(text: str, shown: str) -> Sequence[KeyRecord]:
    """The records of a key file.

    Parameters:
        text: The whole file.
        shown: What messages call the file.

    Raises:
        ManifestError: It is not TOML, or a record is not one; the message names the place and no digest.
    """
    try:
        records = msgspec.convert(tomli.loads(text), _File).keys
    except tomli.TOMLDecodeError as error:
        raise ManifestError(f"{shown}:{error.lineno}: {error.msg} (column {error.colno})") from error
    except (msgspec.ValidationError, RecursionError) as error:
        what, _, place = str(error).partition(" - at `$")
        raise ManifestError(f"{shown}: {place.rstrip('`').removeprefix('.') or 'the file'}: {what}") from error
    if len(records) > KEYS_MAX:
        raise ManifestError(f"{shown}: more than {KEYS_MAX} keys")
    digests: set[str] = set()
    for record in records:
        if record.digest in digests:
            raise ManifestError(f"{shown}: the key {record.name} ({record.fingerprint}) is there twice")
        digests.add(record.digest)
    return records
