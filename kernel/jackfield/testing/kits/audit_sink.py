"""What every ``AuditSink`` must pass.

Subclass ``AuditSinkKit`` in a test module and say which plugin it is about::

    class TestConformance(AuditSinkKit):
        manifest = 'enabled = ["my-plugin"]'
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest

from jackfield.plugins import Kernel
from jackfield.ports.audit import DEADLINE_S, AuditEvent, AuditKind, AuditText, Outcome
from jackfield.ports.condition import Condition
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jackfield.ports.audit import AuditSink, AuditSinkFactory

HOSTILE: Final = ("", "\n{}", '"},{"', "\0\x1b[2J\x7f", "\u202e\u2066\ufeff", "\ud800", "é𝔘🙂", "x" * 100_000)
"""Texts as they come from outside."""


def event(**fields: Any) -> AuditEvent:
    """A request of the kit's own."""
    usual: dict[str, Any] = {"kind": "request", "action": "generate", "outcome": "ok", "name": "kit"}
    usual["time"] = time.time()
    return AuditEvent(**{**usual, **fields})


class AuditSinkKit(Kit):
    """Sinks write whatever they are given, in bounded time, and close."""

    def factory(self) -> AuditSinkFactory:
        """The factory that the plugin hands over."""
        made: AuditSinkFactory = self.made(Kernel.audit_sinks)
        return made

    def run(self, scenario: Callable[[AuditSink], Awaitable[None]]) -> None:
        """Run *scenario* with a sink of its own."""

        async def all_of_it() -> None:
            sink = self.factory()()
            try:
                async with asyncio.timeout(10 * DEADLINE_S):
                    await scenario(sink)
            finally:
                await sink.close()

        asyncio.run(all_of_it())

    def test_every_kind_is_written(self) -> None:
        """With every outcome, and details of every type."""
        details = {"text": "a", "number": 1, "share": 0.5, "no": False, "nothing": None, "list": ("a", "b")}

        async def scenario(sink: AuditSink) -> None:
            for kind in get_args(AuditKind):
                for outcome in get_args(Outcome):
                    await sink.write(event(kind=kind, outcome=outcome, details=details))

        self.run(scenario)

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_texts_break_nothing(self, text: str) -> None:
        """In every field that has text from outside."""
        texts = (AuditText(role="prompt", text=text), AuditText(role="answer", text=text))

        async def scenario(sink: AuditSink) -> None:
            given = {"name": text, "client": text, "resource": text, "reason": text, "principal": text}
            await sink.write(event(**given, details={text: text, "list": (text,)}, texts=texts))

        self.run(scenario)

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 10**400])
    def test_odd_numbers_break_nothing(self, number: float) -> None:
        """Also where JSON has no word for them."""

        async def scenario(sink: AuditSink) -> None:
            await sink.write(event(details={"number": number}))

        self.run(scenario)

    def test_calls_may_overlap(self) -> None:
        """Hundreds at a time, with notes between them."""

        async def one(sink: AuditSink, number: int) -> None:
            sink.note(event(request_id=f"req_{number}", kind="authorization"))
            await sink.write(event(request_id=f"req_{number}"))

        async def scenario(sink: AuditSink) -> None:
            await asyncio.gather(*(one(sink, number) for number in range(300)))

        self.run(scenario)

    def test_a_caller_that_leaves_breaks_nothing(self) -> None:
        """Its event may be written or not; the next one is."""

        async def scenario(sink: AuditSink) -> None:
            writing = asyncio.ensure_future(sink.write(event()))
            await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait([writing])
            await sink.write(event())

        self.run(scenario)

    def test_it_may_be_closed_unused(self) -> None:
        """A server that refuses to start has told it nothing."""

        async def scenario(sink: AuditSink) -> None:
            if isinstance(sink, Condition):
                assert not isinstance(sink.troubles, str)

        self.run(scenario)

    def test_one_is_made_after_the_other(self) -> None:
        """What the first has held is free then."""
        for _ in range(2):
            self.run(lambda sink: sink.write(event()))
