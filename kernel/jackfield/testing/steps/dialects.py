"""Steps: the same question in every HTTP dialect, whole and streamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec
import pytest
from pytest_bdd import given, parsers, then, when

from jackfield.sse import SseEvent, SseParser
from jackfield.testing.client import JsonValue
from jackfield.testing.manifests import DEMO_PLUGINS, scripted_manifest
from jackfield.testing.script import TOOL_TEMPLATE
from jackfield.testing.steps.tools import told
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jackfield.testing.client import Reply
    from jackfield.testing.target import Target

Event: TypeAlias = "dict[str, Any]"
Read: TypeAlias = "Callable[[Sequence[Event]], Said]"

TOKENS: Final = 200

_DRAWN: Final[Mapping[str, JsonValue]] = {"temperature": 1.2, "seed": 7}
_SCHEMA: Final[JsonValue] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_FUNCTION: Final[Mapping[str, JsonValue]] = {"name": "get_weather", "parameters": _SCHEMA}
_TOOLS: Final[list[JsonValue]] = [{"type": "function", "function": dict(_FUNCTION)}]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says, whatever the dialect."""

    text: str = ""
    thoughts: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    """Names and arguments."""
    reason: str = ""
    usage: tuple[int, ...] = ()
    """Tokens of the prompt, cached ones included: the second time more of them are; those of the answer; thoughts."""


class Dialect(NamedTuple):
    """How one route is asked, and its answers are read."""

    path: str
    body: Callable[[str], dict[str, JsonValue]]
    whole: Callable[[Event], Said]
    streamed: Read
    tools: Mapping[str, JsonValue] = MappingProxyType({})
    """What offers a tool; none where there are none."""
    stream: Mapping[str, JsonValue] = MappingProxyType({"stream": True})
    """What asks for a stream."""


@given("a server with the demo model in deterministic mode that speaks every dialect", target_fixture="server")
def demo_server(servers: Callable[[str], Target]) -> Target:
    """In this process."""
    pytest.importorskip("llama_cpp")
    enabled = msgspec.json.encode([*DEMO_PLUGINS, "hermes", "llamacpp"]).decode()
    model = '[models.demo]\nsource = "jackfield:demo"\n[config.llama-cpu]\ndeterministic = true\n'
    return servers(f"enabled = {enabled}\n{model}")


@given("a server with a scripted model that thinks and calls and speaks every dialect", target_fixture="server")
def scripted_server(servers: Callable[[str], Target]) -> Target:
    """As Hermes models do; results depend on nothing but the request."""
    options = f"chat_template = {msgspec.json.encode(TOOL_TEMPLATE).decode()}\ndeterministic = true"
    enabled = ("hermes", "llguidance", "anthropic", "ollama", "llamacpp", "sqlite")
    return servers(scripted_manifest({"scripted": 'dialect = "hermes"'}, plugin=options, enabled=enabled))


@when(words("I ask {dialect:Text} for {text:Text}, whole and streamed"), target_fixture="both")
def ask_both(server: Target, dialect: str, text: str) -> tuple[Said, Said]:
    """The same request twice, but for how it is answered."""
    return _both(server, DIALECTS[dialect], text, {})


@when(words("I ask {dialect:Text} for {text:Text} with a tool, whole and streamed"), target_fixture="both")
def ask_both_with_tool(server: Target, dialect: str, text: str) -> tuple[Said, Said]:
    """The tool tells the weather of a city."""
    return _both(server, DIALECTS[dialect], text, DIALECTS[dialect].tools)


@when(parsers.parse("{dialect:w} makes the model say, whole and streamed"), target_fixture="both")
def says_both(server: Target, dialect: str, docstring: str) -> tuple[Said, Said]:
    """A scripted model's text, with a tool that it may call."""
    return _both(server, DIALECTS[dialect], told(docstring), DIALECTS[dialect].tools)


@then("both say the same, and took the same tokens")
def same(both: tuple[Said, Said]) -> None:
    """Text, thoughts, calls, reason and usage."""
    whole, streamed = both
    assert whole == streamed
    assert whole.usage[0] > 0
    assert whole.text or whole.thoughts or whole.calls


@then(words("both think {thoughts:Text} and say {text:Text}"))
def both_think(both: tuple[Said, Said], thoughts: str, text: str) -> None:
    """Apart."""
    assert [(said.thoughts.strip(), said.text.strip()) for said in both] == [(thoughts, text)] * 2


