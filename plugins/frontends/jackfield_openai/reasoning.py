"""Whether, and how much, the model thinks: one record from the many names that clients have for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from jackfield.chat import Thinking
from jackfield.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield_openai.bodies import ChatBody

Value = TypeVar("Value")


def read_thinking(body: ChatBody) -> Thinking:
    """What *body* asks for.

    ``reasoning_effort`` is OpenAI's, ``reasoning`` routers', ``thinking`` DeepSeek's, ``enable_thinking`` Qwen's;
    budgets are llama-server's, vLLM's and Qwen's.

    Raises:
        InvalidRequest: Two fields contradict each other; ``param`` is one of them.
    """
    effort_param, effort = _agreed(_efforts(body)) or ("", None)
    budget_param, budget = _agreed(_budgets(body)) or ("", None)
    switches = list(_switches(body))
    if effort is not None:
        switches.append((effort_param, effort != "none"))
    if budget == 0:
        switches.append((budget_param, False))
    switch_param, enabled = _agreed(iter(switches)) or ("", None)
    limited = budget if budget is not None and budget >= 0 else None
    if enabled is None and limited is None:
        return Thinking()
    return Thinking(
        enabled=enabled,
        effort=None if effort == "none" else effort,
        budget=limited,
        param=switch_param or budget_param,
    )


def reasoning_shown(body: ChatBody) -> bool:
    """Whether thoughts are part of the answer."""
    excluded = body.reasoning is not None and bool(body.reasoning.exclude)
    return body.include_reasoning is not False and not excluded


def _efforts(body: ChatBody) -> Iterator[tuple[str, str | None]]:
    yield "reasoning_effort", body.reasoning_effort
    if body.reasoning is not None:
        yield "reasoning.effort", body.reasoning.effort


def _budgets(body: ChatBody) -> Iterator[tuple[str, int | None]]:
    yield "reasoning_budget_tokens", body.reasoning_budget_tokens
    yield "thinking_budget_tokens", body.thinking_budget_tokens
    yield "thinking_token_budget", body.thinking_token_budget
    yield "thinking_budget", body.thinking_budget
    if body.reasoning is not None:
        yield "reasoning.max_tokens", body.reasoning.max_tokens
    if body.thinking is not None:
        yield "thinking.budget_tokens", body.thinking.budget_tokens


def _switches(body: ChatBody) -> Iterator[tuple[str, bool | None]]:
    yield "enable_thinking", body.enable_thinking
    wanted = (body.chat_template_kwargs or {}).get("enable_thinking")
    if isinstance(wanted, bool):
        yield "chat_template_kwargs.enable_thinking", wanted
    if body.reasoning is not None:
        yield "reasoning.enabled", body.reasoning.enabled
    if body.thinking is not None and body.thinking.type != "auto":
        yield "thinking.type", body.thinking.type == "enabled"


def _agreed(given: Iterator[tuple[str, Value | None]]) -> tuple[str, Value] | None:
    """The one value that is given, with the first path that gives it."""
    found: tuple[str, Value] | None = None
    for param, value in given:
        if value is None:
            continue
        if found is None:
            found = param, value
        elif found[1] != value:
            raise InvalidRequest(f"{param} contradicts {found[0]}; give one of them", param=param)
    return found
