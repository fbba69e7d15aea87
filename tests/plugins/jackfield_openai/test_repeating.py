"""What answers repeat of their requests: kept as guardrails have left it, and shown to whoever asked as it was."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from aiohttp.test_utils import TestClient, TestServer
from tests.plugins.jackfield_openai.test_background import BODY, PATH, with_two
from tests.plugins.jackfield_openai.test_responses import events_of

from jackfield.context import RequestContext
from jackfield.errors import ClientError, ContentBlocked, GuardrailFailed, WorkerDied
from jackfield.masking import Masking
from jackfield.ports.identity import Principal
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, answer, serve_frontend
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.frontend import OpenAIFrontend
from jackfield_openai.responses.answer import ResponseAnswer
from jackfield_openai.responses.background import Run
from jackfield_openai.responses.decode import decode_response
from jackfield_openai.responses.objects import OBJECT
from jackfield_openai.responses.repeating import masked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.plugins.jackfield_openai.test_background import Site

    from jackfield.errors import JackfieldError
    from jackfield.types import GenerateEvent, GenerateRequest

Json: TypeAlias = Any

MAIL = "joe@example.com"
NUMBER = "1234-5678"
MASKED = Masking({MAIL: "[MAIL_1]", NUMBER: "[NUMBER]"}, {"[MAIL_1]": MAIL})
SAID = f"to {MAIL}, {NUMBER}"
REPEATING: dict[str, Json] = {
    **BODY,
    "input": SAID,
    "instructions": SAID,
    "metadata": {"about": SAID},
    "tools": [
        {
            "type": "function",
            "name": "send",
            "description": SAID,
            "parameters": {"type": "object", "properties": {"to": {"enum": [SAID]}}},
        }
    ],
    "text": {
        "format": {
            "type": "json_schema",
            "name": "mail",
            "description": SAID,
            "schema": {"type": "object", "title": SAID, "properties": {"to": {"description": SAID, "const": SAID}}},
        }
    },
    "user": MAIL,
    "safety_identifier": MAIL,
    "prompt_cache_key": MAIL,
}
"""A request that has the same words wherever an answer repeats it."""

WORDS = 11
"""How often."""

ECHOES = ("instructions", "metadata", "tools", "text", "user", "safety_identifier", "prompt_cache_key")


def echoed(response: Json) -> str:
    """All that *response* repeats of its request, as text."""
    return json.dumps([response[name] for name in ECHOES])


def masks(gateway: ScriptedGateway, masking: Masking | None) -> None:
    """Have the guardrails of *gateway* mask what they see, before the model has it."""
    gateway.guarded = True
    play = gateway.generate

    async def masked(context: RequestContext, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        context.masking = masking and Masking(masking.replaced, masking.restorable)
        async with aclosing(play(context, request)) as events:
            async for event in events:
                yield event

    gateway.generate = masked  # type: ignore[method-assign]


def in_memory(run: Run) -> str:
    """All that a run keeps."""
    return repr((vars(run)["_events"], run.answer.response, [vars(item) for item in run.answer.items]))


def run_of(one: Site, response_id: str, tenant: str = "") -> Run:
    """The run of a response, as the frontend has it."""
    [routes] = {route.handler.__self__ for route in one.frontend.routes() if route.path.startswith(PATH)}  # type: ignore[attr-defined]
    run = vars(routes)["_background"].find(tenant, response_id)
    assert isinstance(run, Run)
    return run


async def accounted(one: Site, runs: int = 1) -> None:
    """Wait until so many have ended."""
    while len(one.gateway.accounted) < runs:  # noqa: ASYNC110 -- polled under the deadline
        await asyncio.sleep(0.01)


def test_what_a_run_repeats_of_its_request_is_kept_masked_and_shown_to_whoever_asked() -> None:
    """In its events, in what is read of it while it is in memory, and in the store."""

    async def scenario(one: Site, other: Site, gate: asyncio.Event) -> None:
        masks(one.gateway, MASKED)
        gate.set()
        asked = await one.client.post(PATH, json={**REPEATING, "stream": True})
        live = events_of(await asked.read())
        assert echoed(live[0]["response"]).count(MAIL) == WORDS
        path = f"{PATH}/{live[0]['response']['id']}"
        await accounted(one)
        kept = in_memory(run_of(one, live[0]["response"]["id"]))
        assert MAIL not in kept
        assert NUMBER not in kept
        for again in (
            await one.read(path),
            *with_responses(await (await one.client.get(f"{path}?stream=true")).read()),
        ):
            assert echoed(again).count(MAIL) == WORDS, "its own words"
            assert NUMBER not in json.dumps(again), "which it may not have back"
        stored = await other.read(path)
        assert MAIL not in json.dumps(stored)
        assert echoed(stored).count("[MAIL_1]") == WORDS
        items = json.dumps(await other.read(f"{path}/input_items"))
        assert "[MAIL_1], [NUMBER]" in items
        assert MAIL not in items

    with_two(scenario)


def with_responses(data: bytes) -> list[Json]:
    """The responses in a stream's events."""
    return [event["response"] for event in events_of(data) if "response" in event]


