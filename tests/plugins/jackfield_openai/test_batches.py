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

from jackfield.errors import JackfieldError, QueueFull
from jackfield.ports.records import Record
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, answer, serve_frontend
from jackfield.types import PRIORITY_MAX
from jackfield_openai.batches.multipart import read_form
from jackfield_openai.batches.queue import BatchQueue
from jackfield_openai.batches.routes import Batches
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.frontend import OpenAIFrontend
from jackfield_sqlite.config import SqliteConfig
from jackfield_sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aiohttp import web

    from jackfield.types import GenerateRequest

T = TypeVar("T")
Client: TypeAlias = "TestClient[web.Request, web.Application]"
Json: TypeAlias = Any

CHAT = "/v1/chat/completions"


class Echo(ScriptedGateway):
    """Answers with the question; one that is ``wait`` waits, one that is ``busy`` is refused the first two times."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.asked: list[str] = []

    async def generate(self, context: Any, request: GenerateRequest) -> Any:
        """Play what the question says."""
        prompt: Any = request.prompt
        text = prompt.messages[-1].content
        self.asked.append(text)
        if text == "wait":
            await self.gate.wait()
        if text == "busy" and self.asked.count("busy") < 3:
            raise QueueFull("too much work", retry_after=0.0)
        self.script = answer(text)
        async for event in super().generate(context, request):
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


def with_client(scenario: Callable[[Client, Echo], Awaitable[T]], *, works: bool = True) -> T:
    """Run *scenario* against the frontend on a server of its own, whose queue works."""

    async def run() -> T:
        gateway = Echo()
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
        frontend = Batches(gateway, OpenAIConfig(), BatchQueue(gateway, OpenAIConfig(), wait_s=0.001))
        made = await start(client, lines("busy"))
        async with working(frontend.queue):
            done = await ended(client, made)
        return done["request_counts"], gateway.asked.count("busy")

    assert with_client(scenario, works=False) == ({"total": 1, "completed": 1, "failed": 0}, 3)


def test_a_gateway_goes_on_where_another_one_stopped() -> None:
    """No line that was finished is computed again."""

    async def scenario(client: Client, gateway: Echo) -> None:
        asked = ["one", "two", "three", "wait", "wait", "wait", "wait", "last"]
        made = await start(client, lines(*asked))
        async with working(BatchQueue(gateway, OpenAIConfig())):
            await until(client, made, lambda seen: seen["request_counts"]["completed"] == 3)
        first = list(gateway.asked)
        gateway.gate.set()
        async with working(BatchQueue(gateway, OpenAIConfig())):
            done = await ended(client, made)
        assert done["status"] == "completed"
        assert texts(await read(client, done["output_file_id"])) == asked
        again = gateway.asked[len(first) :]
        assert sorted(again) == ["last", "wait", "wait", "wait", "wait"]

    with_client(scenario, works=False)


def test_two_gateways_never_run_one_batch() -> None:
    """Only one holds it; what a killed one held is free after a while."""

    async def scenario(client: Client, gateway: Echo) -> None:
        queues = [BatchQueue(gateway, OpenAIConfig()) for _ in range(3)]
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
        async with working(BatchQueue(gateway, OpenAIConfig(), lease_s=0.05)):
            return await ended(client, made)

    assert with_client(scenario, works=False)["status"] == "completed"


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
