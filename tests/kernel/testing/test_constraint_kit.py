"""The constraint kit itself: it passes a correct engine and catches each kind of wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from jackfield.errors import BackendFault
from jackfield.ports.constraint import Choice, Constraint, JsonSchema
from jackfield.testing.kits.constraint import ConstraintKit
from jackfield.testing.kits.constraint_cases import CASES, MALFORMED, UNUSUAL, KitVocabulary
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from jackfield.ports.constraint import ConstraintEngine, Grammar, Matcher

VOCABULARY: Final = KitVocabulary()


class Wrapped:
    """A matcher that does what another one does."""

    def __init__(self, matcher: Matcher) -> None:
        self.inner = matcher

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        self.inner.mask(out)

    def accept(self, token: int) -> None:
        self.inner.accept(token)

    def forced(self) -> Sequence[int]:
        return self.inner.forced()

    @property
    def finished(self) -> bool:
        return self.inner.finished

    def allows(self, tokens: Sequence[int]) -> int:
        return self.inner.allows(tokens)


class Generous(Wrapped):
    """Allows a token too many."""

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        super().mask(out)
        out[ord("x") // 32] |= 1 << ord("x") % 32


class Overflowing(Wrapped):
    """Sets bits of tokens that are not there."""

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        super().mask(out)
        out[-1] |= 1 << 31


class OneEnd(Wrapped):
    """Knows a single end token."""

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        super().mask(out)
        end = KitVocabulary.END_TOKENS[1]
        out[end // 32] &= ~(1 << end % 32) & 0xFFFFFFFF


class Forgiving(Wrapped):
    """Takes what may not come."""

    def accept(self, token: int) -> None:
        if self.inner.allows([token]):
            self.inner.accept(token)


class Forcing(Wrapped):
    """Forces what may not come."""

    def forced(self) -> Sequence[int]:
        return [ord("~")]


class Restless(Wrapped):
    """Is never done."""

    @property
    def finished(self) -> bool:
        return False


class Engine:
    """Makes matchers of a kind."""

    def __init__(self, wrap: Callable[[Matcher], Matcher]) -> None:
        self._engine = LlguidanceEngine(VOCABULARY, LlguidanceConfig())
        self._wrap = wrap
        self._constraint: Constraint | None = None

    def kept(self, constraint: Constraint) -> None:
        return None

    def compile(self, constraint: Constraint) -> Engine:
        made = Engine(self._wrap)
        made._engine, made._constraint = self._engine, constraint
        self._engine.compile(constraint)
        return made

    def matcher(self) -> Matcher:
        assert self._constraint is not None
        return self._wrap(self._engine.compile(self._constraint).matcher())


class Muddled:
    """Keeps what it compiled last, whatever that was for."""

    def __init__(self) -> None:
        self._engine = LlguidanceEngine(VOCABULARY, LlguidanceConfig())
        self._last: Grammar | None = None

    def kept(self, constraint: Constraint) -> Grammar | None:
        return self._last

    def compile(self, constraint: Constraint) -> Grammar:
        self._last = self._last or self._engine.compile(Choice(("no",)))
        return self._engine.compile(constraint)


class Careless:
    """Passes over what it does not know."""

    def __init__(self) -> None:
        self._engine = LlguidanceEngine(VOCABULARY, LlguidanceConfig())

    def compile(self, constraint: Constraint) -> object:
        if isinstance(constraint, JsonSchema):
            return self._engine.compile(JsonSchema("{}"))
        return self._engine.compile(constraint)


KIT: Final = ConstraintKit()
OBJECT: Final = CASES["an object"]
CHOICE: Final = CASES["a choice"]


@pytest.mark.parametrize(
    ("wrap", "check"),
    [
        pytest.param(
            Generous, lambda engine: KIT.test_whatever_is_drawn_satisfies(engine, VOCABULARY, CHOICE), id="draws"
        ),
        pytest.param(
            Generous, lambda engine: KIT.test_what_masks_allow_may_come(engine, VOCABULARY, CHOICE), id="allows"
        ),
        pytest.param(
            Overflowing,
            lambda engine: KIT.test_bits_past_the_vocabulary_are_never_set(engine, VOCABULARY, OBJECT),
            id="bits",
        ),
        pytest.param(OneEnd, lambda engine: KIT.test_good_texts_can_be_drawn(engine, VOCABULARY, CHOICE), id="ends"),
        pytest.param(
            Forgiving, lambda engine: KIT.test_a_token_that_may_not_come_is_a_fault(engine, VOCABULARY), id="faults"
        ),
        pytest.param(
            Forcing,
            lambda engine: KIT.test_forced_tokens_are_allowed_and_alone(engine, VOCABULARY, CHOICE),
            id="forced",
        ),
        pytest.param(
            Restless,
            lambda engine: KIT.test_a_finished_text_takes_nothing_but_an_end(engine, VOCABULARY),
            id="finished",
        ),
    ],
)
def test_it_catches(wrap: Callable[[Matcher], Matcher], check: Callable[[ConstraintEngine], None]) -> None:
    """Each wrong matcher, where the right one passes."""
    check(Engine(Wrapped))
    with pytest.raises((AssertionError, BackendFault, pytest.fail.Exception)):
        check(Engine(wrap))


def test_it_catches_an_engine_that_keeps_the_wrong_grammar() -> None:
    """For what was compiled, and for what was refused."""
    with pytest.raises(AssertionError):
        KIT.test_what_is_kept_is_what_was_compiled(Muddled(), VOCABULARY)
    with pytest.raises(AssertionError):
        KIT.test_what_is_malformed_is_refused(Muddled(), MALFORMED["a type nobody knows"])


def test_it_catches_an_engine_that_ignores_keywords() -> None:
    """Neither unknown ones nor malformed schemas are refused."""
    careless: ConstraintEngine = Careless()  # type: ignore[assignment]  # what it makes is a grammar all the same
    with pytest.raises(AssertionError, match="is ignored"):
        KIT.test_what_cannot_be_enforced_is_refused_by_name(careless, VOCABULARY, UNUSUAL[0])
    with pytest.raises(pytest.fail.Exception):
        KIT.test_what_is_malformed_is_refused(careless, MALFORMED["a type nobody knows"])
