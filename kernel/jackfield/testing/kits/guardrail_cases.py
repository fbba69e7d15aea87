"""What the kit of guardrails shows them, and how it looks at what they say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from jackfield.ports.guardrail import Finding, GuardedText, Mask, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.guardrail import Scanner, Subject

FILLER: Final = "It was a day like any other, and nobody had anything to say. "
"""What stands around what is found. A guardrail that finds something in it finds something everywhere."""

HOSTILE: Final[Mapping[str, str]] = {
    "nothing": "",
    "a space": " ",
    "a NUL": "a\0b",
    "line breaks": "\r\n\u2028\u2029" * 50,
    "a lone surrogate": "before \ud800 behind",
    "half an emoji": "\U0001f469\u200d",
    "many combining marks": "e" + "\u0301" * 5_000,
    "right to left": "\u202eab\u202c" * 200,
    "full width": "ｊｏｅ＠ｅｘａｍｐｌｅ．ｃｏｍ",
    "letters that grow when they are lowered": "İ" * 500,
    "letters that grow when they are raised": "ß" * 500,
    "zero width": "\u200b" * 5_000,
    "for patterns that go back": "a" * 20_000 + "!",
    "dots and ats": "a.@" * 10_000,
    "digits": "1234567890" * 2_000,
    "digits and blanks": "1 2-3 " * 3_000,
    "braces": "[{(" * 5_000,
    "a format": "{0.__class__} %s %n ${x}",
    "a pattern": "(a+)+$|(?P<x>.*)\\1",
    "its own kind of placeholder": "[EMAIL_1] [CARD_99999999999999999999]",
    "base64": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=" * 500,
    "JSON": '{"findings": [], "masks": []}',
    "long": FILLER * 2_000,
}
"""Texts that break what reads them carelessly."""


def acts(verdict: Verdict) -> bool:
    """Whether it masks or blocks."""
    return verdict.blocked or bool(verdict.masks)


def seen(verdict: Verdict) -> tuple[object, ...]:
    """What *verdict* says of the text itself; which number a placeholder has depends on the texts beside it."""
    return verdict.findings, tuple((mask.start, mask.end, mask.restore) for mask in verdict.masks)


def masked(text: str, verdict: Verdict) -> str:
    """*text* as the masks of *verdict* leave it."""
    parts, done = [], 0
    for mask in verdict.masks:
        parts += [text[done : mask.start], mask.replacement]
        done = mask.end
    return "".join([*parts, text[done:]])


def assert_valid(verdict: Verdict, guarded: GuardedText) -> None:
    """It is a verdict of *guarded*: what it masks is there, and in order."""
    assert isinstance(verdict, Verdict)
    done = 0
    for mask in verdict.masks:
        assert isinstance(mask, Mask)
        assert done <= mask.start < mask.end <= len(guarded.text), "a span is not in the text, or overlaps another one"
        assert mask.start >= guarded.begin, "what was sent before is judged again"
        done = mask.end
    for finding in verdict.findings:
        assert isinstance(finding, Finding)
        assert 0.0 <= finding.score <= 1.0


def assert_alike(text: str, whole: str, came: str) -> None:
    """A stream shows what the whole text shows; placeholders may have other numbers."""
    assert "".join(filter(str.isalpha, whole)) == "".join(filter(str.isalpha, came)), f"of {len(text)} characters"


def fastest(guardrail: Scanner, subject: Subject, text: str) -> float:
    """Processor seconds of the fastest of three scans of *text*."""
    took: list[float] = []
    for _ in range(3):
        began = time.process_time()
        guardrail.scan(subject, GuardedText(text=text))
        took.append(time.process_time() - began)
    return min(took)
