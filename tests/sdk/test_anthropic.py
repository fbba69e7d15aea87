"""The official ``anthropic`` client, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

import anthropic
import pytest
from aiohttp.test_utils import TestServer
from anthropic import Anthropic, AsyncAnthropic, beta_tool
from pydantic import BaseModel, Field

from jackfield.testing.kits.scripted_gateway import ScriptedGateway, finished, serve_frontend
from jackfield.testing.manifests import scripted_manifest
from jackfield.types import ReasoningDelta, Started, TextDelta
from jackfield_anthropic.config import AnthropicConfig
from jackfield_anthropic.frontend import AnthropicFrontend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from anthropic.types import ImageBlockParam, Message, MessageParam, ToolParam
    from anthropic.types.beta import BetaMessageParam

    from jackfield.testing.target import Target

TEXT: Final = "Hello, 日本 🎹"
HELLO: Final[list[MessageParam]] = [{"role": "user", "content": TEXT}]
SLOW: Final[list[MessageParam]] = [{"role": "user", "content": "[repeat:900:word ][delay:10]"}]
WEATHER: Final[ToolParam] = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALL: Final = '[say:<tool_call>\n{"name": "weather", "arguments": {"city": "Zürich"}}\n</tool_call>'
ASKED: Final[list[MessageParam]] = [{"role": "user", "content": CALL + "]"}]


class Pet(BaseModel):
    """Something with bounds, so that an answer ends."""

    kind: Literal["cat", "dog"]
    age: int = Field(ge=0, le=30)


@pytest.fixture(scope="module")
def url(servers: Callable[[str], Target]) -> str:
    """A server whose models are ``scripted``, which calls tools, and ``narrow``, which has one slot and no queue."""
    models = {"scripted": 'aliases = ["claude-like"]\ndialect = "hermes"', "narrow": "max_sequences = 1"}
    enabled = ("anthropic", "hermes", "llguidance")
    return servers(scripted_manifest(models, kernel="queue = 0\noverload_status = 529", enabled=enabled)).url


@pytest.fixture
def client(url: str) -> Iterator[Anthropic]:
    """The synchronous client; it does not retry unless a test asks for it."""
    with Anthropic(base_url=url, api_key="none", max_retries=0) as made:
        yield made


def asynchronously(url: str, scenario: Callable[[AsyncAnthropic], Awaitable[None]]) -> None:
    """Run *scenario* with an asynchronous client."""

    async def run() -> None:
        async with AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as client, asyncio.timeout(30):
            await scenario(client)

    asyncio.run(run())


def test_a_message(client: Anthropic) -> None:
    """The answer, why it ended, what it took; under the model's own name, with the request's id."""
    answer = client.messages.create(model="claude-like", max_tokens=100, messages=HELLO, system="Be brief.")
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", "scripted")
    assert [(block.type, block.text) for block in answer.content if block.type == "text"] == [("text", TEXT)]
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert answer.usage.output_tokens == len(TEXT.encode()) + 1
    assert answer.usage.input_tokens > len(TEXT.encode())
    assert answer._request_id


def test_a_limit_and_a_stop_sequence(client: Anthropic) -> None:
    """Both say what ended the answer."""
    counted: list[MessageParam] = [{"role": "user", "content": [{"type": "text", "text": "one two three"}]}]
    answer = client.messages.create(model="scripted", max_tokens=3, messages=counted)
    assert answer.stop_reason == "max_tokens"
    answer = client.messages.create(model="scripted", max_tokens=50, messages=counted, stop_sequences=[" three"])
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", " three")


def test_a_prefilled_answer_goes_on(client: Anthropic) -> None:
    """The text that is given is not repeated."""
    turns: list[MessageParam] = [{"role": "user", "content": "[say:Hello]"}, {"role": "assistant", "content": "Hel"}]
    counted = client.messages.count_tokens(model="scripted", messages=turns)
    whole = client.messages.count_tokens(model="scripted", messages=turns[:1])
    assert counted.input_tokens == whole.input_tokens + len("Hel")
    answer = client.messages.create(model="scripted", max_tokens=20, messages=turns)
    assert answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0) == counted.input_tokens


def test_the_order_of_events(client: Anthropic) -> None:
    """As the reference describes it."""
    with client.messages.create(model="scripted", max_tokens=100, messages=HELLO, stream=True) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_the_streaming_helper(client: Anthropic) -> None:
    """The client's own accumulator agrees with the whole answer."""
    with client.messages.stream(model="scripted", max_tokens=100, messages=HELLO) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    whole = client.messages.create(model="scripted", max_tokens=100, messages=HELLO)
    assert "".join(texts) == TEXT
    assert [block.text for block in final.content if block.type == "text"] == [TEXT]
    assert final.stop_reason == whole.stop_reason
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.usage.cache_read_input_tokens is not None


