"""Options of the ``fcfs`` scheduler."""

from __future__ import annotations

from typing import Literal

import msgspec

from jackfield.scheduling import STEP_MS_MAX


class FcfsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.fcfs]``."""

    step_tokens: int | Literal["auto"] = "auto"
    """Most tokens of one step, decode rows included; auto is the backend's batch limit."""
    step_ms: float = 1000.0
    """Milliseconds that prompts may take of a step that others wait for: answers for their next token, or a prompt that
    ends in it for its first; a quarter more where that lets one end. 0 sets no bound. Less delays running answers less
    while a long prompt comes in, and computes that prompt a little slower."""

    def __post_init__(self) -> None:
        if self.step_tokens != "auto" and self.step_tokens < 1:
            raise ValueError("step_tokens must be at least 1")
        if not 0 <= self.step_ms <= STEP_MS_MAX:
            raise ValueError(f"step_ms must be 0 to {STEP_MS_MAX}")
