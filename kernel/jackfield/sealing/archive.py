"""Archives: all documents of a store in one file, to keep a copy or to move them to another store.

A plain one is JSON. A sealed one is a line of text, and then msgpack: how the key is made of the passphrase, and the
JSON, sealed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import ManifestError
from jackfield.ports.policy_store import CONTENT_MAX, KIND, NAME, DocumentName
from jackfield.sealing.derivation import Derivation, derive, new_derivation
from jackfield.sealing.seal import BrokenSeal, Seal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.secret import Secret

FORMAT: Final = "jackfield-policies-1"

BYTES_MAX: Final = 1 << 30
"""Longest archive: what is longer was not written by us."""

_SEALED: Final = b"jackfield-policies-sealed-1\n"
_ABOUT: Final = "archive"


class ArchivedDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One document."""

    kind: str
    name: str
    content: msgspec.Raw
    """JSON."""


class Archive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All documents, as they were at one version of their store."""

    format: str = FORMAT
    version: int
    documents: list[ArchivedDocument]


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    derivation: Derivation
    archive: bytes


def write_archive(version: int, documents: Mapping[DocumentName, bytes], passphrase: Secret | None) -> bytes:
    """An archive of *documents*.

    Parameters:
        version: Of their store.
        documents: All of it.
        passphrase: Or a key; None writes a plain one.

    Raises:
        ManifestError: The passphrase is too short, or it would be larger than ``BYTES_MAX``.
    """
    rows = [
        ArchivedDocument(kind=name.kind, name=name.name, content=msgspec.Raw(content))
        for name, content in sorted(documents.items())
    ]
    plain = msgspec.json.encode(Archive(version=version, documents=rows))
    if len(plain) > BYTES_MAX:
        raise ManifestError(f"the archive would have more than {BYTES_MAX} bytes")
    if passphrase is None:
        return plain + b"\n"
    derivation = new_derivation(passphrase)
    keys = derive(passphrase, derivation)
    if keys is None:
        raise AssertionError("a new derivation fits its secret")
    return _SEALED + msgspec.msgpack.encode(_Sealed(derivation, Seal(keys).seal(plain, _ABOUT)))


def is_sealed(data: bytes) -> bool:
    """Whether *data* needs a passphrase."""
    return data.startswith(_SEALED)


def read_archive(data: bytes, passphrase: Secret | None) -> Mapping[DocumentName, bytes]:
    """The documents in an archive.

    Raises:
        ManifestError: It is none, somebody has changed it, or the passphrase is missing or another one.
    """
    if is_sealed(data):
        data = _opened(data, passphrase)
    try:
        archive = msgspec.json.decode(data, type=Archive)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ManifestError(f"it is no archive of policies: {error}") from error
    if archive.format != FORMAT:
        raise ManifestError("it is an archive of another format")
    return _documents(archive)


def _opened(data: bytes, passphrase: Secret | None) -> bytes:
    if passphrase is None:
        raise ManifestError("it is sealed: say with --passphrase where the passphrase is")
    try:
        sealed = msgspec.msgpack.decode(data[len(_SEALED) :], type=_Sealed)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ManifestError("it is damaged") from error
    keys = derive(passphrase, sealed.derivation)
    try:
        if keys is None:
            raise BrokenSeal
        return Seal(keys).open(sealed.archive, _ABOUT)
    except BrokenSeal as error:
        raise ManifestError("the passphrase is another one, or the archive was changed") from error


def _documents(archive: Archive) -> Mapping[DocumentName, bytes]:
    found: dict[DocumentName, bytes] = {}
    for each in archive.documents:
        name = DocumentName(each.kind, each.name)
        content = bytes(each.content)
        if not (KIND.match(each.kind) and NAME.match(each.name)):
            raise ManifestError(f"{each.kind[:40]!r} {each.name[:140]!r} cannot be a document's kind and name")
        if name in found:
            raise ManifestError(f"the document {each.kind} {each.name} is there twice")
        if len(content) > CONTENT_MAX:
            raise ManifestError(f"the document {each.kind} {each.name} has more than {CONTENT_MAX} bytes")
        found[name] = content
    return found
