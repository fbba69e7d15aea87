"""Responses that run without a client, and gateways that share a store."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pytest
from aiohttp.test_utils import TestClient, TestServer
from tests.plugins.jackfield_openai.test_responses import events_of

from jackfield.errors import AuthenticatorFailed, CredentialRevoked, StoreUnavailable, WorkerDied
from jackfield.frontends.users import user_mark
from jackfield.masking import Masking
from jackfield.ports.identity import Principal
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, finished, serve_frontend
from jackfield.types import Started, TextDelta
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.frontend import OpenAIFrontend
from jackfield_openai.responses.history import KIND, History
from jackfield_openai.responses.liveness import RUN, Liveness
from jackfield_sqlite.config import SqliteConfig
from jackfield_sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiohttp import web

T = TypeVar("T")
Client: TypeAlias = "TestClient[web.Request, web.Application]"
Json: TypeAlias = Any

PATH = "/v1/responses"
BODY: dict[str, Json] = {"model": "demo", "input": "hi", "background": True}


class Site:
    """A frontend on a server of its own."""

    def __init__(self, client: Client, frontend: OpenAIFrontend, gateway: ScriptedGateway) -> None:
        self.client = client
        self.frontend = frontend
        self.gateway = gateway

    async def start(self) -> str:
        """Begin a response, and wait for its first text; its path."""
        made = await (await self.client.post(PATH, json=BODY)).json()
        path = f"{PATH}/{made['id']}"
        followed = await self.client.get(f"{path}?stream=true")
        await followed.content.readuntil(b'"delta":"Hel"')
        return path

    async def read(self, path: str) -> Json:
        """The response as it is now."""
        return await (await self.client.get(path)).json()


@asynccontextmanager
async def site(records: SqliteStore, gate: asyncio.Event) -> AsyncIterator[Site]:
    """One whose model stops in the middle until *gate* is set."""
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), gate, TextDelta("lo", 1), finished(2)])
    gateway.records = records
    frontends: list[OpenAIFrontend] = []

    def make(port: Any) -> OpenAIFrontend:
        frontends.append(OpenAIFrontend(port, OpenAIConfig()))
        return frontends[-1]

    async with TestClient(TestServer(serve_frontend(make, gateway))) as client:
        yield Site(client, frontends[0], gateway)


def with_two(scenario: Callable[[Site, Site, asyncio.Event], Awaitable[T]]) -> T:
    """Run *scenario* with two frontends that share a store."""

    async def run() -> T:
        records = SqliteStore(None, SqliteConfig(), option="file")
        gate = asyncio.Event()
        try:
            async with asyncio.timeout(30), site(records, gate) as first, site(records, gate) as second:
                return await scenario(first, second, gate)
        finally:
            await records.close()

    return asyncio.run(run())


def test_it_is_queued_until_the_model_begins() -> None:
    """Each event has the response as it is then; in metrics it has a name of its own."""

    async def scenario(one: Site, _: Site, gate: asyncio.Event) -> None:
        gate.set()
        events = events_of(await (await one.client.post(PATH, json={**BODY, "stream": True})).read())
        begun = [(event["type"], event["response"]["status"]) for event in events if "response" in event]
        assert begun == [
            ("response.created", "queued"),
            ("response.queued", "queued"),
            ("response.in_progress", "in_progress"),
            ("response.completed", "completed"),
        ]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        [(context, status)] = one.gateway.accounted
        assert (context.route, context.model, status) == ("background /v1/responses", "demo", 200)

    with_two(scenario)


def test_one_that_runs_elsewhere_runs() -> None:
    """Another gateway shows it, until whoever ran it has been silent for too long."""

    async def scenario(one: Site, other: Site, gate: asyncio.Event) -> None:
        path = await one.start()
        assert (await other.read(path))["status"] == "queued"
        assert one.gateway.records is not None
        assert await one.gateway.records.delete(RUN, f"{path.rpartition('/')[2]}.{RUN}", "")
        lost = await other.read(path)
        assert (lost["status"], lost["error"]["code"]) == ("failed", "server_error")
        gate.set()
        while not one.gateway.accounted:  # noqa: ASYNC110 -- polled under the deadline
            await asyncio.sleep(0.01)
        assert (await other.read(path))["status"] == "completed"

    with_two(scenario)


def test_one_that_runs_elsewhere_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs it sees that somebody has asked for its end."""
    monkeypatch.setattr("jackfield_openai.responses.running.LEASE_S", 0.06)

    async def scenario(one: Site, other: Site, _: asyncio.Event) -> None:
        path = await one.start()
        assert (await other.client.post(f"{path}/cancel")).status == 200
        # it is told last, when all that follows is done
        while not one.gateway.accounted:  # noqa: ASYNC110 -- polled under the deadline
            await asyncio.sleep(0.01)
        assert (await other.read(path))["status"] == "cancelled"
        assert one.gateway.open == 0
        assert [status for _, status in one.gateway.accounted] == [499]
        assert one.gateway.records is not None
        assert not await Liveness(one.gateway.records, "").end_asked(path.rpartition("/")[2])

    with_two(scenario)


