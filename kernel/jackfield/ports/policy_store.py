"""Policy stores: rules that change while servers run, shared by all gateways that use one store.

``jackfield_policy_stores`` hands over factories of ``PolicyStore``; the first one listed is used. A store keeps
documents: small JSON texts by kind and name. Keys, roles, limits, guardrails and policies are documents; an object
of a plugin that takes some is ``Governed``. A change is one step: all of it, or nothing. Every gateway looks for
changes several times a second; one that cannot look for longer than ``kernel.policy_stale_s`` refuses all requests
until it can.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

import msgspec

KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
CHANGES_MAX: Final = 1000
"""Most documents of one change."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}\Z")
CONTENT_MAX: Final = 1 << 20
"""Longest document, in bytes."""


class DocumentName(NamedTuple):
    """What a document is called."""

    kind: str
    """Who takes it: ``key``, ``role``, ``limit``, …; matches ``KIND``."""
    name: str
    """Unique in its kind; matches ``NAME``."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What has changed since a version."""

    version: int
    """Of the store now. It grows with every change, and never goes back."""
    documents: Mapping[DocumentName, bytes | None] = {}
    """The changed ones as they are now; None for those that are gone."""


class VersionConflict(Exception):
    """Somebody else has changed the store meanwhile: look again."""


class DocumentsRead(msgspec.Struct, frozen=True, kw_only=True):
    """All documents, as they are at one version."""

    version: int
    documents: Mapping[str, Mapping[str, bytes]]
    """By kind and name."""


class PolicyStore(Protocol):
    """Keeps documents over restarts. Calls may overlap, and several processes may use one store."""

    async def since(self, version: int) -> Changes:
        """What has changed since *version*; since 0 it is everything.

        Raises:
            StoreUnavailable: It does not answer.
            ManifestError: What it holds cannot be read: the key is another one, or somebody has changed it.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 2 s. Failure policy: closed;
        what was read last holds until it is too old, then requests are refused with 503.
        """
        ...

    async def change(self, version: int, documents: Mapping[DocumentName, bytes | None]) -> int:
        """Write documents, or forget those that are None: all of it or nothing, on disk when this returns.

        Parameters:
            version: What the caller has read.
            documents: At most 1,000.

        Returns:
            The new version.

        Raises:
            VersionConflict: The store is at another version.
            StoreUnavailable: It does not answer.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy: closed;
        the request fails with 503, and it is logged by name.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy:
        open; it is logged by name.
        """
        ...


PolicyStoreFactory: TypeAlias = Callable[[], PolicyStore]
"""What ``jackfield_policy_stores`` hands over; raises ``ManifestError`` or ``PluginError`` to refuse the start."""

Rewrite: TypeAlias = Callable[[Mapping[str, bytes]], Mapping[str, bytes | None]]
"""Told a kind's documents as they are, it says which are to be what. What it raises leaves all as it is. It may be
asked again, where somebody else was faster."""


class Documents(Protocol):
    """What the kernel offers a ``Governed`` object: its kind's documents."""

    async def rewrite(self, rewrite: Rewrite) -> None:
        """Change documents of the kind; this gateway's object has adopted the change when this returns.

        Raises:
            InvalidRequest: It cannot be: a name, a size, or an object would not adopt it; ``param`` says which.
            StoreUnavailable: The store does not answer.
            PolicyUnavailable: It is written, and an object has failed to adopt it.
            Exception: What *rewrite* raised.
        """
        ...


Change: TypeAlias = Callable[[DocumentsRead], Mapping[DocumentName, bytes | None]]
"""The same of documents of all kinds."""


class PolicyDocuments(Protocol):
    """What the kernel offers frontends: the documents of the policy store."""

    @property
    def kinds(self) -> Sequence[str]:
        """Kinds that objects of this server take, sorted."""
        ...

    async def read(self) -> DocumentsRead:
        """All documents, as they are now.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        ...

    async def change(self, change: Change) -> DocumentsRead:
        """Change documents; this server's objects have adopted the change when this returns.

        Returns:
            All documents, as they are then.

        Raises:
            InvalidRequest: It cannot be: a name, a size, or an object would not adopt it; ``param`` says which.
            StoreUnavailable: The store does not answer.
            PolicyUnavailable: It is written, and an object has failed to adopt it.
            Exception: What *change* raised.
        """
        ...


@runtime_checkable
class Governed(Protocol):
    """What an object of another port may have besides: rules that come from the policy store.

    Authenticators, policy engines, limiters, guardrails and books of roles are asked. Where no store is enabled,
    nothing of it is called.
    """

    @property
    def document_kind(self) -> str:
        """The kind of documents it takes; two objects of one kind get the same ones."""
        ...

    def governed(self, documents: Documents) -> None:
        """Told once, before ``adopt``: how to change documents of its kind.

        Process and thread: gateway, event loop thread. Deadline: 1 ms. Failure policy: closed; the gateway refuses to
        start.
        """
        ...

    async def check(self, documents: Mapping[str, bytes]) -> None:
        """Whether *documents*, all of its kind, could be adopted.

        Raises:
            InvalidRequest: No; ``param`` names the document and its field.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy: closed;
        the change is refused.
        """
        ...

    async def adopt(self, documents: Mapping[str, bytes]) -> None:
        """Go by *documents*, all of its kind, from now on.

        Process and thread: gateway, event loop thread, which it must not block. Deadline: 5 s. Failure policy: closed;
        what was adopted before holds, ``/readyz`` says so, and it is logged by name.
        """
        ...


@runtime_checkable
class Describing(Protocol):
    """What a ``Governed`` object may have besides: words for its documents. Others are called by their names."""

    def described(self, name: str, before: bytes | None, after: bytes | None) -> str:
        """What the audit record calls the document *name*, which somebody has changed, without secrets.

        Parameters:
            name: Of the document.
            before: What it was; None where it was not there.
            after: What it is; None where it is gone. One of the two is there, and either may be unreadable.

        Returns:
            Its id, and what is different about it; empty where nobody decides by it and nothing is to be recorded.

        Process and thread: gateway, event loop thread. Deadline: 1 ms. Failure policy: open; the record has the
        document's kind and no name.
        """
        ...


@runtime_checkable
class Isolating(Protocol):
    """What a ``Governed`` object may have besides that goes by each document on its own.

    Its ``check`` and ``adopt`` take all documents, those that cannot be read among them: what depends on such a one is
    refused, and the others hold. So nobody can keep a grant alive by spoiling another one's document.
    """

    def check_document(self, name: str, content: bytes) -> None:
        """Whether somebody may write that document.

        Raises:
            InvalidRequest: No; ``param`` names the document and its field.

        Process and thread: gateway, event loop thread. Deadline: 1 ms. Failure policy: closed; the change is refused.
        """
        ...
