"""Reads the family's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.parsing.json_calls import JsonCallReader
from jackfield.parsing.reading import Malformed
from jackfield.parsing.tagged_calls import TaggedArguments
from jackfield_hermes.marks import CLOSE, FUNCTION, FUNCTION_END, OPEN, PARAMETER, PARAMETER_END, THINK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.chat import Tool
    from jackfield.parsing.reading import Reading


class HermesReader(JsonCallReader):
    """Calls in JSON, or with parameters between tags; several calls stand one after the other.

    Either form is read whatever the template teaches: models fall back to the one that they saw more of.

    Parameters:
        prompt_end: The end of the rendered prompt.
        tools: Those that may be called, by name.
        bare: Whether a call may begin without ``<tool_call>``, as Qwen 3 Coder's do at times.
        several: Whether an answer may have several calls. A second one is malformed otherwise.
    """

    def __init__(self, prompt_end: str, tools: Mapping[str, Tool], *, bare: bool, several: bool) -> None:
        self._tools = tools
        self._several = several
        self._called = False
        self._begins = (OPEN, FUNCTION) if bare else (OPEN,)
        super().__init__(prompt_end, tools)

    def begin_call(self, name: str, call_id: str = "") -> None:
        """As any reader's, unless it is one too many."""
        if self._called and not self._several:
            raise Malformed
        self._called = True
        super().begin_call(name, call_id)

    def answer(self) -> Reading[None]:
        """Thoughts, then content and calls in any order."""
        yield from self.thoughts(THINK.begin, THINK.end)
        while (mark := (yield from self.content(*self._begins))) is not None:
            if mark == FUNCTION:
                yield from self._function()
            else:
                yield from self._block()
            yield from self.space()
            yield from self.optional(CLOSE)
            self.end_call()

    def _block(self) -> Reading[None]:
        """What stands in ``<tool_call>``."""
        yield from self.space()
        if (yield from self.optional(FUNCTION)) is None:
            yield from self.call_array()
        else:
            yield from self._function()

    def _function(self) -> Reading[None]:
        """A call whose ``<function=`` was taken."""
        name = self.known((yield from self.word(">")).strip())
        self.begin_call(name)
        arguments = TaggedArguments(self, self._tools[name])
        yield from self.space()
        while (yield from self.expect(PARAMETER, FUNCTION_END)) == PARAMETER:
            key = yield from self.word(">")
            yield from self.optional("\n")
            yield from arguments.value(key, f"\n{PARAMETER_END}", PARAMETER_END)
            yield from self.space()
        arguments.close()
        self.end_call()
