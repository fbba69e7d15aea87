"""Reads answers of Gemma 4."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from jackfield.parsing.json_text import is_json
from jackfield.parsing.reading import GeneratorReader, Malformed
from jackfield.parsing.tagged_calls import escaped
from jackfield_gemma.marks import CLOSE, OPEN, QUOTE, THINK

if TYPE_CHECKING:
    from collections.abc import Collection

    from jackfield.parsing.reading import Reading

DEPTH_MAX: Final = 64
"""Deepest nesting that is followed."""

_WORD: Final = re.compile(r"[A-Za-z0-9+.-]*")
_WORD_MAX: Final = 512
_NAMES: Final = {"True": "true", "False": "false", "None": "null"}
"""The template prints null as Python does, so the model may too."""


class Gemma4Reader(GeneratorReader):
    """``<|tool_call>call:f{city:<|"|>Oslo<|"|>,days:2}<tool_call|>``; thoughts may come anywhere between.

    Parameters:
        prompt_end: The end of the rendered prompt.
        names: Tools that may be called. A call of another one is malformed.
    """

    def __init__(self, prompt_end: str, names: Collection[str]) -> None:
        self._names = names
        super().__init__(prompt_end)

    def answer(self) -> Reading[None]:
        """Thoughts, content and calls, in any order."""
        yield from self.thoughts(THINK.begin, THINK.end)
        while (mark := (yield from self.content(OPEN, THINK.begin))) is not None:
            if mark == OPEN:
                yield from self._call()
            else:
                self.reasoning = True
                yield from self._thoughts_until(THINK.end)
            self.end_call()

    def _call(self) -> Reading[None]:
        yield from self.space()
        yield from self.expect("call:")
        name = (yield from self.word("{")).strip()
        if name not in self._names:
            raise Malformed
        self.begin_call(name)
        yield from self._members(0)
        yield from self.space()
        yield from self.optional(CLOSE)

    def _members(self, depth: int) -> Reading[None]:
        """What stands behind the brace of an object, and its end."""
        keys: set[str] = set()
        self.argue("{")
        yield from self.space()
        if (yield from self.optional("}")) is None:
            while True:
                key = yield from self._key()
                if key in keys:
                    raise Malformed
                self.argue(f"{', ' if keys else ''}{json.dumps(key, ensure_ascii=False)}: ")
                keys.add(key)
                yield from self._value(depth)
                if (yield from self._ended("}")):
                    break
        self.argue("}")

    def _items(self, depth: int) -> Reading[None]:
        self.argue("[")
        yield from self.space()
        if (yield from self.optional("]")) is None:
            while True:
                yield from self._value(depth)
                if (yield from self._ended("]")):
                    break
                self.argue(", ")
        self.argue("]")

    def _ended(self, bracket: str) -> Reading[bool]:
        """Take what stands behind a value; whether it is *bracket*, and not a comma."""
        yield from self.space()
        mark = yield from self.expect(",", bracket)
        if mark == ",":
            yield from self.space()
        return mark == bracket

    def _key(self) -> Reading[str]:
        if (yield from self.optional(QUOTE)) is not None:
            key = yield from self.word(QUOTE)
            yield from self.space()
            yield from self.expect(":")
            return key
        return (yield from self.word(":")).strip()

    def _value(self, depth: int) -> Reading[None]:
        if depth == DEPTH_MAX:
            raise Malformed
        yield from self.space()
        mark = yield from self.optional(QUOTE, "{", "[")
        if mark == QUOTE:
            yield from self._string()
        elif mark == "{":
            yield from self._members(depth + 1)
        elif mark == "[":
            yield from self._items(depth + 1)
        else:
            yield from self._plain()

    def _string(self) -> Reading[None]:
        self.argue('"')
        if (yield from self.until((QUOTE,), lambda text: self.argue(escaped(text)))) is None:
            raise Malformed
        self.argue('"')

    def _plain(self) -> Reading[None]:
        """A number, or a word of JSON."""
        while True:
            found = _WORD.match(self.text)
            length = 0 if found is None else found.end()
            if length > _WORD_MAX:
                raise Malformed
            if length < len(self.text) or self.over:
                break
            yield
        word = self.text[:length]
        value = word if is_json(word) else _NAMES.get(word)
        if value is None:
            raise Malformed
        self.take(length)
        self.argue(value)
