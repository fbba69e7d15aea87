"""Stored chat completions over HTTP, in front of a scripted gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from tests.plugins.jackfield_openai.test_extensions import chunks, text
from tests.plugins.jackfield_openai.test_responses import with_client

from jackfield.context import RequestContext
from jackfield.errors import RecordNotFound, UnsupportedField, WorkerDied
from jackfield.ports.identity import Principal
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, answer, finished, serve_frontend
from jackfield.types import Started, TextDelta
from jackfield_openai.bodies import Stored
from jackfield_openai.chats.keeping import keeping
from jackfield_openai.chats.records import AT_ONCE, KIND, StoredChats
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.decode import decode_chat
from jackfield_openai.frontend import OpenAIFrontend
from jackfield_openai.responses.listing import Page
from jackfield_sqlite.config import SqliteConfig
from jackfield_sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web

    from jackfield.frontends.rules import Mode
    from jackfield.ports.records import Record
    from jackfield.testing.kits.scripted_gateway import Step

Json: TypeAlias = Any
Client: TypeAlias = "TestClient[web.Request, web.Application]"

PATH = "/v1/chat/completions"
SAID: list[Json] = [
    {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
    {"role": "user", "content": "hi", "name": "ann"},
]
BODY: dict[str, Json] = {"model": "default", "messages": SAID, "store": True}


async def made(client: Client, **fields: Json) -> Json:
    """A stored answer."""
    response = await client.post(PATH, json={**BODY, **fields})
    assert response.status == 200, await response.text()
    return await response.json()


async def got(client: Client, path: str = "", **params: str) -> Json:
    """What a GET answers."""
    response = await client.get(PATH + path, params=params)
    assert response.status == 200, await response.text()
    return await response.json()


def test_what_was_answered_is_kept() -> None:
    """As it was sent, with the metadata."""

    async def scenario(client: Client) -> tuple[Json, Json]:
        sent = await made(client, metadata={"team": "search"})
        return sent, await got(client, f"/{sent['id']}")

    sent, kept = with_client(ScriptedGateway(answer("Hel", "lo")), scenario)
    assert kept == {**sent, "metadata": {"team": "search"}, "request_id": kept["request_id"]}
    assert kept["choices"][0]["message"]["content"] == "Hello"
    assert kept["request_id"].startswith("req-")


def test_a_stream_is_kept_as_one_answer() -> None:
    """Under the id of its chunks, with its usage counted once."""

    async def scenario(client: Client) -> tuple[bytes, Json]:
        response = await client.post(PATH, json={**BODY, "stream": True, "n": 2})
        body = await response.read()
        return body, await got(client, f"/{chunks(body)[0]['id']}")

    script: list[Step] = [Started(7, 64), TextDelta("a", 1), TextDelta("b", 1, 1), finished(1), finished(1, index=1)]
    body, kept = with_client(ScriptedGateway(script), scenario)
    assert body.endswith(b"data: [DONE]\n\n")
    assert kept["object"] == "chat.completion"
    assert [choice["message"]["content"] for choice in kept["choices"]] == ["a", "b"]
    assert kept["usage"]["total_tokens"] == 7 + 2
    assert kept["metadata"] == {}


def test_what_was_asked_is_kept() -> None:
    """Message by message, parts apart, in pages."""

    async def scenario(client: Client) -> tuple[Json, Json, Json]:
        sent = await made(client)
        path = f"/{sent['id']}/messages"
        first = await got(client, path, limit="1")
        return first, await got(client, path, after=first["last_id"]), await got(client, path, order="desc")

    first, second, turned = with_client(ScriptedGateway(), scenario)
    [system], [user] = first["data"], second["data"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert (system["role"], system["content"], system["content_parts"]) == ("system", None, SAID[0]["content"])
    assert (user["role"], user["content"], user["content_parts"], user["name"]) == ("user", "hi", None, "ann")
    assert turned["data"] == [user, system]


def test_metadata_can_be_changed_and_chats_forgotten() -> None:
    """Once gone they are not found, changed or deleted again."""

    async def scenario(client: Client) -> tuple[Json, Json, Json, list[int]]:
        sent = await made(client, metadata={"a": "1"})
        path = f"{PATH}/{sent['id']}"
        changed = await (await client.post(path, json={"metadata": {"b": "2"}})).json()
        kept = await got(client, f"/{sent['id']}")
        gone = await (await client.delete(path)).json()
        after = [
            await client.get(path),
            await client.delete(path),
            await client.post(path, json={"metadata": None}),
            await client.get(f"{path}/messages"),
        ]
        return changed, kept, gone, [each.status for each in after]

    changed, kept, gone, after = with_client(ScriptedGateway(), scenario)
    assert changed["metadata"] == kept["metadata"] == {"b": "2"}
    assert gone == {"object": "chat.completion.deleted", "id": kept["id"], "deleted": True}
    assert after == [404] * 4


def test_lists_by_model_and_metadata() -> None:
    """Oldest first, unless asked otherwise; those that match, over more than one page of the store."""

    async def scenario(client: Client) -> Mapping[str, Json]:
        ids = [
            (await made(client, metadata={"even": str(number % 2 == 0), "team": "a"}))["id"]
            for number in range(2 * AT_ONCE + 2)
        ]
        await client.post(PATH, json={**BODY, "store": False})
        even = {"metadata[even]": "True"}
        return {
            "ids": ids,
            "first": await got(client, limit="3"),
            "even": await got(client, limit="100", **even, **{"metadata[team]": "a"}),
            "after": await got(client, limit="2", after=ids[0], **even),
            "model": await got(client, model="demo", limit="1"),
            "other": await got(client, model="other"),
            "none": await got(client, **{"metadata[team]": "b"}),
        }

    found = with_client(ScriptedGateway(), scenario)
    ids = [each["id"] for each in found["first"]["data"]]
    assert ids == found["ids"][:3]
    assert found["first"]["has_more"]
    assert (found["first"]["first_id"], found["first"]["last_id"]) == (ids[0], ids[-1])
    assert [each["id"] for each in found["even"]["data"]] == found["ids"][::2]
    assert not found["even"]["has_more"]
    assert [each["id"] for each in found["after"]["data"]] == found["ids"][2:6:2]
    assert len(found["model"]["data"]) == 1
    assert found["other"]["data"] == found["none"]["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "é"}, "after"),
        ({"metadata[]": "x"}, "metadata[]"),
        ({"before": "x"}, "before"),
    ],
)
def test_a_query_that_makes_no_sense(query: dict[str, str], param: str) -> None:
    """Named."""

    async def scenario(client: Client) -> tuple[int, Json]:
        response = await client.get(PATH, params=query)
        return response.status, (await response.json())["error"]["param"]

    assert with_client(ScriptedGateway(), scenario) == (400, param)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"metadata":1}', b'{"metadata":{"a":1}}', b'{"metadata":{},"x":1}'])
def test_a_change_that_makes_no_sense(body: bytes) -> None:
    """400, and nothing is changed."""

    async def scenario(client: Client) -> tuple[int, Json]:
        sent = await made(client, metadata={"a": "1"})
        status = (await client.post(f"{PATH}/{sent['id']}", data=body)).status
        return status, (await got(client, f"/{sent['id']}"))["metadata"]

    assert with_client(ScriptedGateway(), scenario) == (400, {"a": "1"})


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_fails_is_not_kept(*, stream: bool) -> None:
    """Nothing half is ever found."""

    async def scenario(client: Client) -> Json:
        response = await client.post(PATH, json={**BODY, "stream": stream})
        assert b"worker_died" in await response.read()
        return await got(client)

    script: list[Step] = [Started(7, 64), TextDelta("a", 1), WorkerDied("dead")]
    assert with_client(ScriptedGateway(script), scenario)["data"] == []


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_cannot_be_kept_is_none(*, stream: bool) -> None:
    """A client that was told that all went well would look for it in vain."""

    async def scenario(client: Client) -> tuple[int, bytes]:
        response = await client.post(PATH, json={**BODY, "stream": stream})
        return response.status, await response.read()

    async def run() -> tuple[int, bytes]:
        records = SqliteStore(None, SqliteConfig(max_bytes=1 << 20), option="file")
        gateway = ScriptedGateway(answer("x" * (2 << 20)))
        gateway.records = records
        try:
            return await served(gateway, scenario)
        finally:
            await records.close()

    status, body = asyncio.run(run())
    assert status == (200 if stream else 400)
    assert b"store_full" in body
    assert b"[DONE]" not in body


async def served(
    gateway: ScriptedGateway, scenario: Callable[[Client], Awaitable[tuple[int, bytes]]]
) -> tuple[int, bytes]:
    """Run *scenario* with the gateway's own store."""
    application = serve_frontend(lambda port: OpenAIFrontend(port, OpenAIConfig()), gateway)
    async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
        return await scenario(client)


