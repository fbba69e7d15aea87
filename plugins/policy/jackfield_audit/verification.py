"""Whether a record is whole: every file, every line, and the head at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from jackfield_audit.chain import LINE_MAX, START, ChainKey, taken_apart
from jackfield_audit.files import HEAD, read_head, record_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from jackfield_audit.files import Place, RecordFile

Defect: TypeAlias = Literal["malformed", "changed", "missing", "repeated", "truncated", "unknown key", "unreadable"]


class Problem(NamedTuple):
    """What is wrong with a record, and where."""

    defect: Defect
    file: str
    line: int
    """1 is the first; 0 where it is about a whole file."""
    seq: int
    """Number of the record at fault, or of the first one that is missing."""
    detail: str


class Verdict(NamedTuple):
    """What verifying has found."""

    records: int
    files: int
    first: int
    """Number of the oldest record."""
    last: int
    mac: str
    """Of the last record: who keeps it elsewhere can tell later whether the end is still there."""
    problem: Problem | None
    """The first one; None where the record is whole."""


class _Record(msgspec.Struct):
    seq: int
    kind: str = ""
    action: str = ""
    details: Mapping[str, object] = {}


PROGRESS_BYTES: Final = 1 << 18
"""Between two words of progress: to draw a bar for each line takes longer than to verify it."""

_decode: Final = msgspec.json.Decoder(_Record).decode


class Verification:
    """One look over a record. Any thread.

    Parameters:
        folder: Where the files are.
        keys: Those that it may have been written with.
        progress: Told how many bytes more were verified; lets a command show how far it is.
    """

    def __init__(self, folder: Path, keys: Sequence[ChainKey], progress: Callable[[int], None] | None = None) -> None:
        self._folder = folder
        self._keys = {key.name: key for key in keys}
        self._any = keys[0]
        self._progress = progress or (lambda _: None)
        self._expected = 0
        """Number of the next record; 0 before the first."""
        self._before = START
        self._key = keys[0]
        self._records = 0
        self._first = 0
        self._removed = 0
        """Up to which record files were removed by retention, as the record says."""

    def run(self) -> Verdict:
        """Read everything, up to the first problem.

        Raises:
            ManifestError: There is no such folder.
        """
        # before the files: a gateway may be writing to both
        heads = [head for key in self._keys.values() if (head := read_head(self._folder, key)) is not None]
        files = record_files(self._folder)
        for file in files:
            problem = self._file(file, last=file == files[-1])
            if problem is not None:
                return self._verdict(files, problem)
        return self._verdict(files, self._start(files) or self._end(files, heads))

    def _verdict(self, files: Sequence[RecordFile], problem: Problem | None) -> Verdict:
        last = max(self._expected - 1, 0)
        return Verdict(self._records, len(files), self._first, last, self._before.decode(), problem)

    def _file(self, file: RecordFile, *, last: bool) -> Problem | None:
        untold = 0
        try:
            for number, line in _lines(file.path):
                if last and len(line) < LINE_MAX and not line.endswith(b"\n"):
                    break  # it is being written, or was when the machine went down: the head says whether it counts
                problem = self._line(file.path.name, number, line)
                if problem is not None:
                    return problem
                untold += len(line)
                if untold >= PROGRESS_BYTES:
                    self._progress(untold)
                    untold = 0
        except OSError as error:
            return Problem("unreadable", file.path.name, 0, self._expected, error.strerror or "")
        self._progress(untold)
        return None

    def _line(self, name: str, number: int, line: bytes) -> Problem | None:
        sealed = taken_apart(line.removesuffix(b"\n"))
        record = _decoded(line)
        if sealed is None or record is None or not line.endswith(b"\n"):
            return Problem("malformed", name, number, self._expected, "the line is no record")
        own = record.kind == "audit"
        opening = own and number == 1 and record.action == "audit.opened"
        if opening or (own and record.action == "audit.started"):
            problem = self._turned(name, number, record)
            if problem is not None:
                return problem
        if opening and not self._records:
            self._before = str(record.details.get("previous", "")).encode()
        problem = self._judged(name, number, record, sealed.body, sealed.mac)
        if problem is None and own and record.action == "audit.rekeyed":
            return self._turned(name, number, record)  # it is under the key before; those after it are not
        return problem

    def _turned(self, name: str, number: int, record: _Record) -> Problem | None:
        """Take the key that *record* names."""
        known = self._keys.get(str(record.details.get("key", "")))
        if known is None:
            return Problem("unknown key", name, number, record.seq, f"key {record.details.get('key')}")
        self._key = known
        return None

    def _judged(self, name: str, number: int, record: _Record, body: bytes, mac: bytes) -> Problem | None:
        if self._key.mac(self._before, body) != mac:
            detail = "it was changed, or what stood before it was changed or removed"
            if self._expected and record.seq > self._expected:
                return Problem("missing", name, number, self._expected, f"up to {record.seq - 1}")
            return Problem("changed", name, number, record.seq, detail)
        if self._expected and record.seq != self._expected:
            if record.seq > self._expected:
                return Problem("missing", name, number, self._expected, f"up to {record.seq - 1}")
            return Problem("repeated", name, number, record.seq, f"after {self._expected - 1}")
        self._first = self._first or record.seq
        self._expected, self._before = record.seq + 1, mac
        self._records += 1
        if record.action == "audit.pruned" and record.kind == "audit":
            removed = record.details.get("last")
            self._removed = max(self._removed, removed if isinstance(removed, int) else 0)
        return None

    def _start(self, files: Sequence[RecordFile]) -> Problem | None:
        """Whether what is missing at the beginning was removed by retention, which the record says."""
        if self._first > self._removed + 1:
            detail = f"up to {self._first - 1}, and no record says that retention has removed them"
            return Problem("missing", files[0].path.name, 0, self._removed + 1, detail)
        return None

    def _end(self, files: Sequence[RecordFile], heads: Sequence[Place]) -> Problem | None:
        """Whether the record goes as far as the head says."""
        last = max(self._expected - 1, 0)
        name = files[-1].path.name if files else ""
        far = max((head.seq for head in heads), default=0)
        if far > last:
            return Problem("truncated", name, 0, last + 1, f"up to {far}, as {HEAD} says")
        if self._records and not heads:
            return Problem("truncated", HEAD, 0, last + 1, "nothing says how far the record went")
        return None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(LINE_MAX):
            number += 1
            yield number, line


def _decoded(line: bytes) -> _Record | None:
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
