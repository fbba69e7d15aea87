"""Bodies to requests."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatPrompt, Message, Thinking, ToolCall, ToolChoice
from jackfield.errors import ClientError, InvalidRequest, MalformedBody, UnknownField, UnsupportedField
from jackfield.ports.constraint import JsonObject, JsonSchema
from jackfield_anthropic import fields
from jackfield_anthropic.decode import decode_count, decode_messages

if TYPE_CHECKING:
    from jackfield.frontends.rules import Mode
    from jackfield_anthropic.bodies import Call

USER = {"role": "user", "content": "hi"}
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Zürich"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1"}


def decode(mode: Mode = "strict", **more: object) -> Call:
    """A body with *more* fields."""
    body = {"model": "demo", "max_tokens": 64, "messages": [USER], **more}
    return decode_messages(msgspec.json.encode(body), mode)


def prompt(**more: object) -> ChatPrompt:
    """What such a body asks."""
    asked = decode("strict", **more).request.prompt
    assert isinstance(asked, ChatPrompt)
    return asked


def refused(**more: object) -> str | None:
    """The path that a body is refused with."""
    with pytest.raises(InvalidRequest) as raised:
        decode("strict", **more)
    return raised.value.param


def test_a_plain_body() -> None:
    """Nothing is made up."""
    call = decode()
    assert call.request.model == "demo"
    assert call.request.max_tokens == 64
    assert call.request.prompt == ChatPrompt((Message("user", "hi"),), thinking=Thinking(param="output_config.effort"))
    assert (call.stream, call.shows_thoughts, call.ignored) == (False, True, ())


def test_drawing() -> None:
    """Each field under its name."""
    request = decode(temperature=0.5, top_p=0.9, top_k=40, stop_sequences=["a", "b"], stream=True).request
    assert (request.sampling.temperature, request.sampling.top_p, request.sampling.top_k) == (0.5, 0.9, 40)
    assert request.stop == ("a", "b")


def test_system_and_neighbours() -> None:
    """Blocks are joined; neighbours of one role are one turn."""
    asked = prompt(
        system=[{"type": "text", "text": "Be"}, {"type": "text", "text": "brief.", "cache_control": {"type": "x"}}],
        messages=[USER, {"role": "user", "content": [{"type": "text", "text": "there"}]}],
    )
    assert asked.messages == (Message("system", "Be\nbrief."), Message("user", "hi\nthere"))


def test_an_empty_turn_is_a_turn() -> None:
    """What the user says before and after it is not said at once."""
    hidden = [{"type": "redacted_thinking", "data": "abc"}]
    for content in ([], hidden):
        asked = prompt(messages=[USER, {"role": "assistant", "content": content}, USER])
        assert asked.messages == (Message("user", "hi"), Message("assistant", ""), Message("user", "hi"))


def test_a_conversation_with_tools() -> None:
    """Thoughts, texts, calls and results reach the template."""
    asked = prompt(
        messages=[
            USER,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "abc"},
                    {"type": "text", "text": "Let me "},
                    {"type": "text", "text": "see."},
                    USE,
                ],
            },
            {
                "role": "user",
                "content": [{**RESULT, "content": "storm", "is_error": True}, {"type": "text", "text": "so?"}],
            },
        ],
        tools=[{**TOOL, "strict": True, "description": "what it is like"}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
    )
    call = ToolCall("toolu_1", "weather", '{"city":"Zürich"}')
    assert asked.messages[1:] == (
        Message("assistant", "Let me see.", tool_calls=(call,), reasoning="Hm."),
        Message("tool", "Error: storm", tool_call_id="toolu_1", name="weather"),
        Message("user", "so?"),
    )
    [tool] = asked.tools
    assert (tool.name, tool.description, tool.strict, tool.param) == (
        "weather",
        "what it is like",
        True,
        "tools[0].input_schema",
    )
    assert (asked.tool_choice, asked.parallel_tool_calls) == (ToolChoice("required"), False)


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"type": "auto"}, ToolChoice()),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "tool", "name": "weather"}, ToolChoice("required", ("weather",))),
    ],
)
def test_choices(choice: object, wanted: ToolChoice) -> None:
    """Under their names here."""
    assert prompt(tools=[TOOL], tool_choice=choice).tool_choice == wanted


def test_a_beginning_is_gone_on_with() -> None:
    """Where the last message is the assistant's."""
    asked = prompt(messages=[USER, {"role": "assistant", "content": "The answer is"}])
    assert asked.continue_final
    assert asked.messages[-1] == Message("assistant", "The answer is")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, Thinking(param="output_config.effort")),
        ({"thinking": {"type": "adaptive"}}, Thinking(param="output_config.effort")),
        ({"thinking": {"type": "disabled"}}, Thinking(enabled=False, param="thinking")),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            Thinking(enabled=True, budget=2048, param="thinking"),
        ),
        ({"output_config": {"effort": "xhigh"}}, Thinking(effort="xhigh", param="output_config.effort")),
        ({"output_config": {"effort": "low"}}, Thinking(effort="low", param="output_config.effort")),
    ],
)
def test_thinking(given: dict[str, object], wanted: Thinking) -> None:
    """What is not said is the model's own affair."""
    assert prompt(**given).thinking == wanted


