"""The texts and numbers in JSON, changed where they stand: all else stays as it was written.

Also what is cut off, or no JSON at all, is read as far as it can be: nothing in it goes unseen.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN: Final = re.compile(
    r'"(?P<string>(?:[^"\\]|\\.)*+)(?P<end>"?)|(?P<bare>[^"{}\[\],:\s][^"{}\[\],:]*+)', re.DOTALL
)
_CUT_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")
_WORDS: Final = frozenset({"true", "false", "null"})


def mapped_leaves(text: str, change: Callable[[str], str]) -> str:
    """*text* with what *change* makes of each string (names of members are strings too) and each number in it.

    A number that *change* makes something else of becomes a string. Any thread.

    Parameters:
        text: JSON, whole or cut off. What begins with neither a brace nor a bracket is one text.
        change: Called with decoded texts, in their order; never with an empty one.
    """
    if not text.lstrip().startswith(("{", "[")):
        return change(text) if text else text
    return _TOKEN.sub(lambda found: _changed(found, change), text)


def _changed(found: re.Match[str], change: Callable[[str], str]) -> str:
    written = found["bare"]
    if written is not None:
        return _bare(written, change)
    inner = found["string"]
    if not inner:
        return found[0]
    read = _decoded(inner, cut=not found["end"])
    new = change(read) if read else read
    return found[0] if new == read else f'"{_encoded(new)}{found["end"]}'


def _bare(written: str, change: Callable[[str], str]) -> str:
    read = written.rstrip()
    if read in _WORDS:
        return written
    new = change(read)
    if new == read:
        return written
    number = _NUMBER.match(read) is not None
    return (f'"{_encoded(new)}"' if number else new) + written[len(read) :]


def _decoded(inner: str, *, cut: bool) -> str:
    """The text of a string; as it is written where that is no JSON."""
    if "\\" not in inner:
        return inner
    if cut:
        inner = _CUT_ESCAPE.sub("", inner)
    try:
        read = json.loads(f'"{inner}"', strict=False)
    except ValueError:
        return inner
    return read if isinstance(read, str) else inner


def _encoded(text: str) -> str:
    """*text* as it stands between quotes."""
    written = json.dumps(text, ensure_ascii=False)
    if not written.isascii():
        try:
            written.encode()
        except UnicodeEncodeError:  # half a character, which is nothing without its escape
            written = json.dumps(text)
    return written[1:-1]
