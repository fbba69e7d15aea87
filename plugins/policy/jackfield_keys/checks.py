"""What ``jackfield doctor`` finds out about a key file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jackfield.errors import ManifestError
from jackfield.ports.check import CheckResult
from jackfield_keys.records import parse
from jackfield_keys.store import read

if TYPE_CHECKING:
    from pathlib import Path


class FileCheck:
    """See ``jackfield.ports.check.Check``: can the file be used, and does it have a key that works?

    Parameters:
        path: The file.
        shown: What messages call it.
        command: Name of the command that makes keys.
    """

    def __init__(self, path: Path, shown: str, command: str) -> None:
        self._path = path
        self._shown = shown
        self._command = command

    def run(self) -> CheckResult:
        """Read it."""
        try:
            text, _ = read(self._path, self._shown)
            records = parse(text, self._shown)
        except ManifestError as error:
            what, _, fix = error.message.partition("; ")
            return CheckResult(level="error", message=what, fix=fix or "correct the file")
        now = datetime.now(UTC)
        usable = [each for each in records if each.state(now) in ("active", "rotated")]
        if not usable:
            fix = f"jackfield {self._command} create NAME"
            return CheckResult(level="warn", message=f"{self._shown}: no key that can be used", fix=fix)
        return CheckResult(level="ok", message=f"{self._shown}: {len(usable)} of {len(records)} keys can be used")
