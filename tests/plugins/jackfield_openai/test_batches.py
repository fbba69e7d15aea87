"""``/v1/files`` and ``/v1/batches`` over HTTP, in front of a scripted gateway."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import aiohttp
import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from jackfield.errors import (
    CredentialRevoked,
    DeadlineExceeded,
    JackfieldError,
    QueueFull,
    StoreUnavailable,
    WorkerDied,
)
from jackfield.frontends.users import user_mark
from jackfield.ports.identity import Principal
from jackfield.ports.records import Record, StoreFull
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, answer, serve_frontend
from jackfield.types import PRIORITY_MAX
from jackfield_openai.batches.answerer import Answerer
from jackfield_openai.batches.files import Files
from jackfield_openai.batches.multipart import read_form
from jackfield_openai.batches.queue import BatchQueue
from jackfield_openai.batches.records import Batch, BatchRecords, Kept, Line
from jackfield_openai.batches.work import TRIES
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.frontend import OpenAIFrontend
from jackfield_openai.responses.routes import Responses
from jackfield_sqlite.config import SqliteConfig
from jackfield_sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.types import GenerateEvent, GenerateRequest

T = TypeVar("T")
Client: TypeAlias = "TestClient[web.Request, web.Application]"
Json: TypeAlias = Any

CHAT = "/v1/chat/completions"


class Echo(ScriptedGateway):
    """Answers with the question, where that is not one of a few words that do something else."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.asked: list[str] = []

    async def generate(self, context: Any, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Play what the question says."""
        prompt: Any = request.prompt
        text = prompt.messages[-1].content
        self.asked.append(text)
        if text == "wait":
            await self.gate.wait()
        if text == "busy" and self.asked.count("busy") < 9:
            raise QueueFull("too much work", retry_after=0.0)
        if text == "after others" and "other" not in self.asked:
            raise QueueFull("too much work", retry_after=0.0)
        if text == "deadly":
            raise WorkerDied("the model's worker ended", retry_after=0.0)
        self.script = answer(text)
        async for event in super().generate(context, request):
            yield event


class Anything(Echo):
    """Answers whatever is asked."""

    async def generate(self, context: Any, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        """Play the script."""
        async for event in ScriptedGateway.generate(self, context, request):
            yield event


def lines(*texts: str, **more: Json) -> bytes:
    """An input file."""
    return b"".join(
        msgspec.json.encode(
            {
                "custom_id": f"line-{number}",
                "method": "POST",
                "url": CHAT,
                "body": {"model": "demo", "messages": [{"role": "user", "content": text}], **more},
            }
        )
        + b"\n"
        for number, text in enumerate(texts)
    )


def with_client(
    scenario: Callable[[Client, Echo], Awaitable[T]], *, works: bool = True, gateway: type[Echo] = Echo
) -> T:
    """Run *scenario* against the frontend on a server of its own, whose queue works."""
    made = gateway

    async def run() -> T:
        gateway = made()
        gateway.records = records = SqliteStore(None, SqliteConfig(), option="file")
        frontends: list[OpenAIFrontend] = []

        def make(port: Any) -> OpenAIFrontend:
            frontends.append(OpenAIFrontend(port, OpenAIConfig()))
            return frontends[-1]

        application = serve_frontend(make, gateway)
        try:
            async with (
                asyncio.timeout(30),
                TestClient(TestServer(application)) as client,
                working(frontends[0]) if works else idle(),
            ):
                return await scenario(client, gateway)
        finally:
            await records.close()

    return asyncio.run(run())


@asynccontextmanager
async def working(worker: OpenAIFrontend | BatchQueue) -> AsyncIterator[None]:
    """While its background work runs."""
    task = asyncio.ensure_future(worker.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def idle() -> AsyncIterator[None]:
    """While nobody works."""
    yield


def queue(gateway: Echo, config: OpenAIConfig | None = None, **more: float) -> BatchQueue:
    """What works on batches."""
    config = config or OpenAIConfig()
    answerer = Answerer(gateway, config, Responses(gateway, config))
    return BatchQueue(gateway, config, answerer, **more)  # type: ignore[arg-type]  # numbers by name


async def upload(client: Client, content: bytes, purpose: str = "batch", **fields: str) -> Json:
    """Send a file."""
    form = aiohttp.FormData({"purpose": purpose, **fields})
    form.add_field("file", content, filename="input.jsonl")
    response = await client.post("/v1/files", data=form)
    return await response.json()


async def start(client: Client, content: bytes, **fields: Json) -> Json:
    """Send a file, and make a batch of it."""
    file = await upload(client, content)
    body = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h", **fields}
    response = await client.post("/v1/batches", json=body)
    assert response.status == 200, await response.text()
    return await response.json()


async def until(client: Client, batch: Json, done: Callable[[Json], bool]) -> Json:
    """The batch once it is *done*."""
    while True:
        seen = await (await client.get(f"/v1/batches/{batch['id']}")).json()
        if done(seen):
            return seen
        await asyncio.sleep(0.01)


async def ended(client: Client, batch: Json) -> Json:
    """The batch once nothing more happens."""
    return await until(client, batch, lambda seen: seen["status"] in {"completed", "failed", "cancelled", "expired"})


async def read(client: Client, file_id: str | None) -> list[Json]:
    """The lines of a file."""
    if file_id is None:
        return []
    content = await (await client.get(f"/v1/files/{file_id}/content")).read()
    return [msgspec.json.decode(line) for line in content.splitlines()]


def texts(output: Sequence[Json]) -> list[str]:
    """The answers in an output file."""
    return [line["response"]["body"]["choices"][0]["message"]["content"] for line in output]


def test_files_are_kept_listed_and_deleted() -> None:
    """With every byte."""
    content = bytes(range(256)) * 10 + b"\r\n--boundary\r\n"

    async def scenario(client: Client, _: Echo) -> None:
        made = await upload(client, content)
        other = await upload(client, b"text", "user_data")
        assert (made["object"], made["bytes"], made["filename"]) == ("file", len(content), "input.jsonl")
        path = f"/v1/files/{made['id']}"
        assert await (await client.get(path)).json() == made
        assert await (await client.get(f"{path}/content")).read() == content
        listed = await (await client.get("/v1/files", params={"order": "asc"})).json()
        assert {file["id"] for file in listed["data"]} == {made["id"], other["id"]}
        some = await (await client.get("/v1/files", params={"purpose": "user_data"})).json()
        assert [file["id"] for file in some["data"]] == [other["id"]]
        assert (await (await client.delete(path)).json())["deleted"]
        for gone in (await client.get(path), await client.get(f"{path}/content"), await client.delete(path)):
            assert gone.status == 404

    with_client(scenario, works=False)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"purpose": "fine-tune"}, "purpose"),
        ({"colour": "red"}, "colour"),
        ({"expires_after[anchor]": "created_at"}, "expires_after[seconds]"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "9"}, "expires_after[seconds]"),
        ({"expires_after[anchor]": "now", "expires_after[seconds]": "3600"}, "expires_after[anchor]"),
    ],
)
def test_files_that_cannot_be_kept_as_asked(fields: dict[str, str], param: str) -> None:
    """Are refused by the field's name."""

    async def scenario(client: Client, _: Echo) -> Json:
        return await upload(client, b"x", **fields)

    assert with_client(scenario, works=False)["error"]["param"] == param


def test_a_file_may_expire() -> None:
    """When its sender says."""

    async def scenario(client: Client, _: Echo) -> Json:
        lives = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "7200"}
        return await upload(client, b"x", **lives)

    made = with_client(scenario, works=False)
    assert made["expires_at"] == made["created_at"] + 7200


