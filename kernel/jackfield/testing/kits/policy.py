"""What every ``PolicyEngine`` must pass.

Subclass ``PolicyKit`` in a test module and say which plugin it is about, and what its policies allow::

    class TestConformance(PolicyKit):
        manifest = 'enabled = ["my-plugin"]'
        needs = {
            "allowed": {
                "action": "generate",
                "principal": {"id": "alice"},
                "resource": {"kind": "model", "name": "demo"},
                "request": {"route": "/v1/chat/completions", "method": "POST", "prompt_tokens": 10, "max_tokens": 100},
                "time": {"unix": 1700000000, "weekday": 2, "hour": 12, "minute": 0},
            },
        }

The policies must allow that, and nothing to nobody, or to somebody of another name without roles. Where they stand in
a file that the engine follows while it runs, the author names it, and two other texts of it: the kit writes the file,
and leaves it as it was.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield.errors import InvalidRequest
from jackfield.plugins import Kernel
from jackfield.ports.condition import Condition
from jackfield.ports.policy import (
    NAME,
    Decision,
    Obligations,
    PolicyInput,
    PolicyPrincipal,
    PolicyWorkbench,
)
from jackfield.ports.policy_store import Governed
from jackfield.testing.kits.kit import Kit
from jackfield.testing.kits.policy_questions import (
    HOSTILE,
    NUMBERS,
    assert_valid,
    hostile,
    odd,
    permits,
    stranger,
    until_permits,
    until_troubled,
    with_fact,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import Literal

    from jackfield.ports.policy import PolicyEngine, PolicyEngineFactory

Result = TypeVar("Result")

PATIENCE_S: Final = 60.0
"""A busy machine is no reason to fail; the kernel's deadline is a second."""

AT_ONCE: Final = 50
"""Pairs of questions at the same moment."""

_NAMES: Final = st.from_regex(NAME, fullmatch=True)
_FACTS: Final = st.tuples(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["model", "route"]))
_ACCEPTED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow)
"""The fixture gives the same thing each time."""


class PolicyNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the author says of an engine's policies."""

    allowed: PolicyInput
    """Something that they allow."""
    obliged: PolicyInput | None = None
    """Something that they allow on conditions."""
    obligations: Obligations = Obligations()
    """Those conditions."""
    denied: PolicyInput | None = None
    """Something that they deny with a reason."""
    ceiling: str = ""
    """A number in ``request`` that they have a ceiling for: ``prompt_tokens``."""
    file: str = ""
    """Where they stand, if the engine follows it while it runs."""
    stricter: str = ""
    """A text of that file under which ``allowed`` is denied."""
    broken: str = ""
    """A text of that file that is no policy."""
    documents: dict[str, str] = {}
    """Documents of the policy store under which ``allowed`` is denied."""
    broken_document: str = ""
    """A document that is no policy."""


