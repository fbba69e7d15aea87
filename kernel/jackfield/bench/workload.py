"""The prompts of a measurement: the same ones for the same seed, of about the wished length in tokens."""

from __future__ import annotations

import random
from typing import Final, Literal, NamedTuple, TypeAlias

LoadKind: TypeAlias = Literal["random", "shared-prefix", "mixed"]

PREFIX_SHARE: Final = 0.75
"""Part of a prompt that ``shared-prefix`` prompts have in common: a system prompt and examples before a question."""

_INPUT_FACTORS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
_OUTPUT_FACTORS: Final = (0.5, 1.0, 2.0)

# fmt: off
_WORDS: Final = (
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state",
    "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week", "company",
    "system", "program", "question", "work", "number", "night", "point", "home", "water", "room", "mother", "area",
    "money", "story", "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business", "issue",
    "side", "kind", "head", "house", "service", "friend", "father", "power", "hour", "game", "line", "end",
    "member", "law", "car", "city", "name", "team", "minute", "idea", "body", "back", "parent", "face", "level",
    "office", "door", "health", "person", "art", "war", "history", "party", "result", "change", "morning", "reason",
    "research", "girl", "guy", "moment", "air", "teacher", "force",
)
# fmt: on
"""Frequent English nouns: nearly every tokenizer has each of them as one token with its space."""


class Shot(NamedTuple):
    """One request to be made."""

    prompt: str
    output_tokens: int


class Workload:
    """An endless, repeatable sequence of requests.

    Parameters:
        kind: ``random``: nothing in common; ``shared-prefix``: three quarters are the same in all; ``mixed``: lengths
            from a quarter to four times the wished ones.
        input_tokens: Wished length of a prompt.
        output_tokens: Length of an answer.
        words_per_token: Of this tokenizer, as a calibration found.
        seed: The same seed gives the same requests.
    """

    def __init__(
        self, kind: LoadKind, *, input_tokens: int, output_tokens: int, words_per_token: float = 1.0, seed: int = 0
    ) -> None:
        self._kind: Final = kind
        self._words = max(1, round(input_tokens * words_per_token))
        self._output_tokens = output_tokens
        self._random = random.Random(seed)  # noqa: S311 - must repeat for a seed; no secret
        self._prefix = self._some(round(self._words * PREFIX_SHARE)) if kind == "shared-prefix" else []

    def next(self) -> Shot:
        """The next request."""
        words, output = self._words, self._output_tokens
        if self._kind == "mixed":
            words = max(1, round(words * self._random.choice(_INPUT_FACTORS)))
            output = max(1, round(output * self._random.choice(_OUTPUT_FACTORS)))
        return Shot(" ".join([*self._prefix, *self._some(max(1, words - len(self._prefix)))]), output)

    def _some(self, count: int) -> list[str]:
        return self._random.choices(_WORDS, k=count)