def test_a_batch_is_computed() -> None:
    """Every line, at the lowest priority; answers in order, errors in a file of their own."""

    async def scenario(client: Client, gateway: Echo) -> None:
        asked = [f"question {number}" for number in range(10)]
        content = lines(*asked) + lines("bad", temperature=9).replace(b"line-0", b"line-bad")
        made = await start(client, content, metadata={"a": "b"})
        assert (made["status"], made["metadata"], made["object"]) == ("validating", {"a": "b"}, "batch")
        done = await ended(client, made)
        assert (done["status"], done["errors"]) == ("completed", None)
        assert done["request_counts"] == {"total": 11, "completed": 10, "failed": 1}
        output = await read(client, done["output_file_id"])
        assert texts(output) == asked
        assert [line["custom_id"] for line in output] == [f"line-{number}" for number in range(10)]
        [error] = await read(client, done["error_file_id"])
        assert (error["custom_id"], error["response"]["status_code"]) == ("line-bad", 400)
        assert {request.priority for request in gateway.requests} == {PRIORITY_MAX}
        assert gateway.records is not None
        for kind in ("batch_line", "batch_open", "batch_lease"):
            while await gateway.records.find(kind, None):  # noqa: ASYNC110 -- polled under the scenario's deadline
                await asyncio.sleep(0.01)
        listed = await (await client.get("/v1/batches")).json()
        assert [batch["id"] for batch in listed["data"]] == [made["id"]]
        assert (await client.post(f"/v1/batches/{made['id']}/cancel")).status == 400

    with_client(scenario)


