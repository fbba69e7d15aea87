"""Bodies to requests."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatPrompt, Message, Thinking, ToolCall
from jackfield.errors import ClientError, InvalidRequest, ModelNotFound
from jackfield.frontends.arrays import INT32_MAX
from jackfield.ports.constraint import JsonObject, JsonSchema
from jackfield.ports.frontend import ModelCard
from jackfield.types import InfillPrompt, TextPrompt, TokenPrompt
from jackfield_ollama import fields
from jackfield_ollama.decode import decode_chat, decode_embed, decode_embeddings, decode_generate, decode_show
from jackfield_ollama.options import DEFAULTS, unloads

if TYPE_CHECKING:
    from jackfield.frontends.rules import Mode
    from jackfield.types import GenerateRequest
    from jackfield_ollama.bodies import Call

CARDS = (
    ModelCard(name="demo", aliases=("llama3.2",), created=0, ready=True, context=512),
    ModelCard(name="other:latest", aliases=(), created=0, ready=False),
)
USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def chat(mode: Mode = "strict", **more: object) -> Call:
    """A chat with *more* fields."""
    return decode_chat(msgspec.json.encode({"model": "demo", "messages": [USER], **more}), mode, CARDS)


def generate(mode: Mode = "strict", **more: object) -> Call:
    """A completion with *more* fields."""
    return decode_generate(msgspec.json.encode({"model": "demo", "prompt": "hi", **more}), mode, CARDS)


def asked(call: Call) -> GenerateRequest:
    """What is asked of the model."""
    assert call.request is not None
    return call.request


def prompt(call: Call) -> ChatPrompt:
    """The conversation that is asked."""
    made = asked(call).prompt
    assert isinstance(made, ChatPrompt)
    return made


def test_a_plain_chat() -> None:
    """It is streamed, and drawn as Ollama draws."""
    call = chat()
    assert (call.model, call.stream, call.scored, call.ignored) == ("demo", True, False, ())
    assert asked(call).prompt == ChatPrompt((Message("user", "hi"),))
    assert asked(call).sampling == DEFAULTS
    assert asked(call).max_tokens is None


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("demo", "demo"),
        ("demo:latest", "demo"),
        ("llama3.2", "demo"),
        ("llama3.2:latest", "demo"),
        ("other:latest", "other:latest"),
    ],
)
def test_names(name: str, wanted: str) -> None:
    """With or without the tag."""
    assert chat(model=name).model == wanted
    assert decode_show(msgspec.json.encode({"name": name}), "strict", CARDS)[0].name == wanted


@pytest.mark.parametrize("name", ["nobody", "demo:7b", "demo:latest:latest", "latest"])
def test_unknown_names(name: str) -> None:
    """404."""
    with pytest.raises(ModelNotFound):
        chat(model=name)


def test_options() -> None:
    """Each under its name; what is not given is Ollama's default."""
    given = {
        "temperature": 0,
        "top_k": -1,
        "top_p": 0.5,
        "min_p": 0.1,
        "typical_p": 0.9,
        "repeat_last_n": -1,
        "repeat_penalty": 1.3,
        "presence_penalty": 1,
        "frequency_penalty": 2,
        "mirostat": 2,
        "mirostat_tau": 4,
        "mirostat_eta": 0.2,
        "seed": 42,
    }
    request = asked(chat(options={**given, "num_predict": 9, "num_ctx": 512, "stop": "END"}))
    assert {name: getattr(request.sampling, name) for name in given} == {**given, "top_k": 0}
    assert (request.max_tokens, request.stop) == (9, ("END",))
    assert asked(chat(options={"seed": -1})).sampling.seed is None
    assert asked(chat(options={"stop": ["a", "b"]})).stop == ("a", "b")


@pytest.mark.parametrize(("given", "wanted"), [(-1, INT32_MAX), (-2, INT32_MAX), (0, None), (None, None), (5, 5)])
def test_lengths(given: int | None, wanted: int | None) -> None:
    """Negative ones go on to the end of the context."""
    assert asked(chat(options={"num_predict": given})).max_tokens == wanted


