"""``/v1/responses`` over HTTP, in front of a scripted gateway."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from tests.plugins.jackfield_openai.test_conformance import OpenAIKit

from jackfield.chat import ChatPrompt, Message, ToolCall
from jackfield.context import RequestContext
from jackfield.errors import ContextLengthExceeded, RecordNotFound, UnsupportedField, WorkerDied
from jackfield.ports.constraint import JsonObject, JsonSchema
from jackfield.questions import Render, Rendered
from jackfield.sse import SseEvent, SseParser
from jackfield.testing.kits.frontend import Exchange, ReadStream
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, answer, finished, serve_frontend
from jackfield.types import ReasoningDelta, Started, TextDelta, TokenLogprob, ToolCallDelta
from jackfield_openai.config import OpenAIConfig
from jackfield_openai.frontend import OpenAIFrontend
from jackfield_openai.headers import PROCESSING
from jackfield_openai.responses import operations
from jackfield_openai.responses.answer import ResponseAnswer
from jackfield_openai.responses.background import ENDED_MAX, Background, Run
from jackfield_openai.responses.decode import decode_response
from jackfield_openai.responses.generation import shortened
from jackfield_openai.responses.history import History
from jackfield_sqlite.config import SqliteConfig
from jackfield_sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from aiohttp import web

    from jackfield.frontends.rules import Mode
    from jackfield.testing.kits.scripted_gateway import Step
    from jackfield.types import GenerateEvent

T = TypeVar("T")
Client: TypeAlias = "TestClient[web.Request, web.Application]"
Json: TypeAlias = Any

PATH = "/v1/responses"
BODY: dict[str, Json] = {"model": "default", "input": "hi"}
TOOL = {
    "type": "function",
    "name": "weather",
    "description": "The weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}


def with_client(gateway: ScriptedGateway, scenario: Callable[[Client], Awaitable[T]], *, keeps: bool = True) -> T:
    """Run *scenario* against the frontend on a server of its own, with a record store."""

    async def run() -> T:
        records = SqliteStore(None, SqliteConfig(), option="file")
        gateway.records = records if keeps else None
        application = serve_frontend(lambda port: OpenAIFrontend(port, OpenAIConfig()), gateway)
        try:
            async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
                return await scenario(client)
        finally:
            await records.close()

    return asyncio.run(run())


def ask(gateway: ScriptedGateway, *, keeps: bool = True, **fields: Json) -> tuple[int, Json]:
    """Status and body."""

    async def scenario(client: Client) -> tuple[int, Json]:
        response = await client.post(PATH, json={**BODY, **fields})
        return response.status, await response.json()

    return with_client(gateway, scenario, keeps=keeps)


def events_of(body: bytes) -> list[Json]:
    """The events, whose types are said twice alike and whose numbers rise by one."""
    parser = SseParser()
    events = [item for item in parser.feed(body) if isinstance(item, SseEvent)]
    parser.close()
    decoded = [msgspec.json.decode(event.data) for event in events]
    assert [event["type"] for event in decoded] == [event.event for event in events]
    return decoded


def streamed(script: list[Step], **fields: Json) -> list[Json]:
    """The events of a streamed response."""

    async def scenario(client: Client) -> bytes:
        response = await client.post(PATH, json={**BODY, "stream": True, **fields})
        assert response.status == 200, await response.read()
        return await response.read()

    events = events_of(with_client(ScriptedGateway(script), scenario))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def prompt_of(gateway: ScriptedGateway) -> ChatPrompt:
    """The last conversation that a model was asked."""
    prompt: Any = gateway.requests[-1].prompt
    return prompt  # type: ignore[no-any-return]  # it is a chat


MIXED: list[Step] = [
    Started(7, 64),
    ReasoningDelta("Let me ", 2),
    ReasoningDelta("see.", 1),
    TextDelta("I look", 1),
    TextDelta(" it up.", 1),
    ToolCallDelta(0, id="call_1", name="weather"),
    ToolCallDelta(0, arguments='{"city":'),
    ToolCallDelta(0, arguments=' "Rome"}'),
    ToolCallDelta(1, id="call_2", name="weather", arguments="{}"),
    finished(9, reason="tool_calls"),
]

TEXT_PART = ["response.output_item.added", "response.content_part.added"]
TEXT_END = ["response.content_part.done", "response.output_item.done"]


def test_the_order_of_events() -> None:
    """Each item is opened, said, and closed before the next."""
    events = streamed(MIXED, tools=[TOOL])
    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        *TEXT_PART,
        "response.reasoning_text.delta",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        *TEXT_END,
        *TEXT_PART,
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        *TEXT_END,
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    final = events[-1]["response"]
    assert final["output"] == done
    assert [item["type"] for item in done] == ["reasoning", "message", "function_call", "function_call"]
    assert done[0]["content"] == [{"type": "reasoning_text", "text": "Let me see."}]
    assert done[1]["content"][0]["text"] == "I look it up."
    assert (done[2]["call_id"], done[2]["name"], done[2]["arguments"]) == ("call_1", "weather", '{"city": "Rome"}')
    assert {item["status"] for item in done} == {"completed"}


def test_a_whole_response_is_what_its_stream_ends_with() -> None:
    """But for ids and times."""
    final = streamed(MIXED, tools=[TOOL])[-1]["response"]
    status, whole = ask(ScriptedGateway(MIXED), tools=[TOOL])
    assert status == 200

    def bare(response: Json) -> Json:
        items = [{**item, "id": ""} for item in response["output"]]
        return {**response, "id": "", "created_at": 0, "completed_at": 0, "output": items}

    assert bare(whole) == bare(final)
    assert whole["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 16,
    }


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("length", "max_output_tokens"),
        ("malformed_tool_call", "malformed_tool_call"),
        ("content_filter", "content_filter"),
    ],
)
def test_an_answer_that_is_not_whole_says_so(reason: Any, said: str) -> None:
    """In its status, and in that of its last item."""
    status, response = ask(ScriptedGateway(answer("Hel", reason=reason)))
    assert (status, response["status"]) == (200, "incomplete")
    assert response["incomplete_details"] == {"reason": said}
    assert response["output"][0]["status"] == "incomplete"


def test_an_error_in_a_stream_is_its_last_event() -> None:
    """With what was said until then."""
    events = streamed([Started(7, 64), TextDelta("Hel", 1), WorkerDied("the worker ended")])
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["error"] == {"code": "worker_died", "message": "the worker ended"}
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Hel"


def test_a_conversation_goes_on() -> None:
    """With everything that was said, and without the instructions of before."""
    gateway = ScriptedGateway(MIXED)

    async def scenario(client: Client) -> Json:
        first = await (await client.post(PATH, json={**BODY, "instructions": "Be brief.", "tools": [TOOL]})).json()
        outputs = [
            {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
            {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "rain"}]},
        ]
        gateway.script = answer("Fine.")
        body = {**BODY, "input": outputs, "previous_response_id": first["id"], "instructions": "Be kind."}
        second = await (await client.post(PATH, json=body)).json()
        third = await client.post(PATH, json={**BODY, "input": "thanks", "previous_response_id": second["id"]})
        assert third.status == 200
        return second

    second = with_client(gateway, scenario)
    assert second["instructions"] == "Be kind."
    calls = (ToolCall("call_1", "weather", '{"city": "Rome"}'), ToolCall("call_2", "weather", "{}"))
    said = (
        Message("user", "hi"),
        Message("assistant", "I look it up.", tool_calls=calls, reasoning="Let me see."),
        Message("tool", "sunny", tool_call_id="call_1", name="weather"),
        Message("tool", "rain", tool_call_id="call_2", name="weather"),
    )
    prompts: list[Any] = [request.prompt for request in gateway.requests]
    assert prompts[0].messages == (Message("system", "Be brief."), Message("user", "hi"))
    assert prompts[1].messages == (Message("system", "Be kind."), *said)
    assert prompts[2].messages == (*said, Message("assistant", "Fine."), Message("user", "thanks"))


def test_an_answer_of_ours_is_input_as_it_is() -> None:
    """For clients that keep the conversation themselves; a reference names an item of a response before."""
    gateway = ScriptedGateway(MIXED)

    async def scenario(client: Client) -> None:
        first = await (await client.post(PATH, json=BODY)).json()
        given = [{"role": "user", "content": "hi"}, *first["output"], {"role": "user", "content": "and?"}]
        assert (await client.post(PATH, json={**BODY, "input": given, "store": False})).status == 200
        reference = {"type": "item_reference", "id": first["output"][1]["id"]}
        body = {**BODY, "input": [reference], "previous_response_id": first["id"]}
        assert (await client.post(PATH, json=body)).status == 200

    with_client(gateway, scenario)
    prompts: list[Any] = [request.prompt for request in gateway.requests]
    assert [message.role for message in prompts[1].messages] == ["user", "assistant", "user"]
    assert prompts[2].messages[-1].content == "I look it up."


def test_what_is_asked_reaches_the_model() -> None:
    """Each field as the record that the kernel has for it."""
    gateway = ScriptedGateway()
    schema = {"type": "object"}
    status, response = ask(
        gateway,
        tools=[TOOL],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}},
        reasoning={"effort": "low", "summary": "auto"},
        max_output_tokens=5,
        temperature=0.5,
        top_k=3,
        seed=7,
        metadata={"a": "b"},
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    )
    assert status == 200, response
    request, prompt = gateway.requests[0], prompt_of(gateway)
    assert (request.max_tokens, request.logprobs) == (5, 2)
    assert (request.sampling.temperature, request.sampling.top_k, request.sampling.seed) == (0.5, 3, 7)
    assert request.constraint == JsonSchema('{"type": "object"}', "text.format.schema")
    assert (prompt.tools[0].name, prompt.tools[0].strict) == ("weather", True)
    assert (prompt.tool_choice.mode, prompt.tool_choice.only) == ("required", ("weather",))
    assert not prompt.parallel_tool_calls
    assert (prompt.thinking.enabled, prompt.thinking.effort) == (True, "low")
    assert (response["metadata"], response["tools"][0]["name"]) == ({"a": "b"}, "weather")
    assert response["model"] == "demo"


def test_any_json_and_no_thoughts() -> None:
    """``json_object``, and the effort ``none``."""
    gateway = ScriptedGateway()
    assert ask(gateway, text={"format": {"type": "json_object"}}, reasoning={"effort": "none"})[0] == 200
    assert gateway.requests[0].constraint == JsonObject()
    assert prompt_of(gateway).thinking.enabled is False


def test_log_probabilities_of_the_text() -> None:
    """With bytes in the whole answer."""
    script: list[Step] = [Started(7, 64), TextDelta("Hi", 1, 0, (TokenLogprob(5, b"Hi", -0.5),)), finished(1)]
    asked: Json = {"include": ["message.output_text.logprobs"]}
    _, response = ask(ScriptedGateway(script), **asked)
    likely = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    assert response["output"][0]["content"][0]["logprobs"] == [likely]
    events = streamed(script, **asked)
    [delta] = [event for event in events if event["type"] == "response.output_text.delta"]
    assert delta["logprobs"] == [{"token": "Hi", "logprob": -0.5, "top_logprobs": []}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"model": None}, "model"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].id"),
        ({"input": [{"type": "computer_call", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user"}]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": "x", "mood": "good"}]}, "input[0]"),
        ({"input": [{"type": "reasoning", "encrypted_content": "x"}]}, "input[0].encrypted_content"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "tools[0]"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "unknown"}}, "tool_choice"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"colour": "red"}}, "text.colour"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"reasoning": {"summary": "detailed"}}, "reasoning.summary"),
        ({"include": ["reasoning.encrypted_content"]}, "include[0]"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"metadata": {"x": "y" * 513}}, "metadata"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"previous_response_id": "resp_unknown"}, "previous_response_id"),
        ({"previous_response_id": "\x00é"}, "previous_response_id"),
        ({"truncation": "some"}, "truncation"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "x"}}, "prompt"),
        ({"messages": []}, "messages"),
        ({"temperature": 5}, "temperature"),
        ({"store": False, "background": True}, "background"),
    ],
)
def test_what_cannot_be_honoured_is_refused(fields: dict[str, Json], param: str) -> None:
    """With the field's path, before any model is asked."""
    gateway = ScriptedGateway()
    status, body = ask(gateway, **fields)
    assert status == 400, body
    assert str(body["error"]["param"]).startswith(param)
    assert not gateway.requests


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tools": [{"type": "mcp", "server_url": "http://a"}]}, "mcp"),
        ({"tools": [{"type": "custom", "name": "a"}]}, "custom"),
        ({"tool_choice": {"type": "file_search"}, "tools": [TOOL]}, "file_search"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}]}, "images"),
        ({"input": [{"type": "message", "role": "user", "content": [{"type": "input_file"}]}]}, "files"),
        ({"include": ["everything"]}, "include[0]"),
    ],
)
def test_what_only_others_can_do_is_named(fields: dict[str, Json], said: str) -> None:
    """So that it is plain what has to go."""
    status, body = ask(ScriptedGateway(), **fields)
    assert (status, said in body["error"]["message"]) == (400, True), body