def test_lines_that_may_succeed_later_are_tried_again() -> None:
    """Others are not."""

    async def scenario(client: Client, gateway: Echo) -> tuple[Json, int]:
        made = await start(client, lines("busy"))
        async with working(queue(gateway, wait_s=0.001)):
            done = await ended(client, made)
        return done["request_counts"], gateway.asked.count("busy")

    assert with_client(scenario, works=False) == ({"total": 1, "completed": 1, "failed": 0}, 9)


def test_a_line_that_kills_its_worker_fails_alone() -> None:
    """It is tried a few times, and those beside it are answered."""

    async def scenario(client: Client, gateway: Echo) -> tuple[Json, int]:
        made = await start(client, lines("one", "deadly", "two", "three"))
        async with working(queue(gateway, wait_s=0.001)):
            done = await ended(client, made)
        [error] = await read(client, done["error_file_id"])
        assert error["response"]["status_code"] == 503
        return done["request_counts"], gateway.asked.count("deadly")

    assert with_client(scenario, works=False) == ({"total": 4, "completed": 3, "failed": 1}, TRIES)


def test_lines_that_kill_their_workers_are_tried_again_one_at_a_time() -> None:
    """So that one takes no other with it twice."""

    class Fragile(Echo):
        """Kills its worker when another line has come, or none will."""

        def __init__(self) -> None:
            super().__init__()
            self.beside = 0
            self.most = 0
            self.another = asyncio.Event()

        async def generate(self, context: Any, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
            """Whoever is asked a second time waits a moment for company."""
            text = request.prompt.messages[-1].content  # type: ignore[union-attr]  # these are chats
            again = text in self.asked
            self.beside += again
            self.most = max(self.most, self.beside)
            if self.beside > 1:
                self.another.set()
            try:
                if again:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.another.wait(), 0.03)
                self.asked.append(text)
                raise WorkerDied("the model's worker ended", retry_after=0.0)
                yield  # it is a generator
            finally:
                self.beside -= again

    async def scenario(client: Client, gateway: Echo) -> None:
        assert isinstance(gateway, Fragile)
        made = await start(client, lines("a", "b", "c"))
        async with working(queue(gateway, wait_s=0.001)):
            done = await ended(client, made)
        assert done["request_counts"]["failed"] == 3
        assert len(gateway.asked) == 3 * TRIES
        assert gateway.most == 1

    with_client(scenario, works=False, gateway=Fragile)


async def started(gateway: Echo, tenant: str, *texts: str) -> str:
    """A batch of another tenant's."""
    assert gateway.records is not None
    file = await Files(gateway.records, tenant).add(lines(*texts), "input.jsonl", "batch")
    now = int(time.time())
    batch = Batch(id=f"batch_{tenant}", endpoint=CHAT, input_file_id=file.id, created_at=now, expires_at=now + 3600)
    await BatchRecords(gateway.records, tenant).create(Kept(batch=batch))
    return batch.id


async def finished(gateway: Echo, tenant: str) -> Batch:
    """A tenant's batch once nothing more happens."""
    assert gateway.records is not None
    while True:
        batch = (await BatchRecords(gateway.records, tenant).find(f"batch_{tenant}")).batch
        if batch.ended:
            return batch
        await asyncio.sleep(0.01)


def test_a_big_batch_does_not_keep_other_tenants_waiting() -> None:
    """Although it was first, and has all its lines at work."""

    async def scenario(_: Client, gateway: Echo) -> None:
        await started(gateway, "big", *["wait"] * 20)
        works = queue(gateway)
        async with working(works):
            while gateway.asked != ["wait"] * 4:  # noqa: ASYNC110 -- polled under the scenario's deadline
                await asyncio.sleep(0.01)
            await started(gateway, "small", "other", "another")
            works.wake()
            assert (await finished(gateway, "small")).request_counts.completed == 2
            assert gateway.asked.count("wait") <= 5
            gateway.gate.set()
            assert (await finished(gateway, "big")).request_counts.completed == 20

    with_client(scenario, works=False)


