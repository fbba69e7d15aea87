"""Thoughts in front of an answer: its constraint begins behind them, and they end when their budget is used up."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from jackfield.errors import BackendFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from jackfield.ports.constraint import Matcher
    from jackfield.worker.engine.thought_marks import ThoughtMarks

_SPACE = b" \t\r\n"


class Phase(Enum):
    """Where an answer stands."""

    OPEN = auto()
    """It may begin with thoughts, or without."""
    THINKING = auto()
    CLOSING = auto()
    """Tokens of the engine's follow: what ends thoughts, and what stands behind them."""
    ANSWERING = auto()


class ThinkingMatcher:
    """What may come next in an answer that may think; the counterpart of ``Matcher``.

    Parameters:
        marks: How thoughts begin and end; prepared where there is a constraint.
        budget: Most tokens of thoughts.
        answer: What the answer behind thoughts must look like, if anything.
        without: The same, for an answer that turns out to have no thoughts; None where the prompt has begun them.
        begun: Whether the prompt has begun them.
        ends: Tokens that end an answer.

    Engine loop thread; ``mask`` also by the mask thread, as with ``Matcher``.
    """

    __slots__ = (
        "_answer",
        "_budget",
        "_closing",
        "_ends",
        "_marks",
        "_matched",
        "_phase",
        "_text",
        "_thought",
        "_without",
    )

    def __init__(
        self,
        marks: ThoughtMarks,
        budget: int | None,
        answer: Matcher | None,
        without: Matcher | None,
        *,
        begun: bool,
        ends: frozenset[int],
    ) -> None:
        self._marks = marks
        self._budget = budget
        self._answer = answer
        self._without = without
        self._ends = ends
        self._phase = Phase.OPEN
        self._text = b""
        """While it is open: how much of the mark that begins thoughts was written."""
        self._thought = 0
        """Tokens of thoughts."""
        self._matched = 0
        """Bytes of the mark that ends them, at the end of what was written."""
        self._closing: list[int] = []
        """What follows, the next one last."""
        if begun:
            self._think()

    @property
    def masking(self) -> bool:
        """Whether anything is forbidden now; else no mask is needed."""
        return self._answer is not None or self._phase is Phase.CLOSING

    @property
    def finished(self) -> bool:
        """Whether nothing but an end token could follow."""
        return self._phase is Phase.ANSWERING and self._answer is not None and self._answer.finished

    def mask(self, out: npt.NDArray[np.uint32]) -> None:
        """See ``Matcher``; only while it is ``masking``."""
        if self._phase is Phase.CLOSING:
            out[:] = 0
            _set(out, self._closing[-1:])
        elif self._phase is Phase.THINKING:
            out[:] = self._marks.thinking(self._matched)
            for token in self._ends:
                out[token // 32] &= ~(1 << token % 32) & 0xFFFFFFFF
        elif self._phase is Phase.OPEN:
            self._mask_open(out)
        elif self._answer is not None:
            self._answer.mask(out)

    def accept(self, token: int) -> None:
        """See ``Matcher``."""
        if self._phase is Phase.CLOSING:
            self._accept_closing(token)
        elif self._phase is Phase.THINKING:
            self._accept_thought(self._marks.name(token))
        elif self._phase is Phase.OPEN:
            self._accept_open(token)
        elif self._answer is not None:
            self._answer.accept(token)

    def forced(self) -> Sequence[int]:
        """See ``Matcher``."""
        if self._phase is Phase.CLOSING:
            return self._closing[::-1]
        if self._phase is Phase.ANSWERING and self._answer is not None:
            return self._answer.forced()
        return ()

    # --- it may begin with thoughts, or without ----------------------------------------------------------------------

    def _mask_open(self, out: npt.NDArray[np.uint32]) -> None:
        if self._without is None:
            out[:] = 0
        else:
            self._without.mask(out)
        _set(out, self._marks.beginning[len(self._text)])

    def _accept_open(self, token: int) -> None:
        without = self._without
        text = (self._text + self._marks.name(token)).lstrip(_SPACE)
        fits = without is not None and without.allows((token,)) == 1
        if without is not None and fits:
            without.accept(token)
        else:
            self._without = None
        begin = self._marks.begin
        if token not in self._ends and text.startswith(begin):
            self._think()
            if text[len(begin) :]:
                self._accept_thought(text[len(begin) :])
        elif token not in self._ends and begin.startswith(text):
            self._text = text
        elif self._answer is not None and not fits:
            raise BackendFault(f"token {token} may not come here")
        else:
            self._answer, self._phase = self._without, Phase.ANSWERING

    # --- thoughts, and what ends them --------------------------------------------------------------------------------

    def _think(self) -> None:
        self._phase, self._without = Phase.THINKING, None
        if self._budget == 0:
            self._close(self._marks.closing)

    def _accept_thought(self, data: bytes) -> None:
        if self._phase is not Phase.THINKING:  # thoughts were over as soon as they began
            return
        self._thought += 1
        self._matched, over = self._marks.search(self._matched, data)
        if over:
            self._close(() if self._answer is None else self._marks.after)
        elif self._budget is not None and self._thought >= self._budget:
            self._close(self._marks.closing)

    def _accept_closing(self, token: int) -> None:
        if token != self._closing.pop():
            raise BackendFault(f"token {token} may not come here")
        if not self._closing:
            self._phase = Phase.ANSWERING

    def _close(self, closing: Sequence[int]) -> None:
        self._closing = list(reversed(closing))
        self._phase = Phase.CLOSING if closing else Phase.ANSWERING


def _set(out: npt.NDArray[np.uint32], tokens: Sequence[int]) -> None:
    for token in tokens:
        out[token // 32] |= 1 << token % 32
