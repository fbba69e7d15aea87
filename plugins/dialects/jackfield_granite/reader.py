"""Reads the family's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.json_calls import JsonCallReader
from jackfield_granite.forms import RESPONSE, RESPONSE_END

if TYPE_CHECKING:
    from collections.abc import Collection

    from jackfield.parsing.reading import Reading
    from jackfield.ports.dialect import ThinkingMarks
    from jackfield_granite.forms import CallForm


class GraniteReader(JsonCallReader):
    """``<|tool_call|>[{…}, {…}]``, or ``<tool_call>{…}</tool_call>`` once for each call.

    Parameters:
        prompt_end: The end of the rendered prompt.
        names: Tools that may be called. A call of another one is malformed.
        form: How calls are written.
        thinking: How thoughts are marked; None where the model has none.
    """

    def __init__(self, prompt_end: str, names: Collection[str], form: CallForm, thinking: ThinkingMarks | None) -> None:
        self._form = form
        self._thinking = thinking
        super().__init__(prompt_end, names)

    def answer(self) -> Reading[None]:
        """Thoughts, then content and calls in any order."""
        marks = [self._form.open]
        if self._thinking is not None:
            yield from self.thoughts(self._thinking.begin, self._thinking.end)
            if (yield from self._response()):
                marks.append(RESPONSE_END)
        while (mark := (yield from self.content(*marks))) is not None:
            if mark == self._form.open:
                yield from self._calls()
            self.end_call()

    def _response(self) -> Reading[bool]:
        """Whether the answer stands in a mark of its own, which is taken."""
        yield from self.space()
        begun = (yield from self.optional(RESPONSE)) is not None
        self.end_call()
        return begun

    def _calls(self) -> Reading[None]:
        if self._form.listed:
            yield from self.call_array()
        else:
            yield from self.call_object()
            yield from self.space()
            yield from self.optional(self._form.close)