def test_tenants_take_turns_where_there_are_many() -> None:
    """Whoever has had its turn makes room, and goes on later."""

    async def scenario(_: Client, gateway: Echo) -> None:
        await started(gateway, "first", "one", "after others", "two")
        await started(gateway, "second", "other")
        async with working(queue(gateway, tenants=1, turn_s=0.02, wait_s=0.001)):
            assert (await finished(gateway, "first")).request_counts.completed == 3
            assert (await finished(gateway, "second")).request_counts.completed == 1

    with_client(scenario, works=False)


def test_a_key_that_was_revoked_has_nothing_more_computed() -> None:
    """The batch fails and says why, and so does each line that is left; what is finished can be read."""

    async def scenario(client: Client, gateway: Echo) -> None:
        made = await start(client, lines("one", "wait", *["never"] * 5))
        async with working(queue(gateway, OpenAIConfig(batch_lines=1))):
            while "wait" not in gateway.asked:  # noqa: ASYNC110 -- polled under the scenario's deadline
                await asyncio.sleep(0.01)
            gateway.refusals[""] = CredentialRevoked("the API key was revoked")
            gateway.gate.set()
            done = await ended(client, made)
        assert done["status"] == "failed"
        assert [problem["code"] for problem in done["errors"]["data"]] == ["revoked_api_key"]
        assert texts(await read(client, done["output_file_id"])) == ["one", "wait"]
        errors = await read(client, done["error_file_id"])
        assert [line["error"]["code"] for line in errors] == ["revoked_api_key"] * 5
        assert "never" not in gateway.asked

    with_client(scenario, works=False)


def test_a_key_that_cannot_be_judged_for_a_moment_loses_nothing() -> None:
    """What keys are asked may be out of reach; that is no refusal."""

    class Unreachable(Echo):
        """Says nothing of keys the first two times."""

        judged = 0

        async def review(self, principal: Principal | None) -> Principal | None:
            """As after a restart."""
            self.judged += 1
            if self.judged < 3:
                raise StoreUnavailable("not now", retry_after=0.0)
            return principal

    async def scenario(client: Client, gateway: Echo) -> tuple[str, list[str]]:
        made = await start(client, lines("one"))
        async with working(queue(gateway, wait_s=0.001)):
            return (await ended(client, made))["status"], gateway.asked

    assert with_client(scenario, works=False, gateway=Unreachable) == ("completed", ["one"])


def test_a_key_that_lost_its_scope_has_nothing_more_computed() -> None:
    """What it may is asked before each line."""

    async def scenario(_: Client, gateway: Echo) -> Batch:
        batch_id = await started(gateway, "t", "one")
        assert gateway.records is not None
        batches = BatchRecords(gateway.records, "t")
        kept = await batches.find(batch_id)
        principal = Principal(id="t", name="t", fingerprint="000000", scopes=frozenset({"embed"}))
        await batches.keep(msgspec.structs.replace(kept, principal=principal))
        async with working(queue(gateway)):
            return await finished(gateway, "t")

    batch = with_client(scenario, works=False)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert b"insufficient_scope" in bytes(batch.errors["data"])


