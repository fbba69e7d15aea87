"""Answers of ``/completion`` in llama-server's shape (``server_task_result_cmpl_*`` of its ``server-task.cpp``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.sampling import SEED_MAX
from jackfield_llamacpp.fields import SAMPLERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.types import Finished, GenerateRequest, TextDelta, TokenLogprob, TopLogprob
    from jackfield_llamacpp.bodies import SharedBody

SLOT: Final = -1
"""``id_slot`` of every answer: which slot computes it is the scheduler's business, and it may change."""

UNLIKELY: Final = -3.4028234663852886e38
"""Of a token that cannot be drawn, as there: the least float32, because JSON has no infinity."""

_encode = msgspec.json.Encoder().encode


def generation_settings(request: GenerateRequest, body: SharedBody) -> Mapping[str, object]:
    """How the answer is made, under llama-server's names."""
    sampling = msgspec.structs.asdict(request.sampling)
    limit = request.max_tokens if body.n_predict or body.max_tokens else -1
    return {
        **sampling,
        "seed": SEED_MAX if request.sampling.seed is None else request.sampling.seed,
        "dry_sequence_breakers": list(request.sampling.dry_sequence_breakers),
        "stop": list(request.stop),
        "max_tokens": limit,
        "n_predict": limit,
        "ignore_eos": request.ignore_eos,
        "stream": bool(body.stream),
        "n_probs": body.n_probs or 0,
        "samplers": list(SAMPLERS),
        "lora": [],
    }


class Choice:
    """One answer, as it comes.

    Parameters:
        index: Which of the call's answers.
        request: What is computed.
        body: What was asked.
        model: The model's own name.
        prompt: Its text.
    """

    __slots__ = ("_body", "_index", "_model", "_pieces", "_prompt", "_request", "_tokens")

    def __init__(self, index: int, request: GenerateRequest, body: SharedBody, model: str, prompt: str) -> None:
        self._index = index
        self._request = request
        self._body = body
        self._model = model
        self._prompt = prompt
        self._pieces: list[str] = []
        self._tokens: list[TokenLogprob] = []

    def add(self, delta: TextDelta) -> None:
        """Take in what was drawn. An echoed prompt is nothing that was."""
        if delta.tokens or not self._request.echo:
            self._pieces.append(delta.text)
            self._tokens += delta.logprobs

    def event(self, delta: TextDelta) -> bytes:
        """The event that carries *delta*."""
        self.add(delta)
        if self._request.echo:
            return b""
        partial: dict[str, object] = {
            "index": self._index,
            "content": delta.text,
            "tokens": [each.token for each in delta.logprobs],
            "stop": False,
            "id_slot": SLOT,
            "tokens_predicted": len(self._tokens),
        }
        if self._body.n_probs:
            partial["completion_probabilities"] = _probabilities(delta.logprobs)
        return _event(partial)

    def last_event(self, finished: Finished) -> bytes:
        """The event that ends it; all text has been sent."""
        return _event(self._final(finished, content="", tokens=()))

    def whole(self, finished: Finished) -> Mapping[str, object]:
        """All of it in one object."""
        tokens = [each.token for each in self._tokens] if self._body.return_tokens else []
        final = self._final(finished, content="".join(self._pieces), tokens=tokens)
        if self._body.n_probs and not self._body.response_fields:
            return {**final, "completion_probabilities": _probabilities(self._tokens)}
        return final

    def _final(self, finished: Finished, *, content: str, tokens: Sequence[int]) -> Mapping[str, object]:
        usage = finished.usage
        answer: dict[str, object] = {
            "index": self._index,
            "content": content,
            "tokens": tokens,
            "id_slot": SLOT,
            "stop": True,
            "model": self._model,
            "tokens_predicted": usage.completion_tokens,
            "tokens_evaluated": usage.prompt_tokens,
            "generation_settings": generation_settings(self._request, self._body),
            "prompt": self._prompt,
            "has_new_line": any("\n" in piece for piece in self._pieces),
            "truncated": False,
            "stop_type": _stop_type(finished),
            "stopping_word": finished.stopped_by if isinstance(finished.stopped_by, str) else "",
            "tokens_cached": usage.cached_tokens,
            "timings": timings(finished),
        }
        return _only(answer, self._body.response_fields) if self._body.response_fields else answer


def timings(finished: Finished) -> Mapping[str, float]:
    """Where the time went, in milliseconds and tokens a second."""
    usage, took = finished.usage, finished.timings
    prompt = usage.prompt_tokens - usage.cached_tokens
    return {
        "cache_n": usage.cached_tokens,
        **_pace("prompt", prompt, took.prefill_s),
        **_pace("predicted", usage.completion_tokens, took.decode_s),
    }


def _pace(name: str, tokens: int, seconds: float) -> Mapping[str, float]:
    return {
        f"{name}_n": tokens,
        f"{name}_ms": seconds * 1000,
        f"{name}_per_token_ms": seconds * 1000 / tokens if tokens else 0.0,
        f"{name}_per_second": tokens / seconds if seconds else 0.0,
    }


def _stop_type(finished: Finished) -> str:
    if finished.reason == "length":
        return "limit"
    return "word" if isinstance(finished.stopped_by, str) else "eos"


def _only(answer: Mapping[str, object], wanted: Sequence[str]) -> Mapping[str, object]:
    """``response_fields``: paths with slashes; the last name is the field's. What is missing is left out."""
    found: dict[str, object] = {}
    for path in wanted:
        value: object = answer
        *_, name = path.split("/")
        for key in path.split("/"):
            value = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
        if value is not _MISSING:
            found[name] = value
    return found


_MISSING: Final = object()


def _probabilities(tokens: Sequence[TokenLogprob]) -> list[Mapping[str, object]]:
    return [{**_token(each), "top_logprobs": [_token(other) for other in each.top]} for each in tokens]


def _token(token: TokenLogprob | TopLogprob) -> Mapping[str, object]:
    return {
        "id": token.token,
        "token": token.piece.decode(errors="replace"),
        "bytes": list(token.piece),
        "logprob": UNLIKELY if token.logprob is None else max(token.logprob, UNLIKELY),
    }


def _event(content: Mapping[str, object]) -> bytes:
    return b"data: " + _encode(content) + b"\n\n"
