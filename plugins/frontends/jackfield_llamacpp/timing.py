"""``timings`` of an answer that is still being made (``server_slot_stats::to_json``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.frontends.llama_server import timings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.types import PromptProgress


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
        return timings_of(self._cached, (self._prompt, first - began), (tokens, now - first))