@pytest.mark.parametrize(
    ("endpoint", "body", "kind"),
    [
        ("/v1/completions", {"prompt": "x"}, "text_completion"),
        ("/v1/embeddings", {"input": "x"}, "list"),
        ("/v1/responses", {"input": "x"}, "response"),
    ],
)
def test_lines_may_ask_other_routes(endpoint: str, body: Json, kind: str) -> None:
    """And get what those answer; a stream is refused line by line."""

    def line(name: str, **more: Json) -> bytes:
        asked = {"custom_id": name, "method": "POST", "url": endpoint, "body": {"model": "demo", **body, **more}}
        return msgspec.json.encode(asked) + b"\n"

    async def scenario(client: Client, gateway: Echo) -> None:
        done = await ended(client, await start(client, line("a") + line("b", stream=True), endpoint=endpoint))
        [answered] = await read(client, done["output_file_id"])
        assert (answered["custom_id"], answered["response"]["body"]["object"]) == ("a", kind)
        [refused] = await read(client, done["error_file_id"])
        assert (refused["custom_id"], refused["response"]["body"]["error"]["param"]) == ("b", "stream")
        assert {(context.route, status) for context, status in gateway.accounted} == {
            (f"batch {endpoint}", 200),
            (f"batch {endpoint}", 400),
        }

    with_client(scenario, gateway=Anything)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/completions", {"prompt": "x"}),
        ("/v1/embeddings", {"input": "x"}),
        ("/v1/responses", {"input": "x"}),
    ],
)
def test_lines_name_their_users(endpoint: str, body: Json) -> None:
    """In the access log they are told apart as those of other requests are."""

    async def scenario(client: Client, gateway: Echo) -> str:
        asked = {"custom_id": "a", "method": "POST", "url": endpoint, "body": {"model": "demo", **body, "user": "ann"}}
        done = await ended(client, await start(client, msgspec.json.encode(asked), endpoint=endpoint))
        assert done["request_counts"]["completed"] == 1
        [(context, _)] = gateway.accounted
        return context.user

    assert with_client(scenario, gateway=Anything) == user_mark("ann")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [(CHAT, {"messages": [{"role": "user", "content": "x"}]}), ("/v1/responses", {"input": "x"})],
)
@pytest.mark.parametrize("tier", ["auto", "default", "flex", "priority"])
def test_lines_say_which_tier_served_them(endpoint: str, body: Json, tier: str) -> None:
    """That of whoever can wait, whichever they ask for."""

    async def scenario(client: Client, gateway: Echo) -> None:
        asked = {"model": "demo", **body, "service_tier": tier}
        line = {"custom_id": "a", "method": "POST", "url": endpoint, "body": asked}
        done = await ended(client, await start(client, msgspec.json.encode(line), endpoint=endpoint))
        [answered] = await read(client, done["output_file_id"])
        assert answered["response"]["body"]["service_tier"] == "flex"
        assert [request.priority for request in gateway.requests] == [PRIORITY_MAX]

    with_client(scenario, gateway=Anything)


def test_files_of_answers_may_expire() -> None:
    """When the batch says."""

    async def scenario(client: Client, _: Echo) -> int:
        after = {"anchor": "created_at", "seconds": 3600}
        done = await ended(client, await start(client, lines("one"), output_expires_after=after))
        file = await (await client.get(f"/v1/files/{done['output_file_id']}")).json()
        return int(file["expires_at"]) - int(file["created_at"])

    assert with_client(scenario) == 3600


def test_what_was_cut_off_while_it_was_written_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that ends between the files and the batch leaves no second file, and nothing behind."""
    keep = BatchRecords.keep
    failures: list[str] = []

    async def failing(self: BatchRecords, kept: Kept, **more: Any) -> None:
        if kept.batch.status == "completed" and not failures:
            failures.append("once")
            raise StoreUnavailable("not now")
        await keep(self, kept, **more)

    monkeypatch.setattr(BatchRecords, "keep", failing)

    async def scenario(client: Client, gateway: Echo) -> None:
        made = await start(client, lines("one", "two"))
        async with working(queue(gateway, lease_s=0.05)):
            done = await ended(client, made)
        assert texts(await read(client, done["output_file_id"])) == ["one", "two"]
        assert sorted(gateway.asked) == ["one", "two"]
        listed = await (await client.get("/v1/files", params={"purpose": "batch_output"})).json()
        assert len(listed["data"]) == 1

    with_client(scenario, works=False)
    assert failures


def test_one_that_was_not_cleaned_up_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next gateway removes the lines that stand in files, and computes nothing."""
    close = BatchRecords.close
    failures: list[str] = []

    async def failing(self: BatchRecords, batch_id: str) -> None:
        if not failures:
            failures.append("once")
            raise StoreUnavailable("not now")
        await close(self, batch_id)

    monkeypatch.setattr(BatchRecords, "close", failing)

    async def scenario(client: Client, gateway: Echo) -> None:
        await start(client, lines("one", "two"))
        assert gateway.records is not None
        async with working(queue(gateway, lease_s=0.05)):
            while await gateway.records.find("batch_open", None):  # noqa: ASYNC110 -- polled under a deadline
                await asyncio.sleep(0.01)
        assert await gateway.records.find("batch_line", None) == []
        assert sorted(gateway.asked) == ["one", "two"]

    with_client(scenario, works=False)
    assert failures


