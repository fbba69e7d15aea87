"""What policies are asked: facts of a request, without a word of what it says."""

from __future__ import annotations

import functools
import math
import re
import time
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from jackfield.chat import ChatPrompt
from jackfield.errors import PolicyDenied
from jackfield.gateway.work import action_of, prompt_tokens
from jackfield.ports.policy import (
    NAME,
    NAME_MAX,
    NAMES_MAX,
    NUMBER_MAX,
    PolicyInput,
    PolicyPrincipal,
    PolicyResource,
    PolicyTime,
    RequestFacts,
)
from jackfield.types import GenerateRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.context import RequestContext
    from jackfield.gateway.replica import Replica
    from jackfield.gateway.work import Work
    from jackfield.ports.guardrail import Finding
    from jackfield.ports.identity import Principal

_NOBODY: Final = PolicyPrincipal()

_VARIABLE: Final = re.compile(r"\{(\w+)[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
"""A variable of a path pattern, with what it must look like."""

_DECOMPOSED_MAX: Final = 2 * NAME_MAX
"""Longest name that is composed, in characters: putting marks on one letter in order takes time by the square of them,
and an issuer's user may choose what they are called."""


def work_question(context: RequestContext, replica: Replica, work: Work, default_max_tokens: int) -> PolicyInput:
    """May the caller of *context* have *work* done by that model?

    Parameters:
        context: Of the request.
        replica: The model.
        work: What it is to do.
        default_max_tokens: ``kernel.default_max_tokens``.

    Raises:
        PolicyDenied: Something of it has a name, or a number, that policies cannot be asked about.
    """
    return PolicyInput(
        action=action_of(work),
        principal=_principal(context.principal),
        resource=_model(replica),
        request=_facts(context, work, default_max_tokens),
        time=_now(time.time()),
        client=_client(context),
    )


def model_question(context: RequestContext, replica: Replica) -> PolicyInput:
    """May the caller of *context* ask that model something that is no work for it? Raises as ``work_question``."""
    return _question(context, _model(replica))


def route_question(context: RequestContext) -> PolicyInput:
    """May the caller of *context* use its route, which has no model work? Raises as ``work_question``."""
    return _question(context, PolicyResource(kind="route", name=_name("route", _path(context.route))))


def flags_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What guardrails have found, as policies are told. Raises as ``work_question``."""
    return _names("flag", (f"{finding.category}/{finding.code}" for finding in findings))


def _question(context: RequestContext, resource: PolicyResource) -> PolicyInput:
    return PolicyInput(
        action=_name("scope", context.scope),
        principal=_principal(context.principal),
        resource=resource,
        request=RequestFacts(
            route=_name("route", _path(context.route)), method=context.method, body_bytes=context.body_bytes
        ),
        time=_now(time.time()),
        client=_client(context),
    )


def _principal(principal: Principal | None) -> PolicyPrincipal:
    if principal is None:
        return _NOBODY
    return PolicyPrincipal(
        id=_exact("principal id", f"{principal.authenticator}/{principal.id}"),
        name=_name("principal name", principal.name),
        authenticator=_name("authenticator", principal.authenticator),
        owner=_name("owner", principal.owner),
        team=_name("team", principal.team),
        tenant=_name("tenant", principal.tenant_name),
        roles=_names("role", principal.roles),
        scopes=_names("scope", principal.scopes),
        tags=_names("tag", principal.tags),
    )


def _model(replica: Replica) -> PolicyResource:
    return PolicyResource(
        kind="model",
        name=_name("model", replica.name),
        capabilities=replica.abilities,
        backend=_name("backend", replica.config.backend),
        tags=replica.config.tags,
    )


def _facts(context: RequestContext, work: Work, default_max_tokens: int) -> RequestFacts:
    route, tokens = _name("route", _path(context.route)), _number("prompt_tokens", prompt_tokens(work))
    if not isinstance(work, GenerateRequest):
        return RequestFacts(
            route=route,
            method=context.method,
            body_bytes=context.body_bytes,
            prompt_tokens=tokens,
            inputs=len(work.inputs),
            modalities=("text",),
        )
    chat = work.prompt if isinstance(work.prompt, ChatPrompt) else None
    return RequestFacts(
        route=route,
        method=context.method,
        body_bytes=context.body_bytes,
        prompt_tokens=tokens,
        max_tokens=_number("max_tokens", default_max_tokens if work.max_tokens is None else work.max_tokens),
        answers=work.n,
        messages=len(chat.messages) if chat else 0,
        modalities=("text",),
        tools=_names("tool", (tool.name for tool in chat.tools)) if chat else (),
        tool_choice=chat.tool_choice.mode if chat and chat.tools else "",
        temperature=_real("temperature", work.sampling.temperature),
        priority=work.priority or 0,
        structured=work.constraint is not None,
        reasoning=bool(chat and chat.thinking.asked),
        logprobs=work.logprobs is not None,
    )


def _now(unix: float) -> PolicyTime:
    local = time.localtime(unix)
    return PolicyTime(
        unix=int(unix),
        weekday=local.tm_wday + 1,
        hour=local.tm_hour,
        minute=local.tm_min,
        utc_offset_minutes=local.tm_gmtoff // 60,
    )


@functools.lru_cache(maxsize=512)
def _path(route: str) -> str:
    """*route* without what its variables must look like: ``/v1/models/{id}``."""
    return _VARIABLE.sub(r"{\1}", route)


def _client(context: RequestContext) -> str:
    """The address, without the interface that a link-local one has."""
    return _name("client", context.client.partition("%")[0])


def _names(what: str, names: Iterable[str]) -> tuple[str, ...]:
    named = {_name(what, name) for name in names}
    if len(named) > NAMES_MAX:
        raise PolicyDenied(f"policies cannot be asked about more than {NAMES_MAX} {what}s")
    return tuple(sorted(named))


def _exact(what: str, name: str) -> str:
    """The same as ``_name``, of what tells callers apart: two that are written alike must not become one."""
    if _name(what, name) != name:
        raise PolicyDenied(f"policies cannot be asked about a {what} that is not composed (Unicode NFC)")
    return name


def _name(what: str, name: str) -> str:
    """*name*, if a policy can be asked about it: leaving out what cannot be asked would ask something else.

    Composed (NFC), as policies are written: some keyboards and directories put an accent behind its letter.
    """
    if not name.isascii() and len(name) <= _DECOMPOSED_MAX:
        name = normalize("NFC", name)
    if not NAME.match(name):
        raise PolicyDenied(f"policies cannot be asked about a {what} with such characters, or so long")
    return name


def _number(what: str, number: int) -> int:
    """The same of *number*: engines compute in 64 bits, and some in 53."""
    if not 0 <= number <= NUMBER_MAX:
        raise PolicyDenied(f"policies cannot be asked about such a {what}", param=what)
    return number


def _real(what: str, number: float) -> float:
    if not math.isfinite(number):
        raise PolicyDenied(f"policies cannot be asked about such a {what}", param=what)
    return number
