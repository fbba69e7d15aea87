"""Where the time went and how far a prompt is, in llama-server's words, which clients of several dialects read.

Shapes of llama.cpp's ``tools/server`` (``result_timings``, ``result_prompt_progress``); times are in milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.types import Finished, PromptProgress


class Timings(msgspec.Struct):
    """Where the time went, as a server's description of itself has it."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float


class Progress(msgspec.Struct):
    """How far a prompt is computed, as a server's description of itself has it."""

    total: int
    cache: int
    processed: int
    time_ms: int


def timings_object(finished: Finished) -> Mapping[str, float]:
    """``timings`` of a whole answer. Any thread."""
    usage, took = finished.usage, finished.timings
    prompt = usage.prompt_tokens - usage.cached_tokens
    return timings_of(usage.cached_tokens, (prompt, took.prefill_s), (usage.completion_tokens, took.decode_s))


def timings_of(cached: int, prompt: tuple[int, float], predicted: tuple[int, float]) -> Mapping[str, float]:
    """``timings`` of an answer so far. Any thread.

    Parameters:
        cached: Tokens of the prompt that did not have to be computed.
        prompt: How many had to be, and the seconds that it took.
        predicted: The same of the answer's.
    """
    return {"cache_n": cached, **_phase("prompt", *prompt), **_phase("predicted", *predicted)}


def progress_object(progress: PromptProgress) -> Mapping[str, int]:
    """``prompt_progress``. Any thread."""
    return {
        "total": progress.prompt_tokens,
        "cache": progress.cached_tokens,
        "processed": progress.computed_tokens,
        "time_ms": int(progress.elapsed_s * 1000),
    }


def _phase(name: str, tokens: int, seconds: float) -> Mapping[str, float]:
    return {
        f"{name}_n": tokens,
        f"{name}_ms": seconds * 1000,
        f"{name}_per_token_ms": seconds * 1000 / tokens if tokens else 0.0,
        f"{name}_per_second": tokens / seconds if seconds else 0.0,
    }
