"""Answers in OpenAI's shapes, whole and as chunks.

What is the same in every chunk of a stream is encoded once; per chunk only the text is. Shapes: ``ChatCompletion``,
``ChatCompletionChunk`` and ``Completion`` of OpenAI's API description 2.3.0, with vLLM's ``stop_reason`` where a stop
string or stop token ended an answer.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from jackfield.frontends.llama_server import progress_object, timings_object
from jackfield.types import Finished, PromptProgress, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from jackfield_openai.best import best
from jackfield_openai.logprobs import chat_logprobs, text_logprobs
from jackfield_openai.obfuscation import obfuscated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.frontends.outputs import Delta, Output
    from jackfield_openai.best import Told
    from jackfield_openai.bodies import Call

_DONE: Final = b"data: [DONE]\n\n"
_ID_BYTES: Final = 12
"""Random bytes of an answer's id: no two answers of a server's life share one."""

_encode = msgspec.json.Encoder().encode


class Answer:
    """The answer to one call, which may have several choices.

    Parameters:
        call: What was asked.
        model: The model's own name, which is what OpenAI returns where a client used an alias.
        revision: Mark of the model and of what computes it; empty where it is not known.
    """

    prefix: ClassVar[str]
    """Of the id."""
    whole_object: ClassVar[str]
    chunk_object: ClassVar[str]
    before_text: ClassVar[bytes]
    """Of a chunk's choice, between its index and its text."""
    before_logprobs: ClassVar[bytes]
    no_text: ClassVar[bytes]
    """Of the choice with the finish reason, between its index and its log probabilities."""

    __slots__ = (
        "_after",
        "_before",
        "_functions",
        "_head",
        "_keep",
        "_logprobs_wanted",
        "_metadata",
        "_obfuscated",
        "_per_prompt",
        "_reasoning_shown",
        "_start",
        "_tail",
        "_timings",
        "_timings_wanted",
        "_usage",
        "_usage_wanted",
        "choices",
    )

    def __init__(self, call: Call, model: str, revision: str = "") -> None:
        self._head: dict[str, object] = {
            "id": self.prefix + os.urandom(_ID_BYTES).hex(),
            "object": self.chunk_object,
            "created": int(time.time()),
            "model": model,
        }
        if revision:
            self._head["system_fingerprint"] = f"fp_{revision}"
        if call.tier is not None:
            self._head["service_tier"] = call.tier
        self._metadata = call.metadata
        self._obfuscated = call.obfuscated
        self.choices = call.choices
        """How many there are."""
        self._per_prompt = call.requests[0].n
        self._keep = call.keep
        self._logprobs_wanted = call.scores_kept and call.requests[0].logprobs is not None
        self._functions = call.functions
        self._reasoning_shown = call.reasoning_shown
        self._timings_wanted = call.timings
        self._timings: Mapping[str, float] | None = None
        self._usage = Usage(0, 0)
        self._usage_wanted = call.include_usage
        self._start = b"data: " + _encode(self._head)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if call.include_usage else b"]}\n\n"
        self._before = [b'%b{"index":%d%b' % (self._start, index, self.before_text) for index in range(self.choices)]
        self._after = self.before_logprobs + b'null,"finish_reason":null}' + self._tail

    def opening(self) -> bytes:
        """The events before the first text; may be empty."""
        return b""

    def text(self, delta: TextDelta) -> bytes:
        """The event that carries a text."""
        event = self._before[delta.index] + _encode(delta.text)
        if not self._logprobs_wanted:
            return event + self._after
        logprobs = _encode(self._logprobs(delta))
        return event + self.before_logprobs + logprobs + b',"finish_reason":null}' + self._tail

    def event(self, output: Output | PromptProgress) -> bytes:
        """The event that carries *output*; it is the last one of its choice where that has ended."""
        if isinstance(output, Finished):
            return self.last(output)
        if isinstance(output, PromptProgress):
            return self.progress(output)
        event = self.text(output) if isinstance(output, TextDelta) else self.chat_event(output)
        return obfuscated(event) if self._obfuscated and event else event

    def progress(self, progress: PromptProgress) -> bytes:
        """The event that says how far the prompt is computed, in llama-server's words."""
        choice = b'{"index":%d%b,"logprobs":null,"finish_reason":null}' % (progress.index, self.no_text)
        return self._start + choice + b'],"prompt_progress":' + _encode(progress_object(progress)) + self._tail[1:]

    def chat_event(self, delta: ReasoningDelta | ToolCallDelta) -> bytes:
        """The event that carries a thought or a part of a call."""
        raise NotImplementedError

    def last(self, finished: Finished) -> bytes:
        """The event that ends one choice."""
        self._add(finished)
        logprobs = _encode(self._last_logprobs(finished))
        end = _encode(self._end(finished))[1:]
        choice = b'{"index":%d%b,"logprobs":%b,%b' % (finished.index, self.no_text, logprobs, end)
        if self._timings is not None:
            return self._start + choice + b'],"timings":' + _encode(self._timings) + self._tail[1:]
        return self._start + choice + self._tail

    def used(self, prompt: int, completion: int) -> None:
        """Chunks from now on say what was used so far, in tokens; what has finished is known better."""
        known = self._usage
        self._tail = (
            b'],"usage":'
            + _encode(
                usage_object(
                    Usage(prompt, max(completion, known.completion_tokens), known.cached_tokens, known.reasoning_tokens)
                )
            )
            + b"}\n\n"
        )
        self._after = self.before_logprobs + b'null,"finish_reason":null}' + self._tail

    def closing(self) -> bytes:
        """The events after all choices: usage where asked for, end mark."""
        if not self._usage_wanted:
            return _DONE
        return self._start + b'],"usage":' + _encode(usage_object(self._usage)) + b"}\n\n" + _DONE

    def whole(self, events: Sequence[Output]) -> bytes:
        """The answer in one object, of all its events; also after it was streamed."""
        self._usage = Usage(0, 0)
        parts: list[list[Delta]] = [[] for _ in range(self.choices)]
        ends: list[Finished | None] = [None] * self.choices
        for event in events:
            if isinstance(event, Finished):
                ends[event.index] = event
                self._add(event)
            elif not isinstance(event, PromptProgress):
                parts[event.index].append(event)
        sent: list[Told] = [(deltas, end) for deltas, end in zip(parts, ends, strict=True) if end]
        if self._keep is not None:
            sent = best(sent, self._per_prompt, self._keep)
        choices = [
            {"index": index, **self._choice(deltas, end), **self._end(end)} for index, (deltas, end) in enumerate(sent)
        ]
        answer = {**self._head, "object": self.whole_object, "choices": choices, "usage": usage_object(self._usage)}
        if self._timings is not None:
            answer["timings"] = self._timings
        if self._metadata is not None:
            answer["metadata"] = self._metadata
        return _encode(answer)

    def _end(self, finished: Finished) -> Mapping[str, object]:
        reason = finished.reason
        end: dict[str, object] = {
            "finish_reason": "function_call" if self._functions and reason == "tool_calls" else reason
        }
        if finished.stopped_by is not None:
            end["stop_reason"] = finished.stopped_by
        return end

    def _add(self, finished: Finished) -> None:
        one = finished.usage
        # the choices of one prompt share it
        prompt, cached = (one.prompt_tokens, one.cached_tokens) if finished.index % self._per_prompt == 0 else (0, 0)
        total = self._usage
        self._usage = Usage(
            total.prompt_tokens + prompt,
            total.completion_tokens + one.completion_tokens,
            total.cached_tokens + cached,
            total.reasoning_tokens + one.reasoning_tokens,
        )
        if self._timings_wanted:
            self._timings = timings_object(finished)

    def _logprobs(self, delta: TextDelta) -> Mapping[str, object]:
        raise NotImplementedError

    def _last_logprobs(self, finished: Finished) -> Mapping[str, object] | None:
        raise NotImplementedError

    def _choice(self, deltas: Sequence[Delta], finished: Finished) -> Mapping[str, object]:
        raise NotImplementedError