def test_answers_for_which_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the batch, which says so; what was answered before can be read."""
    add = BatchRecords.add_line

    async def full(self: BatchRecords, batch_id: str, number: int, line: Any) -> None:
        if number == 1:
            raise StoreFull("full")
        await add(self, batch_id, number, line)

    monkeypatch.setattr(BatchRecords, "add_line", full)

    async def scenario(client: Client, gateway: Echo) -> None:
        made = await start(client, lines("one", "two"))
        async with working(queue(gateway, OpenAIConfig(batch_lines=1))):
            done = await ended(client, made)
        assert (done["status"], done["errors"]["data"][0]["code"]) == ("failed", "store_full")
        assert texts(await read(client, done["output_file_id"])) == ["one"]

    with_client(scenario, works=False)


def test_too_many_unfinished_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Are refused until some have ended."""
    monkeypatch.setattr("jackfield_openai.batches.routes.OPEN_MAX", 1)

    async def scenario(client: Client, _: Echo) -> int:
        await start(client, lines("one"))
        file = await upload(client, lines("two"))
        body = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
        return (await client.post("/v1/batches", json=body)).status

    assert with_client(scenario, works=False) == 429


def test_a_gateway_goes_on_where_another_one_stopped() -> None:
    """No line that was finished is computed again."""

    async def scenario(client: Client, gateway: Echo) -> None:
        asked = ["one", "two", "three", "wait", "wait", "wait", "wait", "last"]
        made = await start(client, lines(*asked))
        async with working(queue(gateway)):
            await until(client, made, lambda seen: seen["request_counts"]["completed"] == 3)
        first = list(gateway.asked)
        gateway.gate.set()
        async with working(queue(gateway)):
            done = await ended(client, made)
        assert done["status"] == "completed"
        assert texts(await read(client, done["output_file_id"])) == asked
        again = gateway.asked[len(first) :]
        assert sorted(again) == ["last", "wait", "wait", "wait", "wait"]

    with_client(scenario, works=False)


def test_two_gateways_never_run_one_batch() -> None:
    """Only one holds it; what a killed one held is free after a while."""

    async def scenario(client: Client, gateway: Echo) -> None:
        queues = [queue(gateway) for _ in range(3)]
        made = await start(client, lines(*map(str, range(20))))
        async with working(queues[0]), working(queues[1]), working(queues[2]):
            assert (await ended(client, made))["status"] == "completed"
        assert sorted(gateway.asked) == sorted(map(str, range(20)))

    with_client(scenario, works=False)


def test_what_a_killed_gateway_held_is_free_once_its_lease_is_over() -> None:
    """It cannot give it back any more."""

    async def scenario(client: Client, gateway: Echo) -> Json:
        made = await start(client, lines("one"))
        assert gateway.records is not None
        lease = f"{made['id']}.batch_lease"
        now = time.time()
        held = Record(kind="batch_lease", id=lease, created=now, expires=now + 0.2, parent=made["id"])
        await gateway.records.put(held)
        async with working(queue(gateway, lease_s=0.05)):
            return await ended(client, made)

    assert with_client(scenario, works=False)["status"] == "completed"


def test_a_gateway_whose_lease_is_gone_lets_go() -> None:
    """Another one may be at it by now; this one begins again once it has the lease again."""

    async def scenario(client: Client, gateway: Echo) -> Json:
        made = await start(client, lines("wait"))
        async with working(queue(gateway, lease_s=0.2)):
            while not gateway.asked:  # noqa: ASYNC110 -- polled under the scenario's deadline
                await asyncio.sleep(0.01)
            assert gateway.records is not None
            await gateway.records.delete("batch_lease", f"{made['id']}.batch_lease", "")
            while len(gateway.asked) < 2:  # noqa: ASYNC110 -- polled under the scenario's deadline
                await asyncio.sleep(0.01)
            gateway.gate.set()
            return (await ended(client, made))["request_counts"]

    assert with_client(scenario, works=False) == {"total": 1, "completed": 1, "failed": 0}


