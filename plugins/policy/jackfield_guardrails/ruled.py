"""Guardrails whose rule a policy store may replace while the server runs.

What the kernel has been told of a guardrail stays: a document may change what a rule looks for, whom it concerns and
what becomes of a finding, but no document makes a rule judge more stages or channels, mask where it did not, or hold
back more of a stream. Those need the table and a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from jackfield.errors import InvalidRequest, ManifestError
from jackfield.frontends.malformed import without_value
from jackfield.ports.condition import Condition
from jackfield.ports.reloading import Reloading
from jackfield_guardrails.rules import AnyRule

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from typing import TypeAlias

    from jackfield.ports.guardrail import GuardedText, Guardrail, GuardrailTraits, Scanner, Subject, Verdict
    from jackfield.ports.policy_store import Documents

    Build: TypeAlias = Callable[[AnyRule, int], Guardrail]
    """Makes a guardrail that holds back at least so many characters; raises ``ManifestError``."""


class Ruled:
    """See ``jackfield.ports.guardrail.Guardrail`` and ``jackfield.ports.policy_store.Governed``.

    Parameters:
        kind: Of its documents.
        name: Its name, and that of its document.
        names: All names of its instance.
        rule: That of the table, which holds where there is no document.
        build: Makes guardrails of rules.

    Raises:
        ManifestError: The rule cannot be used.
    """

    def __init__(self, kind: str, name: str, names: Container[str], rule: AnyRule, build: Build) -> None:
        self.document_kind = kind
        self._name = name
        self._names = names
        self._rule = rule
        self._build = build
        self._current = build(rule, 0)
        self._written: bytes | None = None
        self.traits: GuardrailTraits = self._current.traits

    @property
    def troubles(self) -> Sequence[str]:
        """See ``jackfield.ports.condition.Condition``."""
        return self._current.troubles if isinstance(self._current, Condition) else ()

    def concerns(self, subject: Subject) -> bool:
        return self._current.concerns(subject)

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        return await self._current.judge(subject, texts)

    async def reload(self) -> None:
        """See ``jackfield.ports.reloading.Reloading``."""
        if isinstance(self._current, Reloading):
            await self._current.reload()

    async def close(self) -> None:
        await self._current.close()

    def governed(self, documents: Documents) -> None:
        """See ``Governed``; what it is told is not needed."""
        del documents

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        for name in documents:
            if name not in self._names:
                raise InvalidRequest(
                    f"there is no guardrail {name}; documents change those of plugins.toml", param=name
                )
        written = documents.get(self._name)
        if written is not None:
            await self._made(written).close()

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        """See ``Governed``."""
        written = documents.get(self._name)
        if written == self._written:
            return
        former, made = self._current, self._build(self._rule, 0) if written is None else self._made(written)
        self._current, self._written = made, written
        await former.close()

    def _made(self, written: bytes) -> Guardrail:
        try:
            rule = msgspec.json.decode(written, type=AnyRule)
            if type(rule) is not type(self._rule):
                raise ValueError("kind cannot change while the server runs")
            made = self._build(rule, self.traits.longest or 0)
        except (msgspec.MsgspecError, ValueError) as error:
            raise InvalidRequest(f"guardrail {self._name}: {without_value(error)}", param=self._name) from error
        except ManifestError as error:
            raise InvalidRequest(f"guardrail {self._name}: {error.message}", param=self._name) from error
        wider = widened(self.traits, made.traits)
        if wider:
            raise InvalidRequest(
                f"guardrail {self._name}: {wider} cannot grow while the server runs", param=f"{self._name}.{wider}"
            )
        return made


class RuledScanner(Ruled):
    """The same of guardrails that judge at once."""

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """See ``Scanner``."""
        # of one kind, all do or none does; to look whether one keeps a protocol takes longer than many a scan
        return cast("Scanner", self._current).scan(subject, text)


def widened(fixed: GuardrailTraits, traits: GuardrailTraits) -> str:
    """What of *traits* goes beyond *fixed*; empty where nothing does."""
    if not traits.stages <= fixed.stages:
        return "stages"
    if not traits.channels <= fixed.channels:
        return "channels"
    if traits.masks and not fixed.masks:
        return "action"
    if fixed.longest is not None and (traits.longest is None or traits.longest > fixed.longest):
        return "longest"
    for name in ("window", "window_s", "default_on", "moderation"):
        if getattr(traits, name) != getattr(fixed, name):
            return name
    return "" if set(traits.categories) <= set(fixed.categories) else "category"
