"""A record of the test's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.ports.audit import AuditEvent
from jackfield.secret import Secret
from jackfield_audit.chain import ChainKey
from jackfield_audit.config import AuditConfig
from jackfield_audit.sink import FileSink
from jackfield_audit.trail import Trail
from jackfield_audit.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jackfield_audit.verification import Verdict

SECRET: Final = Secret("the key of the tests' own record")
KEY: Final = ChainKey(SECRET)


def event(number: int = 0, **fields: object) -> AuditEvent:
    """A request; *number* tells it from others."""
    given: dict[str, object] = {"kind": "request", "action": "generate", "outcome": "ok", "time": 1e9 + number}
    return AuditEvent(**(given | {"request_id": f"req_{number}"} | fields))  # type: ignore[arg-type]


async def until(reached: Callable[[], bool]) -> None:
    """Wait until *reached*; whoever calls bounds the time."""
    while not reached():  # noqa: ASYNC110 -- what is waited for is on another thread, or in a file
        await asyncio.sleep(0.005)


class Book:
    """A folder with a record, a clock, and hands that change files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1.7e9

    def trail(self, config: AuditConfig | None = None, key: ChainKey = KEY) -> Trail:
        """The record, to be written to."""
        return Trail(self.folder, key, config or AuditConfig(), lambda: self.now)

    def filled(self, count: int, config: AuditConfig | None = None) -> None:
        """Have *count* requests written, one after the other, and the record closed."""
        trail = self.trail(config)
        for number in range(count):
            trail.append([event(number)], durable=False)
        trail.close()

    def verdict(self, *keys: ChainKey) -> Verdict:
        """What verifying says."""
        return Verification(self.folder, keys or (KEY,)).run()

    @property
    def files(self) -> Sequence[Path]:
        """Of the record, oldest first."""
        return sorted(self.folder.glob("audit-*.jsonl"))

    def lines(self) -> list[bytes]:
        """Of all files."""
        return [line for file in self.files for line in file.read_bytes().splitlines(keepends=True)]

    def rewrite(self, lines: Sequence[bytes]) -> None:
        """Have the only file say *lines*."""
        [file] = self.files
        file.write_bytes(b"".join(lines))

    def sink(self, config: AuditConfig | None = None) -> FileSink:
        """The sink that a gateway would have."""
        return FileSink(self.folder, lambda: SECRET, config or AuditConfig())

    def write(self, sink: FileSink, *events: AuditEvent) -> None:
        """Have *sink* write *events*, and close it."""

        async def scenario() -> None:
            try:
                for each in events:
                    await sink.write(each)
            finally:
                await sink.close()

        asyncio.run(scenario())


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """An empty one."""
    return Book(tmp_path / "audit")
