"""Audit: a record of what was decided, by whom and for whom.

``jackfield_audit_sinks`` hands over factories of ``AuditSink``; every event goes to all of them. An event has ids,
words, numbers and hashes. It never has a credential, and texts of prompts and answers only where the sink's
operator asked for them and no policy forbids it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

DEADLINE_S: Final = 5.0
"""How long a sink may take for one event."""

AuditKind: TypeAlias = Literal["auth", "authorization", "admin", "lifecycle", "guardrail", "limit", "request", "audit"]
"""auth: who called, or did not get in; authorization: a policy's decision; admin: a change of the server; lifecycle: of
models, plugins and the server; guardrail: a verdict; limit: a refusal; request: the summary of one; audit: of the
record itself, such as a gap."""

Outcome: TypeAlias = Literal["ok", "allowed", "denied", "refused", "masked", "blocked", "failed", "left"]

Detail: TypeAlias = str | int | float | bool | tuple[str, ...] | None


class AuditText(msgspec.Struct, frozen=True, kw_only=True):
    """A text of a request or its answer, as guardrails left it. Sinks choose what of it they write."""

    role: Literal["prompt", "answer"]
    text: str


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    kind: AuditKind
    action: str
    """What was asked or done: ``generate``, ``keys.issue``, ``model.ready``, …"""
    outcome: Outcome
    time: float
    """Unix seconds."""
    request_id: str = ""
    decision_id: str = ""
    """Of a policy's decision; what the caller was told."""
    principal: str = ""
    """``Principal.tenant``, as ``authenticator/id``."""
    name: str = ""
    """``Principal.name``."""
    fingerprint: str = ""
    """Of the credential, six characters."""
    team: str = ""
    client: str = ""
    """The caller's address."""
    resource: str = ""
    """A model, a key, a document, a route."""
    reason: str = ""
    """``error.code``, or a policy's reasons."""
    details: Mapping[str, Detail] = {}
    texts: tuple[AuditText, ...] = ()
    """Empty where a policy forbids to record any."""


class AuditSink(Protocol):
    """Writes events down, in the order in which they come."""

    def note(self, event: AuditEvent) -> None:
        """Take *event* over, to be written before any that ``write`` is told later, and soon in any case.

        Process and thread: gateway, event loop thread. Deadline: 1 ms. Failure policy: closed; the request whose event
        it is fails with 503.
        """
        ...

    async def write(self, event: AuditEvent) -> None:
        """Write *event*; it is as safe as the sink's mode promises when this returns.

        Process and thread: gateway, event loop thread, which it must not block; calls overlap, and the order of the
        calls is the order of the events. Deadline: 5 s (``DEADLINE_S``). Failure policy: closed; what is raised, or a
        deadline missed, fails the request whose event it is with 503 before its last byte, and is logged by name. A
        sink that may lose events counts them, says so in its ``troubles`` and returns.
        """
        ...

    async def close(self) -> None:
        """Write what waits, and give back what it holds.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        open; it is logged by name.
        """
        ...


@runtime_checkable
class Lossy(Protocol):
    """What an ``AuditSink`` has besides that may lose events."""

    @property
    def lost(self) -> int:
        """How many events it has lost since it was made."""
        ...


AuditSinkFactory: TypeAlias = Callable[[], AuditSink]
"""What ``jackfield_audit_sinks`` hands over; raises ``ManifestError`` or ``PluginError`` to refuse the start."""
