"""From llguidance's errors to ours: it reports with texts alone, most of them without a place."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from jackfield.errors import InvalidRequest

TEXT_MAX: Final = 240
"""Characters of llguidance's text that a client gets to see."""


TOO_COMPLEX: Final = "it is too complex"
"""What a client is told where llguidance gives up, before the first token or later."""


class Told(NamedTuple):
    """What a text of llguidance means."""

    pattern: str
    """Found in its first lines."""
    keyword: str
    """Of JSON Schema, which the text is about; empty where it is not about one."""
    meaning: str
    """For the client; empty where the text says it best itself."""


TEXTS: Final = (
    Told("regex parse error", "pattern", ""),
    Told("Unsatisfiable schema", "", "no value satisfies it"),
    Told("min/maxProperties only supported", "minProperties", "properties can be counted where all named are required"),
    Told("[Pp]attern ?[Pp]ropert", "patternProperties", "patterns must not match the same names"),
    Told("Unable to determine if regex is empty", "pattern", "the pattern is too complex together with its neighbours"),
    Told("circular references with sibling keys", "$ref", "a recursive reference must stand alone"),
    Told("oneOf constraints are not supported", "oneOf", "its schemas may overlap"),
    Told("lookarounds not supported", "pattern", "look-around, word boundaries and anchors inside are not supported"),
    Told("back-?references are not supported", "pattern", "back-references are not supported"),
    Told("multiple ?[Oo]f", "multipleOf", ""),
    Told("schema too large|stack level exceeded", "", "it is too large"),
    Told(r"too (big|large|complex|many)|\bfuel\b|precomputation failed|too deeply|limit|max is", "", TOO_COMPLEX),
    Told("unknown special token", "", "it names a special token that this model does not have"),
    Told("integer range|float range", "minimum", "there is no such number, or too many digits"),
)
"""Every text of llguidance that needs more than to be repeated."""


def explain(text: str) -> Told:
    """What *text*, of llguidance, means."""
    for told in TEXTS:
        if re.search(told.pattern, text):
            return told._replace(meaning=told.meaning or one_line(text))
    return Told("", "", one_line(text))


def one_line(text: str) -> str:
    """*text* without line breaks, not too much of it, and nothing of the dumps behind it."""
    line = " ".join(re.split(r"\n<|\n *while processing", text, maxsplit=1)[0].split())
    return line if len(line) <= TEXT_MAX else line[:TEXT_MAX] + "…"


def refused(param: str, keyword: str, pointer: str, why: str, where: str = "") -> InvalidRequest:
    """The error for a schema.

    Parameters:
        param: The constraint's.
        keyword: Which, or empty.
        pointer: JSON pointer of the place.
        why: The rest of the sentence.
        where: Where in the parameter the schema stands, where it is not the whole.
    """
    what = f"{keyword!r} at {pointer or '/'}" if keyword else f"the schema at {pointer or '/'}"
    return InvalidRequest(": ".join(filter(None, (param, where, what, why))), param=param)
