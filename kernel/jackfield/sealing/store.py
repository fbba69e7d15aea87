"""What commands ask of a store of sealed documents, besides what its port has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from jackfield.ports.policy_store import DocumentName

if TYPE_CHECKING:
    from collections.abc import Callable


class Kept(NamedTuple):
    """One document as it stands in the store."""

    version: int
    """Of the store, at the change that has written it."""
    content: bytes


class Everything(NamedTuple):
    """All documents."""

    version: int
    documents: Mapping[DocumentName, Kept]


class SealedStore(Protocol):
    """A policy store whose key can be changed. Event loop thread, which it does not block."""

    async def everything(self) -> Everything:
        """All documents, as they are now.

        Raises:
            StoreUnavailable: It does not answer.
            ManifestError: What it holds cannot be read.
        """
        ...

    async def write(self, documents: Mapping[DocumentName, bytes | None], version: int) -> int:
        """As ``PolicyStore.change``, of any number of documents."""
        ...

    async def rotate(self, told: Callable[[int], None]) -> int:
        """Seal everything with new keys, made of the secret that the store is configured with; all of it or nothing.

        Parameters:
            told: Of documents that are done, how many there were; any thread.

        Returns:
            How many documents there are, with those that are gone.

        Raises:
            StoreUnavailable: It does not answer.
            ManifestError: What it holds cannot be read, or the secret cannot be used.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...
