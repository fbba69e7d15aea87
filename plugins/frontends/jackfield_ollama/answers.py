"""Answers in Ollama's shapes: one object, or a line for each piece and one that ends them.

A call is one object with its arguments, so it is held back until it is whole; one that was cut off is left out.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from jackfield.types import Finished, ReasoningDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.frontends.outputs import Output
    from jackfield.types import TokenLogprob

_NS: Final = 1_000_000_000
_TABLE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


class Answer:
    """The answer to one request.

    Parameters:
        model: The model's own name.
        arrived: Monotonic seconds at which the request came in.
        scored: Whether log probabilities were asked for.
    """

    with_message: ClassVar[bool]
    """Whether text, thoughts and calls are in ``message``."""
    text: ClassVar[str]
    """Field of the text."""
    before_text: ClassVar[bytes]
    """Of a line, between its time and its text."""
    before_thought: ClassVar[bytes]
    after: ClassVar[bytes]
    """What ends a line."""

    __slots__ = ("_arrived", "_before", "_calls", "_model", "_scored")

    def __init__(self, model: str, arrived: float, *, scored: bool = False) -> None:
        self._model = model
        self._arrived = arrived
        self._scored = scored
        self._calls = _Calls()
        self._before = b'{"model":' + _encode(model) + b',"created_at":"'

    def line(self, output: Output) -> bytes:
        """The lines that *output* becomes; none while a call is not whole."""
        if isinstance(output, Finished):
            calls = self._calls.end()
            before = self._line(self._said("", calls=calls)) if calls else b""
            return before + _encode({**self._head(), **self._last(output)}) + b"\n"
        calls = self._calls.take(output)
        before = self._line(self._said("", calls=calls)) if calls else b""
        if isinstance(output, ToolCallDelta):
            return before
        if self._scored and isinstance(output, TextDelta):
            return before + self._line({**self._said(output.text), **self._scores(output.logprobs)})
        field = self.before_text if isinstance(output, TextDelta) else self.before_thought
        stamp = timestamp(time.time()).encode()
        return before + self._before + stamp + field + _encode(output.text) + self.after

    def whole(self, outputs: Sequence[Output], finished: Finished) -> bytes:
        """The answer in one object."""
        texts = [each for each in outputs if isinstance(each, TextDelta)]
        thoughts = "".join(each.text for each in outputs if isinstance(each, ReasoningDelta))
        calls = [call for each in outputs for call in self._calls.take(each)] + self._calls.end()
        said = self._said("".join(each.text for each in texts), thinking=thoughts, calls=calls)
        scores = self._scores([token for each in texts for token in each.logprobs])
        return _encode({**self._head(), **self._last(finished), **said, **scores})

    def nothing(self) -> bytes:
        """The answer to a request that asks nothing but that the model be there: it is."""
        return _encode({**self._head(), **self._said(""), "done": True, "done_reason": "load"}) + b"\n"

    def _head(self) -> Mapping[str, object]:
        return {"model": self._model, "created_at": timestamp(time.time())}

    def _line(self, said: Mapping[str, object]) -> bytes:
        return _encode({**self._head(), **said, "done": False}) + b"\n"

    def _said(
        self, text: str, *, thinking: str = "", calls: Sequence[Mapping[str, object]] = ()
    ) -> Mapping[str, object]:
        said: dict[str, object] = {self.text: text}
        if thinking:
            said["thinking"] = thinking
        if calls:
            said["tool_calls"] = calls
        return {"message": {"role": "assistant", **said}} if self.with_message else said

    def _scores(self, tokens: Sequence[TokenLogprob]) -> Mapping[str, object]:
        if not self._scored:
            return {}
        return {"logprobs": [_score(token) for token in tokens]}

    def _last(self, finished: Finished) -> Mapping[str, object]:
        usage, timings = finished.usage, finished.timings
        reason = "stop" if finished.reason == "tool_calls" else finished.reason
        return {
            **self._said(""),
            "done": True,
            "done_reason": reason,
            "total_duration": nanoseconds(time.monotonic() - self._arrived),
            "load_duration": 0,
            "prompt_eval_count": usage.prompt_tokens,
            "prompt_eval_duration": nanoseconds(timings.prefill_s),
            "eval_count": usage.completion_tokens,
            "eval_duration": nanoseconds(timings.decode_s),
        }


class ChatAnswer(Answer):
    """The answer to a chat."""

    with_message = True
    text = "content"
    before_text = b'","message":{"role":"assistant","content":'
    before_thought = b'","message":{"role":"assistant","content":"","thinking":'
    after = b'},"done":false}\n'

    __slots__ = ()


class GenerateAnswer(Answer):
    """The answer to a completion."""

    with_message = False
    text = "response"
    before_text = b'","response":'
    before_thought = b'","response":"","thinking":'
    after = b',"done":false}\n'

    __slots__ = ()


class _Calls:
    """Puts calls together."""

    def __init__(self) -> None:
        self._parts: list[ToolCallDelta] = []

    def take(self, output: Output) -> list[Mapping[str, object]]:
        """The call that is whole now that *output* has come, if there is one."""
        if isinstance(output, ToolCallDelta):
            ended = self.end() if self._parts and self._parts[0].call != output.call else []
            self._parts.append(output)
            return ended
        return self.end()

    def end(self) -> list[Mapping[str, object]]:
        """The call that was last, if it is whole."""
        parts, self._parts = self._parts, []
        if not parts:
            return []
        arguments = "".join(part.arguments for part in parts) or "{}"
        try:
            _TABLE.decode(arguments)
        except msgspec.DecodeError:
            return []
        function = {"index": parts[0].call, "name": parts[0].name, "arguments": msgspec.Raw(arguments.encode())}
        return [{"id": parts[0].id, "function": function}]


def nanoseconds(seconds: float) -> int:
    """*seconds* as Ollama says durations."""
    return max(0, round(seconds * _NS))


def timestamp(unix_s: float) -> str:
    """*unix_s* as RFC 3339 has it."""
    seconds, part = divmod(unix_s, 1.0)
    return f"{_second(int(seconds))}.{int(part * 1e6):06d}Z"


@lru_cache(maxsize=1)
def _second(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _score(token: TokenLogprob) -> Mapping[str, object]:
    return {
        **_token(token.piece, token.logprob),
        "top_logprobs": [_token(other.piece, other.logprob) for other in token.top],
    }


def _token(piece: bytes, logprob: float | None) -> dict[str, object]:
    return {"token": piece.decode(errors="replace"), "logprob": max(logprob or 0.0, -9999.0), "bytes": list(piece)}
