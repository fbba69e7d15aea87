"""Reads the family's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.parsing.reading import GeneratorReader, Malformed
from jackfield.parsing.tagged_calls import TaggedArguments
from jackfield_glm.marks import CLOSE, KEY, KEY_END, OPEN, THINK, THINK_END, VALUE, VALUE_END

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.chat import Tool
    from jackfield.parsing.reading import Reading

_NAME_MAX: Final = 512


class GlmReader(GeneratorReader):
    """``<tool_call>f <arg_key>a</arg_key> <arg_value>1</arg_value> </tool_call>``, with line breaks or none between.

    Parameters:
        prompt_end: The end of the rendered prompt.
        tools: Those that may be called, by name. A call of another one is malformed.
    """

    def __init__(self, prompt_end: str, tools: Mapping[str, Tool]) -> None:
        self._tools = tools
        super().__init__(prompt_end)

    def answer(self) -> Reading[None]:
        """Thoughts, then content and calls in any order."""
        yield from self.thoughts(THINK, THINK_END)
        while (yield from self.content(OPEN)) is not None:
            yield from self._call()

    def _call(self) -> Reading[None]:
        name, mark = yield from self._name()
        tool = self._tools.get(name)
        if tool is None:
            raise Malformed
        self.begin_call(name)
        arguments = TaggedArguments(self, tool)
        while mark == KEY:
            key = (yield from self.word(KEY_END)).strip()
            yield from self.space()
            yield from self.expect(VALUE)
            yield from arguments.value(key, VALUE_END)
            yield from self.space()
            mark = yield from self.optional(KEY, CLOSE)
        if mark is None and (self.text or self.cut):  # without either it was ended where its last mark comes
            raise Malformed
        arguments.close()
        self.end_call()

    def _name(self) -> Reading[tuple[str, str | None]]:
        parts: list[str] = []

        def keep(text: str) -> None:
            parts.append(text)
            if sum(map(len, parts)) > _NAME_MAX:
                raise Malformed

        mark = yield from self.until((KEY, CLOSE), keep)
        return "".join(parts).strip(), mark
