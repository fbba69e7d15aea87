"""The records that requests, answers and events are made of.

All are frozen ``msgspec.Struct``s checked on construction: a record that exists is legal, and later code has nothing to
check again. A value from a client that is out of range raises ``InvalidRequest`` with the field's name in ``param``.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

import msgspec

from jackfield.errors import InvalidRequest

SEED_MAX: Final = 2**32 - 1
"""Seeds are unsigned 32-bit in llama.cpp (``LLAMA_DEFAULT_SEED`` is ``0xFFFFFFFF`` and means random)."""

STOP_MAX: Final = 16
"""Most stop strings of one request. OpenAI documents 4; local servers accept more."""

STOP_LENGTH_MAX: Final = 512
"""Longest stop string, in characters: as much text as a stream may have to hold back."""

FinishReason: TypeAlias = Literal["stop", "length"]
"""Why generation ended: an end-of-generation token or stop string, or a token limit."""


def _in_range(param: str, value: float, low: float, high: float) -> None:
    if math.isfinite(value) and low <= value <= high:
        return
    raise InvalidRequest(f"{param} must be between {low:g} and {high:g}", param=param)


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is drawn from the logits; the neutral value of each field switches its filter off.

    The filters apply in llama.cpp's order: top_k, top_p, min_p, temperature, draw.
    """

    temperature: float = 1.0
    """0 picks the most likely token; up to 2 (OpenAI's range)."""
    top_p: float = 1.0
    """Nucleus: the smallest set of tokens whose probabilities sum to at least this; 1 is off."""
    top_k: int = 0
    """Only the k most likely tokens; 0 is off."""
    min_p: float = 0.0
    """Only tokens at least this fraction as likely as the most likely one; 0 is off."""
    seed: int | None = None
    """Seed of the draw, 0 to ``SEED_MAX`` - 1; None draws one."""

    def __post_init__(self) -> None:
        _in_range("temperature", self.temperature, 0.0, 2.0)
        _in_range("top_p", self.top_p, 0.0, 1.0)
        _in_range("min_p", self.min_p, 0.0, 1.0)
        _in_range("top_k", self.top_k, 0, 2**31 - 1)
        if self.seed is not None:
            _in_range("seed", self.seed, 0, SEED_MAX - 1)


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation, as a chat template sees it."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


class ChatPrompt(msgspec.Struct, frozen=True, tag="chat"):
    """A conversation; the worker renders it through the model's chat template."""

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        if not self.messages:
            raise InvalidRequest("messages must have at least one message", param="messages")


class TextPrompt(msgspec.Struct, frozen=True, tag="text"):
    """Raw text, tokenised as it is (with the model's BOS where the model wants one)."""

    text: str


class TokenPrompt(msgspec.Struct, frozen=True, tag="tokens"):
    """Token ids of the model's own vocabulary, used as they are."""

    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.tokens:
            raise InvalidRequest("prompt must have at least one token", param="prompt")


Prompt: TypeAlias = ChatPrompt | TextPrompt | TokenPrompt


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One generation, whatever dialect asked for it."""

    model: str
    """The name the client used: a model's own name or an alias."""
    prompt: Prompt
    sampling: SamplingParams = SamplingParams()
    max_tokens: int | None = None
    """Most tokens to generate; None takes ``default_max_tokens``. Always capped by the room left in the context."""
    stop: tuple[str, ...] = ()
    """Generation ends before any of these strings; the string itself is not returned."""
    ignore_eos: bool = False
    """Never draw an end-of-generation token, so that generation runs to its limit (for benchmarks)."""

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise InvalidRequest("max_tokens must be at least 1", param="max_tokens")
        if len(self.stop) > STOP_MAX:
            raise InvalidRequest(f"stop may have at most {STOP_MAX} strings", param="stop")
        for text in self.stop:
            if not 0 < len(text) <= STOP_LENGTH_MAX:
                raise InvalidRequest(f"each stop string must have 1 to {STOP_LENGTH_MAX} characters", param="stop")


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """How many of ``prompt_tokens`` were already in the KV cache and not computed again."""


class Timings(msgspec.Struct, frozen=True, array_like=True):
    """Where the worker's time went for one request, in seconds."""

    queue_s: float
    """From prepared until the first step that computed it."""
    prefill_s: float
    """From that step until the first token."""
    decode_s: float
    """From the first token until the last."""


class Started(msgspec.Struct, frozen=True, tag="started", array_like=True):
    """The request was accepted by a worker: its prompt is rendered, measured and fits."""

    prompt_tokens: int
    max_tokens: int
    """The limit that applies after all caps."""


class TextDelta(msgspec.Struct, frozen=True, tag="text", array_like=True):
    """Text that is final: never empty, never part of a stop string, never half a UTF-8 character."""

    text: str
    tokens: int
    """How many tokens this text took."""


class Finished(msgspec.Struct, frozen=True, tag="finished", array_like=True):
    """The last event of a request that succeeded."""

    reason: FinishReason
    usage: Usage
    timings: Timings


GenerateEvent: TypeAlias = Started | TextDelta | Finished
"""What ``Gateway.generate`` yields: one ``Started``, any number of ``TextDelta``, one ``Finished``. Failure raises."""
