"""Texts that are judged and go to no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.gateway.backlog import CHARACTERS, size_of
from jackfield.ports.limiter import Claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.context import RequestContext

ACTION: Final = "moderate"
"""What limits and records call it."""


def moderation_claim(context: RequestContext, texts: Sequence[str]) -> Claim:
    """What judging *texts* takes, for limiters."""
    return Claim(
        request_id=context.request_id,
        principal=context.principal,
        user=context.user,
        model="",
        action=ACTION,
        prompt_tokens=sum(max(1, size_of(text) // CHARACTERS) for text in texts),
    )