def test_what_is_left_out_is_listed() -> None:
    """In mode ``warn``; in mode ``strict`` it is refused, in mode ``ignore`` it is not even listed."""
    more: dict[str, object] = {"options": {"num_gpu": 1, "num_ctx": 4096, "x": 1}, "keep_alive": 0, "truncate": True}
    assert set(chat("warn", **more).ignored) == {
        "options.num_gpu",
        "options.num_ctx",
        "options.x",
        "keep_alive",
        "truncate",
    }
    assert chat("ignore", **more).ignored == ()
    for name, value in more.items():
        with pytest.raises(InvalidRequest):
            chat("strict", **{name: value})


@pytest.mark.parametrize("value", [5, -1, 1.5, "5m", "1h30m", "-1", "300", "-1m", None], ids=repr)
def test_models_stay_loaded(value: float | str | None) -> None:
    """However long."""
    assert chat(keep_alive=value).ignored == ()


@pytest.mark.parametrize("value", [0, 0.0, "0", "0s", "-0", "0m0s"], ids=repr)
def test_none_is_unloaded(value: float | str) -> None:
    """Alone it is a request to unload, in every mode; with a prompt the answer is the same."""
    assert unloads(value)
    assert generate("warn", keep_alive=value).ignored == ("keep_alive",)
    alone = generate("ignore", prompt="", keep_alive=value)
    assert (alone.request, alone.unloads) == (None, True)


def test_a_request_without_a_prompt() -> None:
    """Asks for nothing but the model."""
    for alone in (chat(messages=[]), generate(prompt=None), generate(prompt="", keep_alive="5m")):
        assert (alone.request, alone.unloads) == (None, False)


def test_prompts_of_completions() -> None:
    """Through the template, raw, or around a gap."""
    assert prompt(generate(system="Be brief.")).messages == (Message("system", "Be brief."), Message("user", "hi"))
    assert asked(generate(raw=True)).prompt == TextPrompt("hi")
    assert asked(generate(suffix="end")).prompt == InfillPrompt("hi", "end")


@pytest.mark.parametrize(
    ("think", "wanted"),
    [
        (None, Thinking()),
        (True, Thinking(enabled=True, param="think")),
        (False, Thinking(enabled=False, param="think")),
        ("high", Thinking(enabled=True, effort="high", param="think")),
    ],
)
def test_thinking(think: bool | str | None, wanted: Thinking) -> None:  # noqa: FBT001 -- pytest passes by name
    """In chats and completions."""
    assert prompt(chat(think=think)).thinking == wanted
    assert prompt(generate(think=think)).thinking == wanted


def test_shapes() -> None:
    """JSON of any kind, or of a schema."""
    assert asked(chat(format="")).constraint is None
    assert asked(chat(format="json")).constraint == JsonObject("format")
    assert asked(chat(format={})).constraint == JsonObject("format")
    assert asked(generate(format={"type": "array"})).constraint == JsonSchema('{"type":"array"}', "format")


