"""What tests of several plugins need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import pytest

from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from jackfield.ports.constraint import Constraint, Matcher

    Takes: TypeAlias = Callable[[Constraint | None, str], bool]

_VOCABULARY: Final = KitVocabulary()


@pytest.fixture(scope="session")
def takes() -> Takes:
    """Whether an answer that is held to a constraint can be a text, and end with it."""
    engine = LlguidanceEngine(_VOCABULARY, LlguidanceConfig())

    def ask(constraint: Constraint | None, text: str) -> bool:
        assert constraint is not None
        matcher = engine.compile(constraint).matcher()
        return _written(matcher, text.encode())

    return ask


def _written(matcher: Matcher, text: bytes) -> bool:
    """In the longest tokens that may come: where a text is forced, no other ones may."""
    mask = np.zeros(-(-_VOCABULARY.vocabulary // 32), np.uint32)
    while text:
        matcher.mask(mask)
        fitting = [token for token in _allowed(mask) if (piece := _VOCABULARY.piece(token)) and text.startswith(piece)]
        if not fitting:
            return False
        token = max(fitting, key=lambda each: len(_VOCABULARY.piece(each)))
        matcher.accept(token)
        text = text[len(_VOCABULARY.piece(token)) :]
    matcher.mask(mask)
    return _VOCABULARY.END_TOKENS[0] in _allowed(mask)


def _allowed(mask: npt.NDArray[np.uint32]) -> list[int]:
    return [int(token) for token in np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))]
