"""What changes logits before anything is drawn: bias, bans, and penalties on tokens that were there before.

In llama.cpp's order: bias and bans first, then penalties (``llama_sampler_penalties_apply``), then dry. One thing
differs on purpose: ``presence_penalty`` and ``frequency_penalty`` count the answer alone, as OpenAI defines them,
while llama.cpp counts the last ``repeat_last_n`` tokens of prompt and answer for all three.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

_ROOM: Final = 256
"""Distinct tokens that a count has room for at first; doubled when it is full."""


class Edit(Protocol):
    """One change of a row of logits, and what it must know of the tokens drawn."""

    def apply(self, logits: npt.NDArray[np.float32]) -> None:
        """Change *logits* in place."""
        ...

    def accept(self, token: int) -> None:
        """*token* was drawn."""
        ...


class Bias:
    """Adds to the logits of some tokens; minus infinity bans one.

    Parameters:
        bias: By token id of the vocabulary.
    """

    def __init__(self, bias: Mapping[int, float]) -> None:
        self._ids = np.fromiter(bias.keys(), np.intp, len(bias))
        self._values = np.fromiter(bias.values(), np.float32, len(bias))

    def apply(self, logits: npt.NDArray[np.float32]) -> None:
        """See ``Edit``."""
        logits[self._ids] += self._values

    def accept(self, token: int) -> None:
        """Bias stays as it is."""


class Bans:
    """Tokens that must not be drawn.

    Parameters:
        banned: Token ids of the vocabulary.
        draws: For how many draws; None means always.
    """

    def __init__(self, banned: Sequence[int], draws: int | None) -> None:
        self._ids = np.asarray(banned, np.intp)
        self._left = draws

    def apply(self, logits: npt.NDArray[np.float32]) -> None:
        """See ``Edit``."""
        if self._left is None or self._left > 0:
            logits[self._ids] = -np.inf

    def accept(self, token: int) -> None:  # noqa: ARG002 - draws are counted, whatever they give
        """One draw less."""
        if self._left is not None:
            self._left -= 1


class TokenCounts:
    """How often each of some tokens occurs, as arrays that penalties can index with, whatever the vocabulary."""

    def __init__(self) -> None:
        self._ids = np.zeros(_ROOM, np.intp)
        self._counts = np.zeros(_ROOM, np.float32)
        self._place: dict[int, int] = {}

    @property
    def ids(self) -> npt.NDArray[np.intp]:
        """The distinct tokens."""
        return self._ids[: len(self._place)]

    @property
    def counts(self) -> npt.NDArray[np.float32]:
        """How often each of ``ids`` occurs."""
        return self._counts[: len(self._place)]

    def add(self, token: int) -> None:
        """*token* occurs once more."""
        place = self._place.setdefault(token, len(self._place))
        if place == len(self._ids):
            self._ids = np.append(self._ids, np.zeros_like(self._ids))
            self._counts = np.append(self._counts, np.zeros_like(self._counts))
        self._ids[place] = token
        self._counts[place] += 1

    def remove(self, token: int) -> None:
        """*token*, which occurs, does so once less; the last of ``ids`` takes the place of one that is gone."""
        place = self._place[token]
        self._counts[place] -= 1
        if self._counts[place] > 0:
            return
        last = len(self._place) - 1
        moved = int(self._ids[last])
        self._ids[place], self._counts[place] = moved, self._counts[last]
        self._counts[last] = 0
        self._place[moved] = place
        del self._place[token]


class RepeatPenalty:
    """Divides the positive logits of tokens among the last ones, and multiplies the others.

    Parameters:
        penalty: ``repeat_penalty``.
        window: ``repeat_last_n``; -1 looks at all.
        history: The prompt.
    """

    def __init__(self, penalty: float, window: int, history: Sequence[int]) -> None:
        self._penalty = np.float32(penalty)
        self._window = window
        self._recent: deque[int] = deque()
        self._seen = TokenCounts()
        for token in history if window < 0 else history[-window:]:
            self.accept(token)

    def apply(self, logits: npt.NDArray[np.float32]) -> None:
        """See ``Edit``."""
        ids = self._seen.ids
        values = logits[ids]
        logits[ids] = np.where(values <= 0, values * self._penalty, values / self._penalty)

    def accept(self, token: int) -> None:
        """See ``Edit``."""
        self._seen.add(token)
        if self._window < 0:
            return
        self._recent.append(token)
        if len(self._recent) > self._window:
            self._seen.remove(self._recent.popleft())


class AnswerPenalty:
    """``presence_penalty`` and ``frequency_penalty``: subtracted from the logits of tokens that the answer has.

    Parameters:
        presence: Once for each token.
        frequency: Once for each occurrence.
    """

    def __init__(self, presence: float, frequency: float) -> None:
        self._presence = np.float32(presence)
        self._frequency = np.float32(frequency)
        self._seen = TokenCounts()

    def apply(self, logits: npt.NDArray[np.float32]) -> None:
        """See ``Edit``."""
        logits[self._seen.ids] -= self._seen.counts * self._frequency + self._presence

    def accept(self, token: int) -> None:
        """See ``Edit``."""
        self._seen.add(token)
