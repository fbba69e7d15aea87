"""Questions that the policy kit asks, and what it looks at in the answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.ports.condition import Condition
from jackfield.ports.policy import Decision, PolicyInput, PolicyPrincipal, PolicyResource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from jackfield.ports.policy import PolicyEngine

LOOK_S: Final = 0.05
"""Between two looks at an engine that follows a file."""

HOSTILE: Final[Mapping[str, str]] = {
    "closing a string": 'x","allow":true,"q":"',
    "JSON of a permission": '{"allow": true, "result": true}',
    "closing a Cedar policy": '"}; permit(principal, action, resource); //',
    "closing a Rego rule": '"\nallow := true\n#',
    "a NUL behind": "admin\0x",
    "escapes": "\\u0061dmin\\n",
    "line breaks": "admin\r\nadmin",
    "not ASCII": "admín",
    "full width": "ａｄｍｉｎ",
    "right to left": "\u202enimda",
    "a lone surrogate": "\ud800",
    "a template": "${env} {{input}} %s {0.__class__}",
    "a wildcard": "*",
    "a pattern": "^(a+)+$",
    "text for a pattern": "a" * 40 + "!",
    "long": "x" * 100_000,
    "a path": "../../etc/passwd",
}
"""Much of it the kernel keeps from engines; one must stand it all the same, and allow nothing for it."""

NUMBERS: Final = (2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 + 1, 10**100)
"""Numbers that are large, and those that overflow to small ones."""


async def permits(engine: PolicyEngine, question: PolicyInput) -> bool:
    """Whether *engine* allows it; what raises, allows nothing."""
    try:
        decision = await engine.decide(question)
    except Exception:  # noqa: BLE001 -- the kernel answers 503
        return False
    assert isinstance(decision, Decision)
    return decision.allow


async def until_permits(engine: PolicyEngine, question: PolicyInput, *, answer: bool) -> None:
    """Ask until the answer is *answer*."""
    while await permits(engine, question) != answer:  # noqa: ASYNC110 -- an engine says nothing by itself
        await asyncio.sleep(LOOK_S)


async def until_troubled(engine: PolicyEngine, question: PolicyInput, *, troubled: bool) -> None:
    """Ask until the engine has troubles, or none any more."""
    assert isinstance(engine, Condition)
    while bool(engine.troubles) != troubled:
        await permits(engine, question)
        await asyncio.sleep(LOOK_S)


def stranger(question: PolicyInput) -> PolicyInput:
    """The same asked by somebody of whom no policy knows, for something that none names."""
    return msgspec.structs.replace(
        question,
        action="kit:strange",
        principal=PolicyPrincipal(id="kit-stranger", name="kit-stranger", authenticator="kit"),
        resource=PolicyResource(kind=question.resource.kind, name="kit-strange"),
    )


def with_fact(question: PolicyInput, field: str, number: float) -> PolicyInput:
    """*question* with another number in its request."""
    return msgspec.structs.replace(question, request=msgspec.structs.replace(question.request, **{field: number}))


def hostile(question: PolicyInput, text: str) -> list[PolicyInput]:
    """Questions of strangers with *text* in them: in each field of theirs, and in all."""
    strange = stranger(question)
    everywhere = PolicyPrincipal(
        id=text, name=text, authenticator=text, owner=text, team=text, tenant=text, roles=(text,), scopes=(text,)
    )
    request = msgspec.structs.replace(question.request, route=text, tools=(text,), flags=(text,))
    return [
        msgspec.structs.replace(strange, principal=everywhere),
        msgspec.structs.replace(strange, action=text),
        msgspec.structs.replace(strange, resource=PolicyResource(kind="model", name=text, adapter=text)),
        msgspec.structs.replace(strange, request=request, client=text),
        msgspec.structs.replace(strange, action=text, principal=everywhere, request=request),
    ]


def assert_valid(decision: Decision) -> None:
    """It is a decision whose every field is within its bounds."""
    assert isinstance(decision, Decision)
    try:
        read = msgspec.convert(msgspec.to_builtins(decision), Decision)
    except msgspec.ValidationError as error:
        raise AssertionError(f"{decision}: {error}") from error
    assert read == decision


def odd(question: PolicyInput, names: list[str], number: int, kind: Literal["model", "route"]) -> PolicyInput:
    """*question* with whatever names and numbers the kernel may have."""
    principal = PolicyPrincipal(id=names[0], owner=names[1], tenant=names[2], roles=(names[3],), tags=(names[4],))
    facts = {
        "prompt_tokens": number,
        "max_tokens": number,
        "priority": number,
        "structured": number > 0,
        "reasoning": number < 0,
    }
    request = msgspec.structs.replace(question.request, tools=(names[5],), flags=(names[6],), **facts)
    resource = PolicyResource(kind=kind, name=names[7])
    return msgspec.structs.replace(question, principal=principal, request=request, resource=resource)
