"""``timings``: where the time went, in llama-server's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.types import Finished


def timings_object(finished: Finished) -> Mapping[str, float]:
    """``timings`` of one answer (llama.cpp, ``tools/server``, ``result_timings``); times are in milliseconds."""
    usage, timings = finished.usage, finished.timings
    prompt = usage.prompt_tokens - usage.cached_tokens
    return {
        "cache_n": usage.cached_tokens,
        **_phase("prompt", prompt, timings.prefill_s),
        **_phase("predicted", usage.completion_tokens, timings.decode_s),
    }


def _phase(name: str, tokens: int, seconds: float) -> Mapping[str, float]:
    return {
        f"{name}_n": tokens,
        f"{name}_ms": seconds * 1000,
        f"{name}_per_token_ms": seconds * 1000 / tokens if tokens else 0.0,
        f"{name}_per_second": tokens / seconds if seconds else 0.0,
    }