class ChatAnswer(Answer):
    """The answer to a chat."""

    prefix = "chatcmpl-"
    whole_object = "chat.completion"
    chunk_object = "chat.completion.chunk"
    before_text = b',"delta":{"content":'
    before_logprobs = b'},"logprobs":'
    no_text = b',"delta":{}'

    __slots__ = ("_before_arguments", "_before_thought")

    def __init__(self, call: Call, model: str, revision: str = "") -> None:
        super().__init__(call, model, revision)
        self._before_thought = [
            b'%b{"index":%d,"delta":{"reasoning_content":' % (self._start, index) for index in range(self.choices)
        ]
        self._before_arguments: dict[tuple[int, int], bytes] = {}
        """By choice and call."""

    def opening(self) -> bytes:
        """For each choice the one chunk that has the role."""
        delta = b',"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}'
        start, tail = self._start, self._tail
        return b"".join(b'%b{"index":%d%b%b' % (start, index, delta, tail) for index in range(self.choices))

    def _logprobs(self, delta: TextDelta) -> Mapping[str, object]:
        return chat_logprobs(delta.logprobs)

    def _last_logprobs(self, finished: Finished) -> None:  # noqa: ARG002 -- a chat's are those of its text
        return None

    def chat_event(self, delta: ReasoningDelta | ToolCallDelta) -> bytes:
        """The event that carries a thought or a part of a call."""
        if isinstance(delta, ReasoningDelta):
            if not self._reasoning_shown:
                return b""
            return self._before_thought[delta.index] + _encode(delta.text) + self._after
        if self._functions:
            said = b'"function_call":' + _encode(function_delta(delta))
        elif delta.name:
            said = b'"tool_calls":[' + _encode(_call_delta(delta)) + b"]"
        else:
            return self._arguments(delta)
        return b'%b{"index":%d,"delta":{%b%b' % (self._start, delta.index, said, self._after)

    def _arguments(self, delta: ToolCallDelta) -> bytes:
        place = delta.index, delta.call
        before = self._before_arguments.get(place)
        if before is None:
            before = b'%b{"index":%d,"delta":{"tool_calls":[{"index":%d,"function":{"arguments":' % (
                self._start,
                *place,
            )
            self._before_arguments[place] = before
        return before + _encode(delta.arguments) + b"}}]" + self._after

    def _choice(
        self,
        deltas: Sequence[Delta],
        finished: Finished,  # noqa: ARG002 -- a chat's log probabilities are those of its text
    ) -> Mapping[str, object]:
        texts = [delta for delta in deltas if isinstance(delta, TextDelta)]
        content = "".join(delta.text for delta in texts)
        thoughts = "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
        calls = tool_calls(deltas)
        message: dict[str, object] = {
            "role": "assistant",
            "content": content if content or not calls else None,
            "refusal": None,
            "annotations": [],
        }
        if thoughts and self._reasoning_shown:
            message["reasoning_content"] = thoughts
        if calls and self._functions:
            message["function_call"] = calls[0]["function"]
        elif calls:
            message["tool_calls"] = calls
        tokens = [token for delta in texts for token in delta.logprobs]
        return {"message": message, "logprobs": chat_logprobs(tokens) if self._logprobs_wanted else None}


