"""Calls that are written as JSON objects: ``{"name": "f", "arguments": {…}}``, alone or in an array."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jackfield.parsing.json_text import HalfMender, JsonScanner, NotJson, is_json, mended
from jackfield.parsing.reading import GeneratorReader, Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from jackfield.parsing.reading import Reading

KEPT_MAX: Final = 1 << 20
"""Most characters of a call that are kept until they can be shown."""

_ID: Final = re.compile(r"[!-~]{1,128}\Z")
_UNIT: Final = r"\\u[0-9a-fA-F]{4}"
_HIGH: Final = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
"""Halves of a character that is written as two."""
_UNITS: Final = re.compile(
    rf'(?:[^"\\]+|\\["\\/bfnrt]|(?!{_HIGH}){_UNIT}|{_HIGH}(?:{_LOW}|(?!{_LOW})(?={_UNIT}|[^\\]|\\[^u])))*'
)
"""What of a string can be decoded by itself."""
_UNIT_MAX: Final = len(r"\u0000")


class CallKeys(NamedTuple):
    """What the members of a call are named."""

    name: tuple[str, ...] = ("name",)
    arguments: tuple[str, ...] = ("arguments", "parameters")
    id: tuple[str, ...] = ("id",)


USUAL_KEYS: Final = CallKeys()


class _Call:
    """What is known of the call that is being read."""

    def __init__(self) -> None:
        self.name = ""
        self.id = ""
        self.kept: str | None = None
        """Arguments that came before the name."""
        self.begun = False
        self.argued = False


class JsonCallReader(GeneratorReader):
    """Base of readers that meet calls in JSON.

    Parameters:
        prompt_end: The end of the rendered prompt.
        names: Tools that may be called. A call of another one is malformed.
        keys: What the members of a call are named.
    """

    def __init__(self, prompt_end: str, names: Collection[str], keys: CallKeys = USUAL_KEYS) -> None:
        self._names = names
        self._keys = keys
        super().__init__(prompt_end)

    def call_array(self) -> Reading[None]:
        """``[{…}, {…}]``, or one object alone."""
        yield from self.space()
        if (yield from self.optional("[")) is None:
            yield from self.call_object()
        else:
            yield from self.calls_in_array()

    def calls_in_array(self) -> Reading[None]:
        """``{…}, {…}]``: what stands behind the bracket of an array."""
        yield from self.space()
        while (yield from self.optional("]")) is None:
            yield from self.call_object()
            yield from self.space()
            if (yield from self.expect(",", "]")) == "]":
                return
            yield from self.space()

    def call_object(self) -> Reading[None]:
        """``{"name": …, "arguments": …}``, in any order, with any other members besides."""
        call = _Call()
        yield from self.space()
        yield from self.expect("{")
        yield from self.space()
        if (yield from self.optional("}")) is None:
            while True:
                yield from self._member(call)
                yield from self.space()
                if (yield from self.expect(",", "}")) == "}":
                    break
                yield from self.space()
        self._begin(call)
        if not call.begun:
            raise Malformed
        if not call.argued:
            self.argue("{}")
        self.end_call()

    def arguments(self) -> Reading[None]:
        """A JSON object, passed on as it comes."""
        yield from self.space()
        if (yield from self.looking_at("{")) is None:
            raise Malformed
        yield from self.json_value(self.argue)

    def json_value(self, pass_on: Callable[[str], None]) -> Reading[None]:
        """Pass one JSON value on, as it comes; raises ``Malformed`` where it is none."""
        scanner, mender = JsonScanner(), HalfMender()
        while True:
            try:
                count = scanner.feed(self.text)
            except NotJson as error:
                pass_on(mender.feed(self.take(error.at)) + mender.end())
                raise Malformed from None
            if count:
                pass_on(mender.feed(self.take(count)))
            if scanner.done or (self.over and scanner.end()):
                return
            if self.over:
                pass_on(mender.end())
                raise Malformed
            yield

    def kept_value(self) -> Reading[str]:
        """One JSON value, kept."""
        parts: list[str] = []
        size = 0

        def keep(text: str) -> None:
            nonlocal size
            size += len(text)
            if size > KEPT_MAX:
                raise Malformed
            parts.append(text)

        yield from self.space()
        yield from self.json_value(keep)
        return "".join(parts)

    def string(self) -> Reading[str]:
        """A JSON string, decoded."""
        value = json.loads((yield from self.kept_value()))
        if not isinstance(value, str):
            raise Malformed
        return value

    def json_string(self, pass_on: Callable[[str], None]) -> Reading[None]:
        """Pass a JSON string on, decoded, as it comes; raises ``Malformed`` where it is none."""
        yield from self.space()
        yield from self.expect('"')
        while True:
            count = self._whole_units()
            if count:
                pass_on(_decoded(self.take(count)))
            if self.text.startswith('"'):
                self.take(1)
                return
            if self.over or len(self.text) >= 2 * _UNIT_MAX:  # half a character, and its other half, would be whole
                raise Malformed
            yield

    def _whole_units(self) -> int:
        """How many characters can be decoded now: no part of an escape, or of a pair of them."""
        units = _UNITS.match(self.text)
        return 0 if units is None else units.end()

    def known(self, name: str) -> str:
        """*name*, if it may be called; raises ``Malformed`` otherwise."""
        if name not in self._names:
            raise Malformed
        return name

    def _member(self, call: _Call) -> Reading[None]:
        key = yield from self.string()
        yield from self.space()
        yield from self.expect(":")
        if key in self._keys.name and not call.name:
            call.name = self.known((yield from self.string()))
        elif key in self._keys.id and not call.begun:
            value = json.loads((yield from self.kept_value()))
            call.id = value if isinstance(value, str) and _ID.match(value) else ""
        elif key in self._keys.arguments and not call.argued and call.kept is None:
            yield from self._arguments(call)
        else:
            yield from self.kept_value()

    def _arguments(self, call: _Call) -> Reading[None]:
        yield from self.space()
        if call.name and (yield from self.looking_at("{")) is not None:
            self._begin(call)
            call.argued = True
            yield from self.arguments()
        else:
            call.kept = yield from self.kept_value()

    def _begin(self, call: _Call) -> None:
        """Show what can be shown of *call* now."""
        if call.name and not call.begun:
            call.begun = True
            self.begin_call(call.name, call.id)
        if call.begun and call.kept is not None:
            self.argue(as_object(call.kept))
            call.argued, call.kept = True, None


def _decoded(units: str) -> str:
    if "\\" not in units:  # nearly always
        return units
    value = str(json.loads(f'"{units}"', strict=False))
    # half of a character alone cannot be sent
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def as_object(text: str) -> str:
    """Arguments as a JSON object's text: models write that text into a string at times, or null for none."""
    value = json.loads(text)
    if isinstance(value, str):
        if not is_json(value):
            raise Malformed
        text = mended(value)
        value = json.loads(text)
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise Malformed
    return text
