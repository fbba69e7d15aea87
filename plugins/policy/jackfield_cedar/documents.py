"""Policies as documents of the policy store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from jackfield.errors import InvalidRequest
from jackfield_cedar.policies import Policies

if TYPE_CHECKING:
    from collections.abc import Mapping


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One document: ``{"policies": "permit (…);", "cases": […]}``."""

    policies: str
    """In Cedar."""
    cases: msgspec.Raw = msgspec.Raw(b"[]")
    """As in ``cases.json``."""


async def read_documents(documents: Mapping[str, bytes], schema: str) -> Policies | None:
    """The policies in all of *documents*; None where there are none.

    Raises:
        InvalidRequest: They cannot be used; ``param`` names the document that is at fault, where it is one.
    """
    if not documents:
        return None
    read = {name: _document(name, text) for name, text in sorted(documents.items())}
    policies = {name: document.policies for name, document in read.items()}
    cases = {name: bytes(document.cases) for name, document in read.items()}
    try:
        return await asyncio.to_thread(Policies, policies, cases, schema)
    except (ValueError, RecursionError) as error:
        named = str(error).partition(":")[0]
        raise InvalidRequest(str(error), param=named if named in documents else "policies") from error


def _document(name: str, text: bytes) -> Document:
    try:
        return msgspec.json.decode(text, type=Document)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidRequest(f"{name}: {error}", param=name) from error
