"""What moderation says of a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.guardrail import Finding


class Moderation(msgspec.Struct, frozen=True, kw_only=True):
    """What guardrails have found in one text."""

    categories: Mapping[str, bool]
    """All that they look for, and whether they have found it."""
    scores: Mapping[str, float]
    """How sure they are; 0 where they have found nothing."""

    @property
    def flagged(self) -> bool:
        """Whether anything was found that would be masked or blocked."""
        return any(self.categories.values())

    @classmethod
    def of(cls, known: Sequence[str], findings: Sequence[Finding]) -> Moderation:
        """Made of *findings*, and of the names of categories that are *known*. Any thread."""
        categories = dict.fromkeys(known, False)
        scores = dict.fromkeys(known, 0.0)
        for finding in findings:
            name = finding.category
            categories[name] = categories.get(name, False) or finding.action != "pass"
            scores[name] = max(scores.get(name, 0.0), finding.score)
        return cls(categories=categories, scores=scores)