def test_tiers_and_cache_keys_are_as_in_chats() -> None:
    """The one is a priority, and the answer says which serves it; the other narrows whom prefixes are shared with."""
    gateway = ScriptedGateway()
    assert ask(gateway)[1]["service_tier"] == "default"
    assert ask(gateway, service_tier="flex", prompt_cache_key="k")[1]["service_tier"] == "flex"
    assert [request.priority for request in gateway.requests] == [None, 10]
    salts = [request.cache_salt for request in gateway.requests]
    assert salts[0] == ""
    assert salts[1]
    status, body = ask(gateway, service_tier="flex", priority=3)
    assert (status, body["error"]["param"]) == (400, "service_tier")


def test_what_adds_to_items_that_are_not_there_is_honoured() -> None:
    """Clients ask for it whether they have such tools or not."""
    wanted = ["file_search_call.results", "code_interpreter_call.outputs", "message.input_image.image_url"]
    assert ask(ScriptedGateway(), include=wanted)[0] == 200


def test_what_a_stored_response_is_wanted_with() -> None:
    """It has what it was made with; what nobody has, or nobody knows, is refused."""
    values = ("message.output_text.logprobs", "file_search_call.results", "reasoning.encrypted_content", "x")

    async def scenario(client: Client) -> list[int]:
        path = f"{PATH}/{(await (await client.post(PATH, json=BODY)).json())['id']}"
        asked = itertools.product(("include", "include[]"), values, (path, f"{path}/input_items"))
        return [(await client.get(each, params={name: value})).status for name, value, each in asked]

    assert with_client(ScriptedGateway(), scenario) == [200, 200, 200, 200, 400, 400, 400, 400] * 2


