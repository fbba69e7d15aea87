"""Reads the family's answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield.parsing.json_calls import CallKeys, JsonCallReader
from jackfield.parsing.python_calls import python_call, python_calls
from jackfield_llama3.marks import END, START, TAG

if TYPE_CHECKING:
    from collections.abc import Collection

    from jackfield.parsing.reading import Reading

_KEYS: Final = CallKeys(name=("name", "function"))

_JSON: Final = re.compile(r'\[?\s{0,32}\{\s{0,32}"(?:name|type|function|parameters|arguments|id)"')
_JSON_BEGUN: Final = re.compile(r'\[?\s{0,32}(?:\{\s{0,32}(?:"[a-z]{0,10})?)?\Z')
_PYTHON: Final = re.compile(r"\[\s{0,32}[A-Za-z_][A-Za-z0-9_.:/-]{0,127}\s{0,32}\(")
_PYTHON_BEGUN: Final = re.compile(r"(?:\[\s{0,32}(?:[A-Za-z_][A-Za-z0-9_.:/-]{0,127}\s{0,32})?)?\Z")
"""How calls begin, and what may become such a beginning. Any other object or list is content."""


class Llama3Reader(JsonCallReader):
    """Calls stand at the beginning of an answer, or behind a tag; several ones stand behind each other.

    Parameters:
        prompt_end: The end of the rendered prompt.
        names: Tools that may be called. Without any, all is content.
    """

    def __init__(self, prompt_end: str, names: Collection[str]) -> None:
        super().__init__(prompt_end, names, _KEYS)

    def answer(self) -> Reading[None]:
        """Calls, or content."""
        if not self._names:
            yield from self.content()
            return
        yield from self.space()
        yield from self._untagged()
        while (yield from self.content(TAG, START)) is not None:
            yield from self.space()
            if not (yield from self._untagged()):
                yield from python_call(self, self._builtin)
            yield from self.space()
            yield from self.optional(END)
            self.end_call()

    def _untagged(self) -> Reading[bool]:
        """Calls whose form alone says that they are some; whether there were any."""
        if (yield from self._begins(_PYTHON, _PYTHON_BEGUN)):
            yield from python_calls(self, self.known)
            return True
        if not (yield from self._begins(_JSON, _JSON_BEGUN)):
            return False
        while True:
            yield from self.call_array()
            yield from self.space()
            yield from self.optional(";", ",")
            yield from self.space()
            if not (yield from self._begins(_JSON, _JSON_BEGUN)):
                return True

    def _builtin(self, name: str) -> str:
        """``brave_search.call(query="…")``: how tools are called that the model was trained with."""
        return self.known(name.removesuffix(".call"))

    def _begins(self, whole: re.Pattern[str], begun: re.Pattern[str]) -> Reading[bool]:
        while not self.over and begun.match(self.text):
            yield
        return whole.match(self.text) is not None
