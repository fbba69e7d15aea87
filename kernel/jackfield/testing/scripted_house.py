"""A plugin that plays a house: who calls, a second policy engine, what guardrails find, and what is recorded.

It is shaped like a stranger's plugin, as ``scripted`` is: loaded by path, no private import. A caller's token says who
it is: ``NAME:ROLE@TENANT``, such as ``ada:engineer@acme``, percent-encoded.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

import msgspec

from jackfield import hookimpl
from jackfield.errors import Unauthenticated
from jackfield.ports.guardrail import Finding, GuardrailTraits, Mask, Verdict
from jackfield.ports.identity import ALL, USUAL_SCOPES, Principal, fingerprint
from jackfield.ports.policy import Decision, Obligations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jackfield import PluginInstance
    from jackfield.ports.audit import AuditEvent, AuditSinkFactory
    from jackfield.ports.guardrail import Asking, GuardedText, GuardrailFactory, Subject
    from jackfield.ports.identity import AuthenticatorFactory, Credential
    from jackfield.ports.policy import PolicyEngineFactory, PolicyInput

FLAGGED = "password"
"""A word that the guardrail lets pass, and says that it was there."""

MASKED = "card"
"""A word that it masks."""

OPERATOR = "operator"
"""The role that may use all routes."""


class HouseConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it plays."""

    engine: Literal["none", "allows", "denies", "breaks", "hangs", "mumbles"] = "none"
    """What the second policy engine does."""
    max_tokens: int = 1000
    """What it obliges to where it allows."""
    guardrail: bool = False
    record: str = ""
    """File that is appended a line for each event."""


class Doorman:
    """Believes whoever says who they are."""

    async def authenticate(self, credential: Credential) -> Principal | None:
        """By their token."""
        token = credential.value.reveal()
        name, colon, rest = unquote(token).partition(":")
        if not colon:
            raise Unauthenticated("a token is NAME:ROLE@TENANT")
        role, _, tenant = rest.partition("@")
        return Principal(
            id=name,
            name=name,
            fingerprint=fingerprint(token),
            roles=frozenset({role}),
            tenant_name=tenant,
            scopes=frozenset({ALL}) if role == OPERATOR else frozenset(USUAL_SCOPES),
        )


class Rules:
    """The second policy engine."""

    def __init__(self, config: HouseConfig) -> None:
        self._config = config

    async def decide(self, question: PolicyInput) -> Decision:
        """As it is told to."""
        match self._config.engine:
            case "denies":
                return Decision(allow=False, reasons=("the house does not want it",))
            case "breaks":
                raise ValueError(f"no idea what {question.principal.name} may")
            case "hangs":
                await asyncio.Event().wait()
            case "mumbles":
                return Decision(allow=True, obligations=Obligations(max_tokens=-1))
        return Decision(allow=True, obligations=Obligations(max_tokens=self._config.max_tokens))

    async def close(self) -> None:
        """Nothing to give back."""


class Listener:
    """A guardrail that knows two words."""

    traits = GuardrailTraits(stages=frozenset({"input"}), masks=True)

    def __init__(self, _: Asking) -> None:
        """It asks nobody."""

    def concerns(self, subject: Subject) -> bool:
        """Everybody."""
        return bool(subject.model)

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """Each by itself."""
        return [_verdict(text.text) for text in texts]

    async def close(self) -> None:
        """Nothing to give back."""


def _verdict(text: str) -> Verdict:
    findings, masks = [], []
    if FLAGGED in text:
        findings.append(Finding(category="secrets", code="password", action="pass"))
    if (start := text.find(MASKED)) >= 0:
        findings.append(Finding(category="pii", code="card", action="mask"))
        masks.append(Mask(start, start + len(MASKED), "[CARD]"))
    return Verdict(findings=tuple(findings), masks=tuple(masks))


class Diary:
    """An audit sink."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def note(self, event: AuditEvent) -> None:
        """A line."""
        with self._file.open("ab") as lines:
            lines.write(msgspec.json.encode(event) + b"\n")

    async def write(self, event: AuditEvent) -> None:
        """A line."""
        self.note(event)

    async def close(self) -> None:
        """Nothing to give back."""


@hookimpl
def jackfield_config() -> type[HouseConfig]:
    """``[config.house]``."""
    return HouseConfig


@hookimpl
def jackfield_authenticators(instance: PluginInstance) -> Mapping[str, AuthenticatorFactory]:
    """One."""
    return {instance.name: Doorman}


@hookimpl
def jackfield_policies(instance: PluginInstance) -> Mapping[str, PolicyEngineFactory]:
    """One, if it is wanted."""
    config = instance.config(HouseConfig)
    return {} if config.engine == "none" else {instance.name: lambda: Rules(config)}


@hookimpl
def jackfield_guardrails(instance: PluginInstance) -> Mapping[str, GuardrailFactory]:
    """One, if it is wanted."""
    return {instance.name: Listener} if instance.config(HouseConfig).guardrail else {}


@hookimpl
def jackfield_audit_sinks(instance: PluginInstance) -> Mapping[str, AuditSinkFactory]:
    """One, if it is wanted."""
    record = instance.config(HouseConfig).record
    return {instance.name: lambda: Diary(instance.path(record))} if record else {}
