"""The guardrail kit itself: it passes a correct guardrail and catches each kind of wrong one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

import pytest

from jackfield.ports.guardrail import Finding, GuardrailTraits, Mask, Verdict
from jackfield.testing.kits.guardrail import GuardrailKit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.ports.guardrail import GuardedText, GuardrailFactory, Subject

NAME: Final = re.compile(r"\bjoe(?: jr)?\b")
LONGEST: Final = 8
FINDING: Final = Finding(category="pii", code="name", action="mask")


class Names:
    """Masks a man's name, with or without what follows it."""

    traits = GuardrailTraits(
        stages=frozenset({"input", "output"}), masks=True, longest=LONGEST, categories=("pii",), window=None
    )

    def concerns(self, subject: Subject) -> bool:
        """Everybody."""
        return True

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """One text after the other."""
        return [self.scan(subject, text) for text in texts]

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """Every name that begins behind what was sent."""
        masks = tuple(self.mask(found) for found in NAME.finditer(text.text) if self.counts(text, found))
        return Verdict(findings=(FINDING,) if masks else (), masks=masks)

    def mask(self, found: re.Match[str]) -> Mask:
        """Of one of them."""
        return Mask(found.start(), found.end(), "[NAME]", restore=True)

    def counts(self, text: GuardedText, found: re.Match[str]) -> bool:
        """Whether it is one already, and was not one before."""
        return found.start() >= text.begin and (text.complete or found.end() < len(text.text))

    async def close(self) -> None:
        """Nothing to give back."""


class KitOfNames(GuardrailKit):
    """The kit for a guardrail that needs no manifest."""

    __test__ = False
    needs: ClassVar = {"caught": ["hi joe!", "joe jr", "joe"], "clean": ["joey and banjoe", "Joe"]}

    @pytest.fixture
    def make_guardrail(self) -> GuardrailFactory:
        """A new one."""
        return lambda _asking: Names()


class TestNames(KitOfNames):
    """It conforms."""

    __test__ = True


class Blind(Names):
    """Finds nothing."""

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """Whatever it is."""
        return Verdict()


class Nervous(Names):
    """Finds something everywhere."""

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """Whatever it is."""
        return Verdict(findings=(Finding(category="pii", code="name", action="block"),))


class Hasty(Names):
    """Blocks what a stream has not finished."""

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """A word that may become another one."""
        found = any(each.start() >= text.begin for each in NAME.finditer(text.text))
        return Verdict(findings=(Finding(category="pii", code="name", action="block"),) if found else ())


class Forgetful(Names):
    """Looks for more than it says."""

    traits = GuardrailTraits(stages=frozenset({"output"}), masks=True, longest=3, categories=("pii",))


class Repeating(Names):
    """Judges what was sent again."""

    def counts(self, text: GuardedText, found: re.Match[str]) -> bool:
        """Wherever it begins."""
        return text.complete or found.end() < len(text.text)


class Talkative(Names):
    """Repeats what it has found."""

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """With the text as the reason."""
        verdict = super().scan(subject, text)
        return Verdict(findings=(Finding(category="pii", code=text.text, action="mask"),), masks=verdict.masks)


class Backwards(Names):
    """Gives its spans in no order."""

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """From the last one on, and one twice."""
        verdict = super().scan(subject, text)
        return Verdict(findings=verdict.findings, masks=verdict.masks[::-1] + verdict.masks[:1])


class Circular(Names):
    """Masks with what it masks."""

    def mask(self, found: re.Match[str]) -> Mask:
        """The same again."""
        return Mask(found.start(), found.end(), found[0])


class Slow(Names):
    """Takes the square of a text's length."""

    def scan(self, subject: Subject, text: GuardedText) -> Verdict:
        """Looks from every tenth place on to the end."""
        found = [text.text.find("\0", start) for start in range(0, len(text.text), 10)]
        return super().scan(subject, text) if max(found, default=-1) < 0 else Verdict()


class Crowded(Names):
    """Says the same of all texts."""

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """As of the first one."""
        return [self.scan(subject, texts[0]) for _ in texts]


class Divided(Names):
    """Says another thing at once than when it has time."""

    async def judge(self, subject: Subject, texts: Sequence[GuardedText]) -> Sequence[Verdict]:
        """What it finds is blocked."""
        found = [self.scan(subject, text) for text in texts]
        block = Finding(category="pii", code="name", action="block")
        return [Verdict(findings=(block,)) if verdict.masks else Verdict() for verdict in found]


class Unnamed(Names):
    """Does not say which categories it has."""

    traits = GuardrailTraits(stages=frozenset({"output"}), masks=True, longest=LONGEST)


class Secretive(Names):
    """Masks without saying that it may."""

    traits = GuardrailTraits(stages=frozenset({"output"}), longest=LONGEST, categories=("pii",))


class Undecided(Names):
    """Says neither yes nor no."""

    def concerns(self, subject: Subject) -> bool:
        """Something else."""
        return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (Blind, "test_what_is_to_be_caught_is"),
        (Nervous, "test_what_is_clean_passes"),
        (Hasty, "test_letter_by_letter_hides_nothing"),
        (Forgetful, "test_no_cut_of_a_stream_hides_anything"),
        (Repeating, "test_every_text_has_a_verdict"),
        (Talkative, "test_nothing_repeats_the_text"),
        (Backwards, "test_hostile_texts_have_a_verdict"),
        (Circular, "test_a_masked_text_is_clean"),
        (Slow, "test_twice_the_text_takes_twice_as_long"),
        (Crowded, "test_each_text_has_its_own_verdict"),
        (Divided, "test_every_text_has_a_verdict"),
        (Unnamed, "test_categories_are_those_that_it_names"),
        (Secretive, "test_only_one_that_masks_does"),
        (Undecided, "test_anybody_may_be_concerned"),
    ],
)
def test_what_is_wrong_is_caught(
    wrong: type[Names],
    test: str,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    unshrunk: Callable[[type], None],
) -> None:
    """By the test that is for it."""
    unshrunk(KitOfNames)
    factory: GuardrailFactory = lambda _asking: wrong()  # noqa: E731 -- the kit asks for a function
    more: tuple[object, ...] = ()
    if test == "test_nothing_repeats_the_text":
        more = (caplog, request.getfixturevalue("capfd"))
    if test == "test_hostile_texts_have_a_verdict":
        more = ("joe and joe",)
    with pytest.raises((AssertionError, ExceptionGroup)):
        getattr(KitOfNames(), test)(factory, *more)
