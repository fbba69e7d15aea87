"""The file sink: implements ``AuditSink``, ``Lossy``, ``Condition`` and ``Reloading`` of ``jackfield.ports``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jackfield_audit.chain import ChainKey
from jackfield_audit.trail import Trail
from jackfield_audit.writer import NOTE_S, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jackfield.ports.audit import AuditEvent
    from jackfield.secret import Secret
    from jackfield_audit.config import AuditConfig


class FileSink:
    """See ``jackfield.ports.audit.AuditSink``. Event loop thread.

    Parameters:
        folder: Of the record's files.
        key: Reads the key of the chain.
        config: Modes, rotation, retention.

    Raises:
        ManifestError: Folder or key cannot be used.
    """

    def __init__(self, folder: Path, key: Callable[[], Secret], config: AuditConfig) -> None:
        batched = config.mode == "batched"
        self._waits = not batched
        self._blocks = config.on_full == "block"
        self._key = key
        self._writer = Writer(
            Trail(folder, ChainKey(key()), config),
            durable=config.mode == "durable",
            delay_s=config.batch_ms / 1000 if batched else NOTE_S,
            drop=config.on_full == "drop",
            most=config.queue,
        )

    @property
    def lost(self) -> int:
        """See ``Lossy``."""
        return self._writer.lost

    @property
    def troubles(self) -> Sequence[str]:
        """See ``Condition``."""
        lost = f"{self.lost} events of the audit record were lost since the server started" if self.lost else ""
        return [each for each in (self._writer.trouble, lost) if each]

    def note(self, event: AuditEvent) -> None:
        self._writer.note(event)

    async def write(self, event: AuditEvent) -> None:
        # where nothing can be written, nobody goes on unrecorded: whoever comes next waits, whatever the mode
        if self._waits or (self._blocks and self._writer.trouble):
            await self._writer.write(event)
        else:
            self._writer.note(event)

    async def reload(self) -> None:
        """See ``Reloading``: the record goes on under another key, which it says."""
        await self._writer.rekey(ChainKey(await asyncio.to_thread(self._key)))

    async def close(self) -> None:
        await self._writer.close()
