"""What ``jackfield doctor`` finds out about keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from jackfield.errors import JackfieldError
from jackfield.ports.check import CheckResult

if TYPE_CHECKING:
    from jackfield_keys.edit import KeyEditor


MESSAGE_MAX: Final = 250
"""Characters of a message; names of documents and reasons are others' words."""


class KeysCheck:
    """See ``jackfield.ports.check.Check``: can the keys be read, and is there one that works?

    Parameters:
        keys: They.
        shown: What messages call what they are kept in.
        command: Name of the command that makes keys.
    """

    def __init__(self, keys: KeyEditor, shown: str, command: str) -> None:
        self._keys = keys
        self._shown = shown
        self._command = command

    def run(self) -> CheckResult:
        """Read them."""
        try:
            records = self._keys.records()
        except JackfieldError as error:
            what, _, fix = error.message.partition("; ")
            return CheckResult(level="error", message=what, fix=fix or "correct the file")
        for name, why in self._keys.unusable.items():
            fix = "import the last good export with --replace, or let the version that wrote it revoke that key"
            return CheckResult(
                level="error", message=f"{self._shown}: the document {name}: {why}"[:MESSAGE_MAX], fix=fix
            )
        now = datetime.now(UTC)
        usable = [each for each in records if each.state(now) in ("active", "rotated")]
        if not usable:
            fix = f"jackfield {self._command} create NAME"
            return CheckResult(level="warn", message=f"{self._shown}: no key that can be used", fix=fix)
        return CheckResult(level="ok", message=f"{self._shown}: {len(usable)} of {len(records)} keys can be used")