@then(words("both call the tool for {city:Text}"))
def both_call(both: tuple[Said, Said], city: str) -> None:
    """Once."""
    for said in both:
        [(name, arguments)] = said.calls
        assert (name, msgspec.json.decode(arguments)) == ("get_weather", {"city": city})


def _both(server: Target, dialect: Dialect, text: str, more: Mapping[str, JsonValue]) -> tuple[Said, Said]:
    body = {**dialect.body(text), **more}
    if dialect.path != "/completion":
        body["model"] = server.client.model
    whole = _asked(server, dialect.path, body)
    streamed = _asked(server, dialect.path, {**body, **dialect.stream})
    return dialect.whole(msgspec.json.decode(whole.body)), dialect.streamed(list(_events(streamed)))


def _asked(server: Target, path: str, body: dict[str, JsonValue]) -> Reply:
    reply = server.run(server.client.request("POST", path, body))
    assert reply.status == HTTPStatus.OK, reply.summary
    return reply


def _events(reply: Reply) -> Iterable[Event]:
    if reply.headers["Content-Type"].startswith("application/x-ndjson"):
        yield from (msgspec.json.decode(line, type=dict[str, Any]) for line in reply.body.splitlines())
        return
    for item in SseParser().feed(reply.body):
        if isinstance(item, SseEvent) and item.data != "[DONE]":
            yield msgspec.json.decode(item.data, type=dict[str, Any])


# --- OpenAI: chats, completions, responses ---------------------------------------------------------------------------


def _openai_usage(usage: Event) -> tuple[int, ...]:
    details = usage["completion_tokens_details"]
    return usage["prompt_tokens"], usage["completion_tokens"], details["reasoning_tokens"]


def _chat(answer: Event) -> Said:
    [choice] = answer["choices"]
    message = choice["message"]
    return Said(
        text=message["content"] or "",
        thoughts=message.get("reasoning_content", ""),
        calls=tuple(_function(call["function"]) for call in message.get("tool_calls", ())),
        reason=choice["finish_reason"],
        usage=_openai_usage(answer["usage"]),
    )


def _function(function: Event) -> tuple[str, str]:
    return function["name"], function["arguments"]


def _streamed_chat(chunks: Sequence[Event]) -> Said:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    parts = [call for delta in deltas for call in delta.get("tool_calls", ())]
    names = {call["index"]: call["function"]["name"] for call in parts if "id" in call}
    return Said(
        text="".join(delta.get("content") or "" for delta in deltas),
        thoughts="".join(delta.get("reasoning_content") or "" for delta in deltas),
        calls=tuple(
            (name, "".join(call["function"]["arguments"] for call in parts if call["index"] == index))
            for index, name in names.items()
        ),
        reason=_reason(choice for chunk in chunks for choice in chunk["choices"]),
        usage=_openai_usage(chunks[-1]["usage"]),
    )


def _reason(choices: Iterable[Event]) -> str:
    [reason] = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    return str(reason)


def _completion(answer: Event) -> Said:
    [choice] = answer["choices"]
    return Said(text=choice["text"], reason=choice["finish_reason"], usage=_openai_usage(answer["usage"]))


def _streamed_completion(chunks: Sequence[Event]) -> Said:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    text = "".join(choice["text"] for choice in choices)
    return Said(text=text, reason=_reason(choices), usage=_openai_usage(chunks[-1]["usage"]))


def _response(answer: Event) -> Said:
    parts = [part for item in answer["output"] for part in item.get("content", ())]
    usage = answer["usage"]
    return Said(
        text="".join(part["text"] for part in parts if part["type"] == "output_text"),
        thoughts="".join(part["text"] for part in parts if part["type"] == "reasoning_text"),
        calls=tuple(_function(item) for item in answer["output"] if item["type"] == "function_call"),
        reason=answer["status"],
        usage=(usage["input_tokens"], usage["output_tokens"], usage["output_tokens_details"]["reasoning_tokens"]),
    )


def _streamed_response(events: Sequence[Event]) -> Said:
    def texts(kind: str) -> str:
        return "".join(event["delta"] for event in events if event["type"] == f"response.{kind}.delta")

    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    last = _response(events[-1]["response"])
    return msgspec.structs.replace(
        last,
        text=texts("output_text"),
        thoughts=texts("reasoning_text"),
        calls=tuple(_function(item) for item in items if item["type"] == "function_call"),
    )


