"""Tools, thoughts, continued messages, tiers and scopes: what the fields of a chat become."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from jackfield.chat import ChatPrompt, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.errors import InvalidRequest, JackfieldError, UnsupportedField
from jackfield.ports.identity import Principal
from jackfield.types import InfillPrompt
from jackfield_openai.decode import decode_chat, decode_completion
from jackfield_openai.tiers import tiered

if TYPE_CHECKING:
    from jackfield_openai.bodies import Call

HI = [{"role": "user", "content": "hi"}]
WEATHER = {"name": "weather", "description": "Now.", "parameters": {"type": "object", "properties": {}}}
TIME = {"name": "time"}


def chat(**body: object) -> Call:
    """Decode a chat."""
    return decode_chat(msgspec.json.encode({"model": "demo", "messages": HI, **body}), "strict")


def prompt(**body: object) -> ChatPrompt:
    """The conversation of a chat."""
    found = chat(**body).requests[0].prompt
    assert isinstance(found, ChatPrompt)
    return found


def refused(**body: object) -> str | None:
    """Path of what is refused in a chat."""
    with pytest.raises(InvalidRequest) as error:
        chat(**body)
    return error.value.param


def test_tools_are_read() -> None:
    """Name, description, schema as it was sent, strictness."""
    found = prompt(tools=[{"type": "function", "function": {**WEATHER, "strict": True}}]).tools
    assert found == (
        Tool(
            name="weather",
            description="Now.",
            parameters='{"type":"object","properties":{}}',
            strict=True,
            param="tools[0].function.parameters",
        ),
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", ToolChoice("none")),
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "time"}}, ToolChoice("required", ("time",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "time"}}]},
            },
            ToolChoice("auto", ("time",)),
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"function": {"name": "time"}}]}},
            ToolChoice("required", ("time",)),
        ),
    ],
)
def test_choices_among_tools(choice: object, expected: ToolChoice) -> None:
    """Every form that OpenAI documents."""
    tools = [{"type": "function", "function": WEATHER}, {"type": "function", "function": TIME}]
    assert prompt(tools=tools, tool_choice=choice).tool_choice == expected


def test_a_named_function_is_called_once() -> None:
    """As OpenAI has it; a demand without a name may be met by several calls."""
    tools = [{"type": "function", "function": WEATHER}]
    named = {"type": "function", "function": {"name": "weather"}}
    assert not prompt(tools=tools, tool_choice=named).parallel_tool_calls
    assert not prompt(tools=tools, tool_choice=named, parallel_tool_calls=True).parallel_tool_calls
    assert prompt(tools=tools, tool_choice="required").parallel_tool_calls


def test_functions_are_tools() -> None:
    """The old names say the same; one call is all that their answers have room for."""
    call = chat(functions=[WEATHER], function_call={"name": "weather"})
    found = call.requests[0].prompt
    assert isinstance(found, ChatPrompt)
    assert call.functions
    assert found.tools[0].name == "weather"
    assert found.tools[0].param == "functions[0].parameters"
    assert found.tool_choice == ToolChoice("required", ("weather",))
    assert not found.parallel_tool_calls
    assert prompt(functions=[WEATHER], function_call="none").callable == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"functions": [TIME], "tools": [{"type": "function", "function": TIME}]}, "functions"),
        ({"functions": [TIME], "tool_choice": "auto"}, "functions"),
        ({"functions": [TIME], "function_call": "required"}, "function_call"),
        ({"functions": [TIME], "function_call": {"name": "other"}}, "function_call"),
        ({"functions": [{"description": "no name"}]}, "functions[0].name"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": TIME}] * 2}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"messages": [{"role": "tool", "content": "4"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "function", "content": "4"}]}, "messages[0].name"),
        (
            {"messages": [{"role": "user", "content": "4", "tool_calls": [{"function": {"name": "f"}}]}]},
            "messages[0].tool_calls",
        ),
        (
            {"messages": [{"role": "user", "content": "4", "function_call": {"name": "f"}}]},
            "messages[0].function_call",
        ),
    ],
)
def test_what_is_wrong_with_tools_is_named(body: dict[str, object], param: str) -> None:
    """By its path."""
    assert refused(**body) == param


def test_calls_and_results_of_the_history() -> None:
    """By both names; a call of the older kind gets an id that its result finds."""
    found = prompt(
        messages=[
            *HI,
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "I look.",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "time", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "12:00"},
            {"role": "assistant", "content": None, "function_call": {"name": "time", "arguments": "{}"}},
            {"role": "function", "name": "time", "content": "12:01"},
        ]
    )
    assert found.messages[1:] == (
        Message("assistant", "", tool_calls=(ToolCall("c1", "time", "{}"),), reasoning="I look."),
        Message("tool", "12:00", tool_call_id="c1"),
        Message("assistant", "", tool_calls=(ToolCall("call_time", "time", "{}"),)),
        Message("tool", "12:01", tool_call_id="call_time", name="time"),
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"reasoning_effort": "none"}, Thinking(enabled=False)),
        ({"reasoning_effort": "xhigh"}, Thinking(enabled=True, effort="xhigh")),
        ({"reasoning": {"effort": "low"}}, Thinking(enabled=True, effort="low", param="reasoning.effort")),
        ({"reasoning": {"max_tokens": 9}}, Thinking(budget=9, param="reasoning.max_tokens")),
        ({"reasoning": {"enabled": True}}, Thinking(enabled=True, param="reasoning.enabled")),
        ({"thinking": {"type": "disabled"}}, Thinking(enabled=False, param="thinking.type")),
        ({"enable_thinking": True}, Thinking(enabled=True, param="enable_thinking")),
        ({"thinking_budget_tokens": 5}, Thinking(budget=5, param="thinking_budget_tokens")),
        ({"thinking_token_budget": 5}, Thinking(budget=5, param="thinking_token_budget")),
        ({"thinking_budget": 5}, Thinking(budget=5, param="thinking_budget")),
        (
            {"reasoning_budget_tokens": 0},
            Thinking(enabled=False, budget=0, param="reasoning_budget_tokens"),
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 7}},
            Thinking(enabled=True, budget=7, param="thinking.type"),
        ),
        (
            {"chat_template_kwargs": {"enable_thinking": False}},
            Thinking(enabled=False, param="chat_template_kwargs.enable_thinking"),
        ),
        ({"reasoning_effort": "high", "reasoning_budget_tokens": -1}, Thinking(enabled=True, effort="high")),
    ],
)
def test_thoughts_are_asked_for_by_many_names(body: dict[str, object], expected: Thinking) -> None:
    """All become one record, which names the field for errors."""
    assert prompt(**body).thinking == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"reasoning_effort": "none", "enable_thinking": True}, "reasoning_effort"),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, "reasoning.effort"),
        ({"thinking_budget": 5, "thinking_token_budget": 6}, "thinking_budget"),
        ({"reasoning_effort": "high", "reasoning_budget_tokens": 0}, "reasoning_budget_tokens"),
        ({"reasoning_effort": "most"}, "reasoning_effort"),
        ({"reasoning": {"efforts": "low"}}, "reasoning.efforts"),
        ({"reasoning_budget_tokens": -2}, "reasoning_budget_tokens"),
    ],
)
def test_contradictions_about_thoughts_are_refused(body: dict[str, object], param: str) -> None:
    """And values that nobody has."""
    assert refused(**body) == param


@pytest.mark.parametrize(
    ("body", "shown"),
    [({}, True), ({"include_reasoning": False}, False), ({"reasoning": {"exclude": True}}, False)],
)
def test_thoughts_can_be_left_out(body: dict[str, object], shown: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """The model thinks all the same."""
    assert chat(**body).reasoning_shown is shown


BEGUN = [*HI, {"role": "assistant", "content": "The answer"}]


@pytest.mark.parametrize(
    ("body", "continued"),
    [
        ({}, False),
        ({"messages": BEGUN}, True),
        ({"messages": BEGUN, "continue_final_message": True, "add_generation_prompt": False}, True),
        ({"messages": BEGUN, "continue_final_message": False}, False),
        ({"messages": BEGUN, "add_generation_prompt": True}, False),
        ({"messages": BEGUN, "add_generation_prompt": False}, True),
        (
            {"messages": [*HI, {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": "f"}}]}]},
            False,
        ),
    ],
)
def test_which_messages_are_continued(body: dict[str, object], continued: bool) -> None:  # noqa: FBT001 -- pytest passes by name
    """The assistant's last one, unless the client says otherwise."""
    assert prompt(**body).continue_final is continued


