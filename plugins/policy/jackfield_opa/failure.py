"""What becomes of a request that cannot be decided: it is refused, unless the options say otherwise, loudly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import structlog

from jackfield.errors import PolicyUnavailable
from jackfield.ports.policy import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.policy import PolicyInput


class FailurePolicy:
    """The option ``fail``. Event loop thread.

    Parameters:
        name: Of the engine.
        mode: ``closed`` or ``open``; the latter is logged at once.
    """

    def __init__(self, name: str, mode: Literal["closed", "open"]) -> None:
        self._name = name
        self._open = mode == "open"
        self._log = structlog.get_logger("jackfield.opa")
        if self._open:
            self._log.warning('fail = "open": what cannot be decided is allowed', engine=name)

    @property
    def troubles(self) -> Sequence[str]:
        """That it is open."""
        return ['fail = "open": what cannot be decided is allowed'] if self._open else []

    def undecided(self, question: PolicyInput, reason: str) -> Decision:
        """Nobody answers, for *reason*.

        Raises:
            PolicyUnavailable: Always, unless it is open.
        """
        if not self._open:
            raise PolicyUnavailable(f"the policy engine {self._name} cannot decide: {reason}")
        self._log.warning(
            "allowed without a decision", engine=self._name, reason=reason, principal=question.principal.id
        )
        return Decision(allow=True, reasons=(f"{self._name} could not decide, and fail is open",))
