"""Reads answers in JSON, and those that are none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield.parsing.json_calls import JsonCallReader
from jackfield_json_tools.marks import CALLS, CONTENT, THINK, VALUE

if TYPE_CHECKING:
    from jackfield.parsing.reading import Reading

_OURS: Final = re.compile(rf'\{{\s{{0,32}}"({CALLS}|{CONTENT}|{VALUE})"\s{{0,32}}:')
_BEGUN: Final = re.compile(r'(?:\{\s{0,32}(?:"[a-z_]{0,10}(?:"\s{0,32})?)?)?\Z')
"""How an answer begins, and what may become such a beginning. Any other is content as it stands."""


class JsonToolsReader(JsonCallReader):
    """``{"tool_calls": […]}``, ``{"content": "…"}`` or ``{"value": …}``; without callable tools all is content."""

    def answer(self) -> Reading[None]:
        """Thoughts, then what the object has."""
        yield from self.thoughts(THINK.begin, THINK.end)
        if self._names:
            yield from self._object()
        yield from self.content()

    def _object(self) -> Reading[None]:
        yield from self.space()
        while not self.over and _BEGUN.match(self.text):
            yield
        found = _OURS.match(self.text)
        if found is None:
            return
        self.take(found.end())
        if found[1] == CALLS:
            yield from self.call_array()
        elif found[1] == CONTENT:
            yield from self.json_string(self.show)
        else:
            yield from self.space()
            yield from self.json_value(self.show)
        yield from self.space()
        yield from self.expect("}")
        self.end_call()
        yield from self.space()
        self.end_call()