def test_thoughts_can_be_kept_out_of_sight() -> None:
    """By ``display``."""
    assert not decode(thinking={"type": "adaptive", "display": "omitted"}).shows_thoughts


def test_shapes() -> None:
    """A schema; an empty one is any object."""
    shape = {"type": "json_schema", "schema": {"type": "array"}}
    constraint = decode(output_config={"format": shape}).request.constraint
    assert constraint == JsonSchema('{"type":"array"}', "output_config.format.schema")
    shape["schema"] = {}
    assert decode(output_config={"format": shape}).request.constraint == JsonObject("output_config.format.schema")


def test_shapes_by_their_former_name() -> None:
    """Under one of the two."""
    shape = {"type": "json_schema", "schema": {"type": "array"}}
    constraint = decode(output_format=shape).request.constraint
    assert constraint == JsonSchema('{"type":"array"}', "output_format.schema")
    assert refused(output_format=shape, output_config={"format": shape}) == "output_format"


@pytest.mark.parametrize(
    ("given", "ignored"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, ("thinking",)),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, ("output_config.effort",)),
        ({"thinking": {"type": "disabled"}}, ()),
        ({}, ()),
    ],
)
def test_thoughts_are_left_out_where_a_model_has_none(given: dict[str, object], ignored: tuple[str, ...]) -> None:
    """The gateway would refuse them; a model that thinks is asked."""
    body = {"model": "demo", "messages": [USER], **given}
    data = msgspec.json.encode({**body, "max_tokens": 5})
    call = decode_messages(data, "warn", lambda name: name != "demo")
    assert call.ignored == ignored
    assert isinstance(call.request.prompt, ChatPrompt)
    assert not call.request.prompt.thinking.enabled
    assert call.request.prompt.thinking.effort is None
    assert decode_count(msgspec.json.encode(body), "warn", lambda _: False)[1] == ignored
    assert decode_messages(data, "warn", lambda name: name == "demo").ignored == ()


def test_the_users_name() -> None:
    """It may be anything, or missing."""
    assert decode(metadata={"user_id": "me"}).user == "me"
    assert decode(metadata={"user_id": None}).user == decode(metadata={}).user == decode().user == ""


@pytest.mark.parametrize("keep", ["all", {"type": "all"}])
def test_thoughts_may_be_kept(keep: object) -> None:
    """They all are."""
    edit = {"type": "clear_thinking_20251015", "keep": keep}
    assert prompt(context_management={"edits": [edit]}) == prompt(context_management={"edits": []}) == prompt()


def test_what_is_a_header_is_no_prompt() -> None:
    """It differs from request to request, and stands in front."""
    header = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=1;"}
    call = decode(system=[header, {"type": "text", "text": "Be brief."}])
    assert call.request.prompt == prompt(system="Be brief.")
    assert call.ignored == ("system[0]",)
    assert prompt(system=[header]) == prompt()


@pytest.mark.parametrize(
    "more", [{"fallback_credit_token": "x"}, {"billing_policy": {"type": "billing_policy", "bill_to": "self"}}]
)
def test_nothing_is_billed(more: dict[str, object]) -> None:
    """What only says who pays is accepted."""
    assert prompt(**more) == prompt()


