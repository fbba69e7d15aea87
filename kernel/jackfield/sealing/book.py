"""What a store of sealed documents keeps, and what it means. No I/O, no clock.

A store keeps one ``Header`` and a ``Row`` for each name that ever had a document; what is gone keeps a row that says
so. Whoever keeps them sees kinds, names, versions and sizes, and no content. A row that was exchanged, changed, removed
or put back is noticed by whoever reads all rows, and so at every start. What nobody can notice who was not there before
is a whole store that was replaced by an older copy of itself; a process that has seen the newer one refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.errors import ManifestError
from jackfield.ports.policy_store import Changes, DocumentName
from jackfield.sealing.derivation import Derivation, derive, new_derivation
from jackfield.sealing.seal import BrokenSeal, Seal
from jackfield.sealing.tally import SUM_BYTES, Tally

if TYPE_CHECKING:
    from jackfield.secret import Secret

_HEAD: Final = "head"
_DOCUMENT: Final = "document"
_GONE: Final = b"\0"
_THERE: Final = b"\1"


class Header(NamedTuple):
    """What stands once."""

    version: int
    derivation: bytes
    """How the keys are made; msgpack, readable."""
    head: bytes
    """The tally, sealed as that of this version and these keys."""


class Row(NamedTuple):
    """What stands once for each name."""

    kind: str
    name: str
    version: int
    """Of the store, at the change that has written it."""
    sealed: bytes


class Stored(NamedTuple):
    """What is to be written: the rows replace those of the same kind and name."""

    header: Header
    rows: Sequence[Row]


class _Open(NamedTuple):
    """A header that was opened."""

    header: Header
    seal: Seal
    tally: Tally


class Book:
    """What one process has seen of a store. One thread at a time; making keys of a passphrase takes 0.15 s.

    Parameters:
        secrets: Reads the secrets that the store may be sealed with, by the key path of their options; the first one
            is what new keys are made of. Asked again whenever somebody has rotated the key, and by ``check``.
    """

    def __init__(self, secrets: Callable[[], Mapping[str, Secret]]) -> None:
        self._secrets = secrets
        self._open: _Open | None = None
        self._seen: int | None = None
        self._refused: tuple[bytes, bytes, Sequence[Secret]] | None = None

    @property
    def known(self) -> bool:
        """Whether a header was ever taken."""
        return self._seen is not None

    @property
    def version(self) -> int:
        """The version up to which rows were taken."""
        return self._open.header.version if self._open is not None else 0

    @property
    def header(self) -> Header | None:
        """The header that was taken last."""
        return self._open.header if self._open is not None else None

    def new(self) -> Header:
        """The header of a store that is made now.

        Raises:
            ManifestError: The secret cannot be used.
        """
        derivation, seal, _ = self._new_keys()
        return _sealed(0, msgspec.msgpack.encode(derivation), seal, bytes(SUM_BYTES))

    def needs(self, header: Header) -> int | None:
        """After which version rows must be read for ``take``; None where *header* was taken already."""
        if self._open is None or header.derivation != self._open.header.derivation:
            return 0
        return None if header == self._open.header else self._open.header.version

    def take(self, header: Header, rows: Sequence[Row]) -> None:
        """Believe *header*, and *rows*: all after the version that ``needs`` has said.

        Raises:
            ManifestError: No secret opens it, somebody has changed it, or it is older than what was taken before.
        """
        if self._seen is not None and header.version < self._seen:
            raise _gone_back(self._seen, header.version)
        before = self._open
        opened = before if before is not None and header.derivation == before.header.derivation else None
        seal, tally = (opened.seal, opened.tally) if opened is not None else self._keys_of(header)
        total = _total(header, seal)
        tally.count((DocumentName(row.kind, row.name), row.version) for row in rows)
        if tally.total != total:
            self._open = None  # what was counted is of no use
            raise ManifestError(
                "the policy store was changed by somebody else than us: its rows are not what they were"
            )
        self._open = _Open(header, seal, tally)
        self._seen = header.version

    def check(self, header: Header) -> None:
        """Whether a secret, as they are now, opens *header*; what was taken holds on, whatever comes of it.

        Raises:
            ManifestError: None does, or one cannot be read.
        """
        self._keys_of(header)

    def changes(self, since: int, rows: Sequence[Row]) -> Changes:
        """What has changed since a version.

        Parameters:
            since: The version.
            rows: All after *since*, of the header that was taken last.

        Raises:
            ManifestError: *since* is in the future, or somebody has changed a row.
        """
        opened = self._opened()
        if since > opened.header.version:
            raise _gone_back(since, opened.header.version)
        documents = {DocumentName(row.kind, row.name): _content(opened.seal, row) for row in rows}
        return Changes(version=opened.header.version, documents=documents)

    def written(self, documents: Mapping[DocumentName, bytes | None]) -> Stored:
        """What a change writes; ``take`` it once it is written."""
        opened = self._opened()
        version = opened.header.version + 1
        rows = [_row(opened.seal, name, version, content) for name, content in documents.items()]
        total = opened.tally.after(documents, version)
        return Stored(_sealed(version, opened.header.derivation, opened.seal, total), rows)

    def rotated(self, rows: Sequence[Row], told: Callable[[int], None]) -> Stored:
        """Everything, sealed with new keys that are made of the first secret; versions stay.

        Parameters:
            rows: All of the header that was taken last.
            told: Of each row that is done, how many there were.

        Raises:
            ManifestError: The secret cannot be used, or somebody has changed a row.
        """
        opened = self._opened()
        derivation, seal, counting = self._new_keys()
        tally = Tally(counting)
        sealed: list[Row] = []
        for row in rows:
            name = DocumentName(row.kind, row.name)
            sealed.append(_row(seal, name, row.version, _content(opened.seal, row)))
            tally.count([(name, row.version)])
            told(1)
        encoded = msgspec.msgpack.encode(derivation)
        return Stored(_sealed(opened.header.version, encoded, seal, tally.total), sealed)

    def _opened(self) -> _Open:
        if self._open is None:
            raise AssertionError("a header is taken before it is asked about")
        return self._open

    def _new_keys(self) -> tuple[Derivation, Seal, bytes]:
        option, secret = next(iter(self._secrets().items()))
        try:
            derivation = new_derivation(secret)
        except ManifestError as error:
            raise ManifestError(f"{option}: {error.message}", param=option) from error
        keys = derive(secret, derivation)
        if keys is None:
            raise AssertionError("a new derivation fits its secret")
        return derivation, Seal(keys), keys.counting

    def _keys_of(self, header: Header) -> tuple[Seal, Tally]:
        """Those of the secret that opens *header*."""
        secrets = self._secrets()
        asked = (header.derivation, header.head, list(secrets.values()))
        # whoever waits for the right secret looks ten times a second, and a passphrase takes 0.15 s each time
        if asked != self._refused:
            opened = _first_that_opens(header, secrets.values())
            if opened is not None:
                return opened
            self._refused = asked
        options = " and ".join(secrets)
        raise ManifestError(
            f"{options}: the policy store is sealed with another key (or its header is damaged)",
            param=next(iter(secrets)),
        )


def _first_that_opens(header: Header, secrets: Iterable[Secret]) -> tuple[Seal, Tally] | None:
    derivation = _read(header.derivation)
    for secret in secrets:
        keys = derive(secret, derivation)
        if keys is None:
            continue
        seal = Seal(keys)
        try:
            seal.open(header.head, _HEAD, header.version, header.derivation)
        except BrokenSeal:
            continue
        return seal, Tally(keys.counting)
    return None


def _gone_back(seen: int, version: int) -> ManifestError:
    return ManifestError(
        f"the policy store has gone back from version {seen} to {version}; if that is meant, restart the server"
    )


def _sealed(version: int, derivation: bytes, seal: Seal, total: bytes) -> Header:
    return Header(version, derivation, seal.seal(total, _HEAD, version, derivation))


def _total(header: Header, seal: Seal) -> bytes:
    try:
        return seal.open(header.head, _HEAD, header.version, header.derivation)
    except BrokenSeal as error:
        raise ManifestError("the policy store's header was changed by somebody else than us") from error


def _row(seal: Seal, name: DocumentName, version: int, content: bytes | None) -> Row:
    value = _GONE if content is None else _THERE + content
    return Row(name.kind, name.name, version, seal.seal(value, _DOCUMENT, name.kind, name.name, version))


def _content(seal: Seal, row: Row) -> bytes | None:
    try:
        value = seal.open(row.sealed, _DOCUMENT, row.kind, row.name, row.version)
    except BrokenSeal as error:
        raise ManifestError(
            f"the policy store was changed by somebody else than us: {row.kind} {row.name} is not what was written"
        ) from error
    return value[1:] if value[:1] == _THERE else None


def _read(data: bytes) -> Derivation:
    try:
        return msgspec.msgpack.decode(data, type=Derivation)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ManifestError("the policy store's header is damaged, or of a newer version") from error