@pytest.mark.parametrize("may_later", [False, True])
def test_whoever_may_not_any_more_gets_no_more(monkeypatch: pytest.MonkeyPatch, *, may_later: bool) -> None:
    """Its key is revoked while it runs: it has failed, and the model stops. What cannot be told is told later."""
    monkeypatch.setattr("jackfield_openai.responses.running.REVIEW_S", 0.01)
    revoked = CredentialRevoked("the API key was revoked")

    async def scenario(one: Site, other: Site, gate: asyncio.Event) -> None:
        path = await one.start()
        one.gateway.refusals[""] = AuthenticatorFailed("nobody can tell") if may_later else revoked
        if may_later:
            seen = one.gateway.reviews
            while one.gateway.reviews < seen + 3:  # noqa: ASYNC110 -- polled under the deadline
                await asyncio.sleep(0.01)
            del one.gateway.refusals[""]
            gate.set()
        while not one.gateway.accounted:  # noqa: ASYNC110 -- polled under the deadline
            await asyncio.sleep(0.01)
        found = await other.read(path)
        if may_later:
            assert found["status"] == "completed"
            return
        assert (found["status"], found["error"]["message"]) == ("failed", revoked.message)
        assert one.gateway.open == 0
        assert [status for _, status in one.gateway.accounted] == [401]

    with_two(scenario)


@pytest.mark.parametrize(
    ("scopes", "models", "message"),
    [(("embed",), None, "lacks the scope generate"), (("generate",), ("other",), "demo is not there any more")],
)
def test_rights_that_were_taken_away(
    monkeypatch: pytest.MonkeyPatch, scopes: tuple[str, ...], models: tuple[str, ...] | None, message: str
) -> None:
    """The scope, or the model."""
    monkeypatch.setattr("jackfield_openai.responses.running.REVIEW_S", 0.01)
    now = Principal(
        id="ann",
        name="ann",
        fingerprint="000000",
        scopes=frozenset(scopes),
        models=None if models is None else frozenset(models),
    )

    async def scenario(one: Site, other: Site, _: asyncio.Event) -> None:
        path = await one.start()
        one.gateway.reviewed = now
        while not one.gateway.accounted:  # noqa: ASYNC110 -- polled under the deadline
            await asyncio.sleep(0.01)
        found = await other.read(path)
        assert found["status"] == "failed"
        assert message in found["error"]["message"]

    with_two(scenario)


def test_the_end_of_the_server_is_its_end() -> None:
    """It is kept as failed, and whoever follows it is told."""

    async def scenario(one: Site, other: Site, _: asyncio.Event) -> None:
        path = await one.start()
        followed = await one.client.get(f"{path}?stream=true")
        work = asyncio.ensure_future(one.frontend.run())
        await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert events_of(await followed.read())[-1]["type"] == "response.failed"
        kept = await other.read(path)
        assert (kept["status"], kept["error"]["code"]) == ("failed", "draining")
        assert kept["output"][0]["content"][0]["text"] == "Hel"

    with_two(scenario)