def test_thoughts_that_nobody_encrypts_may_be_left_out() -> None:
    """Where the server is told to be lenient, and it says so."""
    data = msgspec.json.encode({**BODY, "include": ["reasoning.encrypted_content"]})
    assert decode_response(data, "warn").ignored == ("include[0]",)
    assert decode_response(data, "ignore").ignored == ()


CODEX: dict[str, Json] = {
    "model": "demo",
    "instructions": "You are Codex.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Sandboxed."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is Jackfield?"}]},
        {"type": "function_call", "name": "shell", "arguments": '{"command":["ls"]}', "call_id": "call_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a"},
    ],
    "tools": [
        {
            "type": "function",
            "name": "shell",
            "description": "Runs a shell command.",
            "strict": False,
            "parameters": {
                "type": "object",
                "properties": {"command": {"type": "array", "items": {"type": "string"}}},
                "required": ["command"],
                "additionalProperties": False,
            },
        }
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": None,
    "store": False,
    "include": [],
    "prompt_cache_key": "0199a0e2",
    "client_metadata": {"x-codex-installation-id": "5f0c"},
}
"""As Codex sends it to servers whose models it does not know, but for the stream."""


def test_an_agents_request() -> None:
    """All that Codex sends is taken; what it says of itself asks for nothing."""
    gateway = ScriptedGateway()
    assert ask(gateway, **CODEX)[0] == 200
    prompt = prompt_of(gateway)
    assert [message.role for message in prompt.messages] == ["system", "developer", "user", "assistant", "tool"]
    assert [tool.name for tool in prompt.tools] == ["shell"]


