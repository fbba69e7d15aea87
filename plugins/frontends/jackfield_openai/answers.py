"""Answers in OpenAI's shapes, whole and as chunks.

What is the same in every chunk of a stream is encoded once; per chunk only the text is. Shapes: ``ChatCompletion``,
``ChatCompletionChunk`` and ``Completion`` of OpenAI's API description 2.3.0.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.types import Finished, FinishReason, Usage
    from jackfield_openai.decode import Call

_DONE: Final = b"data: [DONE]\n\n"
_ID_BYTES: Final = 12
"""Random bytes of an answer's id: no two answers of a server's life share one."""

_encode = msgspec.json.Encoder().encode


class Answer:
    """The answer to one call.

    Parameters:
        call: What was asked.
        model: The model's own name, which is what OpenAI returns where a client used an alias.
    """

    prefix: ClassVar[str]
    """Of the id."""
    whole_object: ClassVar[str]
    chunk_object: ClassVar[str]

    __slots__ = ("_head", "_start", "_stop", "_tail", "_usage")

    def __init__(self, call: Call, model: str) -> None:
        self._head: dict[str, object] = {
            "id": self.prefix + os.urandom(_ID_BYTES).hex(),
            "object": self.chunk_object,
            "created": int(time.time()),
            "model": model,
        }
        if call.names_tier:
            self._head["service_tier"] = "default"
        self._usage = call.include_usage
        head = _encode(self._head)[:-1]
        self._start = b"data: " + head + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if call.include_usage else b"]}\n\n"

    def opening(self) -> bytes:
        """The events before the first text; may be empty."""
        return b""

    def text(self, text: str) -> bytes:
        """The event that carries *text*."""
        raise NotImplementedError

    def closing(self, finished: Finished) -> bytes:
        """The events after the last text: finish reason, usage where asked for, end mark."""
        events = self._start + self._final_choice(finished.reason) + self._tail
        if self._usage:
            events += self._start + b'],"usage":' + _encode(usage_object(finished.usage)) + b"}\n\n"
        return events + _DONE

    def whole(self, text: str, finished: Finished) -> bytes:
        """The answer in one object."""
        return _encode(
            {
                **self._head,
                "object": self.whole_object,
                "choices": [self._choice(text, finished.reason)],
                "usage": usage_object(finished.usage),
            }
        )

    def _final_choice(self, reason: FinishReason) -> bytes:
        raise NotImplementedError

    def _choice(self, text: str, reason: FinishReason) -> Mapping[str, object]:
        raise NotImplementedError


class ChatAnswer(Answer):
    """The answer to a chat."""

    prefix = "chatcmpl-"
    whole_object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    __slots__ = ("_after", "_before")

    def __init__(self, call: Call, model: str) -> None:
        super().__init__(call, model)
        self._before = self._start + b'{"index":0,"delta":{"content":'
        self._after = b'},"logprobs":null,"finish_reason":null}' + self._tail

    def opening(self) -> bytes:
        """The one chunk that has the role."""
        delta = b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}'
        return self._start + delta + self._tail

    def text(self, text: str) -> bytes:
        """A chunk with a content delta."""
        return self._before + _encode(text) + self._after

    def _final_choice(self, reason: FinishReason) -> bytes:
        return b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"' + reason.encode() + b'"}'

    def _choice(self, text: str, reason: FinishReason) -> Mapping[str, object]:
        message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        return {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}


class CompletionAnswer(Answer):
    """The answer to a completion; chunks and whole answers have one shape."""

    prefix = "cmpl-"
    whole_object = "text_completion"
    chunk_object = "text_completion"

    __slots__ = ("_after", "_before")

    def __init__(self, call: Call, model: str) -> None:
        super().__init__(call, model)
        self._before = self._start + b'{"index":0,"text":'
        self._after = b',"logprobs":null,"finish_reason":null}' + self._tail

    def text(self, text: str) -> bytes:
        """A chunk with text."""
        return self._before + _encode(text) + self._after

    def _final_choice(self, reason: FinishReason) -> bytes:
        return b'{"index":0,"text":"","logprobs":null,"finish_reason":"' + reason.encode() + b'"}'

    def _choice(self, text: str, reason: FinishReason) -> Mapping[str, object]:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}


def usage_object(usage: Usage) -> Mapping[str, object]:
    """``CompletionUsage``, with the details that apply to text."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
