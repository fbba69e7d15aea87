"""Messages that say who speaks and what, and nothing else, as most of a long conversation do.

They are known by their bytes, as JSON encoders write them, with or without spaces between the tokens. What is written
in any other way is no less valid: it is taken apart field by field, which costs several times as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Role = TypeVar("Role", bound=str)

_CONTENT: Final = b'"content":'
_PARTS: Final = (b'[{"type":"text","text":', b'[{"type": "text", "text": ')
_PARTS_END: Final = b"}]"
_TEXT_FIELD: Final = b'"text":'
_BEGIN_MAX: Final = 64
"""Bytes within which all of these begin."""

_TEXT: Final = msgspec.json.Decoder(str)


class PlainMessages(Generic[Role]):
    """Reads plain messages.

    Parameters:
        roles: Of those that need nothing but content.
        parts: Whether a message's text may stand in its only part.
    """

    __slots__ = ("_heads", "_parts")

    def __init__(self, roles: Iterable[Role], *, parts: bool) -> None:
        self._heads = {head % role.encode(): role for role in roles for head in (b'{"role":"%b",', b'{"role": "%b", ')}
        self._parts = _PARTS if parts else ()

    def read(self, raw: msgspec.Raw) -> tuple[Role, str] | None:
        """Role and text of a message; None where there may be more to it, or something is wrong with it.

        Parameters:
            raw: A JSON value without space around it.
        """
        value = memoryview(raw)
        begin = bytes(value[:_BEGIN_MAX])
        at = begin.find(_CONTENT)
        role = self._heads.get(begin[:at])
        if role is None:
            return None
        text = self._text(value[at + len(_CONTENT) : -1])
        return None if text is None else (role, text)

    def _text(self, value: memoryview) -> str | None:
        begin = bytes(value[:_BEGIN_MAX])
        if begin.lstrip(b" ").startswith(self._parts) and bytes(value[-len(_PARTS_END) :]) == _PARTS_END:
            # a long text is read where it is: to copy it costs as much as to decode it
            value = value[begin.index(_TEXT_FIELD) + len(_TEXT_FIELD) : -len(_PARTS_END)]
        # whatever is more than one string is refused here
        try:
            return _TEXT.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