def test_a_gateway_that_cannot_renew_its_lease_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot know whether it still has it."""

    async def failing(_self: BatchRecords, _batch_id: str, _lease_s: float) -> bool:
        raise StoreUnavailable("not now")

    monkeypatch.setattr(BatchRecords, "renew", failing)

    async def scenario(client: Client, gateway: Echo) -> None:
        await start(client, lines("wait"))
        async with working(queue(gateway, lease_s=0.05)):
            while len(gateway.asked) < 2:  # noqa: ASYNC110 -- polled under the scenario's deadline
                await asyncio.sleep(0.01)

    with_client(scenario, works=False)


def test_a_batch_is_cancelled() -> None:
    """What runs is finished, and can be read; the rest is listed as not computed."""

    async def scenario(client: Client, gateway: Echo) -> None:
        made = await start(client, lines("one", "wait", "wait", "wait", "wait", "never"))
        await until(client, made, lambda seen: seen["request_counts"]["completed"] == 1)
        said = await (await client.post(f"/v1/batches/{made['id']}/cancel")).json()
        assert said["status"] == "cancelling"
        gateway.gate.set()
        done = await ended(client, made)
        assert done["status"] == "cancelled"
        assert "one" in texts(await read(client, done["output_file_id"]))
        errors = await read(client, done["error_file_id"])
        assert errors[-1]["error"]["code"] == "batch_cancelled"
        assert "never" not in gateway.asked

    with_client(scenario)


def test_a_batch_whose_time_is_over_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a line that says so for everything that was not computed."""
    monkeypatch.setattr("jackfield_openai.batches.routes.WINDOW_S", -1)

    async def scenario(client: Client, gateway: Echo) -> None:
        done = await ended(client, await start(client, lines("one", "two")))
        assert (done["status"], gateway.asked) == ("expired", [])
        errors = await read(client, done["error_file_id"])
        assert [line["error"]["code"] for line in errors] == ["batch_expired"] * 2

    with_client(scenario)


