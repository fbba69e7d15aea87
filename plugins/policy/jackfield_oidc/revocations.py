"""What is revoked: tokens, sessions and callers, by a file and by documents of the policy store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
import tomli

from jackfield.errors import InvalidRequest, ManifestError
from jackfield.watched_files import begin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from jackfield_oidc.claims import Marks

FILE_MAX: Final = 8 << 20
"""Largest file, in bytes: some 100,000 entries."""

WORK_S: Final = 86_400.0
"""How long work may go on whose caller has gone: batches have a day."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry: tokens of which all is true that it says."""

    issuer: str = ""
    """Name of the issuer in the options; empty: any."""
    sub: str = ""
    jti: str = ""
    sid: str = ""
    before: datetime | None = None
    """Issued earlier, or nobody knows when."""

    def __post_init__(self) -> None:
        if not (self.sub or self.jti or self.sid or self.before):
            raise ValueError("an entry needs sub, jti, sid or before")
        if self.before is not None and self.before.tzinfo is None:
            raise ValueError("before needs a time zone, such as Z")

    @property
    def key(self) -> tuple[str, str]:
        """What it is found by: its narrowest field."""
        named = (("jti", self.jti), ("sid", self.sid), ("sub", self.sub))
        return next(((name, value) for name, value in named if value), ("", ""))

    def names(self, marks: Marks) -> bool:
        """Whether it is about a token with these *marks*."""
        fields = ((self.issuer, marks.issuer), (self.sub, marks.subject), (self.jti, marks.token_id))
        if not all(own in ("", value) for own, value in (*fields, (self.sid, marks.session))):
            return False
        return self.before is None or marks.issued is None or marks.issued < self.before.timestamp()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    revoked: tuple[Revocation, ...] = ()


class RevocationList:
    """Entries, found by what they are about. Immutable."""

    def __init__(self, entries: Iterable[Revocation]) -> None:
        self._found: dict[tuple[str, str], list[Revocation]] = {}
        for each in entries:
            self._found.setdefault(each.key, []).append(each)

    def has(self, marks: Marks) -> bool:
        """Whether a token with these *marks* is revoked."""
        if not self._found:
            return False
        keys = (("jti", marks.token_id), ("sid", marks.session), ("sub", marks.subject), ("", ""))
        return any(each.names(marks) for name, value in keys for each in self._found.get((name, value or ""), ()))

    def has_caller(self, issuer: str, subject: str, now: float) -> bool:
        """Whether all that *subject* has is revoked, of whom only work is left that began a day ago at most.

        Nobody knows when its token was issued; so ``before`` counts where it is later than that day's begin.
        """
        entries: Sequence[Revocation] = (*self._found.get(("sub", subject), ()), *self._found.get(("", ""), ()))
        return any(
            each.issuer in ("", issuer) and (each.before is None or each.before.timestamp() > now - WORK_S)
            for each in entries
        )


NOTHING: Final = RevocationList(())


def read(file: Path) -> RevocationList:
    """The list in *file*, TOML with a table ``[[revoked]]`` for each entry.

    Raises:
        ManifestError: It cannot be used; the message says why.
    """
    try:
        content = begin_of(file, FILE_MAX + 1)
        if len(content) > FILE_MAX:
            raise ManifestError(f"{file.name}: the list of revocations is too large")
        table = tomli.loads(content.decode())
        return RevocationList(msgspec.convert(table, _File).revoked)
    except OSError as error:
        raise ManifestError(f"{file.name}: the list of revocations cannot be read ({error.strerror})") from error
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        raise ManifestError(f"{file.name}: the list of revocations cannot be used: {error}") from error


def decoded(documents: Mapping[str, bytes]) -> RevocationList:
    """The list that *documents* of the policy store make, an entry each.

    Raises:
        InvalidRequest: One of them is none; ``param`` names it, and its field.
    """
    entries = []
    for name, content in documents.items():
        try:
            entries.append(msgspec.json.decode(content, type=Revocation))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            what, _, place = str(error).partition(" - at `$")
            param = f"{name}{place.rstrip('`')}"
            raise InvalidRequest(f"the revocation {name} cannot be used: {what}", param=param) from error
    return RevocationList(entries)
