"""What each mode promises whoever waits, and what becomes of events that cannot be written."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.plugins.jackfield_audit.conftest import Book, event, until

from jackfield.errors import AuditFailed
from jackfield_audit.config import AuditConfig
from jackfield_audit.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jackfield.ports.audit import AuditEvent
    from jackfield_audit.sink import FileSink

LONG_S: Final = 100.0
"""Nothing here takes so long, however busy the machine."""


def requests(book: Book) -> list[str]:
    """Of all records, in order."""
    found = [msgspec.json.decode(line).get("request_id", "") for line in book.lines()]
    return [each for each in found if each]


def play(book: Book, config: AuditConfig, scenario: Callable[[FileSink], Awaitable[None]]) -> None:
    """Run *scenario* with a sink of its own."""

    async def all_of_it() -> None:
        sink = book.sink(config)
        try:
            async with asyncio.timeout(LONG_S):
                await scenario(sink)
        finally:
            await sink.close()

    asyncio.run(all_of_it())


@pytest.mark.parametrize("mode", ["strict", "durable"])
def test_what_was_waited_for_is_in_the_file(book: Book, mode: str) -> None:
    """When ``write`` returns, and all that was noted before it."""

    async def scenario(sink: FileSink) -> None:
        sink.note(event(1))
        sink.note(event(2))
        await sink.write(event(3))
        assert requests(book) == ["req_1", "req_2", "req_3"]

    play(book, msgspec.convert({"mode": mode}, AuditConfig), scenario)
    assert book.verdict().problem is None


def test_a_note_is_written_soon(book: Book) -> None:
    """Also where nobody waits for anything after it."""

    async def scenario(sink: FileSink) -> None:
        sink.note(event(1))
        await until(lambda: bool(requests(book)))

    play(book, AuditConfig(), scenario)


def test_batched_does_not_wait(book: Book) -> None:
    """All is written when the sink is closed."""

    async def scenario(sink: FileSink) -> None:
        for number in range(100):
            await sink.write(event(number))
        assert not book.files

    play(book, AuditConfig(mode="batched", batch_ms=60_000), scenario)
    assert requests(book) == [f"req_{number}" for number in range(100)]


def test_batched_writes_in_time(book: Book) -> None:
    """Without an end."""

    async def scenario(sink: FileSink) -> None:
        await sink.write(event(1))
        await until(lambda: bool(requests(book)))

    play(book, AuditConfig(mode="batched", batch_ms=20), scenario)


def test_many_who_wait_share_a_write(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk costs each of them one wait, not all waits."""
    sizes: list[int] = []
    real = Trail.append

    def append(trail: Trail, events: Sequence[AuditEvent], *, durable: bool) -> None:
        sizes.append(len(events))
        real(trail, events, durable=durable)

    monkeypatch.setattr(Trail, "append", append)

    async def scenario(sink: FileSink) -> None:
        await asyncio.gather(*(sink.write(event(number)) for number in range(200)))

    play(book, AuditConfig(mode="durable"), scenario)
    assert sum(sizes) == 200
    assert len(sizes) < 50
    assert len(requests(book)) == 200


class Disk:
    """One that can be full, or hang."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.goes_on = threading.Event()
        self.goes_on.set()
        real = Trail.append

        def append(trail: Trail, events: Sequence[AuditEvent], *, durable: bool) -> None:
            assert self.goes_on.wait(LONG_S)
            if self.full:
                raise OSError(28, "No space left on device")
            real(trail, events, durable=durable)

        monkeypatch.setattr(Trail, "append", append)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Neither, at first."""
    return Disk(monkeypatch)


def test_a_full_disk_refuses(book: Book, disk: Disk) -> None:
    """Until there is room; then all goes on, and nothing that was answered is missing."""

    async def scenario(sink: FileSink) -> None:
        disk.full = True
        with pytest.raises(AuditFailed):
            await sink.write(event(1))
        assert sink.troubles == ["nothing can be recorded: No space left on device"]
        disk.full = False
        await sink.write(event(2))
        assert sink.troubles == []
        assert sink.lost == 0

    play(book, AuditConfig(), scenario)
    assert requests(book) == ["req_2"]


def test_a_full_disk_refuses_where_nobody_waits_too(book: Book, disk: Disk) -> None:
    """From the first write that fails on, until one goes well."""

    async def scenario(sink: FileSink) -> None:
        disk.full = True
        await sink.write(event(1))
        await until(lambda: bool(sink.troubles))
        for number in (2, 3):
            with pytest.raises(AuditFailed):
                await sink.write(event(number))
        disk.full = False
        await sink.write(event(4))
        assert sink.lost == 1

    play(book, AuditConfig(mode="batched", batch_ms=1), scenario)
    assert requests(book) == ["req_4"]


def test_a_full_disk_may_lose_events_which_is_recorded(book: Book, disk: Disk) -> None:
    """Their number stands in the record once there is room."""

    async def scenario(sink: FileSink) -> None:
        disk.full = True
        for number in range(3):
            await sink.write(event(number))
        assert sink.lost == 3
        disk.full = False
        await sink.write(event(9))
        assert "3 events of the audit record were lost" in sink.troubles[0]

    play(book, AuditConfig(on_full="drop"), scenario)
    assert requests(book) == ["req_9"]
    [lost] = [record for record in map(msgspec.json.decode, book.lines()) if record["action"] == "audit.lost"]
    assert lost["details"] == {"count": 3}


def test_a_disk_that_hangs_holds_up_nobody_else(book: Book, disk: Disk) -> None:
    """The event loop goes on; too much that waits is refused."""

    async def scenario(sink: FileSink) -> None:
        disk.goes_on.clear()
        waiting = [asyncio.ensure_future(sink.write(event(number))) for number in range(4)]
        await asyncio.sleep(0)
        refused = 0
        for number in range(20):
            try:
                sink.note(event(100 + number))
            except AuditFailed:
                refused += 1
        assert refused
        assert not any(each.done() for each in waiting)
        disk.goes_on.set()
        await asyncio.gather(*waiting)

    play(book, AuditConfig(queue=8), scenario)
    assert {"req_0", "req_1", "req_2", "req_3"} <= set(requests(book))


def test_one_who_leaves_takes_nothing_with_him(book: Book, disk: Disk) -> None:
    """His event is written, and nobody is told."""

    async def scenario(sink: FileSink) -> None:
        disk.goes_on.clear()
        leaving = asyncio.ensure_future(sink.write(event(1)))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        disk.goes_on.set()
        await sink.write(event(2))

    play(book, AuditConfig(), scenario)
    assert requests(book) == ["req_1", "req_2"]
