"""Answers in Anthropic's shapes, whole and as events.

Shapes: ``Message`` and ``RawMessageStreamEvent`` of Anthropic's Python client 2.12. An answer is a row of content
blocks; what comes next opens a block of its kind where the last one is of another.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from jackfield.types import Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.frontends.outputs import Delta
    from jackfield.types import Started
    from jackfield_anthropic.bodies import Call

_ID_BYTES: Final = 12
"""Random bytes of an answer's id: no two answers of a server's life share one."""

_PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_PART: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%b:'
"""A piece of a block, up to its text; it has the kind of the piece and the name of the text's field."""

_PART_END: Final = b"}}\n\n"
_PARTS: Final = {
    "text": b'"text_delta","text"',
    "thinking": b'"thinking_delta","thinking"',
    "tool_use": b'"input_json_delta","partial_json"',
}
"""By the kind of the block."""

_SIGNATURE: Final = b'"signature_delta","signature"'

_TABLE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode

Block: TypeAlias = tuple[str, int]
"""The kind of a block, and of a call its number."""

_TEXT: Final[Block] = ("text", 0)
_THINKING: Final[Block] = ("thinking", 0)
_NO_TEXT: Final = {"type": "text", "text": ""}
_NO_THOUGHT: Final = {"type": "thinking", "thinking": "", "signature": ""}


class Answer:
    """The answer to one request.

    Parameters:
        call: What was asked.
        model: The model's own name.
        started: What the worker said of the prompt.
    """

    __slots__ = ("_before", "_block", "_call", "_head", "_index", "_limit", "_prompt_tokens")

    def __init__(self, call: Call, model: str, started: Started | None) -> None:
        self._call = call
        self._head: dict[str, object] = {
            "id": "msg_" + os.urandom(_ID_BYTES).hex(),
            "type": "message",
            "role": "assistant",
            "model": model,
        }
        self._prompt_tokens = started.prompt_tokens if started else 0
        self._limit = started.max_tokens if started else call.max_tokens
        self._block: Block | None = None
        self._index = -1
        self._before = b""
        """What stands before each piece of the open block."""

    def opening(self) -> bytes:
        """The events before the first block. What of the prompt was cached is known at the end only."""
        message = {
            **self._head,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_object(Usage(self._prompt_tokens, 0)),
        }
        return _event("message_start", {"type": "message_start", "message": message}) + _PING

    def delta(self, delta: Delta) -> bytes:
        """The events that carry *delta*."""
        block = _block_of(delta)
        begun = b"" if block == self._block else self._enter(block, _start(delta))
        text = delta.arguments if isinstance(delta, ToolCallDelta) else delta.text
        if not text or (block == _THINKING and not self._call.shows_thoughts):
            return begun
        return begun + self._before + _encode(text) + _PART_END

    def closing(self, finished: Finished) -> bytes:
        """The events that end the answer. One that is empty has a block without text all the same."""
        last = self._enter(_TEXT, _NO_TEXT) if self._block is None else b""
        event = {
            "type": "message_delta",
            "delta": self._end(finished),
            "usage": usage_object(finished.usage),
        }
        return last + self._leave() + _event("message_delta", event) + _STOP

    def whole(self, deltas: Sequence[Delta], finished: Finished) -> bytes:
        """The answer in one object."""
        content = self._content(deltas)
        usage = {**usage_object(finished.usage), "service_tier": "standard"}
        return _encode({**self._head, "content": content, **self._end(finished), "usage": usage})

    def _enter(self, block: Block, start: Mapping[str, object]) -> bytes:
        """Close what is open, and open *block*."""
        before = self._leave()
        self._block = block
        self._index += 1
        self._before = _PART % (self._index, _PARTS[block[0]])
        event = {"type": "content_block_start", "index": self._index, "content_block": start}
        return before + _event("content_block_start", event)

    def _leave(self) -> bytes:
        """Close the open block, if there is one."""
        if self._block is None:
            return b""
        signature = _PART % (self._index, _SIGNATURE) + b'""' + _PART_END if self._block == _THINKING else b""
        return signature + _event("content_block_stop", {"type": "content_block_stop", "index": self._index})

    def _content(self, deltas: Sequence[Delta]) -> Sequence[Mapping[str, object]]:
        rows: list[tuple[Block, list[Delta]]] = []
        for delta in deltas:
            block = _block_of(delta)
            if not rows or rows[-1][0] != block:
                rows.append((block, []))
            rows[-1][1].append(delta)
        blocks = [made for block, parts in rows if (made := self._whole_block(block, parts)) is not None]
        return blocks or [_NO_TEXT]

    def _whole_block(self, block: Block, parts: Sequence[Delta]) -> Mapping[str, object] | None:
        if block == _TEXT:
            return {"type": "text", "text": _text(parts)}
        if block == _THINKING:
            return {
                "type": "thinking",
                "thinking": _text(parts) if self._call.shows_thoughts else "",
                "signature": "",
            }
        return _whole_call([part for part in parts if isinstance(part, ToolCallDelta)])

    def _end(self, finished: Finished) -> Mapping[str, object]:
        stop = finished.stopped_by if isinstance(finished.stopped_by, str) else None
        end: dict[str, object] = {"stop_reason": self._reason(finished, stop), "stop_sequence": stop}
        if finished.reason == "malformed_tool_call":
            # none of Anthropic's reasons says so, and clients know no others
            end["stop_details"] = {"type": "malformed_tool_call"}
        return end

    def _reason(self, finished: Finished, stop: str | None) -> str:
        if finished.reason == "length":
            short = self._limit < self._call.max_tokens
            return "model_context_window_exceeded" if short else "max_tokens"
        if finished.reason == "tool_calls":
            return "tool_use"
        if finished.reason == "content_filter":
            return "refusal"
        return "end_turn" if stop is None else "stop_sequence"


def usage_object(usage: Usage) -> Mapping[str, int]:
    """``Usage``: what was computed of the prompt, and what was cached, are apart."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


def _block_of(delta: Delta) -> Block:
    if isinstance(delta, ToolCallDelta):
        return "tool_use", delta.call
    return _THINKING if isinstance(delta, ReasoningDelta) else _TEXT


def _start(delta: Delta) -> Mapping[str, object]:
    """The block that begins with *delta*, without its text."""
    if isinstance(delta, ToolCallDelta):
        return {"type": "tool_use", "id": delta.id, "name": delta.name, "input": {}}
    return _NO_TEXT if isinstance(delta, TextDelta) else _NO_THOUGHT


def _text(parts: Sequence[Delta]) -> str:
    return "".join(part.text for part in parts if not isinstance(part, ToolCallDelta))


def _whole_call(parts: Sequence[ToolCallDelta]) -> Mapping[str, object] | None:
    """The call; None where it was cut off, for its arguments are no object then."""
    arguments = "".join(part.arguments for part in parts)
    try:
        _TABLE.decode(arguments or "{}")
    except msgspec.DecodeError:
        return None
    return {
        "type": "tool_use",
        "id": parts[0].id,
        "name": parts[0].name,
        "input": msgspec.Raw((arguments or "{}").encode()),
    }


def _event(name: str, data: Mapping[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(data))
