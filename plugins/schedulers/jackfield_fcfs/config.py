"""Options of the ``fcfs`` scheduler."""

from __future__ import annotations

from typing import Literal

import msgspec


class FcfsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.fcfs]``."""

    step_tokens: int | Literal["auto"] = "auto"
    """Most tokens of one step, decode rows included; auto is the backend's batch limit. Smaller steps delay running
    answers less while a long prompt comes in, and compute that prompt a little slower."""

    def __post_init__(self) -> None:
        if self.step_tokens != "auto" and self.step_tokens < 1:
            raise ValueError("step_tokens must be at least 1")
