"""Pages of items, and where a stream begins: the queries of ``GET`` requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from jackfield.errors import InvalidRequest, UnknownField
from jackfield.frontends.rules import is_null, shown
from jackfield_openai.records import is_id
from jackfield_openai.responses.includes import NAMES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

LIMIT_MAX: Final = 100
LIMIT: Final = 20
_NUMBER_MAX: Final = 12
"""Most digits of a number in a query."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is wanted."""

    limit: int
    after: str
    newest_first: bool


class _Id(msgspec.Struct, frozen=True):
    id: str


_ID: Final = msgspec.json.Decoder(_Id)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_COMPLETED: Final = msgspec.Raw(b'"completed"')


def read_page(
    query: Mapping[str, str],
    *,
    most: int = LIMIT_MAX,
    order: Literal["asc", "desc"] = "desc",
    known: Collection[str] = (),
) -> Page:
    """``limit``, ``after`` and ``order``.

    Parameters:
        query: Of a ``GET`` request.
        most: Largest ``limit``.
        order: Where the query says nothing.
        known: Names that it may have besides.

    Raises:
        InvalidRequest: ``param`` is the name at fault.
    """
    check_names(query, {"limit", "after", "order", *known})
    limit = number(query, "limit", LIMIT)
    if not 1 <= limit <= most:
        raise InvalidRequest(f"limit must be between 1 and {most}", param="limit")
    wanted = query.get("order", order)
    if wanted not in {"asc", "desc"}:
        raise InvalidRequest("order must be asc or desc", param="order")
    after = query.get("after", "")
    if after and not is_id(after):
        raise InvalidRequest("after is no id", param="after")
    return Page(limit=limit, after=after, newest_first=wanted == "desc")


def read_start(query: Mapping[str, str]) -> tuple[bool, int]:
    """Whether events are wanted (``stream``), and the number of the last one that is known; -1 is none."""
    check_names(query, {"stream", "starting_after", "include_obfuscation", *NAMES})
    stream = query.get("stream", "false")
    if stream not in {"true", "false"}:
        raise InvalidRequest("stream must be true or false", param="stream")
    if query.get("include_obfuscation", "false") != "false":
        raise InvalidRequest("include_obfuscation is not supported", param="include_obfuscation")
    after = number(query, "starting_after", -1)
    if "starting_after" in query and stream == "false":
        raise InvalidRequest("starting_after needs stream to be true", param="starting_after")
    return stream == "true", after


def check_names(query: Mapping[str, str], known: Collection[str]) -> None:
    """Raise ``UnknownField`` where the query has another parameter."""
    for name in query:
        if name not in known:
            raise UnknownField(f"unknown parameter {shown(name)}", param=shown(name))


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """A whole number in the query; raises ``InvalidRequest``."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _NUMBER_MAX):
        raise InvalidRequest(f"{name} must be a whole number", param=name)
    return int(text)


def listed(item: msgspec.Raw) -> msgspec.Raw:
    """An input item as OpenAI lists it: content in parts, and a status. It may have come in fewer words."""
    fields = {name: value for name, value in _FIELDS.decode(item).items() if not is_null(value)}
    fields.setdefault("status", _COMPLETED)
    content = fields.get("content")
    if content is not None and memoryview(content)[0] == ord('"'):
        said = bytes(fields["role"]) == b'"assistant"'
        part: dict[str, object] = {"type": "output_text" if said else "input_text", "text": content}
        if said:
            part["annotations"] = []
        fields["content"] = msgspec.Raw(msgspec.json.encode([part]))
    return msgspec.Raw(msgspec.json.encode(fields))


def page_of(items: Sequence[msgspec.Raw], page: Page) -> bytes:
    """A list object with one page of *items*."""
    ordered = list(reversed(items)) if page.newest_first else list(items)
    ids = [_ID.decode(item).id for item in ordered]
    if page.after:
        if page.after not in ids:
            raise InvalidRequest("after names no item of this list", param="after")
        start = ids.index(page.after) + 1
        ordered, ids = ordered[start:], ids[start:]
    return list_object(ordered[: page.limit], ids[: page.limit], more=len(ordered) > page.limit)


def list_object(data: Sequence[object], ids: Sequence[str], *, more: bool) -> bytes:
    """OpenAI's list: one page, its first and last id, and whether there is more."""
    return msgspec.json.encode(
        {
            "object": "list",
            "data": data,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
            "has_more": more,
        }
    )