def test_a_line_that_goes_on_for_too_long_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its batch was cancelled."""
    monkeypatch.setattr("jackfield_openai.batches.work.CANCEL_S", 0.01)
    monkeypatch.setattr("jackfield_openai.batches.work.LOOK_S", 0.01)

    async def scenario(client: Client, gateway: Echo) -> None:
        made = await start(client, lines("one", "wait"))
        await until(client, made, lambda seen: seen["request_counts"]["completed"] == 1)
        await client.post(f"/v1/batches/{made['id']}/cancel")
        done = await ended(client, made)
        assert done["status"] == "cancelled"
        assert texts(await read(client, done["output_file_id"])) == ["one"]
        [error] = await read(client, done["error_file_id"])
        assert (error["custom_id"], error["error"]["code"]) == ("line-1", "batch_cancelled")
        assert not gateway.gate.is_set()

    with_client(scenario)


def test_a_line_that_is_at_work_when_the_time_is_over_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not computed; that it was too late is no answer to it."""

    class Clock:
        """A day passes when the model is asked."""

        ahead = 0.0

        def time(self) -> float:
            """Unix seconds."""
            return time.time() + self.ahead

    clock = Clock()
    monkeypatch.setattr("jackfield_openai.batches.progress.time", clock)

    class Late(Echo):
        """Never answers in time."""

        async def generate(self, context: Any, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
            """As the kernel ends what is over its deadline."""
            assert 0 < context.deadline - time.monotonic() <= 24 * 3600
            clock.ahead = 24 * 3600.0
            raise DeadlineExceeded("too late")
            yield  # it is a generator

    async def scenario(client: Client, _: Echo) -> None:
        done = await ended(client, await start(client, lines("one")))
        assert (done["status"], done["request_counts"]["failed"]) == ("expired", 0)
        [error] = await read(client, done["error_file_id"])
        assert (error["error"]["code"], error["response"]) == ("batch_expired", None)

    with_client(scenario, gateway=Late)


def test_a_store_that_fails_for_a_moment_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was computed is kept later, and not computed again."""
    add = BatchRecords.add_line
    failures: list[int] = []

    async def failing(self: BatchRecords, batch_id: str, number: int, line: Line) -> None:
        if len(failures) < 3:
            failures.append(number)
            raise StoreUnavailable("not now")
        await add(self, batch_id, number, line)

    monkeypatch.setattr(BatchRecords, "add_line", failing)

    async def scenario(client: Client, gateway: Echo) -> list[str]:
        made = await start(client, lines("one"))
        async with working(queue(gateway, wait_s=0.001)):
            done = await ended(client, made)
        assert texts(await read(client, done["output_file_id"])) == ["one"]
        return gateway.asked

    assert with_client(scenario, works=False) == ["one"]
    assert failures == [0] * 3


def test_lines_are_asked_by_whoever_made_the_batch() -> None:
    """As it may by now; and with the time that the batch has left."""

    async def scenario(_: Client, gateway: Echo) -> RequestContext:
        batch_id = await started(gateway, "t", "one")
        assert gateway.records is not None
        batches = BatchRecords(gateway.records, "t")
        kept = await batches.find(batch_id)
        principal = Principal(id="t", name="t", fingerprint="000000", scopes=frozenset({"generate"}))
        await batches.keep(msgspec.structs.replace(kept, principal=principal))
        async with working(queue(gateway)):
            assert (await finished(gateway, "t")).status == "completed"
        [(context, status)] = gateway.accounted
        assert status == 200
        return context

    context = with_client(scenario, works=False)
    assert context.principal is not None
    assert context.principal.id == "t"
    assert context.deadline is not None
    assert 0 < context.deadline - time.monotonic() <= 3600


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid_file"),
        (b"not json\n", "invalid_json_line"),
        (lines("x").replace(b"POST", b"GET"), "invalid_json_line"),
        (lines("x").replace(CHAT.encode(), b"/v1/completions"), "invalid_json_line"),
        (lines("x") + lines("y"), "duplicate_custom_id"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_batch(content: bytes, code: str) -> None:
    """And says which line."""

    async def scenario(client: Client, _: Echo) -> Json:
        return await ended(client, await start(client, content))

    failed = with_client(scenario)
    assert failed["status"] == "failed"
    assert failed["errors"]["data"][0]["code"] == code


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input_file_id": "file-unknown"}, "input_file_id"),
        ({"endpoint": "/v1/images"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"metadata": {"x": "y" * 600}}, "metadata"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_batches_that_cannot_be_made(fields: dict[str, Json], param: str) -> None:
    """Are refused at once."""

    async def scenario(client: Client, _: Echo) -> tuple[int, Json]:
        file = await upload(client, lines("x"))
        body = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h", **fields}
        response = await client.post("/v1/batches", json=body)
        return response.status, await response.json()

    status, body = with_client(scenario, works=False)
    assert status == 400
    assert param in (body["error"]["param"] or body["error"]["message"])


def test_without_a_store_there_are_no_files() -> None:
    """And it says so."""

    async def scenario(client: Client, gateway: Echo) -> list[int]:
        kept, gateway.records = gateway.records, None
        found = [(await client.get(path)).status for path in ("/v1/files", "/v1/batches")]
        gateway.records = kept
        return found

    assert with_client(scenario, works=False) == [400, 400]


def test_pages_and_ids_that_cannot_be_meant() -> None:
    """Are the client's fault, whatever bytes are in them."""

    async def scenario(client: Client, _: Echo) -> list[int]:
        paths = ("/v1/files?after=%ff", "/v1/files?after=%00", "/v1/batches?after=%ED%A0%80", "/v1/files?limit=-1")
        ids = ("/v1/files/%ff", "/v1/batches/%00", "/v1/files/%ED%A0%80/content", "/v1/responses/%ff")
        return [(await client.get(URL(path, encoded=True))).status for path in (*paths, *ids)]

    assert with_client(scenario, works=False) == [400] * 4 + [404] * 4


@given(content=st.binary(max_size=300), boundary=st.text("abc-", min_size=1, max_size=8))
def test_any_bytes_of_a_form_come_back(content: bytes, boundary: str) -> None:
    """As long as the boundary is not in them, which is what boundaries are."""
    mark = f"\r\n--{boundary}".encode()
    if mark in b"\r\n" + content:
        return
    head = b'Content-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: x/y\r\n\r\n'
    body = mark[2:] + b"\r\n" + head + content + mark + b"--\r\n"
    form = read_form(body, f"multipart/form-data; boundary={boundary}")
    assert (form["file"].content, form["file"].filename) == (content, "a.bin")


@given(body=st.binary(max_size=200), header=st.sampled_from(["multipart/form-data; boundary=b", "text/plain", ""]))
def test_any_other_bytes_are_refused(body: bytes, header: str) -> None:
    """And nothing else comes of them."""
    with suppress(JackfieldError):
        read_form(b"--b" + body, header)