BACKGROUND = '{"model": "demo", "input": "to joe@example.com", "background": true, '
BODIES = {
    "tools": BACKGROUND + '"tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "x": VALUE}}]}',
    "text": BACKGROUND + '"text": {"format": {"type": "json_schema", "name": "f", "schema": {"x": VALUE}}}}',
}
"""Which repeat a value that clients may choose."""


@pytest.mark.parametrize("where", BODIES)
@pytest.mark.parametrize("value", ["1e400", "-1E5", "1.50", "9" * 4000], ids=["huge", "exponent", "zero", "digits"])
def test_numbers_are_repeated_as_they_are_written(where: str, value: str) -> None:
    """Also such as nothing here could count with: whatever a run repeats, it ends."""

    async def scenario(one: Site, other: Site, gate: asyncio.Event) -> None:
        masks(one.gateway, MASKED)
        gate.set()
        body = BODIES[where].replace("VALUE", value)
        made = await (await one.client.post(PATH, data=body, headers={"content-type": "application/json"})).text()
        await accounted(one)
        path = f"{PATH}/{json.loads(made)['id']}"
        for site in (one, other):
            kept = await (await site.client.get(path)).text()
            assert '"status":"completed"' in kept
            assert f'"x":{value}' in kept

    with_two(scenario)


@pytest.mark.parametrize("where", BODIES)
def test_a_number_that_could_not_be_read_again_is_refused(where: str) -> None:
    """At once, by its field."""

    async def scenario(one: Site, _: Site, __: asyncio.Event) -> None:
        body = BODIES[where].replace("VALUE", "9" * 5000)
        refused = await one.client.post(PATH, data=body, headers={"content-type": "application/json"})
        assert (refused.status, (await refused.json())["error"]["param"]) == (400, where)

    with_two(scenario)


@pytest.mark.parametrize("where", BODIES)
def test_the_deepest_that_is_taken_can_be_read_again(where: str) -> None:
    """Where it stands deeper, as in events."""

    def nested(levels: int) -> bytes:
        return BODIES[where].replace("VALUE", "[" * levels + "]" * levels).encode()

    def taken(levels: int) -> bool:
        try:
            decode_response(nested(levels), "strict")
        except ClientError:
            return False
        return True

    deepest = max(levels for levels in range(50, 1050, 5) if taken(levels))
    assert OBJECT.decode(b'{"":' * 40 + nested(deepest) + b"}" * 40)


@pytest.mark.parametrize("judged", [False, True])
def test_a_store_has_nothing_of_a_request_before_guardrails_have_judged_it(*, judged: bool) -> None:
    """Also where nobody ever makes it, because the process is killed meanwhile."""

    async def scenario(one: Site, other: Site, gate: asyncio.Event) -> None:
        one.gateway.guarded = judged
        one.gateway.script = [gate, *answer("Hello")]
        made = await (await one.client.post(PATH, json=REPEATING)).json()
        assert echoed(made).count(MAIL) == WORDS
        stored = await other.read(f"{PATH}/{made['id']}")
        assert stored["status"] == "queued"
        assert echoed(stored).count(MAIL) == (0 if judged else WORDS)
        gate.set()
        await accounted(one)
        assert echoed(await other.read(f"{PATH}/{made['id']}")).count(MAIL) == WORDS, "guardrails masked nothing"

    with_two(scenario)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "error",
    [ContentBlocked("no"), GuardrailFailed("who knows"), WorkerDied("dead")],
    ids=lambda error: error.__class__.__name__,
)
def test_of_what_guardrails_did_not_pass_nothing_stays(error: JackfieldError, *, stream: bool) -> None:
    """Neither in the store nor in memory, whatever ended it before the model began."""

    async def scenario(one: Site, other: Site, _: asyncio.Event) -> None:
        one.gateway.guarded = True
        one.gateway.script = [error]
        asked = await one.client.post(PATH, json={**REPEATING, "stream": stream})
        said = await asked.read()
        made = with_responses(said)[0] if stream else json.loads(said)
        await accounted(one)
        assert MAIL not in in_memory(run_of(one, made["id"]))
        for where in (one, other):
            found = await where.read(f"{PATH}/{made['id']}")
            assert found["status"] == "failed"
            assert MAIL not in json.dumps(found)
            assert (await where.read(f"{PATH}/{made['id']}/input_items"))["data"] == []

    with_two(scenario)


