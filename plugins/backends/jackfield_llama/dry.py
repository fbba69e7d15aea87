"""DRY ("don't repeat yourself"): a penalty on tokens that would prolong a repetition, as llama.cpp computes it.

For every place of the text, ``_same[place]`` is how many tokens up to there equal the last ones of the text. A token
more changes all of them at once: a place whose next token equals the new one has one more, all others have none. So a
step costs two passes of numpy over the text, where ``llama_sampler_dry_apply`` runs a Z-algorithm over all of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.sampling import SamplingParams
    from jackfield_llama.tokenizer import LlamaTokenizer

TAIL_MAX: Final = 20
"""Longest tail of a breaker, in tokens (``MAX_SEQ_LEN`` in ``llama_sampler_init_dry``)."""

BREAKER_BYTES_MAX: Final = 40
"""Breakers are cut to so many bytes (``MAX_CHAR_LEN`` in ``llama_sampler_init_dry``)."""

EXPONENT_LOG_MAX: Final = 88.7228391
"""Logarithm of the largest float32: the penalty stops growing before it is infinite (``FLOAT_MAX_LOG`` there)."""

GROWTH_MIN: Final = 1e-6
"""Bases whose logarithm is below this do not grow into infinity."""

PENALTY_MAX: Final = 1e30
"""No penalty is larger: it bans a token as well as infinity does, and temperatures divide it without overflow."""

KNOWN_MAX: Final = 16
"""Sets of breakers that are remembered; clients of one kind send one set."""

_ROOM: Final = 256
"""Tokens of prompt and answer that there is room for at first; doubled when it is full."""

_NO_BYTE: Final = 256
"""Stands for the last byte of a token without text."""

_Tail: TypeAlias = tuple[int, ...]


class Breakers(NamedTuple):
    """Where repetitions end: tokens that are a breaker, or begin one."""

    tails: dict[int, frozenset[_Tail]]
    """By token that ends with the beginning of a breaker: the tokens that must follow it."""
    heads: npt.NDArray[np.bool_]
    """By token id: whether it is in ``tails`` or ``whole``."""
    whole: npt.NDArray[np.bool_]
    """By token id: whether a breaker is in it."""


class BreakerTable:
    """Finds the tokens of breakers in a vocabulary (``get_overlapping_token_sequences``). Engine loop thread.

    Parameters:
        tokenizer: Its names are read at once, while the model is being loaded: 0.3 s for 152 k of them, which no
            request should have to wait for.
    """

    def __init__(self, tokenizer: LlamaTokenizer) -> None:
        self._tokenizer = tokenizer
        self._names = _Names([tokenizer.name(token) for token in range(tokenizer.vocabulary)])
        self._known: dict[tuple[str, ...], Breakers] = {}

    def find(self, texts: tuple[str, ...]) -> Breakers:
        """The breakers *texts*, searched once for each set of them that is in use."""
        known = self._known.get(texts)
        if known is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            known = self._known[texts] = self._search(texts)
        return known

    def _search(self, texts: tuple[str, ...]) -> Breakers:
        whole = np.zeros(self._tokenizer.vocabulary, np.bool_)
        tails: dict[int, set[_Tail]] = {}
        for text in texts:
            breaker = text.encode(errors="replace")[:BREAKER_BYTES_MAX]
            holding = self._names.holding(breaker)
            whole[holding] = True
            for length in range(1, len(breaker)):
                tail = tuple(self._tokenizer.encode_bytes(breaker[length:])[:TAIL_MAX])
                for token in np.setdiff1d(self._names.ending(breaker[:length]), holding).tolist():
                    tails.setdefault(token, set()).add(tail)
        heads = whole.copy()
        heads[list(tails)] = True
        return Breakers({token: frozenset(found) for token, found in tails.items()}, heads, whole)


class _Names:
    """The texts of all tokens as one array of bytes, searched without a loop over tokens."""

    def __init__(self, names: list[bytes]) -> None:
        self._bytes = np.frombuffer(b"".join(names), np.uint8)
        self._lengths = np.array([len(name) for name in names])
        self._ends = self._lengths.cumsum()
        lasts = np.full(len(names), _NO_BYTE)
        there = self._lengths > 0
        lasts[there] = self._bytes[self._ends[there] - 1]
        self._by_last = lasts.argsort(kind="stable")
        self._bounds = lasts[self._by_last].searchsorted(np.arange(_NO_BYTE + 1))

    def holding(self, part: bytes) -> npt.NDArray[np.intp]:
        """Tokens with *part* somewhere in them."""
        found = np.flatnonzero(self._bytes[: len(self._bytes) - len(part) + 1] == part[0])
        for offset in range(1, len(part)):
            found = found[self._bytes[found + offset] == part[offset]]
        token = self._ends.searchsorted(found, side="right")
        return np.unique(token[found + len(part) <= self._ends[token]])

    def ending(self, part: bytes) -> npt.NDArray[np.intp]:
        """Tokens with *part* at their end."""
        token = self._by_last[self._bounds[part[-1]] : self._bounds[part[-1] + 1]]
        token = token[self._lengths[token] >= len(part)]
        for offset in range(2, len(part) + 1):
            token = token[self._bytes[self._ends[token] - offset] == part[-offset]]
        return token


class Dry:
    """See ``jackfield_llama.edits.Edit``.

    Parameters:
        params: ``dry_multiplier`` above 0, ``dry_penalty_last_n`` not 0.
        breakers: Where repetitions end.
        history: The prompt.
    """

    def __init__(self, params: SamplingParams, breakers: Breakers, history: Sequence[int]) -> None:
        self._multiplier = params.dry_multiplier
        self._base = params.dry_base
        self._allowed = params.dry_allowed_length
        self._window = params.dry_penalty_last_n
        self._breakers = breakers
        self._length = len(history)
        self._tokens = np.zeros(max(_ROOM, 2 * self._length), np.int32)
        self._tokens[: self._length] = history
        self._same = np.zeros(len(self._tokens), np.int32)
        self._same[: self._length] = _common_suffixes(history)
        growth = math.log(self._base)
        self._exponent_max = int(EXPONENT_LOG_MAX / growth) if growth > GROWTH_MIN else 0

    def apply(self, logits: npt.NDArray[np.float32]) -> None:
        """See ``jackfield_llama.edits.Edit``."""
        size = self._length if self._window < 0 else min(self._length, self._window)
        if size <= self._allowed:
            return
        tokens = self._tokens[self._length - size : self._length]
        limit = self._since_breaker(tokens)
        if limit < self._allowed:
            return
        # the last place is the text itself; no repetition reaches out of the window, or beyond the last breaker
        same = self._same[self._length - size : self._length - 1]
        places = np.flatnonzero(same >= self._allowed)
        lengths = np.minimum(np.minimum(same[places], places + 1), limit)
        ids, place = np.unique(tokens[places + 1], return_inverse=True)
        longest = np.full(len(ids), -1)
        np.maximum.at(longest, place, lengths)
        penalised = (longest >= self._allowed) & ~self._breakers.whole[ids]
        logits[ids[penalised]] -= self._penalties(longest[penalised] - self._allowed)

    def accept(self, token: int) -> None:
        """See ``jackfield_llama.edits.Edit``."""
        length = self._length
        if length == len(self._tokens):
            self._tokens = np.append(self._tokens, np.zeros_like(self._tokens))
            self._same = np.append(self._same, np.zeros_like(self._same))
        self._tokens[length] = token
        self._same[1 : length + 1] = np.where(self._tokens[1 : length + 1] == token, self._same[:length] + 1, 0)
        self._same[0] = self._tokens[0] == token
        self._length = length + 1

    def _penalties(self, exponents: npt.NDArray[np.int_]) -> npt.NDArray[np.float32]:
        if self._exponent_max:
            exponents = np.minimum(exponents, self._exponent_max)
        powers = self._multiplier * self._base ** exponents.astype(np.float64)
        return np.minimum(powers, PENALTY_MAX).astype(np.float32)

    def _since_breaker(self, tokens: npt.NDArray[np.int32]) -> int:
        """How many tokens stand behind the last breaker in *tokens*; all where there is none."""
        tails = self._breakers.tails
        for place in np.flatnonzero(self._breakers.heads[tokens])[::-1].tolist():
            token = int(tokens[place])
            behind = tuple(tokens[place + 1 : place + 1 + TAIL_MAX].tolist())
            found: list[int] = [len(tail) for tail in tails.get(token, ()) if behind[: len(tail)] == tail]
            if self._breakers.whole[token]:
                found.append(0)
            if found:
                return len(tokens) - 1 - int(place) - max(found)
        return len(tokens)


def _common_suffixes(tokens: Sequence[int]) -> list[int]:
    """For each place of *tokens*: how many tokens up to there equal the last ones. The Z-algorithm, from the end."""
    falling = tokens[::-1]
    size = len(falling)
    lengths = [size] * size
    left = right = 0  # the stretch [left, right) equals the beginning of ``falling``
    for place in range(1, size):
        length = min(right - place, lengths[place - left]) if place < right else 0
        while place + length < size and falling[length] == falling[place + length]:
            length += 1
        lengths[place] = length
        if place + length > right:
            left, right = place, place + length
    return lengths[::-1]
