"""What every ``Guardrail`` must pass.

Subclass ``GuardrailKit`` in a test module and say which plugin it is about, what it finds, and what it lets pass::

    class TestConformance(GuardrailKit):
        manifest = 'enabled = ["my-plugin"]'
        needs = {"caught": ["write to joe@example.com"], "clean": ["The sky is blue."]}

The kit judges on the stage that the guardrail is for. One that asks a model of the server gets the labels that
``needs`` names: ``caught_labels`` for texts that have one of ``caught`` in them, ``clean_labels`` for others.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from jackfield.plugins import Kernel
from jackfield.ports.guardrail import GuardedText, Scanner, Subject, Verdict
from jackfield.ports.identity import Principal
from jackfield.testing.kits.guardrail_cases import (
    FILLER,
    HOSTILE,
    acts,
    assert_alike,
    assert_valid,
    fastest,
    masked,
    seen,
)
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from jackfield.ports.guardrail import Guardrail, GuardrailFactory, GuardrailTraits, Stage

Result = TypeVar("Result")

PATIENCE_S: Final = 60.0
"""A busy machine is no reason to fail; the kernel's deadline is half of it."""

GROWTH: Final = 8
"""How many times longer the longer one of two texts is whose times are compared."""

SUPERLINEAR: Final = 24.0
"""Times that it may take then: linear is ``GROWTH``, quadratic its square; the rest is the machine's noise."""

_ACCEPTED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow)
"""The fixture gives the same thing each time."""

_CUT: Final = st.lists(st.integers(1, 9), min_size=1, max_size=12)
"""Lengths of the pieces that a text comes in, over and over."""


class GuardrailNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the author says of a guardrail."""

    caught: tuple[str, ...]
    """Texts that it masks something in, or blocks."""
    clean: tuple[str, ...]
    """Texts in which it finds nothing."""
    anywhere: bool = True
    """Whether it finds what is to be caught whatever stands around it; not where it judges a text as a whole."""
    caught_labels: dict[str, float] = {}
    """Probabilities of the labels of the model that it asks, for texts in which something of ``caught`` is."""
    clean_labels: dict[str, float] = {}
    """The same for all others."""


class KitAsking:
    """Implements ``Asking``: a model that knows what is to be caught."""

    def __init__(self, needs: GuardrailNeeds) -> None:
        self._needs = needs

    async def classify(self, model: str, texts: Sequence[str]) -> Sequence[Mapping[str, float]]:
        """As ``needs`` says."""
        needs = self._needs
        return [
            needs.caught_labels if any(each in text for each in needs.caught) else needs.clean_labels for text in texts
        ]


class GuardrailKit(Kit):
    """Guardrails find what they are for, wherever it stands and however it comes, and never repeat it."""

    Needs = GuardrailNeeds

    @pytest.fixture
    def make_guardrail(self) -> GuardrailFactory:
        """The factory that the plugin hands over."""
        factory: GuardrailFactory = self.made(Kernel.guardrails)
        return factory

    def test_it_says_what_it_does(self, make_guardrail: GuardrailFactory) -> None:
        """Bounds are positive, and what is held back and how whole texts are cut do not go together."""
        traits = self.traits(make_guardrail)
        assert traits.stages, "it judges nothing"
        assert traits.channels, "it judges nothing"
        assert traits.longest is None or traits.longest > 0
        assert traits.window is None or (traits.window > 1 and traits.longest is None)
        assert traits.window_s is None or (traits.window_s > 0 and traits.window is not None)
        assert len(set(traits.categories)) == len(traits.categories)

    def test_what_is_to_be_caught_is(self, make_guardrail: GuardrailFactory) -> None:
        """Alone, and with something around it; and the finding says what it is."""
        needs = self.told(GuardrailNeeds)
        for text in needs.caught:
            for shown in (text, f"{FILLER}{text}\n{FILLER}") if needs.anywhere else (text,):
                [verdict] = self.judged(make_guardrail, [shown])
                assert acts(verdict), "what it is to catch was let pass"
                for finding in verdict.findings:
                    assert finding.category, "a finding does not say what it is"
                    assert finding.code, "a finding does not say why"

    def test_what_is_clean_passes(self, make_guardrail: GuardrailFactory) -> None:
        """As it is."""
        for verdict in self.judged(make_guardrail, [*self.told(GuardrailNeeds).clean, FILLER]):
            assert not acts(verdict), f"something was found in a clean text: {verdict.findings}"

    def test_categories_are_those_that_it_names(self, make_guardrail: GuardrailFactory) -> None:
        """Moderations list them."""
        known = self.traits(make_guardrail).categories
        for verdict in self.judged(make_guardrail, self.told(GuardrailNeeds).caught):
            assert {finding.category for finding in verdict.findings} <= set(known)

    def test_each_text_has_its_own_verdict(self, make_guardrail: GuardrailFactory) -> None:
        """Many at once, in their order; another one beside it changes no finding and no span."""
        needs = self.told(GuardrailNeeds)
        texts = [*needs.caught, *needs.clean, *needs.caught]
        together = self.judged(make_guardrail, texts)
        alone = [verdict for text in texts for verdict in self.judged(make_guardrail, [text])]
        assert [seen(verdict) for verdict in together] == [seen(verdict) for verdict in alone]
        assert self.judged(make_guardrail, []) == []

    def test_a_masked_text_is_clean(self, make_guardrail: GuardrailFactory) -> None:
        """Nothing is left of what was masked, and what stands there instead is not masked again."""
        needs = self.told(GuardrailNeeds)
        for text in needs.caught:
            [verdict] = self.judged(make_guardrail, [text])
            if verdict.blocked:
                continue
            [again] = self.judged(make_guardrail, [masked(text, verdict)])
            assert not acts(again), "a masked text is masked again"

    def test_only_one_that_masks_does(self, make_guardrail: GuardrailFactory) -> None:
        """The kernel has those go first; and each mask has a finding."""
        masks = self.traits(make_guardrail).masks
        for verdict in self.judged(make_guardrail, self.told(GuardrailNeeds).caught):
            assert masks or not verdict.masks
            assert not verdict.masks or verdict.blocked or any(each.action == "mask" for each in verdict.findings)

    def test_nothing_repeats_the_text(
        self,
        make_guardrail: GuardrailFactory,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """No finding, and nothing that is logged or printed at the most talkative level."""
        needs = self.told(GuardrailNeeds)
        with caplog.at_level(logging.DEBUG), capture_logs() as lines:
            verdicts = self.judged(make_guardrail, needs.caught)
        printed = capfd.readouterr()
        shown = repr([verdict.findings for verdict in verdicts]) + caplog.text + repr(lines) + printed.out + printed.err
        for text, verdict in zip(needs.caught, verdicts, strict=True):
            found = {text, *(text[mask.start : mask.end] for mask in verdict.masks)}
            assert not any(each in shown for each in found if len(each) > 3), "what was found is shown"

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
    def test_hostile_texts_have_a_verdict(self, make_guardrail: GuardrailFactory, text: str) -> None:
        """Whatever it is; with what is to be caught behind it, that is found all the same."""
        [verdict] = self.judged(make_guardrail, [text])
        assert_valid(verdict, GuardedText(text=text))
        needs = self.told(GuardrailNeeds)
        for caught in needs.caught if needs.anywhere else ():
            [verdict] = self.judged(make_guardrail, [f"{text}\n{FILLER}{caught}"])
            assert acts(verdict), "it is hidden by what stands before it"

    @settings(max_examples=60, deadline=None, suppress_health_check=_ACCEPTED)
    @given(data=st.data(), before=st.text(max_size=60), behind=st.text(max_size=60), complete=st.booleans())
    def test_every_text_has_a_verdict(
        self, make_guardrail: GuardrailFactory, *, data: st.DataObject, before: str, behind: str, complete: bool
    ) -> None:
        """Spans are in the text, in order, and do not overlap; what it says at once is what it says."""
        caught = data.draw(st.sampled_from([*self.told(GuardrailNeeds).caught, ""]))
        text = f"{before}{caught}{behind}"
        begin = data.draw(st.just(0) | st.integers(0, len(text)))
        guarded = GuardedText(text=text, begin=begin, complete=complete)

        async def both(guardrail: Guardrail) -> tuple[Verdict, Verdict | None]:
            [verdict] = await guardrail.judge(self.subject(guardrail), [guarded])
            at_once = guardrail.scan(self.subject(guardrail), guarded) if isinstance(guardrail, Scanner) else None
            return verdict, at_once

        verdict, at_once = self.run(make_guardrail, both)
        assert_valid(verdict, guarded)
        if at_once is not None:
            assert_valid(at_once, guarded)
            assert seen(at_once) == seen(verdict)

    @settings(max_examples=60, deadline=None, suppress_health_check=_ACCEPTED)
    @given(data=st.data(), lengths=_CUT)
    def test_no_cut_of_a_stream_hides_anything(
        self, make_guardrail: GuardrailFactory, data: st.DataObject, lengths: list[int]
    ) -> None:
        """With no more held back than ``longest`` says, and no more of what was sent before it."""
        needs = self.told(GuardrailNeeds)
        shown = data.draw(st.sampled_from([*needs.caught, *needs.clean]))
        before = data.draw(st.integers(0, len(FILLER)))
        text = f"{FILLER[len(FILLER) - before :]}{shown}\n{FILLER}"
        self.assert_a_stream_is_as_the_text(make_guardrail, text, lengths)

    def test_letter_by_letter_hides_nothing(self, make_guardrail: GuardrailFactory) -> None:
        """The same for each text, however many random cuts miss what only one of them shows."""
        needs = self.told(GuardrailNeeds)
        for shown in (*needs.caught, *needs.clean):
            self.assert_a_stream_is_as_the_text(make_guardrail, f"{FILLER}{shown}\n{FILLER}", [1])

    def assert_a_stream_is_as_the_text(self, make_guardrail: GuardrailFactory, text: str, lengths: list[int]) -> None:
        """In pieces of *lengths*, *text* comes as it comes whole."""
        longest = self.longest(make_guardrail)

        async def streamed(guardrail: Guardrail) -> tuple[str | None, str | None]:
            [verdict] = await guardrail.judge(self.subject(guardrail), [GuardedText(text=text)])
            whole = None if verdict.blocked else masked(text, verdict)
            return whole, await self.streamed(guardrail, text, lengths, longest)

        whole, came = self.run(make_guardrail, streamed)
        assert (whole is None) == (came is None), "a stream is blocked where the text is not, or the other way round"
        if whole is not None:
            assert_alike(text, whole, came or "")

    def test_twice_the_text_takes_twice_as_long(self, make_guardrail: GuardrailFactory) -> None:
        """And not four times: streams are judged on the thread that serves everybody."""

        async def times(guardrail: Guardrail) -> dict[str, float]:
            if not isinstance(guardrail, Scanner):
                pytest.skip("the guardrail does not judge at once")
            subject = self.subject(guardrail)
            found: dict[str, float] = {}
            for name, unit in {"letters": "a", "digits": "1", "ats": "a@", "dots": "a.", "words": FILLER}.items():
                short = (unit * 20_000)[:20_000]
                once = fastest(guardrail, subject, short)
                found[name] = fastest(guardrail, subject, short * GROWTH) / max(once, 1e-4)
            return found

        for name, ratio in self.run(make_guardrail, times).items():
            assert ratio < SUPERLINEAR, f"{name}: {GROWTH} times the text took {ratio:.0f} times as long"

    def test_anybody_may_be_concerned(self, make_guardrail: GuardrailFactory) -> None:
        """Or not: the answer is yes or no, for callers without a name too, and the same each time."""
        somebody = Principal(
            id="x" * 300, name="\u202e\0", fingerprint="000000", scopes=frozenset({"generate"}), team="team"
        )

        async def asked(guardrail: Guardrail) -> list[bool]:
            subject = self.subject(guardrail)
            others = [
                msgspec.structs.replace(subject, principal=somebody),
                msgspec.structs.replace(subject, model="", route=""),
            ]
            return [guardrail.concerns(each) for each in (subject, *others) for _ in range(2)]

        answers = self.run(make_guardrail, asked)
        assert all(isinstance(answer, bool) for answer in answers)
        assert answers[::2] == answers[1::2]

    def test_callers_at_the_same_moment_have_their_own_answers(self, make_guardrail: GuardrailFactory) -> None:
        """And one who leaves harms nobody."""
        needs = self.told(GuardrailNeeds)
        texts = [*needs.caught, *needs.clean]

        async def crowd(guardrail: Guardrail) -> list[bool]:
            subject = self.subject(guardrail)
            leaving = [asyncio.ensure_future(guardrail.judge(subject, [GuardedText(text=texts[0])])) for _ in range(5)]
            staying = [guardrail.judge(subject, [GuardedText(text=text)]) for text in texts * 5]
            waiting = asyncio.gather(*staying)
            await asyncio.sleep(0)
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            return [acts(verdict) for [verdict] in await waiting]

        expected = [True] * len(needs.caught) + [False] * len(needs.clean)
        assert self.run(make_guardrail, crowd) == expected * 5

    def test_one_that_is_closed_stays_closed(self, make_guardrail: GuardrailFactory) -> None:
        """Closing twice is no error, and another one of the same factory works."""

        async def close(guardrail: Guardrail) -> None:
            await guardrail.close()

        self.run(make_guardrail, close)
        [verdict] = self.judged(make_guardrail, self.told(GuardrailNeeds).caught[:1])
        assert acts(verdict)

    # --- what the tests are made of -----------------------------------------------------------------------------------

    def run(self, make_guardrail: GuardrailFactory, work: Callable[[Guardrail], Awaitable[Result]]) -> Result:
        """*work* with a guardrail of its own, which is closed then."""

        async def scenario() -> Result:
            guardrail = make_guardrail(KitAsking(self.told(GuardrailNeeds)))
            try:
                async with asyncio.timeout(PATIENCE_S):
                    return await work(guardrail)
            finally:
                await guardrail.close()

        return asyncio.run(scenario())

    def judged(self, make_guardrail: GuardrailFactory, texts: Sequence[str]) -> list[Verdict]:
        """What it says of *texts*, all at once; each verdict is a valid one."""

        async def judge(guardrail: Guardrail) -> Sequence[Verdict]:
            return await guardrail.judge(self.subject(guardrail), [GuardedText(text=text) for text in texts])

        verdicts = self.run(make_guardrail, judge)
        for text, verdict in zip(texts, verdicts, strict=True):
            assert_valid(verdict, GuardedText(text=text))
        return list(verdicts)

    def traits(self, make_guardrail: GuardrailFactory) -> GuardrailTraits:
        """What it says of itself, which is the same each time."""

        async def ask(guardrail: Guardrail) -> GuardrailTraits:
            assert guardrail.traits == guardrail.traits
            return guardrail.traits

        return self.run(make_guardrail, ask)

    def longest(self, make_guardrail: GuardrailFactory) -> int:
        """How much of a stream is held back, and one more; skips where whole texts are judged."""
        longest = self.traits(make_guardrail).longest
        if longest is None:
            pytest.skip("the guardrail judges whole texts")
        return longest

    def subject(self, guardrail: Guardrail) -> Subject:
        """Somebody's texts, at a stage that the guardrail is for."""
        stage: Stage = "input" if "input" in guardrail.traits.stages else "output"
        return Subject(stage=stage, request_id="req-kit", model="demo", route="/v1/chat/completions")

    async def streamed(self, guardrail: Guardrail, text: str, lengths: Sequence[int], longest: int) -> str | None:
        """What a client gets of *text* that comes in pieces of *lengths*; None where it is blocked."""
        sent, done, came, turn = "", 0, 0, 0
        while came < len(text):
            came = min(came + lengths[turn % len(lengths)], len(text))
            turn += 1
            complete = came == len(text)
            limit = came if complete else came - longest + 1
            if limit <= done:
                continue
            first = max(0, done - longest)
            guarded = GuardedText(text=text[first:came], begin=done - first, complete=complete)
            [verdict] = await guardrail.judge(self.subject(guardrail), [guarded])
            assert_valid(verdict, guarded)
            if verdict.blocked:
                return None
            for mask in verdict.masks:
                start, end = first + mask.start, first + mask.end
                if start < limit:
                    sent += text[done:start] + mask.replacement
                    done = end
            if done < limit:
                sent += text[done:limit]
                done = limit
        return sent
