"""What was said in a request, for audit sinks: prompts as guardrails left them, answers as they may be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.gateway.guarded_texts import mapped
from jackfield.ports.audit import AuditText
from jackfield.types import ReasoningDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.context import RequestContext
    from jackfield.gateway.work import WorkT
    from jackfield.ports.guardrail import Channel
    from jackfield.types import GenerateEvent

TEXTS_MAX: Final = 64
"""Most texts of a request's prompt, the latest ones; all before them are one."""


class Answers:
    """The texts of a request's answers, as they come. Event loop thread."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: dict[int, list[str]] = {}

    def hear(self, events: Sequence[GenerateEvent]) -> None:
        """More of them: content, thoughts and arguments, in the order in which they come."""
        for event in events:
            if isinstance(event, TextDelta | ReasoningDelta):
                self._pieces.setdefault(event.index, []).append(event.text)
            elif isinstance(event, ToolCallDelta):
                self._pieces.setdefault(event.index, []).append(event.arguments)

    def texts(self, context: RequestContext) -> tuple[AuditText, ...]:
        """One for each answer; what guardrails have masked is masked."""
        masking = context.masking
        whole = ("".join(pieces) for _, pieces in sorted(self._pieces.items()))
        return tuple(
            [AuditText(role="answer", text=text if masking is None else masking.hidden(text)) for text in whole]
        )


def prompts(work: WorkT) -> tuple[AuditText, ...]:
    """The texts of *work*: each of the latest ones, and all before them together, so that none goes unrecorded."""
    found: list[AuditText] = []

    def visit(text: str, channel: Channel = "content", role: str = "", /) -> str:
        del channel, role
        found.append(AuditText(role="prompt", text=text))
        return text

    mapped(work, visit)
    earlier = len(found) - TEXTS_MAX + 1
    if earlier > 1:
        found[:earlier] = [AuditText(role="prompt", text="\n".join([each.text for each in found[:earlier]]))]
    return tuple(found)
