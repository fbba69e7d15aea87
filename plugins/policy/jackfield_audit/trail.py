"""The record on disk: appended to, begun anew by size and day, kept for so long. One thread at a time."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from jackfield.ports.audit import AuditEvent
from jackfield_audit.chain import START, ChainKey, seal
from jackfield_audit.envelope import Envelopes
from jackfield_audit.files import (
    Place,
    RecordFile,
    day_of,
    make_folder,
    new_name,
    open_file,
    read_head,
    record_files,
    tail_of,
    write_head,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jackfield.ports.audit import Detail
    from jackfield_audit.config import AuditConfig

HEAD_S: Final = 1.0
"""How often the head is written anew at most: by so much an end that was cut off may go unnoticed."""

_DAY_S: Final = 86_400.0


class Trail:
    """All files of one record. What is there is continued; a line that was cut short is removed, which is recorded.

    Parameters:
        folder: Where they are.
        key: Of the chain.
        config: Rotation and retention.
        clock: Unix seconds.

    Raises:
        ManifestError: The folder cannot be used, or what is there is no record.
    """

    def __init__(
        self, folder: Path, key: ChainKey, config: AuditConfig, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._key = key
        self._config = config
        self._clock = clock
        self._envelopes = Envelopes(key, config)
        self._path = folder
        self._descriptor = -1
        self._opened: os.stat_result | None = None
        """What the open file is."""
        self._size = 0
        self._day = ""
        self._head_due = 0.0
        self._lock = make_folder(folder)
        try:
            self._place, self._torn = self._found()
        except BaseException:
            os.close(self._lock)
            raise
        head = read_head(folder, key)
        self._headless = head is None and self._place.seq > 0
        self._missing = 0 if head is None else max(0, head.seq - self._place.seq)
        # numbers go on where they were, so that what is missing is missing for whoever verifies
        self._place = Place(self._place.seq + self._missing, self._place.mac)
        self._began = False

    def append(self, events: Sequence[AuditEvent], *, durable: bool) -> None:
        """Write *events*, all of them or none.

        Parameters:
            events: In order.
            durable: Whether they must be on the disk when this returns.

        Raises:
            OSError: They cannot be written; the file is as it was before.
        """
        if not self._began:
            self._begin()
        self._turn()
        place, lines = self._place, []
        for event in events:
            place, line = self._sealed(place, event)
            lines.append(line)
        self._write(b"".join(lines), durable=durable)
        self._place = place
        self._tell_head()

    def rekey(self, key: ChainKey) -> None:
        """Go on under *key*; the last record under the one before says which it is.

        Raises:
            OSError: That cannot be written; the key is as it was before.
        """
        if key.name == self._key.name:
            return
        if not self._began:
            self._begin()
        self._turn()
        self._append_own("audit.rekeyed", {"key": key.name})
        self._key, self._envelopes = key, Envelopes(key, self._config)
        with suppress(OSError):  # the head before says less, and nothing wrong
            self._write_head()

    def close(self) -> None:
        """Write the head, and let others write."""
        if self._descriptor >= 0:
            with suppress(OSError):
                self._write_head()
                os.fsync(self._descriptor)
        self._shut()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _found(self) -> tuple[Place, int]:
        """Where the record goes on, and how many bytes of a torn line there were."""
        files = record_files(self._folder)
        if not files:
            return Place(0, START), 0
        last = files[-1]
        tail = tail_of(last.path, last.first)
        if tail.torn_bytes:
            os.truncate(last.path, last.path.stat().st_size - tail.torn_bytes)
        if tail.place.mac:
            return tail.place, tail.torn_bytes
        # nothing whole is in it: it was made, and the machine went down
        last.path.unlink()
        place, torn = self._found()
        return place, torn + tail.torn_bytes

    def _begin(self) -> None:
        """The first record of this process: what was found, and whether something is missing at its end."""
        details: dict[str, Detail] = {"key": self._key.name}
        if self._torn:
            details["torn_bytes"] = self._torn
        if self._missing:
            details["missing"] = self._missing
        if self._headless:
            details["head"] = "missing, or of another key"
        self._turn()
        self._append_own("audit.started", details)
        self._began = True
        self._prune()

    def _turn(self) -> None:
        """Have a file open to write to: the next one, where it is time to."""
        if self._descriptor < 0:
            self._open()
        elif self._taken_away():
            self._open(anew=True)
        full = self._size >= self._config.rotate_bytes
        another_day = self._config.rotate_daily and day_of(self._clock()) != self._day
        if full or another_day:
            self._write_head()
            os.fsync(self._descriptor)
            self._shut()
            self._open(anew=True)
            self._prune()

    def _open(self, *, anew: bool = False) -> None:
        """Go on in the last file, or begin one; its first record says which MAC comes before it."""
        files = record_files(self._folder)
        begun = self._folder / new_name(self._place.seq + 1, self._clock())
        path = begun if anew or not files else files[-1].path
        self._shut()
        self._path, self._descriptor = path, open_file(path)
        os.fsync(self._lock)  # the folder's own entry
        self._opened = os.fstat(self._descriptor)
        self._size, self._day = self._opened.st_size, path.stem.rpartition("-")[2]
        if not self._size:
            details: dict[str, Detail] = {"previous": self._place.mac.decode(), "key": self._key.name}
            try:
                self._append_own("audit.opened", details)
            except OSError:
                self._shut()  # the file has to begin with it: the next attempt begins here
                raise

    def _taken_away(self) -> bool:
        """Whether somebody has moved or removed the file: what is written to it would be lost."""
        try:
            there = os.stat(self._path)  # noqa: PTH116 -- at each write
        except FileNotFoundError:
            return True
        return self._opened is None or not os.path.samestat(there, self._opened)

    def _shut(self) -> None:
        if self._descriptor >= 0:
            before, self._descriptor = self._descriptor, -1
            os.close(before)

    def _prune(self) -> None:
        """Remove what is too old or too much, oldest first; never the file that is written to."""
        config, now = self._config, self._clock()
        files = record_files(self._folder)
        sizes = [each.path.stat() for each in files]
        total = sum(status.st_size for status in sizes)
        gone: list[RecordFile] = []
        for each, status in list(zip(files, sizes, strict=True))[:-1]:
            old = config.retain_days and now - status.st_mtime > config.retain_days * _DAY_S
            much = config.retain_bytes and total > config.retain_bytes
            if not (old or much):
                break
            gone.append(each)
            total -= status.st_size
        if gone:
            last = files[len(gone)].first - 1
            # recorded before it is done: what is missing without a record was not removed by this
            self._append_own("audit.pruned", {"first": gone[0].first, "last": last, "files": len(gone)})
            for each in gone:
                each.path.unlink()

    def _append_own(self, action: str, details: dict[str, Detail]) -> None:
        event = AuditEvent(kind="audit", action=action, outcome="ok", time=self._clock(), details=details)
        place, line = self._sealed(self._place, event)
        self._write(line, durable=True)
        self._place = place
        self._tell_head()

    def _sealed(self, place: Place, event: AuditEvent) -> tuple[Place, bytes]:
        body = self._envelopes.body(place.seq + 1, event)
        mac = self._key.mac(place.mac, body)
        return Place(place.seq + 1, mac), seal(body, mac)

    def _write(self, data: bytes, *, durable: bool) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            if durable:
                os.fdatasync(self._descriptor)
        except BaseException:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)

    def _write_head(self) -> None:
        write_head(self._folder, self._key, self._place, durable=self._config.mode == "durable")

    def _tell_head(self) -> None:
        now = time.monotonic()
        if now >= self._head_due:
            self._head_due = now + HEAD_S
            with suppress(OSError):  # the record itself is what counts
                self._write_head()
