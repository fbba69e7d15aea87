"""Options of the ``fair`` scheduler."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from jackfield.scheduling import STEP_MS_MAX

WEIGHT_MAX: Final = 1_000_000
SLICE_MAX: Final = 1_000_000
AGEING_MAX: Final = 86_400
PRIORITY_SPAN: Final = 200
"""Steps from the most urgent priority to the least."""


class FairConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.fair]``."""

    weights: Mapping[str, float] = {}
    """Tenant → its weight; who is not named has 1. A tenant is ``authenticator/id``: ``keys/ci`` for the key ci."""
    ageing_s: float = 10.0
    """Seconds without a token after which waiting requests of a tenant count as one priority step more urgent."""
    slice_tokens: int = 256
    """Tokens that an answer may draw before another tenant's request may take its slot, and how far a prompt may get
    before another tenant's goes first."""
    urgent_steps: int = 10
    """A request takes the slot of one that is so many priority steps less urgent, at once; 201 turns that off."""
    step_ms: float = 1000.0
    """Milliseconds that prompts may take of a step that others wait for: answers for their next token, or a prompt that
    ends in it for its first; a quarter more where that lets one end. 0 sets no bound."""

    def __post_init__(self) -> None:
        for tenant, weight in self.weights.items():
            if not (math.isfinite(weight) and 1 / WEIGHT_MAX <= weight <= WEIGHT_MAX):
                raise ValueError(f"weights: {tenant!r} must have a weight of 0.000001 to {WEIGHT_MAX}")
        _within("ageing_s", self.ageing_s, 0.001, AGEING_MAX)
        _within("slice_tokens", self.slice_tokens, 1, SLICE_MAX)
        _within("urgent_steps", self.urgent_steps, 1, PRIORITY_SPAN + 1)
        _within("step_ms", self.step_ms, 0, STEP_MS_MAX)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}")
