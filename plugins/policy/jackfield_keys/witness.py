"""Which changes of a key file others have made: commands, and editors."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from jackfield.ports.outside_change import Inventory, OutsideChange
from jackfield_keys.records import KIND, called, differently

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield_keys.changes import Change, Result
    from jackfield_keys.records import KeyRecord


class Witness:
    """Compares what the file says with what it said, and leaves out what this server writes.

    Looks are made in one thread and own changes in another, one of each at a time; ``take`` may be called by any.

    A look that overlaps with an own change may have read the file as it was before. It counts for nothing: an own
    change compares too, with what it has read under the file's lock.

    Parameters:
        records: What the file says first.
    """

    def __init__(self, records: Sequence[KeyRecord]) -> None:
        self._lock = threading.Lock()
        self._known = _by_digest(records)
        self._writing = False
        self._writes = 0
        self._found: deque[OutsideChange] = deque()

    def begin(self) -> int:
        """A look begins; the number is for ``sees``."""
        with self._lock:
            return self._writes

    def sees(self, records: Sequence[KeyRecord], begun: int) -> bool:
        """A look has read *records*.

        Returns:
            Whether it counts; if not, look again.
        """
        with self._lock:
            if self._writing or begun != self._writes:
                return False
            self._compare(records)
            return True

    def apply(self, change: Change[Result], write: Callable[[Change[Result]], Result]) -> Result:
        """Have *write* make *change*, which is an own one. Raises what it raises."""
        own: Sequence[KeyRecord] = ()

        def watched(records: Sequence[KeyRecord]) -> tuple[Result, Sequence[KeyRecord]]:
            nonlocal own
            with self._lock:
                self._writing = True
                self._compare(records)
            result, own = change(records)
            return result, own

        try:
            result = write(watched)
        except BaseException:
            self._end(())
            raise
        self._end(own)
        return result

    def take(self) -> Sequence[OutsideChange]:
        """What others have changed since the last call."""
        taken = []
        while self._found:
            taken.append(self._found.popleft())
        return taken

    @property
    def inventory(self) -> Inventory:
        """What there is."""
        with self._lock:
            known = self._known
            state = hashlib.sha256()
            for digest in sorted(known):
                state.update(msgspec.json.encode(known[digest]))
            return Inventory(kind=KIND, source="file", count=len(known), state=f"sha256:{state.hexdigest()}")

    def _end(self, own: Sequence[KeyRecord]) -> None:
        with self._lock:
            self._known.update(_by_digest(own))
            self._writing = False
            self._writes += 1

    def _compare(self, records: Sequence[KeyRecord]) -> None:
        before, now = self._known, _by_digest(records)
        created = tuple(called(record) for digest, record in now.items() if digest not in before)
        removed = tuple(called(record) for digest, record in before.items() if digest not in now)
        changed = tuple(
            differently(before[digest], record)
            for digest, record in now.items()
            if digest in before and record is not before[digest] and record != before[digest]
        )
        self._known = now
        if created or changed or removed:
            self._found.append(
                OutsideChange(kind=KIND, source="file", created=created, changed=changed, removed=removed)
            )


def _by_digest(records: Sequence[KeyRecord]) -> dict[str, KeyRecord]:
    return {record.digest: record for record in records}