class CompletionAnswer(Answer):
    """The answer to a completion; chunks and whole answers have one shape."""

    prefix = "cmpl-"
    whole_object = "text_completion"
    chunk_object = "text_completion"
    before_text = b',"text":'
    before_logprobs = b',"logprobs":'
    no_text = b',"text":""'

    __slots__ = ()

    def _logprobs(self, delta: TextDelta) -> Mapping[str, object]:
        return text_logprobs(delta.logprobs)

    def _last_logprobs(self, finished: Finished) -> Mapping[str, object] | None:
        """Of the end token, which harnesses count among the answer's: without it all others would seem moved."""
        return text_logprobs(finished.logprobs) if finished.logprobs else None

    def _choice(self, deltas: Sequence[Delta], finished: Finished) -> Mapping[str, object]:
        texts = [delta for delta in deltas if isinstance(delta, TextDelta)]
        text = "".join(delta.text for delta in texts)
        if not self._logprobs_wanted:
            return {"text": text, "logprobs": None}
        tokens = [token for delta in texts for token in delta.logprobs]
        return {"text": text, "logprobs": text_logprobs([*tokens, *finished.logprobs])}


def tool_calls(deltas: Sequence[Delta]) -> list[Mapping[str, object]]:
    """The calls of one answer, whole."""
    names: dict[int, ToolCallDelta] = {}
    arguments: dict[int, list[str]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            names.setdefault(delta.call, delta)
            arguments.setdefault(delta.call, []).append(delta.arguments)
    return [
        {
            "id": first.id,
            "type": "function",
            "function": {"name": first.name, "arguments": "".join(arguments[number])},
        }
        for number, first in names.items()
    ]


def function_delta(delta: ToolCallDelta) -> Mapping[str, str]:
    """A part of a call, without what tells several apart."""
    if not delta.name:
        return {"arguments": delta.arguments}
    return {"name": delta.name, "arguments": delta.arguments}


def _call_delta(delta: ToolCallDelta) -> Mapping[str, object]:
    """The beginning of a call."""
    return {"index": delta.call, "id": delta.id, "type": "function", "function": function_delta(delta)}


def usage_object(usage: Usage) -> Mapping[str, object]:
    """``CompletionUsage``, with the details that apply to text."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
