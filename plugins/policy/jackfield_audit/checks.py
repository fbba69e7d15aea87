"""What ``jackfield doctor`` finds out about an audit record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import ManifestError
from jackfield.ports.check import CheckResult
from jackfield_audit.chain import ChainKey
from jackfield_audit.files import record_files, tail_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.secret import Secret


class RecordCheck:
    """See ``jackfield.ports.check.Check``: is there a key, and does the record end with a whole line?

    Parameters:
        folder: Of the record's files.
        key: Reads the key.
    """

    def __init__(self, folder: Path, key: Callable[[], Secret]) -> None:
        self._folder = folder
        self._key = key

    def run(self) -> CheckResult:
        """Look at the key and the last file; ``jackfield audit verify`` looks at everything."""
        try:
            ChainKey(self._key())
            if not self._folder.exists():
                return CheckResult(level="ok", message=f"{self._folder.name}: no record yet")
            files = record_files(self._folder)
            if not files:
                return CheckResult(level="ok", message=f"{self._folder.name}: no record yet")
            tail = tail_of(files[-1].path, files[-1].first)
        except ManifestError as error:
            what, _, fix = error.message.partition("; ")
            return CheckResult(level="error", message=what, fix=fix or "make a key: jackfield audit init")
        except OSError as error:
            fix = f"let this user read and write {self._folder.name}"
            return CheckResult(level="error", message=f"{self._folder.name}: {error.strerror}", fix=fix)
        return CheckResult(level="ok", message=f"{self._folder.name}: {tail.place.seq} records, {len(files)} files")
