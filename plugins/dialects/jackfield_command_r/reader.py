"""Reads the family's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.json_calls import JsonCallReader
from jackfield_command_r.marks import ACTION, ACTION_END, AROUND_CONTENT, DIRECT, FENCE, KEYS, LISTS, THINK

if TYPE_CHECKING:
    from collections.abc import Collection

    from jackfield.parsing.reading import Reading


class CommandReader(JsonCallReader):
    """``<|START_ACTION|>[{"tool_name": "f", "parameters": {…}}]<|END_ACTION|>``, content between marks of its own."""

    def __init__(self, prompt_end: str, names: Collection[str]) -> None:
        super().__init__(prompt_end, names, KEYS)

    def answer(self) -> Reading[None]:
        """Thoughts, then content and calls in any order."""
        yield from self.thoughts(THINK.begin, THINK.end)
        while (mark := (yield from self.content(ACTION, *AROUND_CONTENT))) is not None:
            if mark == ACTION:
                yield from self.call_array()
                yield from self.space()
                yield from self.optional(ACTION_END)
            self.end_call()


class ListReader(JsonCallReader):
    """``Action:``, and a fenced array of calls; one of ``directly-answer`` is none."""

    def __init__(self, prompt_end: str, names: Collection[str]) -> None:
        self._direct = False
        super().__init__(prompt_end, {*names, DIRECT}, KEYS)

    def answer(self) -> Reading[None]:
        """Content and calls in any order."""
        while (yield from self.content(*LISTS)) is not None:
            yield from self.call_array()
            yield from self.space()
            yield from self.optional(FENCE)
            self.end_call()

    def begin_call(self, name: str, call_id: str = "") -> None:
        """As any reader's, unless it is no call."""
        self._direct = name == DIRECT
        if not self._direct:
            super().begin_call(name, call_id)

    def argue(self, text: str) -> None:
        """As any reader's, unless it is no call."""
        super().argue("" if self._direct else text)
