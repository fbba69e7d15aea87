"""Changes of kept keys, and of a key file: comments and order of what people wrote into it stay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError
from jackfield_keys.changes import Grant, Made, Rotated, altering, anyway, creating, importing, revoking, rotating
from jackfield_keys.decode import KeyDecoder
from jackfield_keys.document import KeyDocument
from jackfield_keys.last_used import read_last_used, sidecar
from jackfield_keys.store import FILE_BYTES_MAX, locked, read, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from jackfield.ports.key_issuer import KeyChange
    from jackfield_keys.changes import Agree, Change, Result
    from jackfield_keys.records import KeyRecord

__all__ = ["Grant", "KeyEditor", "KeyFile"]

_HEADER: Final = """\
# Keys of a Jackfield server, written by `jackfield keys`. There are digests only: no key can be read from this file.
# Revoke keys instead of deleting them: a running server then refuses them also if an older copy of the file comes back.
version = 1

"""


class KeyEditor(ABC):
    """Keys as commands change them, wherever they are kept. One process, one thread.

    Attributes:
        unusable: What is kept in the place of keys and cannot be read, by its name: why. As the last call found it.
    """

    unusable: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def records(self) -> Sequence[KeyRecord]:
        """All keys, oldest first.

        Raises:
            JackfieldError: They cannot be read.
        """

    @abstractmethod
    def last_used(self) -> Mapping[str, float]:
        """When keys were last used, as far as it is known: Unix seconds by fingerprint."""

    @abstractmethod
    def apply(self, change: Change[Result]) -> Result:
        """Make *change*, whole or not at all.

        Raises:
            JackfieldError: The keys cannot be read or written.
            Exception: What *change* raised; nothing is different then.
        """

    def create(self, grant: Grant) -> Made:
        """Add a key; see ``creating``."""
        return self.apply(creating(grant))

    def revoke(self, which: str, agree: Agree = anyway) -> Sequence[KeyRecord]:
        """Refuse keys from now on; see ``revoking``."""
        return self.apply(revoking(which, agree))

    def alter(self, which: str, wanted: KeyChange, agree: Agree = anyway) -> Sequence[KeyRecord]:
        """Let keys be different; see ``altering``."""
        return self.apply(altering(which, wanted, agree))

    def rotate(self, which: str, grace: timedelta, expires: datetime | None, agree: Agree = anyway) -> Rotated:
        """Give the holder of a key a new one; see ``rotating``."""
        return self.apply(rotating(which, grace, expires, agree))

    def take_over(self, foreign: Sequence[KeyRecord]) -> Sequence[KeyRecord]:
        """Add keys that were kept elsewhere; see ``importing``."""
        return self.apply(importing(foreign))


class KeyFile(KeyEditor):
    """A key file.

    Parameters:
        path: The file; the first change makes it.
        shown: What messages call it.
    """

    def __init__(self, path: Path, shown: str) -> None:
        self._path = path
        self._shown = shown
        self._decoder = KeyDecoder()

    def records(self) -> Sequence[KeyRecord]:
        return self._decoder.decode(read(self._path, self._shown)[0], self._shown)

    def last_used(self) -> Mapping[str, float]:
        return read_last_used(sidecar(self._path))

    def apply(self, change: Change[Result], *, make: bool = False) -> Result:
        """See ``KeyEditor``; the file is locked meanwhile.

        Parameters:
            change: What is to be made of it.
            make: Whether the file is made where there is none.
        """
        with locked(self._path, self._shown):
            text = _HEADER if make and not self._path.exists() else read(self._path, self._shown)[0]
            records = list(self._decoder.decode(text, self._shown))
            result, altered = change(records)
            if altered:
                replace(self._path, self._changed(text, records, altered), self._shown)
            return result

    def create(self, grant: Grant) -> Made:
        return self.apply(creating(grant), make=True)

    def take_over(self, foreign: Sequence[KeyRecord]) -> Sequence[KeyRecord]:
        return self.apply(importing(foreign), make=True)

    def _changed(self, text: str, records: list[KeyRecord], altered: Sequence[KeyRecord]) -> str:
        """*text* with what was *altered*; what it would say is checked first."""
        document = KeyDocument(text, len(records))
        places = {record.digest: place for place, record in enumerate(records)}
        for record in altered:
            place = places.get(record.digest)
            if place is None:
                document.append(record)
                records.append(record)
            else:
                document.replace(place, records[place], record)
                records[place] = record
        text = document.text()
        if len(text.encode()) > FILE_BYTES_MAX:
            raise ManifestError(f"{self._shown}: it would be larger than {FILE_BYTES_MAX} bytes, which nobody reads")
        if list(self._decoder.decode(text, self._shown)) != records:
            raise AssertionError("the changed key file would not say what it must")
        return text
