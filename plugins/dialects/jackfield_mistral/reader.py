"""Reads the family's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.json_calls import JsonCallReader
from jackfield.parsing.reading import SPACE
from jackfield_mistral.marks import ARGUMENTS, CALL_ID, CALLS, THINK

if TYPE_CHECKING:
    from jackfield.parsing.reading import Reading


class MistralReader(JsonCallReader):
    """``[TOOL_CALLS][{"name": "f", "arguments": {…}}]``, ``[TOOL_CALLS]f[ARGS]{…}``, also with an id of the call."""

    def answer(self) -> Reading[None]:
        """Thoughts, then content and calls in any order."""
        yield from self.thoughts(THINK.begin, THINK.end)
        while (yield from self.content(CALLS)) is not None:
            yield from self.space()
            if (yield from self.looking_at("{", "[")) is None:
                yield from self._named()
            else:
                yield from self.call_array()

    def _named(self) -> Reading[None]:
        name, _, call_id = (yield from self.word(ARGUMENTS)).partition(CALL_ID)
        self.begin_call(self.known(name.strip(SPACE)), call_id.strip(SPACE))
        yield from self.arguments()
        self.end_call()
