"""Files that change while they are in use."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from jackfield.watched_files import SETTLED_NS, SharedLook, Signature, begin_of, settled, signature_of

FOR_EVER_S = 3600.0


def signature(file: Path) -> Signature:
    """Of *file* now."""
    return signature_of(file.stat())


def test_a_change_that_hides_is_seen(tmp_path: Path) -> None:
    """Other content of the same length, with the time of the old one; and who may read it."""
    file = tmp_path / "list"
    file.write_text("one")
    before, status = signature(file), file.stat()
    assert signature(file) == before
    while signature(file).changed_ns == before.changed_ns:  # the file system's clock ticks every few milliseconds
        file.write_text("two")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    hidden = signature(file)
    assert (hidden.modified_ns, hidden.size) == (before.modified_ns, before.size)
    while signature(file).changed_ns == hidden.changed_ns:
        file.chmod(0o600)
    assert signature(file) != hidden


def test_what_has_just_changed_may_change_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is one file of several."""
    now = 10**18
    monkeypatch.setattr(time, "time_ns", lambda: now)
    old, new = (Signature(1, 1, 1, now, now - ago) for ago in (SETTLED_NS + 1, SETTLED_NS))
    assert settled(old)
    assert not settled(new)
    assert not settled(new, old)
    assert settled()


def test_nobody_looks_more_often_than_needed() -> None:
    """What was read when it was made counts as a look."""
    looks: list[float] = []

    async def scenario() -> None:
        shared = SharedLook(lambda: looks.append(time.monotonic()))
        await shared.recent(FOR_EVER_S)
        assert not looks
        await shared.recent(0.0)
        await shared.recent(FOR_EVER_S)
        assert len(looks) == 1

    asyncio.run(scenario())


def test_one_look_serves_all_who_ask_meanwhile() -> None:
    """Whoever gives up ends it for nobody else."""
    looks: list[int] = []
    go = threading.Event()

    def look() -> None:
        looks.append(1)
        assert go.wait(60)

    async def scenario() -> None:
        shared = SharedLook(look)
        tasks = [asyncio.create_task(shared.recent(0.0)) for _ in range(100)]
        while not looks:  # noqa: ASYNC110  a thread sets it
            await asyncio.sleep(0.001)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        assert not any(task.done() for task in tasks[1:])
        go.set()
        await asyncio.gather(*tasks[1:])

    asyncio.run(scenario())
    assert len(looks) == 1


def test_a_look_that_began_before_is_not_now() -> None:
    """It may have seen what was there before."""
    looks: list[int] = []
    go = threading.Event()

    def look() -> None:
        looks.append(1)
        assert go.wait(60)

    async def scenario() -> None:
        shared = SharedLook(look)
        before = asyncio.create_task(shared.recent(0.0))
        while not looks:  # noqa: ASYNC110  a thread sets it
            await asyncio.sleep(0.001)
        now = asyncio.create_task(shared.now())
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(before, now)

    asyncio.run(scenario())
    assert len(looks) == 2


def test_a_look_that_fails_is_not_the_last_one() -> None:
    """All who waited for it are told."""

    def look() -> None:
        raise OSError

    async def scenario() -> None:
        shared = SharedLook(look)
        for _ in range(2):
            with pytest.raises(OSError):
                await shared.recent(0.0)

    asyncio.run(scenario())


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody ever writes to the pipe, and a device has no end; links to files are followed."""
    pipe, file, link = tmp_path / "pipe", tmp_path / "file", tmp_path / "link"
    os.mkfifo(pipe)
    for other in (pipe, Path(os.devnull), Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="no regular file"):
            begin_of(other, 10)
    file.write_bytes(b"twelve bytes")
    link.symlink_to(file)
    assert begin_of(link, 100) == b"twelve bytes"
    assert begin_of(file, 6) == b"twelve"
