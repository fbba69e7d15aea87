"""Reading a key file: table by table, so that ten thousand keys hold nobody up.

The parser of TOML gives nothing else a turn until it is done, and 4 MiB take it a sixth of a second. A table takes
microseconds, and one that is as it was before need not be read again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import tomli

from jackfield.errors import ManifestError
from jackfield_keys.records import KEYS_MAX, KeyRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SLICE: Final = 32
"""Tables after which other threads have a turn: half a millisecond."""

_HEADER: Final = "[[keys]]\n"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    keys: tuple[KeyRecord, ...] = ()


class KeyDecoder:
    """Reads one key file again and again. One thread at a time; it remembers the tables that it has read."""

    def __init__(self) -> None:
        self._known: Mapping[str, KeyRecord] = {}

    def decode(self, text: str, shown: str) -> Sequence[KeyRecord]:
        """The records of a key file.

        Parameters:
            text: The whole file.
            shown: What messages call the file.

        Raises:
            ManifestError: It is not TOML, or a record is not one; the message names the place and no digest.
        """
        records = self._by_tables(text)
        return parse(text, shown) if records is None else checked(records, shown)

    def _by_tables(self, text: str) -> Sequence[KeyRecord] | None:
        """None where the text does not fall apart into tables of keys: it must be read whole.

        A text that is a whole document ends between two statements. So what stands behind it means the same as alone.
        """
        head, *tables = f"\n{text}".split(f"\n{_HEADER}")
        known: dict[str, KeyRecord] = {}
        records: list[KeyRecord] = []
        try:
            if list(version := tomli.loads(head)) != ["version"]:
                return None
            msgspec.convert(version, _File)
            for number, table in enumerate(tables):
                record = self._known.get(table) or _record(table)
                known[table] = record
                records.append(record)
                if number % SLICE == SLICE - 1:
                    time.sleep(0)
        except (ValueError, RecursionError):  # both libraries' errors are ValueErrors
            return None
        self._known = known
        return records


def _record(table: str) -> KeyRecord:
    read = tomli.loads(f"{_HEADER}{table}")
    [only] = read.pop("keys")
    if read:
        raise ValueError("there is more in it than a key")
    return msgspec.convert(only, KeyRecord)


def parse(text: str, shown: str) -> Sequence[KeyRecord]:
    """The records of *text*, read in one piece; see ``KeyDecoder.decode``."""
    try:
        return checked(msgspec.convert(tomli.loads(text), _File).keys, shown)
    except tomli.TOMLDecodeError as error:
        raise ManifestError(f"{shown}:{error.lineno}: {error.msg} (column {error.colno})") from error
    except (msgspec.ValidationError, RecursionError) as error:
        what, _, place = str(error).partition(" - at `$")
        raise ManifestError(f"{shown}: {place.rstrip('`').removeprefix('.') or 'the file'}: {what}") from error


def checked(records: Sequence[KeyRecord], shown: str) -> Sequence[KeyRecord]:
    """*records*, if they can all be there at the same time.

    Raises:
        ManifestError: They are too many, or two are of one key.
    """
    if len(records) > KEYS_MAX:
        raise ManifestError(f"{shown}: more than {KEYS_MAX} keys")
    digests: set[str] = set()
    for record in records:
        if record.digest in digests:
            raise ManifestError(f"{shown}: the key {record.name} ({record.fingerprint}) is there twice")
        digests.add(record.digest)
    return records
