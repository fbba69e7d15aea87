"""Lark grammars: what in them must be read before llguidance gets them.

Schemas in a grammar (``%json {…}``) are enforced as those that come alone; options with which a client could weaken or
slow the matcher are refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest
from jackfield_llguidance.limits import LARK_RULES_MAX, PATTERN_MAX, PATTERNS_TOGETHER_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

_WORD: Final = re.compile(
    r"""
      (?P<comment> (?: \#|// ) [^\n]* )
    | (?P<text> "(?: \\. | [^"\\\n] )*" )
    | (?P<regex> / (?: \\. | [^/\\] )+ / )
    | (?P<special> < [^<>\s]+ > )
    | (?P<directive> %[a-z]+ )
    | (?P<attribute> \b (?: temperature | capture ) \b (?= \s* [=,\]] ) )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)

_OPTIONS: Final = frozenset({"no_forcing", "allow_initial_skip"})
"""What ``%llguidance {…}`` may set."""

_DIRECTIVES: Final = frozenset({"%ignore", "%import", "%regex", "%lark"})
"""What llguidance reads by itself."""

_COUNTED: Final = MappingProxyType({":": (LARK_RULES_MAX, "rules"), "&": (PATTERNS_TOGETHER_MAX - 1, "signs &")})
"""How often a sign may stand outside of texts and patterns, and what it makes."""

_DECODER: Final = json.JSONDecoder()


def read_lark(text: str, param: str, schema: Callable[[str, str], str]) -> str:
    """*text* as llguidance may get it.

    Parameters:
        text: A Lark grammar.
        param: The constraint's, for errors.
        schema: Makes of a schema's text, and of where it stands, the text that llguidance gets.

    Raises:
        InvalidRequest: Something in it cannot be honoured; the message names line and what.
    """
    parts, at = [], 0
    signs = Counter[str]()
    while at < len(text):
        word = _WORD.match(text, at)
        if word is None:  # an opening quote or slash alone: llguidance says what is wrong with it
            parts.append(text[at:])
            break
        found, at = word[0], word.end()
        if word["directive"]:
            found, at = _directive(text, word, param, schema)
        _check(word, text, param)
        signs[found] += 1
        most, what = _COUNTED.get(found, (len(text), ""))
        if signs[found] > most:
            raise _refused(param, text, word.start(), f"a grammar may have {most} {what}")
        parts.append(found)
    return "".join(parts)


def _check(word: re.Match[str], text: str, param: str) -> None:
    if word["regex"] and len(word["regex"]) > PATTERN_MAX:
        raise _refused(param, text, word.start(), f"a pattern may have {PATTERN_MAX} characters")
    if word["attribute"]:
        raise _refused(param, text, word.start(), f"{word['attribute']} cannot be honoured")


def _directive(text: str, word: re.Match[str], param: str, schema: Callable[[str, str], str]) -> tuple[str, int]:
    """What llguidance gets for a directive and what belongs to it, and where the text goes on."""
    name = word["directive"]
    if name in _DIRECTIVES:
        return name, word.end()
    if name not in {"%json", "%llguidance"}:
        raise _refused(param, text, word.start(), f"{name} is not supported")
    start = word.end() + len(text[word.end() :]) - len(text[word.end() :].lstrip())
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        raise _refused(param, text, word.start(), f"{name} needs JSON behind it") from None
    if name == "%json":
        return f"%json {schema(text[start:end], _where(text, start))}", end
    if not isinstance(value, dict) or not value.keys() <= _OPTIONS:
        raise _refused(param, text, word.start(), f"{name} takes {', '.join(sorted(_OPTIONS))}")
    return text[word.start() : end], end


def _where(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}"


def _refused(param: str, text: str, at: int, why: str) -> InvalidRequest:
    return InvalidRequest(f"{param}: {_where(text, at)}: {why}", param=param)
