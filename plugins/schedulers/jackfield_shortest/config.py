"""Options of the ``shortest-prompt-first`` scheduler."""

from __future__ import annotations

from typing import Final

import msgspec

from jackfield.scheduling import STEP_MS_MAX

AGEING_MAX: Final = 86_400


class ShortestConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.shortest-prompt-first]``."""

    ageing_s: float = 30.0
    """Seconds after which a waiting request goes before all that wait for a shorter time, however short they are."""
    step_ms: float = 1000.0
    """Milliseconds that prompts may take of a step that others wait for: answers for their next token, or a prompt that
    ends in it for its first; a quarter more where that lets one end. 0 sets no bound."""

    def __post_init__(self) -> None:
        if not 0 <= self.ageing_s <= AGEING_MAX:
            raise ValueError(f"ageing_s must be 0 to {AGEING_MAX}")
        if not 0 <= self.step_ms <= STEP_MS_MAX:
            raise ValueError(f"step_ms must be 0 to {STEP_MS_MAX}")
