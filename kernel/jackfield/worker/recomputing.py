"""Slots that have left the device are computed again to be saved."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from jackfield.channel.messages import RequestFailed
from jackfield.errors import InternalError, JackfieldError
from jackfield.lifecycle import REQUEST, LifeCycle, RequestState
from jackfield.sampling import SamplingParams
from jackfield.types import Finished
from jackfield.worker.engine.prefix.slot_states import SlotState
from jackfield.worker.engine.sequence import Draws, Ends, PreparedRequest, Standing

if TYPE_CHECKING:
    from jackfield.channel.messages import SequenceEvent
    from jackfield.worker.engine.loop import EngineLoop


class Recomputing:
    """One slot's tokens, on their way through the engine as a prompt without an answer. Implements ``Recipient``.

    Parameters:
        loop: Computes them, or takes them from where the prefix cache has them.
        tokens: At least one, fewer than the context.
        standing: Whose they are, with the slot.

    Made by the thread that saves; all else runs in the engine loop's.
    """

    def __init__(self, loop: EngineLoop, tokens: list[int], standing: Standing) -> None:
        self._loop = loop
        self._standing = standing
        self.cancelled = False
        self.lives = (LifeCycle(REQUEST, RequestState.WAITING),)
        self.state: Future[SlotState] = Future()
        """What they become."""
        draws = Draws(sampling=SamplingParams(seed=0))
        ends = Ends(max_tokens=0, end_tokens=frozenset())
        loop.submit(PreparedRequest(self, tokens, draws=draws, ends=ends, standing=standing))

    def post(self, event: SequenceEvent) -> None:
        """See ``Recipient``. At its end the sequence still has its cells."""
        if isinstance(event, RequestFailed):
            self.state.set_exception(event.error.thaw())
        elif isinstance(event, Finished):
            try:
                self.state.set_result(self._taken(event.slot))
            except JackfieldError as error:
                self.state.set_exception(error)

    def _taken(self, slot: int) -> SlotState:
        taken = self._loop.slot_states.take(slot, self._standing.scope or b"")
        if not isinstance(taken, SlotState):
            raise InternalError("a slot that was computed again is not there")
        return taken
