"""Where policies are: a folder, a bundle as ``opa build`` makes it, or documents of the policy store."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from jackfield.errors import InvalidRequest, ManifestError
from jackfield.watched_files import settled, signature_of
from jackfield_opa.bundle import BYTES_MAX, FILES_MAX, Budget, bundle_of, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jackfield.watched_files import Signature
    from jackfield_opa.bundle import Bundle

ARCHIVE_SUFFIXES: Final = (".tar.gz", ".tgz")

ENTRIES_MAX: Final = 10_000
"""Files and folders of all kinds that are looked at."""

_TAR_OVERHEAD: Final = 2 << 20
"""Headers and padding beside what files hold."""

PolicySignature: TypeAlias = "tuple[tuple[str, Signature], ...]"
"""Of files by their paths."""


class PolicySource:
    """A folder or an archive. Any thread; it reads files.

    Parameters:
        path: It.
        shown: What messages call it.
    """

    def __init__(self, path: Path, shown: str) -> None:
        self._path = path
        self._shown = shown

    def read(self) -> Bundle:
        """What is there now.

        Raises:
            ManifestError: It cannot be used.
        """
        try:
            if self._path.name.endswith(ARCHIVE_SUFFIXES):
                return bundle_of(_unpacked(self._path))
            if not self._path.is_dir():
                raise ManifestError("there is no such folder; copy policies/rego of Jackfield to begin with")
            return bundle_of(_files(self._path))
        except ManifestError as error:
            raise ManifestError(f"policies {self._shown}: {error.message}") from error
        except OSError as error:
            raise ManifestError(f"policies {self._shown}: {error.strerror or type(error).__name__}") from error

    def signature(self) -> PolicySignature | None:
        """Of all its files; None where one has changed so lately that it must be read again."""
        try:
            found = [self._path] if self._path.is_file() else [path for _, path in _walk(self._path)]
            seen = tuple((str(path), signature_of(path.stat())) for path in found)
        except (OSError, ManifestError):
            return None  # reading says what is the matter
        return seen if settled(*(each for _, each in seen)) else None


def documents_bundle(documents: Mapping[str, bytes]) -> Bundle:
    """The bundle that documents of the kind ``rego`` are.

    Each is named like a file, ``jackfield.rego`` or ``data.json``. A module is ``{"rego": "package …"}``; data stand
    there as they are.

    Raises:
        InvalidRequest: One is no policy; ``param`` names it.
    """
    budget = Budget()
    try:
        for name, content in documents.items():
            budget.take(name, len(content))
        return bundle_of((name, _content(name, content)) for name, content in documents.items())
    except ManifestError as error:
        raise InvalidRequest(error.message, param=error.message.partition(":")[0]) from error


class _Module(msgspec.Struct, forbid_unknown_fields=True):
    rego: str


def _content(name: str, content: bytes) -> bytes:
    if not wanted(name):
        raise ManifestError(f"{name}: a document of policies is named *.rego or data.json")
    if not name.endswith(".rego"):
        return content
    try:
        return msgspec.json.decode(content, type=_Module).rego.encode()
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ManifestError(f'{name}: must be {{"rego": "package …"}}: {error}') from None


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    budget = Budget()
    for name, path in _walk(folder):
        size = path.stat().st_size
        budget.take(name, size)
        with path.open("rb") as file:
            content = file.read(size + 1)
        if len(content) > size:
            raise ManifestError(f"{name}: grows while it is read")
        yield name, content


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files of policies in *folder*, in the same order each time. Links to folders are not followed."""
    looked = 0
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for base in sorted(files):
            looked += 1
            if looked > ENTRIES_MAX:
                raise ManifestError(f"more than {ENTRIES_MAX} files are there: is this the right folder?")
            path = folder / parent / base
            name = path.relative_to(folder).as_posix()
            if wanted(name) and stat.S_ISREG(path.stat().st_mode):
                yield name, path


def _unpacked(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Files of policies in an archive, which is unpacked in memory and nowhere else."""
    limit = BYTES_MAX + FILES_MAX * 1024 + _TAR_OVERHEAD
    try:
        with gzip.open(archive) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise ManifestError(f"unpacked it has more than {limit} bytes")
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            yield from _members(tar)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise ManifestError(f"not a bundle: {error}") from error


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    budget = Budget()
    for looked, member in enumerate(tar):
        if looked >= ENTRIES_MAX:
            raise ManifestError(f"it has more than {ENTRIES_MAX} entries")
        path = PurePosixPath(member.name)
        if ".." in path.parts:
            raise ManifestError("a name in it leads out of it")
        name = path.relative_to("/").as_posix() if path.is_absolute() else path.as_posix()
        if member.issym() or member.islnk():
            raise ManifestError(f"{name}: links are not followed")
        if not member.isfile() or not wanted(name):
            continue
        budget.take(name, member.size)
        content = tar.extractfile(member)
        if content is not None:
            yield name, content.read()