def test_asynchronously(url: str) -> None:
    """Many at once, whole and streamed."""

    async def scenario(client: AsyncAnthropic) -> None:
        async def ask(number: int) -> str:
            turns: list[MessageParam] = [{"role": "user", "content": f"answer {number}"}]
            async with client.messages.stream(model="scripted", max_tokens=100, messages=turns) as stream:
                return await stream.get_final_text()

        assert await asyncio.gather(*map(ask, range(6))) == [f"answer {number}" for number in range(6)]

    asynchronously(url, scenario)


def call_weather(client: Anthropic, *, streamed: bool) -> Message:
    """An answer that calls a tool."""
    if not streamed:
        return client.messages.create(model="scripted", max_tokens=200, messages=ASKED, tools=[WEATHER])
    with client.messages.stream(model="scripted", max_tokens=200, messages=ASKED, tools=[WEATHER]) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_and_its_result(client: Anthropic, streamed: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """A whole round, with the client's own objects."""
    answer = call_weather(client, streamed=streamed)
    [call] = [block for block in answer.content if block.type == "tool_use"]
    assert (answer.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Zürich"})
    turns: list[MessageParam] = [
        *ASKED,
        {"role": "assistant", "content": answer.content},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]},
                {"type": "text", "text": "[say:Go out.]", "cache_control": {"type": "ephemeral"}},
            ],
        },
    ]
    after = client.messages.create(model="scripted", max_tokens=100, messages=turns, tools=[WEATHER])
    assert [block.text for block in after.content if block.type == "text"] == ["Go out."]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_clients_own_runner_of_tools(client: Anthropic, streamed: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """It asks the server to keep the conversation, and sends it whole where that is refused."""
    cities: list[str] = []

    @beta_tool
    def weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: Its name.
        """
        cities.append(city)
        return "[say:Go out.]"

    turns: list[BetaMessageParam] = [{"role": "user", "content": CALL + "]"}]
    if streamed:
        runner = client.beta.messages.tool_runner(
            model="scripted", max_tokens=200, tools=[weather], messages=turns, max_iterations=2, stream=True
        )
        answers = [stream.get_final_message() for stream in runner]
    else:
        answers = list(
            client.beta.messages.tool_runner(
                model="scripted", max_tokens=200, tools=[weather], messages=turns, max_iterations=2
            )
        )
    assert cities[:1] == ["Zürich"]
    assert answers[0].stop_reason == "tool_use"
    assert len(answers) == 2


def test_a_demanded_call(client: Anthropic) -> None:
    """Where the model would say something else, the grammar has it call."""
    answer = client.messages.create(
        model="scripted",
        max_tokens=200,
        messages=ASKED,
        tools=[{**WEATHER, "strict": True}],
        tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    )
    assert [block.type for block in answer.content] == ["tool_use"]


def test_an_answer_of_a_shape(client: Anthropic) -> None:
    """With pydantic's schema, by the client's own helper."""
    turns: list[MessageParam] = [{"role": "user", "content": '[say:{"kind": "cat", "age": 3}]'}]
    answer = client.messages.parse(model="scripted", max_tokens=100, messages=turns, output_format=Pet)
    assert answer.parsed_output == Pet(kind="cat", age=3)


def test_thoughts() -> None:
    """They are a block of their own, in front, and can be sent back."""
    gateway = ScriptedGateway(
        [Started(7, 64), ReasoningDelta("Let ", 1), ReasoningDelta("me see.", 2), TextDelta("Yes.", 1), finished(4)]
    )

    async def run() -> None:
        server = TestServer(serve_frontend(lambda port: AnthropicFrontend(port, AnthropicConfig()), gateway))
        async with server, AsyncAnthropic(base_url=str(server.make_url("/")), api_key="none", max_retries=0) as client:
            async with client.messages.stream(
                model="demo",
                max_tokens=2000,
                messages=[{"role": "user", "content": "Is it?"}],
                thinking={"type": "enabled", "budget_tokens": 1024},
            ) as stream:
                answer = await stream.get_final_message()
            thought, text = answer.content
            assert thought.type == "thinking"
            assert text.type == "text"
            assert (thought.thinking, thought.signature, text.text) == ("Let me see.", "", "Yes.")
            turns: list[MessageParam] = [
                {"role": "user", "content": "Is it?"},
                {"role": "assistant", "content": answer.content},
                {"role": "user", "content": "Sure?"},
            ]
            whole = await client.messages.create(model="demo", max_tokens=2000, messages=turns)
            assert [block.type for block in whole.content] == ["thinking", "text"]

    asyncio.run(run())
    first, second = (request.prompt for request in gateway.requests)
    assert getattr(first, "thinking").budget == 1024  # noqa: B009 -- any kind of prompt
    assert getattr(second, "messages")[1].reasoning == "Let me see."  # noqa: B009 -- any kind of prompt


def test_a_wrong_value_is_a_bad_request(client: Anthropic) -> None:
    """In Anthropic's shape, with the id of the request."""
    with pytest.raises(anthropic.BadRequestError, match="temperature") as raised:
        client.messages.create(model="scripted", max_tokens=5, messages=HELLO, extra_body={"temperature": 1.5})
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == "invalid_request_error"
    assert raised.value.body["request_id"] == raised.value.request_id


def test_an_image_is_refused(client: Anthropic) -> None:
    """By its place."""
    block: ImageBlockParam = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
    }
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\]\.content\[0\]: blocks of type image"):
        client.messages.create(model="scripted", max_tokens=5, messages=[{"role": "user", "content": [block]}])


