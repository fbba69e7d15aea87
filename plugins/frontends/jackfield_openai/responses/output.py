"""Output items while they grow: a message, thoughts, a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import msgspec

from jackfield.types import ReasoningDelta, TextDelta, ToolCallDelta
from jackfield_openai.records import new_id
from jackfield_openai.responses.objects import logprob_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.frontends.outputs import Delta
    from jackfield.types import TokenLogprob
    from jackfield_openai.responses.objects import Object

Said: TypeAlias = "tuple[str, dict[str, object]]"
"""An event's type, and its fields besides."""

_encode = msgspec.json.Encoder().encode

_END: Final = b"}\n\n"


class OutputItem(Protocol):
    """One item of a response's ``output``."""

    def takes(self, delta: Delta) -> bool:
        """Whether *delta* goes on with it."""
        ...

    def added(self) -> list[Said]:
        """What is said when it begins."""
        ...

    def delta(self, delta: Delta, number: int) -> bytes:
        """The event of its next piece, which has *number* if there is one."""
        ...

    def done(self, status: str) -> list[Said]:
        """What is said when it has ended, as *status* says."""
        ...

    def whole(self) -> Object:
        """What it is."""
        ...


class _Pieces:
    """The events of an item's pieces: all but their numbers and texts is encoded once.

    Parameters:
        kind: Type of the events.
        place: Fields that say where the text belongs.
    """

    def __init__(self, kind: str, place: Object) -> None:
        self._before = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":'.encode()
        self._between = b"," + _encode(place)[1:-1] + b',"delta":'

    def event(self, number: int, text: str, after: bytes = b"") -> bytes:
        """The event that has *text*, and the fields *after* it."""
        return b"%b%d%b%b%b%b" % (self._before, number, self._between, _encode(text), after, _END)


class _Text:
    """What messages and thoughts have in common: one part with text.

    Parameters:
        index: Its place in ``output``.
        prefix: Of its id.
    """

    part_kind = ""

    def __init__(self, index: int, prefix: str) -> None:
        self.id = new_id(prefix)
        self._index = index
        self._pieces: list[str] = []
        self._status = "in_progress"
        self._events = _Pieces(f"response.{self.part_kind}.delta", self._place)

    @property
    def _place(self) -> Object:
        return {"item_id": self.id, "output_index": self._index, "content_index": 0}

    @property
    def text(self) -> str:
        """So far."""
        return "".join(self._pieces)

    def added(self) -> list[Said]:
        """The item, then its only part."""
        begun = ("response.output_item.added", {"output_index": self._index, "item": self._object([])})
        return [begun, ("response.content_part.added", {**self._place, "part": self._part("")})]

    def done(self, status: str) -> list[Said]:
        """The text, the part, the item."""
        self._status = status
        part = self._part(self.text)
        return [
            (f"response.{self.part_kind}.done", {**self._place, "text": self.text, **self._logprob_field()}),
            ("response.content_part.done", {**self._place, "part": part}),
            ("response.output_item.done", {"output_index": self._index, "item": self._object([part])}),
        ]

    def whole(self) -> Object:
        """With its part."""
        return self._object([self._part(self.text)])

    def _logprob_field(self) -> Object:
        return {}

    def _part(self, text: str) -> Object:
        return {"type": self.part_kind, "text": text}

    def _object(self, content: list[Object]) -> Object:
        raise NotImplementedError


class MessageOutput(_Text):
    """A message of the assistant.

    Parameters:
        index: Its place in ``output``.
        logprobs: Whether its text has log probabilities.
    """

    part_kind = "output_text"

    def __init__(self, index: int, *, logprobs: bool) -> None:
        super().__init__(index, "msg_")
        self._wanted = logprobs
        self._tokens: list[TokenLogprob] = []

    def takes(self, delta: Delta) -> bool:
        """More text."""
        return isinstance(delta, TextDelta)

    def delta(self, delta: Delta, number: int) -> bytes:
        """The text, and how likely it was."""
        if not isinstance(delta, TextDelta):
            return b""
        self._pieces.append(delta.text)
        if not self._wanted:
            return self._events.event(number, delta.text, b',"logprobs":[]')
        self._tokens += delta.logprobs
        likely = _encode(logprob_objects(delta.logprobs, with_bytes=False))
        return self._events.event(number, delta.text, b',"logprobs":' + likely)

    def _logprob_field(self) -> Object:
        return {"logprobs": logprob_objects(self._tokens, with_bytes=False) if self._wanted else []}

    def _part(self, text: str) -> Object:
        likely = logprob_objects(self._tokens) if self._wanted and text else []
        return {**super()._part(text), "annotations": [], "logprobs": likely}

    def _object(self, content: list[Object]) -> Object:
        return {"type": "message", "id": self.id, "status": self._status, "role": "assistant", "content": content}


class ReasoningOutput(_Text):
    """What the model thought.

    Parameters:
        index: Its place in ``output``.
    """

    part_kind = "reasoning_text"

    def __init__(self, index: int) -> None:
        super().__init__(index, "rs_")

    def takes(self, delta: Delta) -> bool:
        """More thoughts."""
        return isinstance(delta, ReasoningDelta)

    def delta(self, delta: Delta, number: int) -> bytes:
        """The thought."""
        if not isinstance(delta, ReasoningDelta):
            return b""
        self._pieces.append(delta.text)
        return self._events.event(number, delta.text)

    def _object(self, content: list[Object]) -> Object:
        return {
            "type": "reasoning",
            "id": self.id,
            "status": self._status,
            "summary": [],
            "content": content,
            "encrypted_content": None,
        }


class CallOutput:
    """A call of a function.

    Parameters:
        index: Its place in ``output``.
        first: The call's first delta.
    """

    def __init__(self, index: int, first: ToolCallDelta) -> None:
        self.id = new_id("fc_")
        self._index = index
        self._first = first
        self._pieces: list[str] = []
        self._status = "in_progress"
        self._events = _Pieces("response.function_call_arguments.delta", self._place)

    @property
    def _place(self) -> Object:
        return {"item_id": self.id, "output_index": self._index}

    def takes(self, delta: Delta) -> bool:
        """More arguments of the same call."""
        return isinstance(delta, ToolCallDelta) and delta.call == self._first.call

    def added(self) -> list[Said]:
        """The item, without arguments."""
        return [("response.output_item.added", {"output_index": self._index, "item": self.whole()})]

    def delta(self, delta: Delta, number: int) -> bytes:
        """A piece of the arguments."""
        if not isinstance(delta, ToolCallDelta) or not delta.arguments:
            return b""
        self._pieces.append(delta.arguments)
        return self._events.event(number, delta.arguments)

    def done(self, status: str) -> list[Said]:
        """The arguments, the item."""
        self._status = status
        arguments: Mapping[str, object] = {"arguments": "".join(self._pieces), "name": self._first.name}
        return [
            ("response.function_call_arguments.done", {**self._place, **arguments}),
            ("response.output_item.done", {"output_index": self._index, "item": self.whole()}),
        ]

    def whole(self) -> Object:
        """What it is."""
        return {
            "type": "function_call",
            "id": self.id,
            "status": self._status,
            "call_id": self._first.id,
            "name": self._first.name,
            "arguments": "".join(self._pieces),
        }
