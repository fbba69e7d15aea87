"""The gateway's parts that need no socket."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref
from contextlib import suppress

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from jackfield.context import RequestContext
from jackfield.errors import QueueFull, WorkerDied
from jackfield.gateway.cors import open_to_page
from jackfield.gateway.large_bodies import LARGE_BYTES, SOON_S, LargeBodies
from jackfield.gateway.origin import host_of, is_loopback
from jackfield.gateway.receiver import Receiver
from jackfield.gateway.worker_link import UNSENT_MAX, WorkerLink
from jackfield.types import Finished, GenerateRequest, Started, TextDelta, TextPrompt, Timings, Usage

END = Finished("stop", Usage(1, 2), Timings(0.0, 0.5, 0.5))


@given(st.lists(st.one_of(st.text(min_size=1), st.none()), max_size=300))
def test_receiver_gives_all_text_in_order(steps: list[str | None]) -> None:
    """However arrivals (text) and reads (None) interleave, the text and its token count are whole."""

    async def play() -> None:
        receiver = Receiver(RequestContext("r", "/", ""))
        assert not receiver.put(Started(1, 9), 0.0)
        assert await receiver.next() == Started(1, 9)
        taken: list[TextDelta] = []
        untaken = 0
        for step in steps:
            if step is not None:
                receiver.put(TextDelta(step, 1), 1.0)
                untaken += 1
            elif untaken:
                event = await receiver.next()
                assert isinstance(event, TextDelta)
                taken.append(event)
                untaken = 0
        assert receiver.put(END, 2.0)
        while not isinstance(event := await receiver.next(), Finished):
            assert isinstance(event, TextDelta)
            taken.append(event)
        texts = [step for step in steps if step is not None]
        assert "".join(delta.text for delta in taken) == "".join(texts)
        assert sum(delta.tokens for delta in taken) == len(texts)

    asyncio.run(play())


def test_receiver_gives_what_came_before_the_failure() -> None:
    """Text that had arrived is not lost with the worker."""

    async def play() -> None:
        receiver = Receiver(RequestContext("r", "/", ""))
        receiver.put(Started(1, 9), 0.0)
        receiver.put(TextDelta("a", 1), 0.0)
        receiver.fail(WorkerDied("gone"))
        assert await receiver.next() == Started(1, 9)
        assert await receiver.next() == TextDelta("a", 1)
        with pytest.raises(WorkerDied):
            await receiver.next()

    asyncio.run(play())


def test_receiver_keeps_times() -> None:
    """Time to the first token, gaps after it, and the sum of several generations of one request."""
    context = RequestContext("r", "/", "")
    for start in (10.0, 20.0):
        receiver = Receiver(context)
        receiver.put(Started(1, 9), start)
        for later in (0.0, 0.5, 0.75):
            receiver.put(TextDelta("a", 1), start + later)
        receiver.put(END, start + 1)
    assert context.first_token == 10.0
    assert context.gaps == [0.5, 0.25, 0.5, 0.25]
    assert context.finished is not None
    assert context.finished.usage == Usage(2, 4)


@given(st.text(max_size=400))
def test_host_header_parser_never_raises(text: str) -> None:
    """Whatever a client sends, the answer is a host or None, and no host with an at sign, slash or space."""
    host = host_of(text)
    assert host is None or not set(host) & set("@/ \t#?%")
    is_loopback(text)


def test_import_jackfield_imports_no_http_server() -> None:
    """A plugin author's import stays cheap."""
    code = "import sys, jackfield; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class FullTransport(asyncio.Transport):
    """To a worker that reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting


def test_a_worker_that_does_not_read_is_given_no_more_than_the_bound() -> None:
    """Requests are refused instead of filling the memory; what was cancelled may still be said."""
    link = WorkerLink("demo", served=lambda _: None, reported=lambda _: None)
    transport = FullTransport()
    link.connection_made(transport)
    context = RequestContext("req-1", "/", "")
    request = GenerateRequest(model="demo", prompt=TextPrompt("x" * (16 << 20)))
    numbers = [link.submit(context, request)[0] for _ in range(4)]
    assert transport.waiting > UNSENT_MAX
    with pytest.raises(QueueFull):
        link.submit(context, request)
    before = transport.waiting
    link.cancel(numbers[0])
    assert before < transport.waiting < before + 100
    assert link.load.in_flight == 3


class _Cycle:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


async def _collected(size: int, within_s: float) -> bool:
    """Whether a body of *size* bytes leads to a collection in time, with Python's own switched off."""
    gone = asyncio.Event()
    garbage = weakref.ref(_Cycle(), lambda _: gone.set())
    LargeBodies().served(size)
    with suppress(TimeoutError):
        await asyncio.wait_for(gone.wait(), within_s)
    return garbage() is None


@pytest.mark.parametrize(("size", "within_s", "collected"), [(LARGE_BYTES, 10.0, True), (1000, 2 * SOON_S, False)])
def test_large_bodies_are_collected(size: int, within_s: float, collected: bool) -> None:  # noqa: FBT001 -- a table's
    """What a large body left behind goes soon; an ordinary request costs no collection."""
    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(_collected(size, within_s)) is collected
    finally:
        gc.enable()


def test_what_a_frontend_says_of_caches_stays() -> None:
    """Its answer may depend on more than on the page that asks."""
    headers = CIMultiDict({"Vary": "Accept"})
    open_to_page(make_mocked_request("GET", "/"), headers, may_read=True)
    assert headers.getall("Vary") == ["Accept", "Origin"]
