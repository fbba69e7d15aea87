"""The policies of a running server: what the folder says now, as long as it can be used."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import ManifestError
from jackfield_cedar.folder import FolderSignature, folder_signature, read_folder
from jackfield_cedar.policies import Policies

if TYPE_CHECKING:
    from pathlib import Path

LOOK_S: Final = 0.25
"""Between two looks at the folder."""

LATE_S: Final = 2 * LOOK_S
"""Whoever asks so long after the last look, has the folder looked at first: nobody is let in by rules of yesterday."""


class LivePolicies:
    """Follows a folder. Made on any thread; then used on one event loop, which it does not block.

    Parameters:
        owner: Name of the engine, for the log.
        folder: Where the policies are.
        shown: What messages call it.
        schema: What policies may name.

    Raises:
        ManifestError: They cannot be used.

    Attributes:
        trouble: Why what is there now is not used; empty while it is.
    """

    def __init__(self, owner: str, folder: Path, shown: str, schema: str) -> None:
        self._owner = owner
        self._folder = folder
        self._shown = shown
        self._schema = schema
        self._seen: FolderSignature | None = None
        self._seen_at = time.monotonic()
        self._looking = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("jackfield.cedar")
        self.trouble = ""
        self._policies = self._read()

    async def current(self) -> Policies:
        """Those in force."""
        if self._following is None:
            self._following = asyncio.get_running_loop().create_task(self._follow())
        if time.monotonic() - self._seen_at > LATE_S:
            await self._look()
        return self._policies

    async def close(self) -> None:
        """Follow it no longer."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look()

    async def _look(self) -> None:
        async with self._looking:
            began = time.monotonic()
            try:
                changed = await asyncio.to_thread(self._changed)
            except ManifestError as error:
                self._report(error.message)
            else:
                if changed is not None:
                    self._policies, self.trouble = changed, ""
                    self._log.info("policies changed", engine=self._owner, policies=len(changed.rules))
            self._seen_at = began

    def _changed(self) -> Policies | None:
        """What is there now, if it is something else. A thread's."""
        seen, self._seen = self._seen, None  # what cannot be read is read again
        if seen is not None and folder_signature(self._folder, self._shown) == seen:
            self._seen = seen
            return None
        return self._read()

    def _read(self) -> Policies:
        contents = read_folder(self._folder, self._shown)
        self._seen = contents.signature
        try:
            return Policies(contents.policies, contents.cases, self._schema)
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"{self._shown}: {error}") from error

    def _report(self, reason: str) -> None:
        if reason != self.trouble:
            self.trouble = reason
            self._log.error("policies cannot be used; those before hold", engine=self._owner, reason=reason)
