"""Streams that are taken up again."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from jackfield.context import RequestContext
from jackfield.errors import DeadlineExceeded, InvalidRequest, RecordNotFound, WorkerDied
from jackfield.masking import Masking
from jackfield.ports.identity import Principal
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, answer, finished, serve_frontend
from jackfield.types import Started, TextDelta
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.frontend import OpenAIFrontend
from jackfield_openai.recordings import Recording, Recordings
from jackfield_openai.resumption import STREAM_HEADER
from jackfield_sqlite.config import SqliteConfig
from jackfield_sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web


T = TypeVar("T")
Client: TypeAlias = "TestClient[web.Request, web.Application]"

CHAT = "/v1/chat/completions"
BODY: dict[str, object] = {"model": "default", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
RESUMABLE = OpenAIConfig(resume_s=60)


def of(principal: Principal | None) -> RequestContext:
    """A request of *principal*."""
    context = RequestContext("req-1", "/v1/chat/completions", "127.0.0.1")
    context.principal = principal
    return context


ANN = Principal(id="a", name="ann", fingerprint="abc123", authenticator="keys")
BEN = Principal(id="b", name="ben", fingerprint="abc124", authenticator="keys")


def with_client(
    gateway: ScriptedGateway, scenario: Callable[[Client], Awaitable[T]], config: OpenAIConfig = RESUMABLE
) -> T:
    """Run *scenario* against the frontend on a server of its own."""

    async def run() -> T:
        application = serve_frontend(lambda port: OpenAIFrontend(port, config), gateway)
        async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
            return await scenario(client)

    return asyncio.run(run())


def numbered(body: bytes) -> list[int]:
    """The ids of all events."""
    return [int(found) for found in re.findall(rb"^id: (\d+)\ndata: ", body, re.MULTILINE)]


def test_without_the_option_nothing_is_kept() -> None:
    """No ids, no header, no route."""

    async def scenario(client: Client) -> tuple[bool, bytes, int]:
        response = await client.post(CHAT, json=BODY)
        body = await response.read()
        return STREAM_HEADER in response.headers, body, (await client.get("/v1/streams/x")).status

    assert with_client(ScriptedGateway(), scenario, OpenAIConfig())[::2] == (False, 404)


def test_the_remainder_is_identical() -> None:
    """From every event on, by header or by query, while the answer is kept."""

    async def scenario(client: Client) -> tuple[bytes, list[bytes]]:
        response = await client.post(CHAT, json={**BODY, "stream_options": {"include_usage": True}})
        whole = await response.read()
        path = response.headers[STREAM_HEADER]
        rests: list[bytes] = []
        for number in range(len(numbered(whole)) + 1):
            headers = {"Last-Event-ID": str(number)} if number % 2 else {}
            params = {} if number % 2 else {"after": str(number)}
            rests.append(await (await client.get(path, headers=headers, params=params)).read())
        return whole, rests

    whole, rests = with_client(ScriptedGateway(answer("Hel", "lo", " you")), scenario)
    events = [event + b"\n\n" for event in whole.split(b"\n\n") if event]
    assert numbered(whole) == list(range(1, len(events) + 1))
    assert rests == [b"".join(events[number:]) for number in range(len(events) + 1)]


def test_an_answer_goes_on_without_its_client() -> None:
    """The one that takes it up gets what came meanwhile, and what comes."""
    left, more = asyncio.Event(), asyncio.Event()
    gateway = ScriptedGateway(
        [Started(7, 64), TextDelta("Hel", 1), left, TextDelta("lo", 1), more, TextDelta("!", 1), finished(3)]
    )

    async def scenario(client: Client) -> tuple[bytes, bytes]:
        response = await client.post(CHAT, json=BODY)
        seen = await response.content.readuntil(b"Hel")
        path = response.headers[STREAM_HEADER]
        response.close()
        left.set()
        again = await client.get(path, headers={"Last-Event-ID": "2"})
        early = await again.content.readuntil(b"lo")
        more.set()
        return seen, early + await again.read()

    seen, rest = with_client(gateway, scenario)
    assert numbered(seen) == [1, 2]
    assert numbered(rest) == [3, 4, 5, 6]
    assert rest.endswith(b"data: [DONE]\n\n")
    assert len(gateway.requests) == 1
    assert gateway.left == 0


def test_an_answer_that_is_to_be_stored_is_stored_without_its_client() -> None:
    """It comes to its end all the same."""
    left = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), left, TextDelta("lo", 1), finished(2)])

    async def scenario(client: Client) -> str:
        gateway.records = records = SqliteStore(None, SqliteConfig(), option="file")
        response = await client.post(CHAT, json={**BODY, "store": True})
        await response.content.readuntil(b"Hel")
        response.close()
        left.set()
        while not (found := (await (await client.get(CHAT)).json())["data"]):  # noqa: ASYNC110 - polled under the scenario's deadline
            await asyncio.sleep(0.001)
        await records.close()
        content: str = found[0]["choices"][0]["message"]["content"]
        return content

    assert with_client(gateway, scenario) == "Hello"


def test_an_answer_that_nobody_takes_up_is_cancelled() -> None:
    """After ``resume_s``; then there is no such stream."""
    never = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), never, finished(1)])

    async def scenario(client: Client) -> int:
        response = await client.post(CHAT, json=BODY)
        await response.content.readuntil(b"Hel")
        response.close()
        while gateway.open:  # noqa: ASYNC110 - polled under the scenario's deadline
            await asyncio.sleep(0.001)
        return (await client.get(response.headers[STREAM_HEADER])).status

    assert with_client(gateway, scenario, OpenAIConfig(resume_s=0.02)) == 404
    assert gateway.left == 1


def test_it_can_be_cancelled() -> None:
    """By whoever may read it; a second time there is nothing."""
    never = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), never, finished(1)])

    async def scenario(client: Client) -> tuple[object, int, bytes]:
        response = await client.post(CHAT, json=BODY)
        path = response.headers[STREAM_HEADER]
        dropped = await (await client.delete(path)).json()
        rest = await response.read()
        return dropped, (await client.delete(path)).status, rest

    dropped, again, rest = with_client(gateway, scenario)
    assert isinstance(dropped, dict)
    assert dropped["deleted"] is True
    assert again == 404
    assert b"[DONE]" not in rest
    assert gateway.left == 1


@pytest.mark.parametrize(("after", "status"), [("99", 400), ("-1", 400), ("one", 400), ("9" * 400, 400), ("", 200)])
def test_events_that_never_were(after: str, status: int) -> None:
    """A number that is none, or beyond the end."""

    async def scenario(client: Client) -> int:
        response = await client.post(CHAT, json=BODY)
        await response.read()
        return (await client.get(response.headers[STREAM_HEADER], params={"after": after})).status

    assert with_client(ScriptedGateway(), scenario) == status


def test_a_refusal_is_a_status() -> None:
    """As without the option, and the deadline in a queue too."""

    async def scenario(client: Client) -> tuple[int, str]:
        response = await client.post(CHAT, json=BODY)
        return response.status, (await response.json())["error"]["code"]

    assert with_client(ScriptedGateway([DeadlineExceeded("late")]), scenario) == (408, "deadline_exceeded")


def test_a_refusal_after_a_comment_is_an_event() -> None:
    """The status is out."""
    refused = asyncio.Event()
    gateway = ScriptedGateway([refused, DeadlineExceeded("late")])

    async def scenario(client: Client) -> bytes:
        response = await client.post(CHAT, json=BODY)
        await response.content.readuntil(b": keep-alive\n\n")
        refused.set()
        return await response.read()

    body = with_client(gateway, scenario, OpenAIConfig(resume_s=60, keepalive_s=0.05))
    assert b"deadline_exceeded" in body
    assert b"[DONE]" not in body


def test_an_error_is_kept_with_the_rest() -> None:
    """Whoever takes the stream up learns how it ended."""

    async def scenario(client: Client) -> tuple[bytes, bytes]:
        response = await client.post(CHAT, json=BODY)
        whole = await response.read()
        return whole, await (await client.get(response.headers[STREAM_HEADER], params={"after": "2"})).read()

    whole, rest = with_client(ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), WorkerDied("dead")]), scenario)
    assert whole.endswith(rest)
    assert b"worker_died" in rest


def test_there_are_only_so_many() -> None:
    """Those that have ended make room; where none has, a stream does without."""
    never = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), never, finished(1)])

    async def scenario(client: Client) -> list[bool]:
        running = await client.post(CHAT, json=BODY)
        without = await client.post(CHAT, json=BODY)
        kept = [STREAM_HEADER in running.headers, STREAM_HEADER in without.headers]
        never.set()
        await running.read()
        await without.read()
        after = await client.post(CHAT, json=BODY)
        return [*kept, STREAM_HEADER in after.headers]

    assert with_client(gateway, scenario, OpenAIConfig(resume_s=60, resume_streams=1)) == [True, False, True]


async def _wrote(recording: Recording, events: list[bytes]) -> None:
    for event in events:
        await recording.send(event)


def test_it_is_kept_while_somebody_reads() -> None:
    """However long that is, and whoever else has left; then its time runs again."""

    async def run() -> None:
        recordings = Recordings(60, 4, 1 << 16)
        found = recordings.begin(of(ANN), lambda recording: _wrote(recording, [b"data: 1\n\n"]))
        assert found is not None
        assert found.expiry is not None
        begun = found.expiry
        stays, leaves = recordings.follow(found, 0), recordings.follow(found, 0)
        seen = [await anext(stays)]
        await anext(leaves)
        assert begun.cancelled()
        await leaves.aclose()
        assert found.expiry is None
        seen += [piece async for piece in stays]
        assert numbered(b"".join(seen)) == [1]
        assert found.expiry is not None
        recordings.drop(found)

    asyncio.run(run())


def test_one_that_is_read_makes_no_room() -> None:
    """Although it has ended; once nobody reads it does."""

    async def run() -> None:
        recordings = Recordings(60, 1, 1 << 16)
        found = recordings.begin(of(ANN), lambda recording: _wrote(recording, [b"data: 1\n\n", b"data: 2\n\n"]))
        assert found is not None
        reading = recordings.follow(found, 0)
        await anext(reading)
        while not found.over:  # noqa: ASYNC110 -- its task ends by itself
            await asyncio.sleep(0)
        assert recordings.begin(of(ANN), lambda recording: _wrote(recording, [])) is None
        await reading.aclose()
        other = recordings.begin(of(ANN), lambda recording: _wrote(recording, []))
        assert other is not None
        recordings.drop(other)

    asyncio.run(run())


def test_the_request_knows_what_became_of_its_stream() -> None:
    """So that metrics and the access log have it, although the work has a context of its own."""
    contexts: list[RequestContext] = []

    class Watched(OpenAIFrontend):
        """Remembers the kernel's context."""

        async def chat(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
            """As it is."""
            contexts.append(context)
            return await super().chat(request, context)

    async def run() -> bytes:
        application = serve_frontend(lambda port: Watched(port, RESUMABLE), ScriptedGateway())
        async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
            return await (await client.post(CHAT, json=BODY)).read()

    assert numbered(asyncio.run(run()))
    assert [context.model for context in contexts] == ["demo"]


def test_only_its_owner_finds_it() -> None:
    """For everybody else it does not exist."""

    async def run() -> None:
        recordings = Recordings(60, 4, 1 << 16)
        found = recordings.begin(of(ANN), lambda recording: _wrote(recording, []))
        assert found is not None
        assert recordings.find(found.id, ANN) is found
        for other in (BEN, None):
            with pytest.raises(RecordNotFound):
                recordings.find(found.id, other)
        recordings.drop(found)

    asyncio.run(run())


@given(sizes=st.lists(st.integers(1, 400), max_size=40), most=st.integers(50, 1000))
def test_what_nobody_reads_is_bounded(sizes: list[int], most: int) -> None:
    """The oldest events give way; the others are whole and in order; asking for one that is gone is refused."""

    async def run() -> None:
        recording = Recording(of(None), most)
        events = [b"data: %d %b" % (number, b"x" * size) for number, size in enumerate(sizes, 1)]
        for event in events:
            await recording.send(event + b"\n\n")
        recording.end()
        kept = 0
        for last in range(len(events) + 1):
            try:
                recording.check(last)
            except InvalidRequest:
                assert not kept
                continue
            kept += 1
            rest = b"".join([piece async for piece in recording.after(last)])
            assert rest == b"".join(b"id: %d\n%b\n\n" % (last + 1 + at, each) for at, each in enumerate(events[last:]))
            assert len(rest) <= max(most, 450)
        assert kept
        with pytest.raises(InvalidRequest):
            recording.check(len(events) + 1)

    asyncio.run(run())


def test_what_was_masked_is_not_kept_and_the_reader_gets_it_back() -> None:
    """Whoever asked has its own words; the recording has placeholders."""

    async def run() -> tuple[bytes, bytes]:
        context = of(ANN)
        recording = Recording(context, 1 << 16)
        context.masking = Masking({"joe@example.com": "[MAIL_1]"}, {"[MAIL_1]": "joe@example.com"})
        said = context.masking.returned("[MAIL_1]")
        await recording.send(f'data: "to {said}"\n\n'.encode())
        recording.end()
        return repr(vars(recording)["_events"]).encode(), b"".join([piece async for piece in recording.after(0)])

    kept, read = asyncio.run(run())
    assert b"[MAIL_1]" in kept
    assert b"joe" not in kept
    assert read == b'id: 1\ndata: "to joe@example.com"\n\n'


def test_a_slow_reader_loses_nothing() -> None:
    """The answer waits for it instead."""

    async def run() -> bytes:
        recording = Recording(of(None), 200)
        reading = recording.after(0)
        events = [b"data: %03d" % number for number in range(100)]

        async def write() -> None:
            for event in events:
                await recording.send(event + b"\n\n")
            recording.end()

        first = asyncio.ensure_future(anext(reading))
        await asyncio.sleep(0)
        writing = asyncio.create_task(write())
        got = await first
        async for piece in reading:
            await asyncio.sleep(0)
            got += piece
        await writing
        return got

    assert numbered(asyncio.run(run())) == list(range(1, 101))


def test_two_readers_get_the_same() -> None:
    """While the answer is still being made, and each from where it wants."""

    async def run() -> tuple[list[bytes], list[bytes]]:
        recording = Recording(of(None), 1 << 16)
        await recording.send(b"data: 1\n\ndata: 2\n\n")
        older, newer = recording.after(0), recording.after(1)
        seen, taken = [await anext(older)], [await anext(newer)]
        await recording.send(b"data: 3\n\n")
        recording.end()
        seen += [piece async for piece in older]
        taken += [piece async for piece in newer]
        assert not recording.attached
        return seen, taken

    one, two, three = (b"id: %d\ndata: %d\n\n" % (number, number) for number in (1, 2, 3))
    assert asyncio.run(run()) == ([one + two, three], [two, three])


def test_one_that_has_gone_does_not_hold_the_other() -> None:
    """Who came last is waited for; an older one that falls behind learns that it has."""

    async def run() -> int:
        recording = Recording(of(None), 200)
        await recording.send(b"data: first\n\n")
        stuck, reading = recording.after(0), recording.after(0)
        await anext(stuck)
        await anext(reading)

        async def write() -> None:
            for number in range(50):
                await recording.send(b"data: %03d\n\n" % number)
            recording.end()

        writing = asyncio.create_task(write())
        rest = b"".join([piece async for piece in reading])
        await writing
        with pytest.raises(InvalidRequest, match="not kept any more"):
            await anext(stuck)
        return len(numbered(rest))

    assert asyncio.run(run()) == 50


@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=40), starts=st.lists(st.integers(0, 40), max_size=4))
def test_any_number_of_readers_from_anywhere(sizes: list[int], starts: list[int]) -> None:
    """Each gets what is whole, and in order."""

    async def run() -> None:
        recording = Recording(of(None), 1 << 20)
        writing = asyncio.create_task(_wrote(recording, [b"data: %b\n\n" % (b"x" * size) for size in sizes]))
        writing.add_done_callback(lambda _: recording.end())

        async def read(last: int) -> list[int]:
            return numbered(b"".join([piece async for piece in recording.after(last)]))

        found = await asyncio.gather(*(read(min(start, len(sizes))) for start in starts))
        await writing
        assert found == [list(range(min(start, len(sizes)) + 1, len(sizes) + 1)) for start in starts]

    asyncio.run(run())