SEARCH: dict[str, Json] = {"type": "web_search", "external_web_access": False}


def test_a_search_that_may_be_used_may_be_left_out() -> None:
    """Agents offer one always. Where the server is told to be lenient the answer is made without, and says so."""
    data = msgspec.json.encode({**BODY, "tools": [TOOL, SEARCH]})
    call = decode_response(data, "warn")
    assert ([tool.name for tool in call.tools], call.ignored) == (["weather"], ("tools[1].type",))
    assert decode_response(data, "ignore").ignored == ()


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({"tools": [TOOL, SEARCH]}, "strict"),
        ({"tools": [SEARCH], "tool_choice": "required"}, "warn"),
        ({"tools": [{"type": "custom", "name": "a"}]}, "warn"),
    ],
)
def test_tools_that_nobody_runs_are_refused(fields: dict[str, Json], mode: Mode) -> None:
    """Where a search is wanted for sure, or nothing may be left out; those of the client's always."""
    with pytest.raises(UnsupportedField, match="runs no tools of type"):
        decode_response(msgspec.json.encode({**BODY, **fields}), mode)


def test_a_named_function_is_called_once() -> None:
    """As OpenAI has it."""
    gateway = ScriptedGateway()
    ask(gateway, tools=[TOOL], tool_choice={"type": "function", "name": "weather"})
    ask(gateway, tools=[TOOL], tool_choice="required")
    prompts: list[Any] = [request.prompt for request in gateway.requests]
    assert [found.parallel_tool_calls for found in prompts] == [False, True]