def test_without_a_store_nothing_is_kept() -> None:
    """400 that says what to enable, before anything is computed; nothing is found."""
    gateway = ScriptedGateway()

    async def scenario(client: Client) -> tuple[int, Json, int, int]:
        refused = await client.post(PATH, json=BODY)
        plain = await client.post(PATH, json={**BODY, "store": False, "metadata": {"a": "b"}})
        return refused.status, (await refused.json())["error"], plain.status, (await client.get(PATH)).status

    status, error, plain, listed = with_client(gateway, scenario, keeps=False)
    assert (status, error["param"], error["code"]) == (400, "store", "unsupported_parameter")
    assert "sqlite" in error["message"]
    assert (plain, listed) == (200, 404)
    assert len(gateway.requests) == 1


@pytest.mark.parametrize(("mode", "ignored"), [("warn", ("store",)), ("ignore", ())])
def test_other_modes_leave_it_out(mode: Mode, ignored: tuple[str, ...]) -> None:
    """An answer that is not kept is still the answer."""
    context = RequestContext("req", "/", "")
    call = decode_chat(msgspec.json.encode(BODY), mode)
    served_call, keep = keeping(ScriptedGateway(), mode, context, call)
    assert (served_call.stored, served_call.ignored, keep) == (None, ignored, None)
    with pytest.raises(UnsupportedField):
        keeping(ScriptedGateway(), "strict", context, call)


