"""What a gateway has read of its policy store, and since when it could not read more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import JackfieldError, ManifestError, PluginError, StoreUnavailable
from jackfield.gateway.answering import answered
from jackfield.logs import traceback_of
from jackfield.ports.policy_store import Changes, DocumentsRead, VersionConflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.policy_store import DocumentName, PolicyStore, PolicyStoreFactory

READ_S: Final = 2.0
"""How long the store may take to say what has changed; the port promises that."""

CHANGE_S: Final = 5.0
"""How long it may take to write."""


class PolicyReading:
    """One store, as far as it was read. Event loop thread.

    Parameters:
        name: The plugin's.
        factory: Makes the store.

    Raises:
        PluginError: The factory failed; the message names the plugin.
        JackfieldError: Why the store cannot be made, in the plugin's own words.

    Attributes:
        name: The plugin's.
        store: The plugin's own.
        read: All documents, as they were at the last look; replaced as a whole.
        fresh_at: When the last look began that succeeded; ``time.monotonic()``.
        fault: Why the store cannot be read; empty while it can.
    """

    def __init__(self, name: str, factory: PolicyStoreFactory) -> None:
        self.name: Final = name
        self.read = DocumentsRead(version=0, documents={})
        self.fresh_at = float("-inf")
        self.fault = ""
        self._log = structlog.get_logger("jackfield.gateway")
        try:
            self.store: PolicyStore = factory()
        except JackfieldError:
            raise
        except Exception as error:
            raise PluginError(f"policy store {name}: its factory raised {type(error).__name__}: {error}") from error

    def kind(self, kind: str) -> Mapping[str, bytes]:
        """All documents of *kind*, by name."""
        return self.read.documents.get(kind, {})

    async def look(self) -> set[str]:
        """Read what has changed; one call at a time.

        Returns:
            The kinds whose documents have.

        Raises:
            StoreUnavailable: The store does not answer.
            ManifestError: What it holds cannot be read.
        """
        began = time.monotonic()
        try:
            changes = await answered(self.store.since(self.read.version), READ_S)
            changed = self._taken(changes)
        except Exception as error:
            raise self._failed(error) from error
        self.fresh_at = began
        if self.fault:
            self.fault = ""
            self._log.warning("the policy store can be read again", plugin=self.name)
        return changed

    async def change(self, version: int, documents: Mapping[DocumentName, bytes | None]) -> None:
        """See ``PolicyStore.change``."""
        try:
            await answered(self.store.change(version, documents), CHANGE_S)
        except (VersionConflict, ManifestError):
            raise
        except Exception as error:
            self._log.error(
                "the policy store cannot be written",
                plugin=self.name,
                reason=_reason(error, CHANGE_S),
                traceback=traceback_of(error),
            )
            raise StoreUnavailable(
                "the policies cannot be changed right now; look whether they are, and try again"
            ) from (error)

    async def close(self) -> None:
        """Close the store."""
        try:
            await answered(self.store.close(), CHANGE_S)
        except Exception as error:  # noqa: BLE001 -- foreign code, at the end
            self._log.error("the policy store failed to close", plugin=self.name, traceback=traceback_of(error))

    def _taken(self, changes: Changes) -> set[str]:
        before = self.read
        if not isinstance(changes, Changes):
            raise PluginError(f"since() returned {type(changes).__name__}, not Changes")
        if changes.version < before.version:
            raise ManifestError(
                f"the store has gone back from version {before.version} to {changes.version}; if that is meant, restart"
                " the server"
            )
        if changes.version == before.version:
            return set()
        touched = {name.kind for name in changes.documents}
        documents = {kind: {**before.documents.get(kind, {})} for kind in touched}
        for (kind, name), content in changes.documents.items():
            if content is None:
                documents[kind].pop(name, None)
            else:
                documents[kind][name] = content
        self.read = DocumentsRead(version=changes.version, documents={**before.documents, **documents})
        return {kind for kind in touched if documents[kind] != before.documents.get(kind, {})}

    def _failed(self, error: Exception) -> JackfieldError:
        reason = _reason(error, READ_S)
        if reason != self.fault:
            self.fault = reason
            self._log.error(
                "the policy store cannot be read", plugin=self.name, reason=reason, traceback=traceback_of(error)
            )
        if isinstance(error, ManifestError):
            return error
        return StoreUnavailable("the policies cannot be read right now; try again in a moment")


def _reason(error: Exception, deadline_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {deadline_s:g} s"
    return error.message if isinstance(error, JackfieldError) else type(error).__name__