def test_a_refusal_of_another_model_is_what_it_said() -> None:
    """Histories come from anywhere."""
    gateway = ScriptedGateway()
    said = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert ask(gateway, input=[said, {"role": "user", "content": "Why?"}])[0] == 200
    assert prompt_of(gateway).messages[0].content == "No."


def test_a_prompt_that_is_too_long_is_the_input() -> None:
    """Its name here."""
    error = ContextLengthExceeded("too long", param="messages")
    assert ask(ScriptedGateway([error]))[1]["error"]["param"] == "input"


@pytest.mark.parametrize("fields", [{"store": True}, {"background": True}, {"previous_response_id": "resp_1"}])
def test_without_a_store_nothing_is_remembered(fields: dict[str, Json]) -> None:
    """And it says so, instead of forgetting in silence."""
    status, body = ask(ScriptedGateway(), keeps=False, **fields)
    assert status == 400
    assert "store" in body["error"]["message"]


def test_without_a_store_answers_say_that_they_are_not_kept() -> None:
    """The default is what the server can do."""
    assert ask(ScriptedGateway(), keeps=False)[1]["store"] is False
    assert ask(ScriptedGateway())[1]["store"] is True


def test_a_stored_response_is_read_and_deleted() -> None:
    """As it was answered; then it is gone, and nothing goes on with it."""

    async def scenario(client: Client) -> None:
        made = await (await client.post(PATH, json=BODY)).json()
        path = f"{PATH}/{made['id']}"
        assert await (await client.get(path)).json() == made
        items = await (await client.get(f"{path}/input_items")).json()
        assert [item["content"] for item in items["data"]] == [[{"type": "input_text", "text": "hi"}]]
        assert {item["status"] for item in items["data"]} == {"completed"}
        assert (items["first_id"], items["has_more"]) == (items["data"][0]["id"], False)
        assert (await client.post(f"{path}/cancel")).status == 400
        assert (await client.get(f"{path}?stream=true")).status == 400
        deleted = await (await client.delete(path)).json()
        assert deleted == {"id": made["id"], "object": "response", "deleted": True}
        for gone in (await client.get(path), await client.delete(path), await client.get(f"{path}/input_items")):
            assert gone.status == 404
        again = await client.post(PATH, json={**BODY, "previous_response_id": made["id"]})
        assert again.status == 400

    with_client(ScriptedGateway(), scenario)


def test_what_is_not_stored_cannot_be_read() -> None:
    """``store: false`` leaves nothing behind."""
    gateway = ScriptedGateway()

    async def scenario(client: Client) -> tuple[int, int]:
        made = await (await client.post(PATH, json={**BODY, "store": False})).json()
        assert gateway.records is not None
        kept = await gateway.records.find("response", None)
        return (await client.get(f"{PATH}/{made['id']}")).status, len(kept)

    assert with_client(gateway, scenario) == (404, 0)


def texts_of(page: Json) -> list[str]:
    """What messages of one part say."""
    return [item["content"][0]["text"] for item in page["data"]]


def test_pages_of_input_items() -> None:
    """In both orders."""

    async def scenario(client: Client) -> None:
        given = [{"role": "user", "content": str(number)} for number in range(5)]
        made = await (await client.post(PATH, json={**BODY, "input": given})).json()
        path = f"{PATH}/{made['id']}/input_items"
        page = await (await client.get(path, params={"order": "asc", "limit": "2"})).json()
        assert texts_of(page) == ["0", "1"]
        assert page["has_more"]
        rest = await (await client.get(path, params={"order": "asc", "after": page["last_id"]})).json()
        assert texts_of(rest) == ["2", "3", "4"]
        newest = await (await client.get(path, params={"limit": "1"})).json()
        assert texts_of(newest) == ["4"]
        for query in ({"limit": "0"}, {"limit": "x"}, {"order": "up"}, {"after": "nowhere"}, {"page": "1"}):
            assert (await client.get(path, params=query)).status == 400

    with_client(ScriptedGateway(), scenario)


