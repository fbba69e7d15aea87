"""Topics, by weighted terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield_guardrails.finding import Trait
from jackfield_guardrails.folding import Folded
from jackfield_guardrails.words import WordDetector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jackfield.ports.guardrail import GuardedText
    from jackfield_guardrails.rules import TopicsRule


class TopicJudge:
    """Adds up the weights of the terms that a text has; see ``Judge``."""

    def __init__(self, rule: TopicsRule) -> None:
        self._threshold = rule.threshold
        self._topics: Mapping[str, Mapping[str, float]] = {
            topic: {_plain(term): weight for term, weight in terms.items()} for topic, terms in rule.topics.items()
        }
        self._detector = WordDetector(
            sorted({term for terms in self._topics.values() for term in terms}), "", whole=True
        )

    def traits(self, text: GuardedText) -> Iterator[Trait]:
        found = {_plain(text.text[place.start : place.end]) for place in self._detector.find(text.text, 0)}
        if not found:
            return
        for topic, terms in self._topics.items():
            total = sum(weight for term, weight in terms.items() if term in found)
            if total >= self._threshold:
                yield Trait(topic, total / (total + self._threshold))


def _plain(term: str) -> str:
    return " ".join(Folded(term).text.split())