class PolicyKit(Kit):
    """Engines allow what policies allow and nothing else, whatever they are asked, and follow their policies."""

    Needs = PolicyNeeds

    @pytest.fixture
    def make_engine(self) -> PolicyEngineFactory:
        """The factory that the plugin hands over."""
        factory: PolicyEngineFactory = self.made(Kernel.policies)
        return factory

    def test_what_is_allowed_is_allowed(self, make_engine: PolicyEngineFactory) -> None:
        """The same each time, with reasons and obligations that are within their bounds."""
        question = self.told(PolicyNeeds).allowed
        decisions = self.run(make_engine, lambda engine: _each(engine, [question] * 3))
        assert all(decision.allow for decision in decisions)
        assert decisions[0] == decisions[1] == decisions[2]
        assert_valid(decisions[0])

    def test_what_no_policy_allows_is_denied(self, make_engine: PolicyEngineFactory) -> None:
        """Nobody has to forbid it: to nobody, to a stranger, with whatever model."""
        allowed = self.told(PolicyNeeds).allowed
        strange = stranger(allowed)
        nobody = msgspec.structs.replace(allowed, principal=PolicyPrincipal())
        same_model = msgspec.structs.replace(allowed, principal=strange.principal)
        questions = [strange, nobody, same_model]
        decisions = self.run(make_engine, lambda engine: _each(engine, questions))
        assert [decision.allow for decision in decisions] == [False] * 3
        for decision in decisions:
            assert decision.obligations == Obligations()
            assert_valid(decision)

    def test_conditions_are_what_policies_say(self, make_engine: PolicyEngineFactory) -> None:
        """Every one of them."""
        needs = self.told(PolicyNeeds)
        if needs.obliged is None:
            pytest.skip("the policies oblige to nothing")
        question = needs.obliged
        [decision] = self.run(make_engine, lambda engine: _each(engine, [question]))
        assert decision.allow
        assert decision.obligations == needs.obligations != Obligations()
        assert_valid(decision)

    def test_a_denial_has_its_reason(self, make_engine: PolicyEngineFactory) -> None:
        """Callers are told it."""
        question = self.told(PolicyNeeds).denied
        if question is None:
            pytest.skip("the policies give no reasons")
        [decision] = self.run(make_engine, lambda engine: _each(engine, [question]))
        assert not decision.allow
        assert any(decision.reasons)
        assert decision.obligations == Obligations()
        assert_valid(decision)

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
    def test_hostile_names_are_allowed_nothing(self, make_engine: PolicyEngineFactory, text: str) -> None:
        """Wherever they stand; and the engine answers the next one as before."""
        allowed = self.told(PolicyNeeds).allowed

        async def scenario(engine: PolicyEngine) -> None:
            for question in hostile(allowed, text):
                assert not await permits(engine, question)
            assert await permits(engine, allowed)

        self.run(make_engine, scenario)

    def test_no_number_overflows(self, make_engine: PolicyEngineFactory) -> None:
        """What is above the ceiling is above it, however far."""
        needs = self.told(PolicyNeeds)
        if not needs.ceiling:
            pytest.skip("the policies have no ceiling")

        async def scenario(engine: PolicyEngine) -> None:
            for number in NUMBERS:
                assert not await permits(engine, with_fact(needs.allowed, needs.ceiling, number)), number
            assert await permits(engine, needs.allowed)

        self.run(make_engine, scenario)

    @pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e308, -0.0])
    def test_no_number_is_the_end(self, make_engine: PolicyEngineFactory, number: float) -> None:
        """Allowed or not: the next one is answered as before."""
        allowed = self.told(PolicyNeeds).allowed

        async def scenario(engine: PolicyEngine) -> None:
            await permits(engine, with_fact(allowed, "temperature", number))
            assert await permits(engine, allowed)

        self.run(make_engine, scenario)

    @settings(max_examples=25, deadline=None, suppress_health_check=_ACCEPTED)
    @given(names=st.lists(_NAMES, min_size=8, max_size=8), facts=st.lists(_FACTS, min_size=4, max_size=4))
    def test_every_question_has_an_answer(
        self, make_engine: PolicyEngineFactory, names: list[str], facts: list[tuple[int, Literal["model", "route"]]]
    ) -> None:
        """Whatever the kernel may ask: a decision, and nothing raised."""
        allowed = self.told(PolicyNeeds).allowed
        # each name in several places; an engine may take longer to start than to answer
        questions = [
            odd(allowed, [*names[turn:], *names[:turn]], number, kind) for turn, (number, kind) in enumerate(facts)
        ]
        for decision in self.run(make_engine, lambda engine: _each(engine, questions)):
            assert_valid(decision)

    def test_questions_at_the_same_moment_have_their_own_answers(self, make_engine: PolicyEngineFactory) -> None:
        """None is mixed up with another."""
        allowed = self.told(PolicyNeeds).allowed
        questions = [allowed, stranger(allowed)] * AT_ONCE

        async def scenario(engine: PolicyEngine) -> list[Decision]:
            return await asyncio.gather(*(engine.decide(question) for question in questions))

        decisions = self.run(make_engine, scenario)
        assert [decision.allow for decision in decisions] == [True, False] * AT_ONCE

    def test_a_caller_who_leaves_harms_nobody(self, make_engine: PolicyEngineFactory) -> None:
        """Requests are cancelled at any moment; others have their answers."""
        allowed = self.told(PolicyNeeds).allowed

        async def scenario(engine: PolicyEngine) -> None:
            for wait in range(3):
                leaving = [asyncio.ensure_future(engine.decide(stranger(allowed))) for _ in range(AT_ONCE)]
                for _ in range(wait):
                    await asyncio.sleep(0)
                for task in leaving:
                    task.cancel()
                await asyncio.gather(*leaving, return_exceptions=True)
                assert await permits(engine, allowed)

        self.run(make_engine, scenario)

    def test_a_closed_engine_allows_nothing(self, make_engine: PolicyEngineFactory) -> None:
        """It may be closed twice, and without ever having been asked."""
        allowed = self.told(PolicyNeeds).allowed

        async def scenario() -> None:
            async with asyncio.timeout(PATIENCE_S):
                await make_engine().close()
                engine = make_engine()
                assert await permits(engine, allowed)
                await engine.close()
                await engine.close()
                assert not await permits(engine, allowed)

        asyncio.run(scenario())

    def test_two_engines_do_not_share_their_end(self, make_engine: PolicyEngineFactory) -> None:
        """A gateway that starts again makes another one."""
        allowed = self.told(PolicyNeeds).allowed

        async def scenario(engine: PolicyEngine) -> None:
            other = make_engine()
            assert await permits(other, allowed)
            await other.close()
            assert await permits(engine, allowed)

        self.run(make_engine, scenario)

    def test_changed_policies_hold_without_a_restart(self, make_engine: PolicyEngineFactory) -> None:
        """Stricter ones deny; the old ones again allow."""
        needs = self.told(PolicyNeeds)
        if not needs.stricter:
            pytest.skip("the policies do not change while the engine runs")

        async def scenario(engine: PolicyEngine) -> None:
            assert await permits(engine, needs.allowed)
            async with self.file(needs) as write:
                write(needs.stricter)
                await until_permits(engine, needs.allowed, answer=False)
            await until_permits(engine, needs.allowed, answer=True)

        self.run(make_engine, scenario)

    def test_a_broken_edit_keeps_the_old_policies(self, make_engine: PolicyEngineFactory) -> None:
        """The engine says so until it is mended."""
        needs = self.told(PolicyNeeds)
        if not needs.broken:
            pytest.skip("the policies do not change while the engine runs")

        async def scenario(engine: PolicyEngine) -> None:
            assert isinstance(engine, Condition), "it cannot say that its policies are broken"
            assert await permits(engine, needs.allowed)
            assert not engine.troubles
            async with self.file(needs) as write:
                write(needs.broken)
                await until_troubled(engine, needs.allowed, troubled=True)
                assert await permits(engine, needs.allowed)
                assert not await permits(engine, stranger(needs.allowed))
            await until_troubled(engine, needs.allowed, troubled=False)
            assert await permits(engine, needs.allowed)

        self.run(make_engine, scenario)

    def test_broken_policies_refuse_the_start(self, make_engine: PolicyEngineFactory) -> None:
        """An engine without policies would have to guess."""
        needs = self.told(PolicyNeeds)
        if not needs.broken:
            pytest.skip("the policies do not stand in a file")

        async def scenario(_: PolicyEngine) -> None:
            async with self.file(needs) as write:
                write(needs.broken)
                with pytest.raises(Exception, match=r".+"):
                    await make_engine().close()

        self.run(make_engine, scenario)

    def test_documents_of_the_store_hold_at_once(self, make_engine: PolicyEngineFactory) -> None:
        """Those that are no policies are refused, and change nothing."""
        needs = self.told(PolicyNeeds)
        if not needs.documents:
            pytest.skip("the policies do not come from a policy store")
        good = {name: text.encode() for name, text in needs.documents.items()}
        bad = {"kit": needs.broken_document.encode()}

        async def scenario(engine: PolicyEngine) -> None:
            assert isinstance(engine, Governed)
            await engine.adopt({})
            await engine.check(good)
            before = await permits(engine, needs.allowed)
            await engine.adopt(good)
            assert not await permits(engine, needs.allowed)
            with pytest.raises(InvalidRequest, match="kit"):
                await engine.check(bad)
            with pytest.raises(Exception, match=r".+"):
                await engine.adopt(bad)
            assert not await permits(engine, needs.allowed)
            await engine.adopt({})
            assert await permits(engine, needs.allowed) == before

        self.run(make_engine, scenario)

    def test_an_explanation_explains_the_decision(self, make_engine: PolicyEngineFactory) -> None:
        """Allowed or not, it is the one that is made."""
        allowed = self.told(PolicyNeeds).allowed

        async def scenario(engine: PolicyEngine) -> None:
            if not isinstance(engine, PolicyWorkbench):
                pytest.skip("the engine explains nothing")
            for question in (allowed, stranger(allowed)):
                explanation = await engine.explain(question)
                assert explanation.decision == await engine.decide(question)
                assert all(isinstance(text, str) for text in [*explanation.policies, *explanation.notes])

        self.run(make_engine, scenario)

    def test_the_policies_pass_their_own_tests(self, make_engine: PolicyEngineFactory) -> None:
        """And each has a name."""

        async def scenario(engine: PolicyEngine) -> None:
            if not isinstance(engine, PolicyWorkbench):
                pytest.skip("the engine tests nothing")
            tests = await engine.test()
            assert [test.name for test in tests if not test.passed] == []
            assert all(test.name for test in tests)

        self.run(make_engine, scenario)

    def run(self, make_engine: PolicyEngineFactory, scenario: Callable[[PolicyEngine], Awaitable[Result]]) -> Result:
        """Run *scenario* with an engine of its own."""
        # as the gateway does: before its event loop runs
        engine = make_engine()

        async def play() -> Result:
            async with asyncio.timeout(PATIENCE_S):
                try:
                    return await scenario(engine)
                finally:
                    await engine.close()

        return asyncio.run(play())

    @asynccontextmanager
    async def file(self, needs: PolicyNeeds) -> AsyncIterator[Callable[[str], object]]:
        """What writes the policies' file, which is as it was afterwards."""
        path = self.path(needs.file)
        before = path.read_bytes()
        try:
            yield lambda text: path.write_text(text, encoding="utf-8")
        finally:
            path.write_bytes(before)


async def _each(engine: PolicyEngine, questions: list[PolicyInput]) -> list[Decision]:
    return [await engine.decide(question) for question in questions]
