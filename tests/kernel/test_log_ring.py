"""Log lines that outlive the process that wrote them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.log_ring import CAPACITY, LINE_MAX, LogRing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ring() -> Iterator[LogRing]:
    """An empty one."""
    ring = LogRing.create()
    yield ring
    ring.close()


def lines(count: int, size: int = 20) -> list[bytes]:
    """Distinct lines of *size* bytes."""
    return [f"{number:06d}".encode().ljust(size, b".") for number in range(count)]


def test_lines_come_back_in_order_and_only_once(ring: LogRing) -> None:
    """The second read goes on where the first one ended."""
    ring.write(b"one")
    ring.write(b"two")
    first = ring.read()
    ring.write(b"three")
    assert first.data == b"one\ntwo\n"
    assert ring.read(first.cursor).data == b"three\n"
    assert ring.read(ring.read().cursor).data == b""


def test_the_oldest_lines_make_room(ring: LogRing) -> None:
    """What is left are whole lines, the latest ones, nearly as many as there is room for."""
    written = lines(CAPACITY // 100 * 3, 99)
    for line in written:
        ring.write(line)
    kept = ring.read().data.splitlines()
    assert kept == written[-len(kept) :]
    assert len(kept) > (CAPACITY - LINE_MAX) // 100 - 3


def test_another_process_goes_on_where_the_last_one_died(ring: LogRing) -> None:
    """As a worker that is started again: the same file under another descriptor."""
    ring.write(b"before")
    child = os.fork()
    if child == 0:
        LogRing(os.dup(ring.fileno())).write(b"from the child")
        os._exit(0)
    os.waitpid(child, 0)
    ring.note("warning", "the process ended", reason="ended by SIGKILL")
    before, inside, after = ring.read().data.splitlines()
    assert (before, inside) == (b"before", b"from the child")
    assert json.loads(after)["reason"] == "ended by SIGKILL"


def test_a_long_line_is_cut(ring: LogRing) -> None:
    """One traceback must not push everything else out."""
    ring.write(b"x" * (3 * LINE_MAX))
    ring.write(b"next")
    first, second = ring.read().data.splitlines()
    assert (len(first), second) == (LINE_MAX - 1, b"next")


@pytest.mark.parametrize("cursor", [-1, -(2**70), 10**30, 7])
def test_a_cursor_from_nowhere_gives_what_there_is(ring: LogRing, cursor: int) -> None:
    """Operators are not trusted to send back what they were given; one within a line gives the rest of it."""
    ring.write(b"a line")
    assert ring.read(cursor).data in (b"a line\n", b"")


@pytest.mark.parametrize("header", [b"\xff" * 8, (2**63).to_bytes(8, "little"), b"\x00" * 8])
def test_a_child_that_writes_nonsense_harms_nobody(ring: LogRing, header: bytes) -> None:
    """The file belongs to the child as well."""
    ring.write(b"a line")
    os.pwrite(ring.fileno(), header, 0)
    assert len(ring.read().data) <= CAPACITY
    os.ftruncate(ring.fileno(), 3)
    assert len(ring.read().data) <= CAPACITY


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(st.integers(0, 3 * LINE_MAX), st.just(None)), max_size=120))
def test_whoever_reads_often_enough_misses_nothing(steps: list[int | None]) -> None:
    """Any sizes of lines, any moments of reading: all lines, or at least whole ones in order."""
    ring = LogRing.create()
    written: list[bytes] = []
    seen: list[bytes] = []
    cursor, behind = 0, 0
    missed = False
    for number, step in enumerate([*steps, None]):
        if step is None:
            chunk = ring.read(cursor)
            cursor = chunk.cursor
            missed = missed or behind > CAPACITY - LINE_MAX
            seen += chunk.data.split(b"\n")[:-1]
            behind = 0
        else:
            line = f"{number}:".encode().ljust(step, b"x")[: LINE_MAX - 1]
            ring.write(line)
            written.append(line)
            behind += len(line) + 1
    ring.close()
    if missed:
        assert seen == [line for line in written if line in set(seen)]
    else:
        assert seen == written
