"""Reads the family's answers, in any of its forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.parsing.json_calls import JsonCallReader
from jackfield.parsing.parameter_types import ALL_TYPES
from jackfield.parsing.reading import SPACE
from jackfield.parsing.tagged_calls import TaggedArguments
from jackfield_deepseek.marks import (
    BLOCKS,
    CALL,
    CALL_END,
    CALLS_BEGIN,
    CALLS_END,
    FENCE,
    SEPARATOR,
    TAG,
    TAG_END,
    THINK,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.chat import Tool
    from jackfield.parsing.reading import Reading

_BLOCKS: Final = {f"{TAG}{name}>": f"{TAG_END}{name}>" for name in BLOCKS}
_INVOKE, _INVOKE_END = f'{TAG}invoke name="', f"{TAG_END}invoke>"
_PARAMETER, _PARAMETER_END = f'{TAG}parameter name="', f"{TAG_END}parameter>"
_STRING: Final = frozenset({"string"})


class DeepseekReader(JsonCallReader):
    """Calls between marks, with JSON or with parameters between tags.

    Parameters:
        prompt_end: The end of the rendered prompt.
        tools: Those that may be called.
    """

    def __init__(self, prompt_end: str, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        super().__init__(prompt_end, self._tools)

    def answer(self) -> Reading[None]:
        """Thoughts, then content and calls in any order."""
        yield from self.thoughts(THINK.begin, THINK.end)
        while (mark := (yield from self.content(*CALLS_BEGIN, CALL, *_BLOCKS))) is not None:
            if mark in _BLOCKS:
                yield from self._tagged_calls(_BLOCKS[mark])
            else:
                yield from self._calls(begun=mark == CALL)

    def _calls(self, *, begun: bool) -> Reading[None]:
        if not begun:
            yield from self.space()
            yield from self.optional(CALL)
        while True:
            yield from self._call()
            yield from self.space()
            if (yield from self.optional(CALL, CALLS_END)) != CALL:
                self.end_call()
                return

    def _call(self) -> Reading[None]:
        """``f<｜tool▁sep｜>{…}``; or ``function`` in front and the name behind, and a fence around arguments."""
        name = yield from self.word(SEPARATOR)
        yield from self.space()
        if (yield from self.looking_at("{", FENCE)) is None:
            name = yield from self.word("\n")
            yield from self.space()
        self.begin_call(self.known(name.strip(SPACE)))
        yield from self.optional(f"{FENCE}json", FENCE)
        yield from self.arguments()
        self.end_call()
        yield from self.space()
        yield from self.optional(FENCE)
        yield from self.space()
        yield from self.optional(CALL_END)
        self.end_call()

    def _tagged_calls(self, end: str) -> Reading[None]:
        yield from self.space()
        while (yield from self.expect(_INVOKE, end)) == _INVOKE:
            name = self.known((yield from self.word('"')))
            yield from self.expect(">")
            self.begin_call(name)
            yield from self._parameters(self._tools[name])
            self.end_call()
            yield from self.space()
        self.end_call()

    def _parameters(self, tool: Tool) -> Reading[None]:
        arguments = TaggedArguments(self, tool)
        yield from self.space()
        while (yield from self.expect(_PARAMETER, _INVOKE_END)) == _PARAMETER:
            key = yield from self.word('"')
            typed = None
            if (yield from self.expect(' string="', ">")) != ">":
                typed = _STRING if (yield from self.word('"')) == "true" else ALL_TYPES
                yield from self.expect(">")
            yield from arguments.value(key, _PARAMETER_END, typed=typed)
            yield from self.space()
        arguments.close()