def test_what_cannot_be_continued_is_refused() -> None:
    """Another's message, and two fields that contradict each other."""
    assert refused(continue_final_message=True) == "messages"
    assert refused(messages=BEGUN, continue_final_message=True, add_generation_prompt=True) == "continue_final_message"
    assert refused(add_generation_prompt=False) == "add_generation_prompt"


def principal(priority: int) -> Principal:
    """A caller that may have priorities from *priority* on."""
    return Principal(id="p", name="ann", fingerprint="abc123", priority=priority)


@pytest.mark.parametrize(
    ("tier", "least", "priority", "served"),
    [
        (None, None, None, None),
        ("auto", None, None, "default"),
        ("scale", -100, None, "default"),
        ("flex", None, 10, "flex"),
        ("priority", None, -10, "priority"),
        ("priority", -100, -10, "priority"),
        ("priority", -5, -5, "priority"),
        ("priority", 0, 0, "default"),
        ("priority", 20, 20, "default"),
        ("flex", 5, 10, "flex"),
        ("flex", 20, 20, "default"),
    ],
)
def test_tiers_are_priorities_within_what_the_key_allows(
    tier: str | None, least: int | None, priority: int | None, served: str | None
) -> None:
    """The answer says what was really given."""
    call = tiered(chat(service_tier=tier), None if least is None else principal(least))
    assert (call.requests[0].priority, call.tier) == (priority, served)


