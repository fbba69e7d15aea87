"""Bodies and answers about policy documents."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from jackfield.ports.policy_store import CHANGES_MAX


class DocumentEntry(msgspec.Struct, kw_only=True):
    """One document, without its content."""

    kind: str
    name: str
    bytes: int
    etag: str
    """Of its content; for ``If-Match``."""


class DocumentList(msgspec.Struct, kw_only=True):
    """All documents, or those of one kind."""

    version: int
    """Of the store; it grows with every change."""
    kinds: list[str]
    """Those that this server's plugins go by."""
    documents: list[DocumentEntry]


class DocumentWritten(msgspec.Struct, kw_only=True):
    """What a change has done; it is in force on this server."""

    version: int
    """Of the store then."""
    written: int
    """Documents that are different now."""
    deleted: int


class DocumentChange(msgspec.Struct, kw_only=True):
    """What one document is to be."""

    kind: str
    name: str
    content: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    """JSON; null deletes it."""


class DocumentChanges(msgspec.Struct, kw_only=True):
    """Changes that are made in one step: all of them, or none."""

    changes: Annotated[list[DocumentChange], Meta(min_length=1, max_length=CHANGES_MAX)]
