"""One response as it comes: its events, and what it is in the end.

Order of events: ``response.created``, ``response.in_progress``, then for each output item ``output_item.added``, its
parts and deltas, ``output_item.done``, then ``response.completed``, ``incomplete`` or ``failed``. Items are numbered by
``output_index``, events by ``sequence_number``; there is no end mark.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.types import Finished, ReasoningDelta, TextDelta
from jackfield_openai.responses.objects import OBJECT, error_object, usage_object
from jackfield_openai.responses.output import CallOutput, MessageOutput, ReasoningOutput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.errors import JackfieldError
    from jackfield.frontends.outputs import Delta, Output
    from jackfield.masking import Masking
    from jackfield_openai.responses.objects import Object
    from jackfield_openai.responses.output import OutputItem, Said

_encode = msgspec.json.Encoder().encode

_REASONS: Final = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "malformed_tool_call": "malformed_tool_call",
}
"""Why a response is incomplete; the last one is ours: a call that cannot be read stands in the text."""


class ResponseAnswer:
    """Turns what the model says into events and items.

    Parameters:
        response: As ``response_object`` made it; filled in as the answer goes on.
        logprobs: Whether the text has log probabilities.
    """

    def __init__(self, response: Object, *, logprobs: bool) -> None:
        self.response = response
        self.items: list[OutputItem] = []
        self._logprobs = logprobs
        self._number = 0
        self._open: OutputItem | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.response["status"] not in {"queued", "in_progress"}

    def opening(self) -> bytes:
        """The events before anything is said."""
        return self._event("response.created", {"response": self.response}) + self.begun()

    def queued(self) -> bytes:
        """The events of one that nobody waits for, before the model begins with it; ``begun`` follows them."""
        self.response["status"] = "queued"
        kinds = ("response.created", "response.queued")
        return b"".join(self._event(kind, {"response": self.response}) for kind in kinds)

    def begun(self) -> bytes:
        """The model has begun with it."""
        self.response["status"] = "in_progress"
        return self._event("response.in_progress", {"response": self.response})

    def event(self, output: Output) -> bytes:
        """The events of *output*."""
        if isinstance(output, Finished):
            return self._finish(output)
        item, before = self._open, b""
        if item is None or not item.takes(output):
            item, before = self._begin(output)
        piece = item.delta(output, self._number)
        self._number += bool(piece)
        return before + piece

    def failed(self, error: JackfieldError) -> bytes:
        """The event of a response that broke."""
        said = self._close("incomplete")
        self._end("failed")
        self.response["error"] = error_object(error)
        return self._events(said) + self._event("response.failed", {"response": self.response})

    def cancelled(self) -> None:
        """Somebody has asked for its end."""
        self._close("incomplete")
        self._end("cancelled")

    def hide(self, masking: Masking) -> None:
        """It has ended: what is known of it is what may be kept."""
        self.items.clear()
        self.response = OBJECT.decode(masking.hidden_json(_encode(self.response)))

    def _begin(self, delta: Delta) -> tuple[OutputItem, bytes]:
        """The item that begins with *delta*, and what is said before: the end of one, the beginning of another."""
        said = self._close("completed")
        item: OutputItem
        if isinstance(delta, TextDelta):
            item = MessageOutput(len(self.items), logprobs=self._logprobs)
        elif isinstance(delta, ReasoningDelta):
            item = ReasoningOutput(len(self.items))
        else:
            item = CallOutput(len(self.items), delta)
        self.items.append(item)
        self._open = item
        return item, self._events([*said, *item.added()])

    def _close(self, status: str) -> list[Said]:
        item, self._open = self._open, None
        return [] if item is None else item.done(status)

    def _finish(self, finished: Finished) -> bytes:
        reason = _REASONS.get(finished.reason)
        said = self._close("completed" if reason is None else "incomplete")
        self.response["usage"] = usage_object(finished.usage)
        self._end("completed" if reason is None else "incomplete")
        if reason is not None:
            self.response["incomplete_details"] = {"reason": reason}
        return self._events(said)

    def closing(self) -> bytes:
        """The last event of a response that did not fail; sent once it is kept."""
        return self._event(f"response.{self.response['status']}", {"response": self.response})

    def _end(self, status: str) -> None:
        self.response["status"] = status
        self.response["output"] = [item.whole() for item in self.items]
        self.response["completed_at"] = int(time.time()) if status == "completed" else None

    def _events(self, said: Iterable[Said]) -> bytes:
        return b"".join(self._event(kind, fields) for kind, fields in said)

    def _event(self, kind: str, fields: Object) -> bytes:
        data = _encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