def test_tenants_do_not_see_each_others_chats() -> None:
    """Neither in lists nor by id, and nobody changes or deletes what is another's."""

    async def run() -> None:
        records = SqliteStore(None, SqliteConfig(), option="file")
        gateway = ScriptedGateway()
        gateway.records = records
        context = RequestContext("req", "/", "")
        context.principal = Principal(id="a", name="ann", fingerprint="abc123", authenticator="keys")
        _, keep = keeping(gateway, "strict", context, decode_chat(msgspec.json.encode(BODY), "strict"))
        assert keep is not None
        await keep(b'{"id":"chatcmpl-1","created":5,"model":"demo","choices":[]}', None)
        page = Page(limit=5, after="", newest_first=False)
        for tenant, expected in (("keys/a", 1), ("keys/b", 0), ("", 0)):
            entries, more = await StoredChats(records, tenant).page(page, None, {})
            assert (len(entries), more) == (expected, False)
        await records.close()

    asyncio.run(run())


def test_what_was_deleted_meanwhile_stays_deleted() -> None:
    """Other words for it do not bring it back."""

    async def run() -> None:
        records = SqliteStore(None, SqliteConfig(), option="file")

        class Deleted(StoredChats):
            """Somebody deletes each chat as soon as it is read."""

            async def _record(self, chat_id: str) -> Record:
                found = await super()._record(chat_id)
                await self.delete(chat_id)
                return found

        chats = Deleted(records, "")
        await chats.keep(b'{"id":"chatcmpl-1","model":"demo"}', Stored(msgspec.Raw(b"[]"), {}), "req")
        with pytest.raises(RecordNotFound):
            await chats.change("chatcmpl-1", {"a": "b"})
        assert await records.find(KIND, None) == []
        await records.close()

    asyncio.run(run())


def test_ids_that_are_none() -> None:
    """404, whatever they are."""

    async def scenario(client: Client) -> set[int]:
        return {(await client.get(f"{PATH}/{each}")).status for each in ("x", "%00", "a" * 200, "%C3%A9")}

    assert with_client(ScriptedGateway(), scenario) == {404}


def test_kept_text_is_the_sent_text() -> None:
    """Whatever is in it."""

    async def scenario(client: Client) -> tuple[bytes, Json]:
        response = await client.post(PATH, json=BODY)
        sent = await response.read()
        return sent, await got(client, f"/{msgspec.json.decode(sent)['id']}")

    sent, kept = with_client(ScriptedGateway(answer('"\\', "\u2028€\U0001f600")), scenario)
    assert kept["choices"][0]["message"]["content"] == text(sent)
