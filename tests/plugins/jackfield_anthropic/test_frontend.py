"""The routes over HTTP, in front of a scripted gateway."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from jackfield.capabilities import Capabilities
from jackfield.errors import (
    HTTP,
    BodyTooLarge,
    BudgetExceeded,
    ContextLengthExceeded,
    InternalError,
    JackfieldError,
    LimitExceeded,
    ModelNotFound,
    QueueFull,
    UnsupportedField,
    WorkerDied,
    http,
)
from jackfield.frontends.users import user_mark
from jackfield.ports.limiter import Standing
from jackfield.questions import Rendered
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, finished, serve_frontend
from jackfield.types import Started, TextDelta
from jackfield_anthropic.config import AnthropicConfig
from jackfield_anthropic.errors import error_payload
from jackfield_anthropic.frontend import AnthropicFrontend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import ModelCard

T = TypeVar("T")
Client: TypeAlias = "TestClient[web.Request, web.Application]"

BODY: dict[str, object] = {"model": "default", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


def with_client(
    gateway: ScriptedGateway, scenario: Callable[[Client], Awaitable[T]], config: AnthropicConfig | None = None
) -> T:
    """Run *scenario* against the frontend on a server of its own."""

    async def run() -> T:
        application = serve_frontend(lambda port: AnthropicFrontend(port, config or AnthropicConfig()), gateway)
        async with asyncio.timeout(30), TestClient(TestServer(application)) as client:
            return await scenario(client)

    return asyncio.run(run())


def post(
    gateway: ScriptedGateway, path: str, config: AnthropicConfig | None = None, **more: object
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""

    async def scenario(client: Client) -> tuple[int, dict[str, str], bytes]:
        response = await client.post(path, json={**BODY, **more})
        return response.status, {name.lower(): value for name, value in response.headers.items()}, await response.read()

    return with_client(gateway, scenario, config)


def test_an_answer_has_the_requests_id_and_the_models_own_name() -> None:
    """As Anthropic's clients look for them."""
    status, headers, body = post(ScriptedGateway(), "/v1/messages")
    assert (status, msgspec.json.decode(body)["model"]) == (200, "demo")
    assert headers["request-id"]


def test_tokens_are_counted() -> None:
    """By asking, not by computing; ``max_tokens`` is no field of that route."""
    gateway = ScriptedGateway()
    gateway.replies = [Rendered("<user>hi", 12)]

    async def scenario(client: Client) -> tuple[int, bytes]:
        body = {name: value for name, value in BODY.items() if name != "max_tokens"}
        response = await client.post("/v1/messages/count_tokens", json=body)
        return response.status, await response.read()

    assert with_client(gateway, scenario) == (200, b'{"input_tokens":12}')
    assert not gateway.requests
    assert post(gateway, "/v1/messages/count_tokens")[0] == 400


def test_a_refused_count() -> None:
    """As the gateway says."""
    gateway = ScriptedGateway()
    gateway.replies = [ModelNotFound("no such model", param="model")]
    status, _, body = post(gateway, "/v1/messages/count_tokens", AnthropicConfig(unknown_fields="warn"))
    assert (status, msgspec.json.decode(body)["error"]["type"]) == (404, "not_found_error")


def test_what_was_left_out_is_listed() -> None:
    """In a header, of whole answers and of streams."""
    config = AnthropicConfig(unknown_fields="warn")
    for stream in (False, True):
        _, headers, _ = post(ScriptedGateway(), "/v1/messages", config, stream=stream, frobnicate=1)
        assert headers["x-jackfield-ignored"] == "frobnicate"