def test_a_response_in_the_background() -> None:
    """It is there at once, goes on without its client, and can be followed from any event."""
    gate = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), gate, TextDelta("lo", 1), finished(2)])

    async def scenario(client: Client) -> None:
        made = await (await client.post(PATH, json={**BODY, "background": True})).json()
        assert made["status"] == "queued"
        path = f"{PATH}/{made['id']}"
        followed = await client.get(f"{path}?stream=true")
        first = await followed.content.readuntil(b'"delta":"Hel"')
        assert b"response.queued" in first
        assert (await (await client.get(path)).json())["status"] == "in_progress"
        gate.set()
        events = events_of(first + await followed.read())
        assert events[-1]["type"] == "response.completed"
        done = await (await client.get(path)).json()
        assert (done["status"], done["output"][0]["content"][0]["text"]) == ("completed", "Hello")
        later = events_of(await (await client.get(f"{path}?stream=true&starting_after=3")).read())
        assert later == events[4:]

    with_client(gateway, scenario)


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_a_response_in_the_background_can_be_ended(how: str) -> None:
    """The model stops; what was cancelled can still be read, what was deleted cannot."""
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), asyncio.Event()])

    async def scenario(client: Client) -> None:
        made = await (await client.post(PATH, json={**BODY, "background": True})).json()
        path = f"{PATH}/{made['id']}"
        followed = await client.get(f"{path}?stream=true")
        await followed.content.readuntil(b'"delta":"Hel"')
        ended = await (client.post(f"{path}/cancel") if how == "cancel" else client.delete(path))
        assert ended.status == 200
        await followed.read()
        assert gateway.open == 0
        found = await client.get(path)
        if how == "delete":
            assert found.status == 404
        else:
            assert (await found.json())["status"] == "cancelled"
            assert (await client.post(f"{path}/cancel")).status == 200

    with_client(gateway, scenario)


def test_a_response_in_the_background_may_fail() -> None:
    """And says why."""
    gateway = ScriptedGateway([WorkerDied("the worker ended")])

    async def scenario(client: Client) -> Json:
        made = await (await client.post(PATH, json={**BODY, "background": True, "stream": True})).read()
        events = events_of(made)
        assert events[-1]["type"] == "response.failed"
        return await (await client.get(f"{PATH}/{events[0]['response']['id']}")).json()

    found = with_client(gateway, scenario)
    assert (found["status"], found["error"]["code"]) == ("failed", "worker_died")


def test_what_is_too_long_is_refused_or_made_shorter() -> None:
    """``truncation: auto`` drops the oldest messages, and neither instructions nor the question."""
    given = [{"role": "user", "content": str(number)} for number in range(9)]

    class Narrow(ScriptedGateway):
        async def generate(self, context: Any, request: Any) -> AsyncGenerator[GenerateEvent, None]:
            self.script = [ContextLengthExceeded("too long")] if len(request.prompt.messages) > 4 else answer("ok")
            async for event in super().generate(context, request):
                yield event

    assert ask(Narrow(), input=given)[0] == 400
    gateway = Narrow()
    status, _ = ask(gateway, input=given, instructions="Be brief.", truncation="auto")
    assert status == 200
    kept = [message.content for message in prompt_of(gateway).messages]
    assert kept[0] == "Be brief."
    assert kept[1:] == [str(number) for number in range(9)][-len(kept) + 1 :]


def test_tokens_of_an_input() -> None:
    """Of the conversation as the model would see it; no model computes."""
    gateway = ScriptedGateway()
    gateway.replies = [Rendered("…", 42)]

    async def scenario(client: Client) -> Json:
        return await (await client.post(f"{PATH}/input_tokens", json={**BODY, "instructions": "x"})).json()

    assert with_client(gateway, scenario) == {"object": "response.input_tokens", "input_tokens": 42}
    [question] = gateway.questions
    assert isinstance(question, Render)
    assert not gateway.requests


def read_answer(data: bytes) -> str:
    """The text of a whole response."""
    response = msgspec.json.decode(data)
    return "".join(part["text"] for item in response["output"] for part in item["content"])