def test_two_clients_take_one_stream_up() -> None:
    """Over HTTP, while it is still being made."""
    more = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), more, TextDelta("lo", 1), finished(2)])

    async def scenario(client: Client) -> list[bytes]:
        response = await client.post(CHAT, json=BODY)
        seen = await response.content.readuntil(b"Hel")
        path = response.headers[STREAM_HEADER]
        others = [await client.get(path, headers={"Last-Event-ID": number}) for number in ("0", "1")]
        first = [await other.content.readuntil(b"Hel") for other in others]
        more.set()
        return [head + await each.read() for head, each in zip([seen, *first], [response, *others], strict=True)]

    whole, same, rest = with_client(gateway, scenario)
    assert whole == same
    assert whole.endswith(rest)
    assert numbered(rest) == [2, 3, 4, 5]
    assert len(gateway.requests) == 1


def test_another_server_knows_nothing_of_it() -> None:
    """As after a restart: a plain 404 that says what may have happened."""

    async def begun(client: Client) -> str:
        response = await client.post(CHAT, json=BODY)
        await response.read()
        return response.headers[STREAM_HEADER]

    path = with_client(ScriptedGateway(), begun)

    async def again(client: Client) -> tuple[int, str]:
        response = await client.get(path, headers={"Last-Event-ID": "1"})
        return response.status, (await response.json())["error"]["message"]

    status, message = with_client(ScriptedGateway(), again)
    assert status == 404
    assert "started again" in message


@pytest.mark.parametrize(
    "options",
    [{"resume_s": -1}, {"resume_s": 1e9}, {"resume_streams": 0}, {"resume_bytes": 5}, {"resume_bytes": 1 << 40}],
)
def test_nonsensical_options_are_refused(options: dict[str, float]) -> None:
    """At start-up, with the range."""
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be between"):
        msgspec.convert(options, OpenAIConfig)
