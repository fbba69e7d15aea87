"""Which language a text is in, by script and by its most frequent words.

Scripts that one language of the list has for itself tell it at once; among languages that share one, the frequent
words do. Nothing here tells languages that are not on the list: Norwegian may pass for Swedish.
"""

from __future__ import annotations

import re
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from jackfield_guardrails.finding import Trait
from jackfield_guardrails.frequent_words import FREQUENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jackfield.ports.guardrail import GuardedText
    from jackfield_guardrails.rules import LanguageRule

READ_MAX: Final = 20_000
"""Characters that are looked at, from the begin of a text."""

WORDS_MIN: Final = 3
"""Frequent words that a text must have to be of a language with a shared script."""

SCRIPTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "[A-Za-z\u00c0-\u024f]": ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "sv", "tr"),
        "[\u0400-\u04ff]": ("ru", "uk"),
        "[\u0370-\u03ff\u1f00-\u1fff]": ("el",),
        "[\u0600-\u06ff]": ("ar",),
        "[\u0590-\u05ff]": ("he",),
        "[\u0900-\u097f]": ("hi",),
        "[\u0e00-\u0e7f]": ("th",),
        "[\u1100-\u11ff\uac00-\ud7af]": ("ko",),
        "[\u3040-\u30ff]": ("ja",),
        "[\u4e00-\u9fff]": ("zh",),
    }
)

_LETTERS: Final = {script: re.compile(script) for script in SCRIPTS}
_WORDS: Final = re.compile(r"[^\W\d_]+")
_KANA_SHARE: Final = 0.1


def language(text: str) -> tuple[str, float]:
    """The language of *text*, empty where nothing tells it, and how sure that is (0 to 1)."""
    counts = {script: len(letters.findall(text)) for script, letters in _LETTERS.items()}
    total = sum(counts.values())
    if not total:
        return "", 0.0
    kana, han = counts["[\u3040-\u30ff]"], counts["[\u4e00-\u9fff]"]
    if kana and kana >= _KANA_SHARE * (kana + han):  # Japanese is written with both
        return "ja", (kana + han) / total
    script = max(counts, key=lambda each: counts[each])
    known = SCRIPTS[script]
    share = counts[script] / total
    return (known[0], share) if len(known) == 1 else _by_words(text, known, share)


def _by_words(text: str, known: tuple[str, ...], share: float) -> tuple[str, float]:
    words = Counter(word.lower() for word in _WORDS.findall(text))
    hits = {name: sum(count for word, count in words.items() if word in FREQUENT[name]) for name in known}
    first, second = sorted(hits, key=lambda each: -hits[each])[:2]
    if hits[first] < WORDS_MIN or hits[first] == hits[second]:
        return "", 0.0
    return first, share * hits[first] / (hits[first] + hits[second] / 2)


class LanguageJudge:
    """Compares with what is allowed and what is not; see ``Judge``."""

    def __init__(self, rule: LanguageRule) -> None:
        self._rule = rule

    def traits(self, text: GuardedText) -> Iterator[Trait]:
        said = text.text[:READ_MAX]
        if sum(map(str.isalpha, said)) < self._rule.min_characters:
            return
        found, sure = language(said)
        if not found or sure < self._rule.threshold:
            return
        if found in self._rule.deny or (self._rule.allow and found not in self._rule.allow):
            yield Trait(f"language_{found}", sure)
