"""``timings``: where the time went, in milliseconds and tokens a second (``server_slot_stats::to_json``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.types import Finished, PromptProgress


class Pace:
    """How fast an answer is, as the gateway sees it come: for ``timings_per_token``. Event loop thread."""

    __slots__ = ("_began", "_cached", "_first", "_prompt")

    def __init__(self) -> None:
        self._began: float | None = None
        """When the prompt began to be computed."""
        self._first: float | None = None
        """When the first text came."""
        self._prompt = 0
        """Tokens of it that were computed."""
        self._cached = 0

    def prompt(self, progress: PromptProgress, now: float) -> None:
        """The prompt is computed so far at monotonic time *now*."""
        if self._began is None:
            self._began = now - progress.elapsed_s
        self._cached = progress.cached_tokens
        self._prompt = progress.computed_tokens - progress.cached_tokens

    def timings(self, tokens: int, now: float) -> Mapping[str, float]:
        """Where the time went until *now*, when so many *tokens* have come."""
        began = now if self._began is None else self._began
        if self._first is None and tokens:
            self._first = now
        first = now if self._first is None else self._first
        return _timings(self._cached, (self._prompt, first - began), (tokens, now - first))


def timings(finished: Finished) -> Mapping[str, float]:
    """Where the time of the whole answer went."""
    usage, took = finished.usage, finished.timings
    prompt = usage.prompt_tokens - usage.cached_tokens
    return _timings(usage.cached_tokens, (prompt, took.prefill_s), (usage.completion_tokens, took.decode_s))


def _timings(cached: int, prompt: tuple[int, float], predicted: tuple[int, float]) -> Mapping[str, float]:
    return {"cache_n": cached, **_pace("prompt", *prompt), **_pace("predicted", *predicted)}


def _pace(name: str, tokens: int, seconds: float) -> Mapping[str, float]:
    return {
        f"{name}_n": tokens,
        f"{name}_ms": seconds * 1000,
        f"{name}_per_token_ms": seconds * 1000 / tokens if tokens else 0.0,
        f"{name}_per_second": tokens / seconds if seconds else 0.0,
    }