def test_a_store_that_fails_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does not cost those who follow it their answer."""
    keep = History.keep

    async def failing(self: History, *given: Any, new: bool = True, judged: bool = True) -> None:
        if not new:
            raise StoreUnavailable("not now")
        await keep(self, *given, new=new, judged=judged)

    monkeypatch.setattr(History, "keep", failing)

    async def scenario(one: Site, _: Site, gate: asyncio.Event) -> None:
        path = await one.start()
        followed = await one.client.get(f"{path}?stream=true")
        gate.set()
        assert events_of(await followed.read())[-1]["type"] == "response.completed"
        assert (await one.read(path))["status"] == "completed"

    with_two(scenario)


def test_whoever_runs_it_says_so_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it runs, so that it is not taken for lost; and its user is told apart as others are."""
    monkeypatch.setattr("jackfield_openai.responses.running.LEASE_S", 0.03)
    beat = Liveness.beat
    beats: list[str] = []

    async def counted(self: Liveness, response_id: str) -> None:
        beats.append(response_id)
        await beat(self, response_id)

    monkeypatch.setattr(Liveness, "beat", counted)

    async def scenario(one: Site, _: Site, gate: asyncio.Event) -> None:
        made = await (await one.client.post(PATH, json={**BODY, "user": "ann"})).json()
        while len(beats) < 4:  # noqa: ASYNC110 -- polled under the deadline
            await asyncio.sleep(0.001)
        assert set(beats) == {made["id"]}
        gate.set()
        while not one.gateway.accounted:  # noqa: ASYNC110 -- polled under the deadline
            await asyncio.sleep(0.001)
        [(context, status)] = one.gateway.accounted
        assert (context.user, status) == (user_mark("ann"), 200)

    with_two(scenario)


def test_one_for_which_there_is_no_room_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be kept as queued, and nobody would ever make it."""
    monkeypatch.setattr("jackfield_openai.responses.background.RUNNING_MAX", 0)

    async def scenario(one: Site, _: Site, __: asyncio.Event) -> None:
        assert (await one.client.post(PATH, json=BODY)).status == 429
        assert one.gateway.records is not None
        assert await one.gateway.records.find(KIND, None) == []

    with_two(scenario)


def test_a_stream_that_breaks_is_kept_as_failed() -> None:
    """With what was said before."""

    async def run() -> Json:
        gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), WorkerDied("dead")])
        gateway.records = records = SqliteStore(None, SqliteConfig(), option="file")
        application = serve_frontend(lambda port: OpenAIFrontend(port, OpenAIConfig()), gateway)
        try:
            async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
                response = await client.post(PATH, json={"model": "demo", "input": "hi", "stream": True})
                last = events_of(await response.read())[-1]
                assert last["type"] == "response.failed"
                kept = await (await client.get(f"{PATH}/{last['response']['id']}")).json()
                assert kept == last["response"]
                return kept
        finally:
            await records.close()

    kept = asyncio.run(run())
    assert (kept["status"], kept["error"]["code"]) == ("failed", "worker_died")
    assert kept["output"][0]["content"][0]["text"] == "Hel"


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_left_out_is_said(*, stream: bool) -> None:
    """As of any other request, where the server is told to be lenient."""

    async def run() -> str | None:
        gateway = ScriptedGateway()
        gateway.records = records = SqliteStore(None, SqliteConfig(), option="file")
        lenient = OpenAIConfig(unknown_fields="warn")
        application = serve_frontend(lambda port: OpenAIFrontend(port, lenient), gateway)
        try:
            async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
                response = await client.post(PATH, json={**BODY, "stream": stream, "colour": "red"})
                await response.read()
                return response.headers.get("x-jackfield-ignored")
        finally:
            await records.close()

    assert asyncio.run(run()) == "colour"


def test_what_guardrails_have_not_judged_is_not_kept_and_what_they_block_never_is() -> None:
    """A response is queued without what was said; once it has begun that is kept, as guardrails have left it."""

    async def scenario(one: Site, _: Site, gate: asyncio.Event) -> None:
        one.gateway.guarded = True
        path = await one.start()
        assert (await one.read(f"{path}/input_items"))["data"] == []
        one.gateway.contexts[-1].masking = Masking({"hi": "[GREETING]"}, {})
        gate.set()
        while not one.gateway.accounted:  # noqa: ASYNC110 -- polled under the deadline
            await asyncio.sleep(0.01)
        [item] = (await one.read(f"{path}/input_items"))["data"]
        assert item["content"][0]["text"] == "[GREETING]"
        gate.clear()
        blocked = await one.start()
        one.gateway.contexts[-1].code = "content_policy_violation"
        gate.set()
        while len(one.gateway.accounted) < 2:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.01)
        assert (await one.read(f"{blocked}/input_items"))["data"] == []

    with_two(scenario)
