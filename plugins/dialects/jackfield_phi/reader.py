"""Reads the family's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.json_calls import JsonCallReader
from jackfield_phi.marks import CLOSE, FUNCTOOLS, OPEN, THINK

if TYPE_CHECKING:
    from collections.abc import Collection

    from jackfield.parsing.reading import Reading


class PhiReader(JsonCallReader):
    """``<|tool_call|>[{…}, {…}]<|/tool_call|>``, or ``functools[{…}, {…}]``.

    Parameters:
        prompt_end: The end of the rendered prompt.
        names: Tools that may be called. A call of another one is malformed.
        thinks: Whether the model thinks.
    """

    def __init__(self, prompt_end: str, names: Collection[str], *, thinks: bool) -> None:
        self._thinks = thinks
        super().__init__(prompt_end, names)

    def answer(self) -> Reading[None]:
        """Thoughts, then content and calls in any order."""
        if self._thinks:
            yield from self.thoughts(THINK.begin, THINK.end)
        while (mark := (yield from self.content(OPEN, FUNCTOOLS))) is not None:
            if mark == FUNCTOOLS:
                yield from self.calls_in_array()
            else:
                yield from self.call_array()
                yield from self.space()
                yield from self.optional(CLOSE)
            self.end_call()
