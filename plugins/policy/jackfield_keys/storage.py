"""The port between keys and what they are kept in: a file, or the policy store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield_keys.changes import Change, Result
    from jackfield_keys.ledger import Ledger
    from jackfield_keys.records import KeyRecord


class KeyStorage(Protocol):
    """Keeps keys, and tells a running server's ledger of them. Event loop thread, which no method blocks."""

    @property
    def ledger(self) -> Ledger:
        """What holds."""
        ...

    async def look(self, *, unknown: bool) -> None:
        """See to it that the ledger is no older than a moment.

        Parameters:
            unknown: Whether somebody has shown a key that the ledger does not know: it may just have been made.
        """
        ...

    async def records(self) -> Sequence[KeyRecord]:
        """All keys as they are kept now, oldest first.

        Raises:
            JackfieldError: They cannot be read; the message does not say where they are.
        """
        ...

    async def apply(self, change: Change[Result]) -> Result:
        """Make *change*, whole or not at all; it holds when this returns.

        Raises:
            JackfieldError: The keys cannot be read or written, or *change* has raised it.
            Exception: What *change* raised.
        """
        ...

    async def last_used(self) -> Mapping[str, float]:
        """When keys were last used, as it is kept: Unix seconds by fingerprint."""
        ...

    async def note_used(self, times: Mapping[str, float]) -> None:
        """Keep when keys were last used, besides what is kept.

        Raises:
            JackfieldError: It cannot be written.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds; nothing is followed any more."""
        ...