LEFT = (
    Standing(measure="requests", limit=60, remaining=58, reset_s=12.5, scope="key", window="minute"),
    Standing(measure="tokens", limit=900, remaining=0, reset_s=3600, scope="key", window="hour"),
    Standing(measure="completion_tokens", limit=500, remaining=100, reset_s=1.0, scope="team", window="day"),
)
NAMES = ("requests", "tokens", "output-tokens")


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_left_of_the_callers_limits(*, stream: bool) -> None:
    """Under Anthropic's names, of whole answers and of streams; nothing where there is no limit."""
    gateway = ScriptedGateway()
    assert not any("ratelimit" in name for name in post(gateway, "/v1/messages", stream=stream)[1])
    gateway.standings = LEFT
    _, headers, _ = post(gateway, "/v1/messages", stream=stream)
    assert [headers[f"anthropic-ratelimit-{name}-limit"] for name in NAMES] == ["60", "900", "500"]
    assert [headers[f"anthropic-ratelimit-{name}-remaining"] for name in NAMES] == ["58", "0", "100"]
    reset = datetime.fromisoformat(headers["anthropic-ratelimit-tokens-reset"])
    assert timedelta(minutes=50) < reset - datetime.now(UTC) < timedelta(hours=1)
    assert "anthropic-ratelimit-input-tokens-limit" not in headers


@pytest.mark.parametrize("kind", [LimitExceeded, BudgetExceeded])
def test_a_refusal_for_a_limit(kind: type[LimitExceeded]) -> None:
    """With what is left, and of the type that Anthropic's clients know."""
    error = kind("the limit is reached")
    error.standings = LEFT
    status, headers, body = post(ScriptedGateway([error]), "/v1/messages")
    assert (status, msgspec.json.decode(body)["error"]["type"]) == (429, "rate_limit_error")
    assert headers["anthropic-ratelimit-tokens-remaining"] == "0"


def test_the_user_is_marked_in_the_log_and_not_named() -> None:
    """As with OpenAI's dialect."""
    gateway = ScriptedGateway()
    post(gateway, "/v1/messages", metadata={"user_id": "somebody"})
    [context] = gateway.contexts
    assert context.user == user_mark("somebody")


class Thoughtless(ScriptedGateway):
    """Its models do not think."""

    def models(self, context: RequestContext) -> Sequence[ModelCard]:
        """As they are known once they are loaded."""
        return [msgspec.structs.replace(card, capabilities=Capabilities()) for card in super().models(context)]


def test_thoughts_of_models_that_have_none() -> None:
    """Asked all the same by default, so that the gateway refuses them; left out and listed where that is wanted."""
    thinking = {"type": "enabled", "budget_tokens": 1024}
    gateway = Thoughtless()
    for config, asked in ((None, True), (AnthropicConfig(unknown_fields="warn"), None)):
        _, headers, _ = post(gateway, "/v1/messages", config, thinking=thinking)
        assert getattr(gateway.requests[-1].prompt, "thinking").enabled is asked  # noqa: B009 -- any kind of prompt
        assert headers.get("x-jackfield-ignored") == (None if asked else "thinking")


def test_thoughts_of_models_that_nobody_knows_yet() -> None:
    """They are asked for: whether the model has any is known once it is loaded."""
    status, headers, _ = post(
        ScriptedGateway(), "/v1/messages", AnthropicConfig(unknown_fields="warn"), thinking={"type": "adaptive"},
        output_config={"effort": "low"},
    )  # fmt: skip
    assert (status, headers.get("x-jackfield-ignored")) == (200, None)


def test_silence_is_filled_with_comments() -> None:
    """They are no events."""
    more = asyncio.Event()
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), more, TextDelta("lo", 1), finished(2)])

    async def scenario(client: Client) -> bytes:
        response = await client.post("/v1/messages", json={**BODY, "stream": True})
        early = await response.content.readuntil(b": keep-alive\n\n")
        more.set()
        return early + await response.read()

    body = with_client(gateway, scenario, AnthropicConfig(keepalive_s=0.05))
    assert body.count(b"event: content_block_delta\n") == 2
    assert body.endswith(b'data: {"type":"message_stop"}\n\n')


def test_an_error_in_mid_stream_is_an_event() -> None:
    """With the request's id; nothing comes after it."""
    gateway = ScriptedGateway([Started(7, 64), TextDelta("Hel", 1), WorkerDied("the worker ended")])
    _, headers, body = post(gateway, "/v1/messages", stream=True)
    last = body.decode().rstrip("\n").split("\n\n")[-1]
    name, data = last.split("\n")
    assert name == "event: error"
    assert msgspec.json.decode(data.removeprefix("data: ")) == {
        "type": "error",
        "error": {"type": "api_error", "message": "the worker ended"},
        "request_id": headers["request-id"],
    }