def test_models(client: Anthropic) -> None:
    """They are listed for this client as well, and it finds what it looks for."""
    first, second = client.models.list()
    assert (first.type, first.id, first.display_name, second.id) == ("model", "scripted", "scripted", "narrow")
    assert first.created_at.tzinfo is not None
    assert client.models.retrieve("claude-like").max_input_tokens == first.max_input_tokens


def test_an_unknown_model_is_not_found(client: Anthropic) -> None:
    """404."""
    with pytest.raises(anthropic.NotFoundError) as raised:
        client.messages.create(model="nobody", max_tokens=5, messages=HELLO)
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == "not_found_error"


def test_a_full_server_is_overloaded(client: Anthropic) -> None:
    """With the status that Anthropic has for it, where the operator has chosen that."""
    slow = client.messages.create(model="narrow", max_tokens=900, messages=SLOW, stream=True)
    with slow, pytest.raises(anthropic.APIStatusError) as raised:
        client.messages.create(model="narrow", max_tokens=5, messages=HELLO)
    assert raised.value.status_code == 529
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == "overloaded_error"


def test_a_failure_in_mid_stream_ends_the_iteration(client: Anthropic) -> None:
    """What came before is there; then the client raises."""
    turns: list[MessageParam] = [{"role": "user", "content": "[say:Hello][fail:3]"}]
    texts: list[str] = []
    with (
        pytest.raises(anthropic.APIStatusError),
        client.messages.stream(model="scripted", max_tokens=50, messages=turns) as stream,
    ):
        texts.extend(stream.text_stream)
    assert "".join(texts) == "Hel"