def test_a_tier_and_a_priority_contradict() -> None:
    """And a tier that nobody has."""
    assert refused(service_tier="flex", priority=3) == "service_tier"
    assert refused(service_tier="gold") == "service_tier"
    assert chat(service_tier="auto", priority=3).requests[0].priority == 3


def test_a_cache_key_narrows_the_salt() -> None:
    """Two requests share prefixes only where both are the same; one cannot pass for the other."""
    salts = [
        chat(**body).requests[0].cache_salt
        for body in (
            {},
            {"cache_salt": "a"},
            {"prompt_cache_key": "a"},
            {"cache_salt": "a", "prompt_cache_key": "b"},
            {"cache_salt": "b", "prompt_cache_key": "a"},
        )
    ]
    assert salts[:2] == ["", "a"]
    assert len(set(salts)) == len(salts)
    assert chat(prompt_cache_key="a").requests[0].cache_salt == salts[2]
    assert chat(prompt_cache_key="k" * 5000).requests[0].cache_salt


def completion(**body: object) -> Call:
    """Decode a completion."""
    return decode_completion(msgspec.json.encode({"model": "demo", "prompt": "a", **body}), "strict")


def test_a_gap_is_filled() -> None:
    """Of every prompt the same suffix."""
    prompts = [request.prompt for request in completion(prompt=["a", "b"], suffix="z").requests]
    assert prompts == [InfillPrompt("a", "z"), InfillPrompt("b", "z")]


@pytest.mark.parametrize(
    ("body", "param"), [({"echo": True, "suffix": "z"}, "echo"), ({"prompt": [1, 2], "suffix": "z"}, "suffix")]
)
def test_gaps_that_cannot_be(body: dict[str, object], param: str) -> None:
    """Nothing is echoed before a gap, and tokens have no text to stand before one."""
    with pytest.raises(JackfieldError) as error:
        completion(**body)
    assert error.value.param == param


def test_tools_of_other_kinds_are_refused() -> None:
    """There is nobody to run them."""
    with pytest.raises(UnsupportedField) as error:
        chat(tools=[{"type": "custom"}])
    assert error.value.param == "tools[0].type"