def test_one_that_is_cancelled_before_guardrails_have_judged_it_leaves_nothing_said() -> None:
    """It is kept as cancelled."""

    async def scenario(one: Site, other: Site, _: asyncio.Event) -> None:
        one.gateway.guarded = True
        one.gateway.script = [asyncio.Event(), *answer("never")]
        made = await (await one.client.post(PATH, json=REPEATING)).json()
        assert (await one.client.post(f"{PATH}/{made['id']}/cancel")).status == 200
        assert MAIL not in in_memory(run_of(one, made["id"]))
        found = await other.read(f"{PATH}/{made['id']}")
        assert (found["status"], echoed(found).count(MAIL)) == ("cancelled", 0)

    with_two(scenario)


def queued(principal: Principal, *, judged: bool) -> Run:
    """A run of *principal* that the model has not begun with."""
    context = RequestContext("req", "route", "client")
    context.principal = principal
    response: dict[str, object] = {**dict.fromkeys((*ECHOES, "tool_choice")), "instructions": SAID}
    run = Run(context, ResponseAnswer(response, logprobs=False), judged=judged)
    run.add(run.answer.queued())
    return run


@pytest.mark.parametrize("judged", [False, True])
def test_another_key_of_the_tenant_sees_nothing_that_was_not_judged(*, judged: bool) -> None:
    """Nobody knows yet what of it is to be masked; whoever has asked sees it."""
    ann, bob = (Principal(id=name, name=name, fingerprint="000000", owner="acme") for name in ("ann", "bob"))

    async def scenario() -> list[tuple[bytes, bytes]]:
        run = queued(ann, judged=judged)
        seen = []
        for who in (ann, bob):
            async with aclosing(run.follow(-1, who)) as events:
                seen.append((run.response(who), await anext(events)))
        return seen

    own, others = asyncio.run(scenario())
    assert [each.count(MAIL.encode()) for each in own] == [1, 2]
    assert [each.count(MAIL.encode()) for each in others] == ([1, 2] if judged else [0, 0])
    assert b'"status":"queued"' in others[0]


def test_another_key_of_the_tenant_sees_placeholders() -> None:
    """While it runs as when it was read from the store."""
    ann, bob = (Principal(id=name, name=name, fingerprint="000000", owner="acme") for name in ("ann", "bob"))

    async def scenario() -> tuple[bytes, bytes, bytes, bytes]:
        run = queued(ann, judged=False)
        vars(run)["_context"].masking = MASKED
        run.repeat(masked(run.answer.response, MASKED))
        run.end()
        followed = [b"".join([piece async for piece in run.follow(-1, who)]) for who in (ann, bob)]
        return run.response(ann), followed[0], run.response(bob), followed[1]

    *own, others, followed = asyncio.run(scenario())
    for each in own:
        assert MAIL.encode() in each
    assert (MAIL.encode() in others, MAIL.encode() in followed) == (False, False)
    assert followed.count(b"[MAIL_1], [NUMBER]") == 2


@pytest.mark.parametrize("stream", [False, True])
def test_one_that_is_waited_for_is_stored_masked(*, stream: bool) -> None:
    """All that it repeats; the client has its own words."""

    async def scenario(one: Site, _: Site, gate: asyncio.Event) -> None:
        masks(one.gateway, MASKED)
        gate.set()
        said = await (await one.client.post(PATH, json={**REPEATING, "background": False, "stream": stream})).read()
        made = with_responses(said)[-1] if stream else json.loads(said)
        assert echoed(made).count(MAIL) == WORDS
        stored = await one.read(f"{PATH}/{made['id']}")
        assert MAIL not in json.dumps(stored)
        assert NUMBER not in json.dumps(stored)
        assert echoed(stored).count("[MAIL_1]") == WORDS

    with_two(scenario)


def test_a_chat_that_repeats_how_its_answer_begins_is_recorded_masked() -> None:
    """Its client has its own words, and placeholders for what it may not have back; the recording never has more."""

    async def run() -> tuple[bytes, bytes, str]:
        gateway = ScriptedGateway(answer("!"))
        masks(gateway, MASKED)
        made: list[OpenAIFrontend] = []

        def make(port: Any) -> OpenAIFrontend:
            made.append(OpenAIFrontend(port, OpenAIConfig(resume_s=60)))
            return made[-1]

        messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": SAID}]
        body = {"model": "demo", "messages": messages, "stream": True, "echo": True}
        async with asyncio.timeout(30), TestClient(TestServer(serve_frontend(make, gateway))) as client:
            reply = await client.post("/v1/chat/completions", json=body)
            live = await reply.read()
            again = await (await client.get(reply.headers["x-jackfield-stream"])).read()
        recordings = vars(vars(made[0])["_resumption"])["_recordings"]
        [recording] = vars(recordings)["_all"].values()
        return live, again, repr(vars(recording)["_events"])

    live, again, kept = asyncio.run(run())
    assert f"to {MAIL}, [NUMBER]".encode() in live
    assert again == live
    assert "to [MAIL_1], [NUMBER]" in kept
    assert MAIL not in kept
    assert NUMBER not in kept