def test_counting_asks_the_same_prompt() -> None:
    """Without a limit."""
    body = {"model": "demo", "messages": [USER], "system": "Be brief.", "tools": [TOOL]}
    question, ignored = decode_count(msgspec.json.encode(body), "strict")
    assert (question.model, question.prompt) == ("demo", prompt(system="Be brief.", tools=[TOOL]))
    assert ignored == ()


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"model": None}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "poem"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [USE]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [RESULT]}]}, "messages[0].content[0].tool_use_id"),
        ({"messages": [USER, {"role": "assistant", "content": [USE]}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": [{**USE, "input": [1]}]}]}, "messages[0].content[0].input"),
        ({"messages": [{**USER, "name": "x"}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "content": "x"}] * 2049}, "messages"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "tool", "name": "x"}}, "tool_choice"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"thinking": {"type": "disabled", "depth": 1}}, "thinking.depth"),
        ({"output_config": {"format": {"type": "xml", "schema": {}}}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema", "schema": 1}}}, "output_config.format.schema"),
        ({"metadata": {"user": "x"}}, "metadata.user"),
        ({"stop_sequences": ["x"] * 17}, "stop_sequences"),
        ({"stop_sequences": ["a", ""]}, "stop_sequences[1]"),
        ({"stop_sequences": ["x" * 513]}, "stop_sequences[0]"),
        ({"container": "c"}, "container"),
        ({"compaction": {"type": "summarize"}}, "compaction"),
        ({"thread": {"type": "create"}}, "thread"),
        ({"fallbacks": "default"}, "fallbacks"),
        ({"billing_policy": {"type": "billing_policy", "bill_to": "user_profile"}}, "billing_policy"),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, "context_management"),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, "context_management"),
        ({"context_management": {"edit": []}}, "context_management.edit"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_format": {"type": "json_schema"}}, "output_format.schema"),
        ({"output_format": {"type": "json_schema", "schema": {}, "name": "x"}}, "output_format.name"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {}, "name": "x"}}},
            "output_config.format.name",
        ),
        ({"tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]}, "tools[0].type"),
        ({"tools": [{}]}, "tools[0].name"),
    ],
)
def test_what_is_refused(more: dict[str, object], path: str) -> None:
    """By its path."""
    assert refused(**more) == path


@pytest.mark.parametrize("name", sorted(fields.MESSAGES_HONOURED | fields.MESSAGES.keys() - {"model"}))
def test_a_name_twice_is_refused(name: str) -> None:
    """Nobody could say which one counts."""
    body = b'{"%b": null, "%b": null}' % (name.encode(), name.encode())
    with pytest.raises(MalformedBody, match="twice"):
        decode_messages(body, "warn")


@pytest.mark.parametrize("kind", sorted(fields.OTHER_BLOCKS))
def test_documented_blocks_are_refused_as_such(kind: str) -> None:
    """Not as if nobody knew them."""
    with pytest.raises(UnsupportedField, match=f"blocks of type {kind} are not supported"):
        decode(messages=[{"role": "user", "content": [{"type": kind}]}])


def test_unknown_fields() -> None:
    """Refused with a hint, left out and listed, or just left out."""
    with pytest.raises(UnknownField, match="did you mean temperature"):
        decode(temprature=1)
    assert decode("warn", temprature=1, speed="fast").ignored == ("temprature", "speed")
    assert decode("ignore", temprature=1, speed="fast").ignored == ()
    with pytest.raises(UnsupportedField):
        decode("ignore", container="mine")


def test_others_hidden_thoughts_are_left_out_and_listed() -> None:
    """In every mode that lists anything."""
    hidden = {"type": "redacted_thinking", "data": "abc"}
    turns = [USER, {"role": "assistant", "content": [hidden, {"type": "text", "text": "Yes."}]}, USER]
    call = decode(messages=turns)
    assert call.ignored == ("messages[1].content[0]",)


def test_many_messages_of_one_role_take_no_longer_than_their_text() -> None:
    """They are put together once: 8 MB of them would otherwise be copied a thousand times."""
    text = "x" * 4096
    [message] = prompt(messages=[{"role": "user", "content": text}] * 2048).messages
    assert message.content == "\n".join([text] * 2048)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from([*fields.BLOCKS, "image", "x"])
BLOCKS = st.fixed_dictionaries(
    {"type": KINDS},
    optional=dict.fromkeys(("text", "thinking", "id", "name", "input", "tool_use_id", "content", "is_error"), JSON),
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": JSON | st.lists(BLOCKS, max_size=3)}
)
FIELDS = sorted((fields.MESSAGES_HONOURED | fields.MESSAGES.keys()) - {"model", "max_tokens"})


@given(
    body=st.fixed_dictionaries(
        {"model": st.just("demo"), "max_tokens": st.just(5)},
        optional={**dict.fromkeys(FIELDS, JSON), "messages": JSON | st.lists(MESSAGES, max_size=3)},
    ),
    mode=st.sampled_from(["strict", "warn", "ignore"]),
)
def test_whatever_comes_is_a_request_or_a_refusal(body: dict[str, Any], mode: Mode) -> None:
    """Never anything else."""
    with suppress(ClientError):
        decode_messages(msgspec.json.encode(body), mode)