def read_stream(data: bytes) -> ReadStream:
    """The text of a streamed one."""
    events = events_of(data)
    texts = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    last = events[-1]["type"]
    return ReadStream("".join(texts), last == "response.completed", int(last == "response.failed"))


class TestResponsesConformance(OpenAIKit):
    """``/v1/responses``."""

    __test__ = True

    @pytest.fixture
    def exchange(self) -> Exchange:
        """A question."""
        body = b'{"model": "demo", "input": "hi"}'
        return Exchange(
            path=PATH,
            body=body,
            stream_body=body[:-1] + b', "stream": true}',
            read_answer=read_answer,
            read_stream=read_stream,
        )


def test_headers_are_sent_where_they_are_described() -> None:
    """Those that say how long an answer took: of one that was made, and not of one that was there."""

    async def scenario(client: Client) -> list[bool]:
        made = await client.post(PATH, json=BODY)
        path = f"{PATH}/{(await made.json())['id']}"
        answers = [made, await client.post(f"{PATH}/input_tokens", json=BODY), await client.get(path)]
        assert {response.status for response in answers} == {200}
        return [PROCESSING in response.headers for response in answers]

    gateway = ScriptedGateway()
    gateway.replies = [Rendered("…", 42)]
    described = [operations.CREATE, operations.COUNT, operations.RETRIEVE]
    assert with_client(gateway, scenario) == [
        PROCESSING in {header.name for header in operation.headers} for operation in described
    ]


@pytest.mark.parametrize("bound", ["DEPTH_MAX", "BYTES_MAX"])
def test_a_conversation_that_is_too_long_is_refused(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In responses or in bytes, before anything is computed."""
    monkeypatch.setattr(f"jackfield_openai.responses.history.{bound}", 1)
    gateway = ScriptedGateway()

    async def scenario(client: Client) -> tuple[int, Json]:
        made = await (await client.post(PATH, json=BODY)).json()
        second = await client.post(PATH, json={**BODY, "previous_response_id": made["id"]})
        last = made if second.status == 400 else await second.json()
        third = await client.post(PATH, json={**BODY, "previous_response_id": last["id"]})
        return third.status, (await third.json())["error"]["param"]

    assert with_client(gateway, scenario) == (400, "previous_response_id")
    assert len(gateway.requests) == (2 if bound == "DEPTH_MAX" else 1)


def test_what_was_deleted_meanwhile_stays_deleted() -> None:
    """Whoever still makes it does not bring it back."""

    async def run() -> None:
        records = SqliteStore(None, SqliteConfig(), option="file")
        history = History(records, RequestContext("r", "/", ""))
        response: dict[str, object] = {"id": "resp_1", "created_at": time.time()}
        await history.keep(response, ())
        await history.delete("resp_1")
        await history.keep(response, (), new=False)
        with pytest.raises(RecordNotFound):
            await history.find("resp_1")
        await records.close()

    asyncio.run(run())


def test_results_of_tools_go_with_their_calls() -> None:
    """A template could not place a result whose call was made shorter away."""
    said = [Message("user", "a"), Message("assistant", tool_calls=(ToolCall("c", "f", "{}"),))]
    results = [Message("tool", "1", tool_call_id="c"), Message("tool", "2", tool_call_id="c"), Message("user", "b")]
    prompt = ChatPrompt((Message("system", "s"), *said, *results))
    first = shortened(prompt)
    assert first is not None
    assert first.messages == (prompt.messages[0], *said[1:], *results)
    second = shortened(first)
    assert second is not None
    assert second.messages == (prompt.messages[0], results[-1])
    assert shortened(second) is None


def test_events_of_the_last_that_have_ended_are_there() -> None:
    """Of no others: they are in memory."""

    async def run() -> list[bool]:
        background = Background()

        async def work(run: Run) -> None:
            run.answer.cancelled()

        for number in range(ENDED_MAX + 2):
            answer_of = ResponseAnswer({"id": str(number), "status": "queued"}, logprobs=False)
            run = background.start(RequestContext("r", "/", ""), answer_of, work, judged=True)
            assert run.task is not None
            await run.task
        return [background.find("", str(number)) is not None for number in range(ENDED_MAX + 2)]

    assert asyncio.run(run()) == [False] * 2 + [True] * ENDED_MAX
