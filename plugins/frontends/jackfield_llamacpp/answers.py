"""Answers of ``/completion`` in llama-server's shape (``server_task_result_cmpl_*`` of its ``server-task.cpp``)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.frontends.llama_server import progress_object, timings_object
from jackfield_llamacpp.settings import LOWEST, generation_settings
from jackfield_llamacpp.timing import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.types import (
        Finished,
        GenerateRequest,
        PromptProgress,
        Started,
        TextDelta,
        TokenLogprob,
        TopLogprob,
    )
    from jackfield_llamacpp.decode import Asked

NO_SLOT: Final = -1
"""``id_slot`` of parts of answers, as there: the last event says which slot it was."""

_encode = msgspec.json.Encoder().encode


class Choice:
    """One answer, as it comes.

    Parameters:
        index: Which of the call's answers.
        request: What is computed.
        asked: What was asked.
        model: The model's own name.
        prompt: Its text.
    """

    __slots__ = (
        "_asked",
        "_index",
        "_model",
        "_new_line",
        "_pace",
        "_pieces",
        "_predicted",
        "_prompt",
        "_request",
        "_started",
        "_tokens",
    )

    def __init__(self, index: int, request: GenerateRequest, asked: Asked, model: str, prompt: str) -> None:
        self._index = index
        self._request = request
        self._asked = asked
        self._model = model
        self._prompt = prompt
        self._pieces: list[str] = []
        self._new_line = False
        self._tokens: list[TokenLogprob] = []
        self._predicted = 0
        self._started: Started | None = None
        self._pace = Pace() if asked.body.timings_per_token else None

    def start(self, started: Started) -> None:
        """A worker has accepted it."""
        self._started = started

    def add(self, delta: TextDelta) -> None:
        """Take in what was drawn. An echoed prompt is nothing that was."""
        if delta.tokens or not self._request.echo:
            self._pieces.append(delta.text)
            self._tokens += delta.logprobs
            self._new_line |= "\n" in delta.text

    def event(self, delta: TextDelta) -> bytes:
        """The event that carries *delta*."""
        if self._request.echo:
            return b""
        self._predicted += delta.tokens
        self._new_line |= "\n" in delta.text
        return self._drawn(delta.text, delta.logprobs)

    def _drawn(self, text: str, tokens: Sequence[TokenLogprob]) -> bytes:
        partial = self._partial(text, [each.token for each in tokens])
        if self._request.logprobs:
            partial["completion_probabilities"] = _probabilities(tokens)
        return _event(partial)

    def progress_event(self, progress: PromptProgress) -> bytes:
        """The event that tells how far the prompt is, where that is asked for."""
        if self._pace is not None:
            self._pace.prompt(progress, time.monotonic())
        if not self._asked.body.return_progress:
            return b""
        partial = self._partial("", [])
        partial["prompt_progress"] = progress_object(progress)
        return _event(partial)

    def last_event(self, finished: Finished) -> bytes:
        """The event that ends it; all text has been sent. An end token has an event of its own before, as there."""
        self._predicted = finished.usage.completion_tokens
        ended = self._drawn("", finished.logprobs) if finished.logprobs else b""
        return ended + _event(self._chosen(self._final(finished, content="", tokens=())))

    def whole(self, finished: Finished) -> Mapping[str, object]:
        """All of it in one object."""
        self._tokens += finished.logprobs
        tokens = [each.token for each in self._tokens] if self._asked.body.return_tokens else []
        final = self._final(finished, content="".join(self._pieces), tokens=tokens)
        if self._request.logprobs:
            final["completion_probabilities"] = _probabilities(self._tokens)
        return self._chosen(final)

    def _partial(self, content: str, tokens: Sequence[int]) -> dict[str, object]:
        partial: dict[str, object] = {
            "index": self._index,
            "content": content,
            "tokens": tokens,
            "stop": False,
            "id_slot": NO_SLOT,
            "tokens_predicted": self._predicted,
            "tokens_evaluated": self._started.prompt_tokens if self._started is not None else 0,
        }
        if self._pace is not None:
            partial["timings"] = self._pace.timings(self._predicted, time.monotonic())
        return partial

    def _final(self, finished: Finished, *, content: str, tokens: Sequence[int]) -> dict[str, object]:
        usage = finished.usage
        return {
            "index": self._index,
            "content": content,
            "tokens": tokens,
            "id_slot": finished.slot,
            "stop": True,
            "model": self._model,
            "tokens_predicted": usage.completion_tokens,
            "tokens_evaluated": usage.prompt_tokens,
            "generation_settings": generation_settings(self._request, self._asked.body, self._asked.samplers),
            "prompt": self._prompt,
            "has_new_line": self._new_line,
            "truncated": self._truncated(finished),
            "stop_type": _stop_type(finished),
            "stopping_word": finished.stopped_by if isinstance(finished.stopped_by, str) else "",
            # what the slot has computed now; the last token was drawn and not computed
            "tokens_cached": usage.prompt_tokens + max(usage.completion_tokens - 1, 0),
            "timings": timings_object(finished),
        }

    def _truncated(self, finished: Finished) -> bool:
        """Whether the end of the context ended it."""
        room = self._started.max_tokens if self._started is not None else None
        if finished.reason != "length" or room is None or self._request.max_tokens is None:
            return False
        return room < self._request.max_tokens and finished.usage.completion_tokens >= room

    def _chosen(self, answer: Mapping[str, object]) -> Mapping[str, object]:
        wanted = self._asked.body.response_fields
        return _only(answer, wanted) if wanted else answer


def _stop_type(finished: Finished) -> str:
    if finished.reason == "length":
        return "limit"
    if finished.reason == "content_filter":
        return "none"
    return "word" if isinstance(finished.stopped_by, str) else "eos"


def _only(answer: Mapping[str, object], wanted: Sequence[str]) -> Mapping[str, object]:
    """``response_fields``: paths with slashes, under which the values are given. What is missing is left out."""
    found: dict[str, object] = {}
    for path in wanted:
        value: object = answer
        for key in path.split("/"):
            value = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
        if value is not _MISSING:
            found[path] = value
    return found


_MISSING: Final = object()


def _probabilities(tokens: Sequence[TokenLogprob]) -> list[Mapping[str, object]]:
    return [{**_token(each), "top_logprobs": [_token(other) for other in each.top]} for each in tokens]


def _token(token: TokenLogprob | TopLogprob) -> Mapping[str, object]:
    return {
        "id": token.token,
        "token": token.piece.decode(errors="replace"),
        "bytes": list(token.piece),
        "logprob": LOWEST if token.logprob is None else max(token.logprob, LOWEST),
    }


def _event(content: Mapping[str, object]) -> bytes:
    return b"data: " + _encode(content) + b"\n\n"
