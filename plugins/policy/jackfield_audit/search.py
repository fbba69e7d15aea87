"""Finding records in the files of a record."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield_audit.chain import LINE_MAX
from jackfield_audit.envelope import printable
from jackfield_audit.files import record_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS: Final = (
    "seq",
    "time",
    "kind",
    "action",
    "outcome",
    "principal",
    "name",
    "team",
    "fingerprint",
    "client",
    "resource",
    "reason",
    "request_id",
    "decision_id",
    "details",
)
"""Of a table."""

_FORMULA: Final = frozenset("=+-@\t\r")
"""What spreadsheets take for the beginning of a formula: https://owasp.org/www-community/attacks/CSV_Injection."""


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One record, as it was written."""

    seq: int
    time: datetime
    kind: str
    action: str
    outcome: str
    request_id: str = ""
    decision_id: str = ""
    principal: str = ""
    name: str = ""
    fingerprint: str = ""
    team: str = ""
    client: str = ""
    resource: str = ""
    reason: str = ""
    details: Mapping[str, object] = {}
    texts: Sequence[Mapping[str, object]] = ()


class Filter(NamedTuple):
    """Which records are meant; an empty field means all."""

    fields: Mapping[str, str] = {}
    """Names of fields, and what they must be."""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    """Hash of a text that was recorded."""

    def takes(self, record: Record) -> bool:
        """Whether *record* is meant."""
        if self.since is not None and record.time < self.since:
            return False
        if self.until is not None and record.time >= self.until:
            return False
        if any(getattr(record, name) != wanted for name, wanted in self.fields.items()):
            return False
        return not self.text or any(each.get("hash") == self.text for each in record.texts)


_decode: Final = msgspec.json.Decoder(Record).decode


def found(folder: Path, wanted: Filter) -> Iterator[tuple[bytes, Record]]:
    """The lines that *wanted* means, with what they say, oldest first. Lines that are no record are left out.

    Raises:
        ManifestError: There is no such folder.
        OSError: A file cannot be read.
    """
    for file in record_files(folder):
        with file.path.open("rb") as stream:
            while line := stream.readline(LINE_MAX):
                record = _read(line)
                if record is not None and wanted.takes(record):
                    yield line, record


def _read(line: bytes) -> Record | None:
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def row(record: Record) -> Sequence[str]:
    """*record* as cells of a table, in the order of ``COLUMNS``."""
    cells = [str(record.seq), record.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")]
    cells += [str(getattr(record, name)) for name in COLUMNS[2:-1]]
    return [*cells, " ".join(f"{name}={value}" for name, value in record.details.items())]


def comma_separated(cells: Sequence[str]) -> str:
    """*cells* as a line of CSV (RFC 4180), in which no spreadsheet finds a formula, and no terminal an order."""
    stream = io.StringIO()
    csv.writer(stream).writerow([f"'{cell}" if cell[:1] in _FORMULA else cell for cell in map(printable, cells)])
    return stream.getvalue()
