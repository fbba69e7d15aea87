"""What a model can be asked for on this server: a record made of what backend, dialect and frontends say themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import msgspec

from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.dialect import Traits
from jackfield.types import TOP_LOGPROBS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

Need: TypeAlias = Literal[
    "chat", "documents", "infill", "matryoshka", "reasoning", "records", "structured_outputs", "tools"
]
"""What a route or a field asks of a model, beyond its task, or of the server: a store for ``records``."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one model. None is not known yet."""

    context: int | None = None
    """Longest request, prompt and answer, in tokens."""
    tasks: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    """What it reads."""
    dialect: str | None = None
    """Name of the chat dialect; None where it has none."""
    tools: bool = False
    parallel_tool_calls: bool = False
    reasoning: Literal["none", "optional", "always"] = "none"
    reasoning_efforts: tuple[str, ...] = ()
    """Values of ``reasoning_effort`` besides ``none``."""
    structured_outputs: tuple[str, ...] = ()
    """What answers can be made to look like: ``json_object``, ``json_schema``, ``regex``, ``choice``, ``grammar``."""
    top_logprobs: int | None = None
    """Most alternatives of a token; None where it draws none."""
    infill: bool = False
    """Whether it fills gaps."""
    adapters: bool = False
    """Whether adapters can be chosen."""
    matryoshka: bool = False
    """Whether its vectors can be shortened."""
    deterministic: bool = False
    """Whether the same request with the same seed always has the same answer."""
    answers: int | None = None
    """Most answers to one request."""
    endpoints: dict[str, tuple[str, ...]] = {}
    """Method and path of what it can be asked, and the fields that do something there."""


class Known(NamedTuple):
    """What a record is made of."""

    info: ModelInfo
    limits: RunnerLimits
    dialect: str | None = None
    traits: Traits | None = None
    shapes: tuple[str, ...] = ()
    """Kinds of constraints that its worker takes."""
    records: bool = False
    """Whether the server keeps what outlives a request."""
    documents: bool = False
    """Whether its chat template has a place for documents."""
    matryoshka: bool = False
    """Whether its vectors can be shortened."""


def capabilities(known: Known, endpoints: Sequence[Endpoint]) -> Capabilities:
    """The record of one model.

    Parameters:
        known: What is known of it.
        endpoints: All routes that ask a model something.

    Any thread.
    """
    info, limits, traits = known.info, known.limits, known.traits
    draws, met = "generate" in info.tasks, _met(known)
    return Capabilities(
        context=limits.context,
        tasks=info.tasks,
        modalities=info.modalities,
        dialect=known.dialect,
        tools=traits is not None and traits.tools,
        parallel_tool_calls=traits is not None and traits.tools and traits.parallel_tool_calls,
        reasoning="none" if traits is None else traits.reasoning,
        reasoning_efforts=() if traits is None else traits.efforts,
        structured_outputs=known.shapes if draws else (),
        top_logprobs=TOP_LOGPROBS_MAX if draws else None,
        infill=info.can_infill,
        matryoshka=known.matryoshka and "embed" in info.tasks,
        deterministic=limits.deterministic,
        answers=limits.max_sequences if draws else None,
        endpoints={
            each.route: tuple(name for name in each.honoured if each.fields.get(name) in {None, *met})
            for each in endpoints
            if each.task in info.tasks and met >= set(each.needs)
        },
    )


def _met(known: Known) -> AbstractSet[Need]:
    """What the model has of what routes and fields may need."""
    info, traits = known.info, known.traits
    has: dict[Need, bool] = {
        "chat": info.has_chat_template,
        "documents": known.documents,
        "infill": info.can_infill,
        "matryoshka": known.matryoshka,
        "tools": traits is not None and traits.tools,
        "reasoning": traits is not None and traits.reasoning != "none",
        "structured_outputs": bool(known.shapes),
        "records": known.records,
    }
    return {need for need, met in has.items() if met}


class Endpoint(msgspec.Struct, frozen=True):
    """A route that asks a model something."""

    route: str
    """``POST /v1/chat/completions``."""
    task: str
    honoured: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    """What a model must have besides."""
    fields: Mapping[str, Need] = {}
    """Fields that do something only where this is there; elsewhere they are refused where they ask for something."""


def endpoint_table(endpoints: Sequence[Endpoint]) -> str:
    """*endpoints* as a Markdown table: one row a route, with the fields of its body that do something."""
    rows = [["route", "needs", "honoured fields"], ["---"] * 3]
    rows += [[f"`{each.route}`", ", ".join((each.task, *each.needs)), _fields(each)] for each in endpoints]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _fields(endpoint: Endpoint) -> str:
    """Those that always do something, then those that need more."""
    by_need: dict[str, list[str]] = {}
    for name in endpoint.honoured:
        by_need.setdefault(endpoint.fields.get(name, ""), []).append(f"`{name}`")
    plain = by_need.pop("", [])
    return "; ".join([", ".join(plain), *(f"with {need}: {', '.join(by_need[need])}" for need in sorted(by_need))])