# --- Anthropic -------------------------------------------------------------------------------------------------------


def _claude_usage(usage: Event) -> tuple[int, ...]:
    return usage["input_tokens"] + usage["cache_read_input_tokens"], usage["output_tokens"]


def _message(answer: Event) -> Said:
    blocks = answer["content"]
    return Said(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        thoughts="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        calls=tuple(
            (block["name"], msgspec.json.encode(block["input"]).decode())
            for block in blocks
            if block["type"] == "tool_use"
        ),
        reason=answer["stop_reason"],
        usage=_claude_usage(answer["usage"]),
    )


def _streamed_message(events: Sequence[Event]) -> Said:
    blocks: list[Event] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append({**event["content_block"], "partial_json": ""})
        elif event["type"] == "content_block_delta":
            for name, text in event["delta"].items():
                if name != "type":
                    blocks[event["index"]][name] += text
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = msgspec.json.decode(block["partial_json"])
    [end] = [event for event in events if event["type"] == "message_delta"]
    return _message({"content": blocks, "stop_reason": end["delta"]["stop_reason"], "usage": end["usage"]})


# --- Ollama and llama-server -----------------------------------------------------------------------------------------


def _lines(lines: Sequence[Event]) -> Said:
    messages = [line.get("message") or {"content": line["response"], **line} for line in lines]
    calls = [call["function"] for message in messages for call in message.get("tool_calls", ())]
    last = lines[-1]
    return Said(
        text="".join(message["content"] for message in messages),
        thoughts="".join(message.get("thinking", "") for message in messages),
        calls=tuple((call["name"], msgspec.json.encode(call["arguments"]).decode()) for call in calls),
        reason=last["done_reason"],
        usage=(last["prompt_eval_count"], last["eval_count"]),
    )


def _contents(events: Sequence[Event]) -> Said:
    last = events[-1]
    return Said(
        text="".join(event["content"] for event in events),
        reason=last["stop_type"],
        usage=(last["tokens_evaluated"], last["tokens_predicted"]),
    )


def _messages(text: str) -> JsonValue:
    return [{"role": "user", "content": text}]


DIALECTS: Final[Mapping[str, Dialect]] = {
    "chats": Dialect(
        path="/v1/chat/completions",
        body=lambda text: {"messages": _messages(text), "max_tokens": TOKENS, **_DRAWN},
        tools={"tools": _TOOLS},
        whole=_chat,
        streamed=_streamed_chat,
        stream={"stream": True, "stream_options": {"include_usage": True}},
    ),
    "completions": Dialect(
        path="/v1/completions",
        body=lambda text: {"prompt": text, "max_tokens": TOKENS, **_DRAWN},
        whole=_completion,
        streamed=_streamed_completion,
        stream={"stream": True, "stream_options": {"include_usage": True}},
    ),
    "responses": Dialect(
        path="/v1/responses",
        body=lambda text: {"input": text, "max_output_tokens": TOKENS, **_DRAWN},
        tools={"tools": [{"type": "function", **_FUNCTION}]},
        whole=_response,
        streamed=_streamed_response,
    ),
    "messages": Dialect(
        path="/v1/messages",
        # this dialect has no seed
        body=lambda text: {"messages": _messages(text), "max_tokens": TOKENS, "temperature": 0},
        tools={"tools": [{"name": _FUNCTION["name"], "input_schema": _SCHEMA}]},
        whole=_message,
        streamed=_streamed_message,
    ),
    "ollama": Dialect(
        path="/api/chat",
        body=lambda text: {
            "messages": _messages(text),
            "stream": False,
            "options": {"num_predict": TOKENS, **_DRAWN},
        },
        tools={"tools": _TOOLS},
        whole=lambda line: _lines([line]),
        streamed=_lines,
    ),
    "generate": Dialect(
        path="/api/generate",
        body=lambda text: {"prompt": text, "stream": False, "options": {"num_predict": TOKENS, **_DRAWN}},
        whole=lambda line: _lines([line]),
        streamed=_lines,
    ),
    "llamacpp": Dialect(
        path="/completion",
        body=lambda text: {"prompt": text, "n_predict": TOKENS, **_DRAWN},
        whole=lambda answer: _contents([answer]),
        streamed=_contents,
    ),
}
"""By the names that scenarios call them."""
