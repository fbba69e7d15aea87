"""Readers of the family's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.json_calls import JsonCallReader
from jackfield_hermes.marks import CLOSE, OPEN, THINK

if TYPE_CHECKING:
    from jackfield.parsing.reading import Reading


class JsonReader(JsonCallReader):
    """``<tool_call>{"name": "f", "arguments": {…}}</tool_call>``; several calls stand one after the other."""

    def answer(self) -> Reading[None]:
        """Thoughts, then content and calls in any order."""
        yield from self.thoughts(THINK.begin, THINK.end)
        while (yield from self.content(OPEN)) is not None:
            yield from self.call_object()
            yield from self.space()
            yield from self.optional(CLOSE)
            self.end_call()
