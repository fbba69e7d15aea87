"""Calls that are written as Python's: ``[weather(city="Oslo", days=2), now()]``. Parsed, never evaluated."""

from __future__ import annotations

import ast
import json
import math
import warnings
from typing import TYPE_CHECKING, Final

from jackfield.parsing.reading import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.chat import JsonValue
    from jackfield.parsing.reading import GeneratorReader, Reading

ARGUMENTS_MAX: Final = 1 << 16
"""Most characters of one call's arguments, which are kept until they end."""

DEPTH_MAX: Final = 64
"""Deepest nesting that is followed."""

_CLOSES: Final = {"(": ")", "[": "]", "{": "}"}
_NAMES: Final = {"true": True, "false": False, "null": None}
"""Models mix JSON's words in."""


def python_calls(reader: GeneratorReader, tool_of: Callable[[str], str]) -> Reading[None]:
    """``[f(a=1), g()]``; *tool_of* is as in ``python_call``."""
    yield from reader.space()
    yield from reader.expect("[")
    yield from reader.space()
    while (yield from reader.optional("]")) is None:
        yield from python_call(reader, tool_of)
        yield from reader.space()
        if (yield from reader.expect(",", "]")) == "]":
            return
        yield from reader.space()


def python_call(reader: GeneratorReader, tool_of: Callable[[str], str]) -> Reading[None]:
    """``f(a=1)``.

    Parameters:
        reader: Reads the answer.
        tool_of: Gives the tool that is meant by ``f``, or raises ``Malformed``.

    Raises:
        Malformed: It is no call.
    """
    name = tool_of((yield from reader.word("(")).strip())
    text = yield from python_arguments(reader)
    reader.begin_call(name)
    reader.argue(text)
    reader.end_call()


def python_arguments(reader: GeneratorReader) -> Reading[str]:
    """Read named arguments, behind ``(`` and up to their ``)``, which is taken; gives them as a JSON object.

    Raises:
        Malformed: They are none, are no plain values, or are too long.
    """
    extent = _Extent()
    parts: list[str] = []
    size = 0
    while not extent.done:
        if not reader.text:
            if reader.over:
                raise Malformed
            yield
            continue
        part = reader.take(extent.feed(reader.text))
        size += len(part)
        if size > ARGUMENTS_MAX:
            raise Malformed
        parts.append(part)
    return json_of("".join(parts))


def json_of(arguments: str) -> str:
    """*arguments*, ``a=1, b="x")``, as a JSON object's text.

    Raises:
        Malformed: They are no named arguments with plain values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in what a model wrote is nothing to tell anybody
            call = ast.parse(f"f({arguments}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise Malformed
        values: dict[str, JsonValue] = {}
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg in values:
                raise Malformed
            values[keyword.arg] = _value(keyword.value)
        return json.dumps(values, ensure_ascii=False)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the parser reports what is nested too deep as both
        raise Malformed from None


def _value(node: ast.expr) -> JsonValue:
    if isinstance(node, ast.Constant):
        return _plain(node.value)
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(each) for each in node.elts]
    if isinstance(node, ast.Dict):
        return {_key(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value
    raise Malformed


def _plain(value: object) -> JsonValue:
    if isinstance(value, str):  # halves of a character, which JSON's escapes have, are one; alone they cannot be sent
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise Malformed


def _key(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return str(_plain(node.value))
    raise Malformed


class _Extent:
    """Finds where arguments end, in text that comes in parts."""

    def __init__(self) -> None:
        self._open = [")"]
        """What closes the brackets that are open."""
        self._quote = ""
        self._escape = False
        self.done = False

    def feed(self, text: str) -> int:
        """How many characters of *text* belong to the arguments: all until they end."""
        for at, sign in enumerate(text, 1):
            if self._quote:
                self._quoted(sign)
            else:
                self._outside(sign)
            if self.done:
                return at
        return len(text)

    def _quoted(self, sign: str) -> None:
        if self._escape:
            self._escape = False
        elif sign == "\\":
            self._escape = True
        elif sign == self._quote:
            self._quote = ""

    def _outside(self, sign: str) -> None:
        if sign in "\"'":
            self._quote = sign
        elif sign in _CLOSES:
            if len(self._open) == DEPTH_MAX:
                raise Malformed
            self._open.append(_CLOSES[sign])
        elif sign in ")]}":
            if self._open.pop() != sign:
                raise Malformed
            self.done = not self._open
        elif sign == "#":  # Python would not read on, but the text does
            raise Malformed
