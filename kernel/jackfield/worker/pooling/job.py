"""One pooled request, as the loop sees it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jackfield.pooled import PoolRequest
    from jackfield.worker.engine.sequence import Recipient


class PoolJob:
    """A request that was prepared.

    Parameters:
        recipient: Who asked.
        inputs: Token ids of each input; each fits one call.
        request: What was asked.

    Intake thread makes it, loop thread uses it.
    """

    __slots__ = ("arrived", "inputs", "life", "prompt_tokens", "queue_s", "recipient", "request", "rows", "suspect")

    def __init__(self, recipient: Recipient, inputs: list[list[int]], request: PoolRequest) -> None:
        self.recipient = recipient
        self.inputs = inputs
        self.request = request
        self.life = recipient.lives[0]
        self.prompt_tokens = sum(map(len, inputs))
        self.arrived = time.monotonic()
        """Monotonic seconds."""
        self.queue_s = 0.0
        """Seconds from then until the first call that computed some of it."""
        self.rows: list[bytes] = []
        """Results so far, in the order of the inputs: the next input to compute is that of their number."""
        self.suspect = False
        """Whether it was in a call that failed; it is computed alone from then on."""

    @property
    def complete(self) -> bool:
        """Whether every input has its result."""
        return len(self.rows) == len(self.inputs)
