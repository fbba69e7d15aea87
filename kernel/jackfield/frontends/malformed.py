"""msgspec's errors as ours: what is wrong with a body, and where."""

from __future__ import annotations

import re
from typing import Final

from jackfield.errors import InvalidRequest, JackfieldError, MalformedBody, UnknownField

SAID_MAX: Final = 200
"""Longest text of msgspec's that an error repeats: names and values in it are the client's own."""

_EXPECTED: Final = re.compile(r"`([a-z |]+)`")
_CHOICE: Final = re.compile(r"Invalid (?:enum )?value ")
_REPEATED: Final = re.compile(r"\A(Invalid (?:enum )?value) .*?(?= - at `\$[^`]*`\Z|\Z)", re.DOTALL)
_NAMED: Final = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)
_NAME_SHOWN: Final = 64
"""Most characters of a client's own field name that an error repeats."""
_WORDS: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
"""JSON's names for what msgspec calls by Python's."""


def malformed(error: Exception) -> MalformedBody:
    """What a body that is not JSON is answered with."""
    if isinstance(error, UnicodeDecodeError):
        return MalformedBody("the body is not UTF-8")
    if isinstance(error, RecursionError):
        return MalformedBody("the body is nested too deeply")
    return MalformedBody(f"the body is not valid JSON: {error}")


def without_value(error: Exception) -> str:
    """What msgspec says in *error*, but for the value where it repeats one: that may be anything, however long."""
    return _REPEATED.sub(r"\1", str(error))


def not_of_kind(error: Exception, path: str = "") -> JackfieldError:
    """A value of the wrong type or out of range, with its path.

    Parameters:
        error: msgspec's.
        path: Path of the value that was being decoded; empty for the body.
    """
    if isinstance(error, UnicodeDecodeError):
        return MalformedBody("the body is not UTF-8", param=path or None)
    # where a key itself is at fault, msgspec names the object that it stands in
    text, mark, inner = str(error).replace(" - at `key` in `$", " in a name - at `$").rpartition(" - at `$")
    if not mark or not inner.endswith("`"):  # what a client wrote may look like a path
        text, inner = str(error), ""
    full = (path + inner.rstrip("`").replace("[...]", "")).removeprefix(".")
    named = _NAMED.fullmatch(text)
    if named is not None:
        return _field(f"{full}.{named[2][:_NAME_SHOWN]}".removeprefix("."), missing=named[1].startswith("missing"))
    if _CHOICE.match(text):  # msgspec repeats the value, which may be anything, however long
        text = "none of the values that it may have"
    said = _EXPECTED.sub(lambda found: _in_json_words(found[1]), text)
    if len(said) > SAID_MAX:
        said = said[:SAID_MAX] + "…"
    if not full:
        return MalformedBody(f"the body must be a JSON object: {said[:1].lower()}{said[1:]}")
    return InvalidRequest(f"{full}: {said[:1].lower()}{said[1:]}", param=full)


def _field(path: str, *, missing: bool) -> JackfieldError:
    if missing:
        return InvalidRequest(f"{path} is required", param=path)
    return UnknownField(f"unknown field {path}", param=path)


def _in_json_words(kinds: str) -> str:
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds.split(" | "))