def test_a_conversation_with_tools() -> None:
    """Results find their calls by name, in order."""
    calls = [{"function": {"name": "weather", "arguments": {"city": city}}} for city in ("Paris", "Rome")]
    turns = [
        USER,
        {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": calls},
        {"role": "tool", "tool_name": "weather", "content": "sun"},
        {"role": "tool", "tool_name": "weather", "content": "rain"},
    ]
    asked_prompt = prompt(chat(messages=turns, tools=[TOOL]))
    first, second = (ToolCall(f"call_{n}", "weather", f'{{"city":"{c}"}}') for n, c in ((1, "Paris"), (2, "Rome")))
    assert asked_prompt.messages[1:] == (
        Message("assistant", "", tool_calls=(first, second), reasoning="Hm."),
        Message("tool", "sun", tool_call_id="call_1", name="weather"),
        Message("tool", "rain", tool_call_id="call_2", name="weather"),
    )
    assert [tool.name for tool in asked_prompt.tools] == ["weather"]


def test_a_beginning_is_gone_on_with() -> None:
    """Where the last message is the assistant's."""
    assert prompt(chat(messages=[USER, {"role": "assistant", "content": "The"}])).continue_final


def test_log_probabilities() -> None:
    """With so many others."""
    assert asked(chat(logprobs=True, top_logprobs=3)).logprobs == 3
    assert asked(chat(logprobs=True)).logprobs == 0
    assert chat(logprobs=True).scored


def test_embeddings() -> None:
    """Of texts or tokens; of length 1, or as they are."""

    def embed(**more: object) -> Any:
        return decode_embed(msgspec.json.encode({"model": "demo", **more}), "strict", CARDS).request

    assert embed(input="a").inputs == (TextPrompt("a"),)
    assert embed(input=["a", "b"], dimensions=4).dimensions == 4
    assert embed(input=[1, 2]).inputs == (TokenPrompt((1, 2)),)
    assert embed(input=[]) is None
    assert embed() is None
    old = decode_embeddings(b'{"model": "demo", "prompt": "a"}', "strict", CARDS).request
    assert old is not None
    assert (old.inputs, old.normalize) == ((TextPrompt("a"),), False)
    assert decode_embeddings(b'{"model": "demo"}', "strict", CARDS).request is None


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"model": None}, "model"),
        ({"messages": [{"role": "developer"}]}, "messages[0].role"),
        ({"messages": [{**USER, "images": ["aGk="]}]}, "messages[0].images"),
        ({"messages": [{**USER, "tool_calls": [{"function": {"name": "x"}}]}]}, "messages[0].tool_calls"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "x", "arguments": "{}"}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "x"}, "strict": True}]}]},
            "messages[0].tool_calls[0].strict",
        ),
        ({"messages": [{"role": "user"}] * 2049}, "messages"),
        ({"format": "xml"}, "format"),
        ({"format": 1}, "format"),
        ({"think": ""}, "think"),
        ({"think": "weird"}, "think"),
        ({"keep_alive": "soon"}, "keep_alive"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"options": 1}, "options"),
        ({"options": {"temperature": 3}}, "options.temperature"),
        ({"options": {"top_k": "x"}}, "options.top_k"),
        ({"options": {"stop": ["x"] * 17}}, "options.stop"),
        ({"options": {"num_gpu": 3}}, "options.num_gpu"),
        ({"options": {"topk": 3}}, "options.topk"),
    ],
)
def test_what_a_chat_is_refused_for(more: dict[str, object], path: str) -> None:
    """By its path."""
    with pytest.raises(InvalidRequest) as raised:
        chat("strict", **more)
    assert raised.value.param == path


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"images": ["aGk="]}, "images"),
        ({"context": [1, 2]}, "context"),
        ({"template": "{{ .Prompt }}"}, "template"),
        ({"_debug_render_only": True}, "_debug_render_only"),
        ({"raw": True, "system": "x"}, "raw"),
        ({"suffix": "x", "think": True}, "suffix"),
        ({"width": 64}, "width"),
    ],
)
def test_what_a_completion_is_refused_for(more: dict[str, object], path: str) -> None:
    """By its path, in every mode: the answer would be another one."""
    modes: tuple[Mode, ...] = ("strict", "warn", "ignore")
    for mode in modes:
        with pytest.raises(InvalidRequest) as raised:
            generate(mode, **more)
        assert raised.value.param == path


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"])},
    optional=dict.fromkeys(sorted(fields.MESSAGE_HONOURED - {"role"}), JSON),
)
OPTIONS = st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(fields.OPTIONS_HONOURED), JSON))
NAMES = sorted(
    (fields.CHAT_HONOURED | fields.GENERATE_HONOURED | fields.EMBED_HONOURED) - {"model", "messages", "options"}
)


@given(
    body=st.fixed_dictionaries(
        {"model": st.just("demo")},
        optional={
            **dict.fromkeys(NAMES, JSON),
            "messages": JSON | st.lists(MESSAGES, max_size=3),
            "options": JSON | OPTIONS,
        },
    ),
    decode=st.sampled_from([decode_chat, decode_generate, decode_embed, decode_embeddings, decode_show]),
)
def test_whatever_comes_is_a_request_or_a_refusal(body: dict[str, Any], decode: Any) -> None:
    """Never anything else."""
    with suppress(ClientError):
        decode(msgspec.json.encode(body), "warn", CARDS)
