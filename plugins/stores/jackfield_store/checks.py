"""What ``jackfield doctor`` finds out about the store: whether the secret opens it, and what is in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jackfield.errors import JackfieldError
from jackfield.ports.check import CheckResult
from jackfield.sealing.book import Book
from jackfield_store.store import SqlitePolicyStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from jackfield.sealing.store import Everything
    from jackfield.secret import Secret


class StoreCheck:
    """See ``jackfield.ports.check.Check``. A file that is not there is not made.

    Parameters:
        path: Of the file.
        secrets: What it may be sealed with, by option.
        option: What the path was given as.
    """

    def __init__(self, path: Path, secrets: Callable[[], Mapping[str, Secret]], *, option: str) -> None:
        self._path = path
        self._secrets = secrets
        self._option = option

    def run(self) -> CheckResult:
        """Read all of it."""
        try:
            if not self._path.exists():
                Book(self._secrets).new()
                return CheckResult(
                    level="ok", message=f"{self._option}: the file will be made, and the secret can be used"
                )
            found = asyncio.run(self._everything())
        except JackfieldError as error:
            fix = "name the secret that it was sealed with, or a file that only the server's user may read"
            return CheckResult(level="error", message=error.message, fix=fix)
        count = len(found.documents)
        return CheckResult(level="ok", message=f"{self._option}: version {found.version}, {count} documents")

    async def _everything(self) -> Everything:
        store = SqlitePolicyStore(self._path, self._secrets, option=self._option)
        try:
            return await store.everything()
        finally:
            await store.close()
