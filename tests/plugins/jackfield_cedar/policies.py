"""Policies and questions for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.ports.policy import PolicyInput, PolicyPrincipal, PolicyResource, PolicyTime, RequestFacts
from jackfield_cedar.policies import Policies
from jackfield_cedar.schema import schema

if TYPE_CHECKING:
    from jackfield.ports.policy import Decision

ALL = "permit (principal, action, resource);"


def policies(*texts: str, cases: bytes | None = None) -> Policies:
    """Those in texts, as files ``1.cedar`` and so on."""
    sources = {f"{number}.cedar": text for number, text in enumerate(texts, 1)}
    return Policies(sources, {} if cases is None else {"cases.json": cases}, schema())


def question(
    *,
    action: str = "generate",
    roles: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    kind: str = "model",
    name: str = "demo",
    client: str = "192.0.2.7",
    hour: int = 12,
    **facts: object,
) -> PolicyInput:
    """One by somebody with these roles."""
    request = RequestFacts(route="/v1/chat/completions", method="POST", prompt_tokens=10, max_tokens=100)
    return PolicyInput(
        action=action,
        principal=PolicyPrincipal(id="keys/ann", name="ann", authenticator="keys", roles=roles),
        resource=PolicyResource(kind="route" if kind == "route" else "model", name=name, tags=tags),
        request=msgspec.structs.replace(request, **facts),
        time=PolicyTime(unix=1_767_603_600, weekday=1, hour=hour, minute=0),
        client=client,
    )


def decided(text: str, **asked: object) -> Decision:
    """What one text says of one question."""
    return policies(text).decide(question(**asked))  # type: ignore[arg-type]