KINDS = {
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "overloaded_error",
    "api_error",
}
"""Anthropic's own."""


@pytest.mark.parametrize("kind", HTTP, ids=lambda kind: kind.__name__)
def test_every_error_has_one_of_anthropics_types(kind: type[JackfieldError]) -> None:
    """Clients switch on them."""
    payload = error_payload(kind("the reason"), "req-1")
    body = msgspec.json.decode(payload.body)
    assert body["error"]["type"] in KINDS
    assert (body["type"], body["request_id"], payload.headers["request-id"]) == ("error", "req-1", "req-1")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ModelNotFound, "not_found_error"),
        (BodyTooLarge, "request_too_large"),
        (InternalError, "api_error"),
        (QueueFull, "rate_limit_error"),
    ],
)
def test_types(kind: type[JackfieldError], name: str) -> None:
    """Those that Anthropic calls by a name of its own, and one that all call alike."""
    assert msgspec.json.decode(error_payload(kind("the reason"), "r").body)["error"]["type"] == name


def test_an_answer_without_an_end_is_an_error() -> None:
    """Nothing may make it look whole."""
    _, _, body = post(ScriptedGateway([Started(7, 64), TextDelta("Hel", 1)]), "/v1/messages", stream=True)
    assert body.rpartition(b"event: ")[2].startswith(b"error\n")
    status, _, _ = post(ScriptedGateway([Started(7, 64), TextDelta("Hel", 1)]), "/v1/messages")
    assert status == 500


def test_the_message_names_the_field() -> None:
    """There is no other place for it."""
    error = UnsupportedField("this model does not think", param="thinking")
    assert msgspec.json.decode(error_payload(error, "r").body)["error"]["message"] == (
        "thinking: this model does not think"
    )


def test_an_images_place_is_named_once() -> None:
    """Not once as the block's and once as its kind's."""
    content = [{"type": "text", "text": "What is this?"}, {"type": "image", "source": {}}]
    status, _, body = post(ScriptedGateway(), "/v1/messages", messages=[{"role": "user", "content": content}])
    assert status == 400
    assert msgspec.json.decode(body)["error"]["message"] == (
        "messages[0].content[1]: blocks of type image are not supported"
    )


def test_conversations_that_are_not_kept() -> None:
    """Clients are told so in a way that has them send the whole conversation."""
    status, _, body = post(ScriptedGateway(), "/v1/messages", thread={"type": "create"})
    error = msgspec.json.decode(body)["error"]
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


def test_a_long_prompt_is_told_in_anthropics_words() -> None:
    """Agents look for them, and for the numbers."""
    error = ContextLengthExceeded("the prompt does not fit", param="messages")
    assert msgspec.json.decode(error_payload(error, "r").body)["error"]["message"] == (
        "prompt is too long: the prompt does not fit"
    )
    error.sizes = (2100, 2048)
    assert msgspec.json.decode(error_payload(error, "r").body)["error"]["message"] == (
        "prompt is too long: 2100 tokens > 2047 maximum"
    )


def test_a_full_server_is_overloaded_where_the_operator_says_so() -> None:
    """529 is Anthropic's own."""
    error = QueueFull("too much work")
    assert msgspec.json.decode(error_payload(error, "r").body)["error"]["type"] == "rate_limit_error"
    error.status = 529
    assert http(error).status == error_payload(error, "r").status == 529
    assert msgspec.json.decode(error_payload(error, "r").body)["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("stream", [False, True])
def test_answers_repeat_nothing_of_what_was_asked(*, stream: bool) -> None:
    """So there is nothing in them that guardrails could have masked."""
    said = "to joe@example.com"
    schema = {"type": "object", "title": said, "properties": {"to": {"description": said}}}
    status, _, body = post(
        ScriptedGateway(),
        "/v1/messages",
        stream=stream,
        system=said,
        messages=[{"role": "user", "content": said}],
        metadata={"user_id": said},
        tools=[{"name": "send", "description": said, "input_schema": schema}],
    )
    assert (status, b"Hello" in body, b"joe" in body) == (200, True, False)
