"""Lists of certificates that are good no more: read, and looked at again and again."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from jackfield.errors import AuthenticatorFailed, ManifestError, PluginError
from jackfield.watched_files import SharedLook, Signature, begin_of, settled, signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LOOK_S: Final = 0.25
"""Between two looks at the files: who was revoked a second ago is refused."""

FILE_MAX: Final = 16 << 20
"""Largest file, in bytes: some 400,000 certificates."""

_SERIAL: Final = re.compile(r"(?:0[xX])?[0-9A-Fa-f]{1,64}\Z")
_BEGIN: Final = b"-----BEGIN X509 CRL-----"


class Listed(NamedTuple):
    """What one file says."""

    serials: frozenset[int]
    due: float | None
    """When its authority must have made the next one, Unix seconds; None where it does not say so."""


class _Seen(NamedTuple):
    signature: Signature | None
    """None: it must be read at the next look."""
    listed: Listed


class Revocations:
    """Follows files. Event loop thread; they are read in another one.

    Parameters:
        files: The lists.
        clock: Unix seconds.

    Raises:
        ManifestError: One cannot be used.
        PluginError: One needs a package that is not there.
    """

    def __init__(self, files: Sequence[Path], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._fault = ""
        self._seen = {file: _read_as_seen(file) for file in files}
        self._serials = self._united()
        self._looks = SharedLook(self._refresh)

    @property
    def troubles(self) -> Sequence[str]:
        """What is wrong with the files at present."""
        now = self._clock()
        late = [
            f"{file.name}: its authority should have made another list by now; nobody knows what was revoked since"
            for file, seen in self._seen.items()
            if seen.listed.due is not None and seen.listed.due < now
        ]
        return [self._fault, *late] if self._fault else late

    async def look(self) -> None:
        """Have the files looked at, if the last time is a moment ago; everybody who comes meanwhile waits for it.

        Raises:
            AuthenticatorFailed: One cannot be used any more.
        """
        if not self._seen:
            return
        await self._looks.recent(LOOK_S)
        if self._fault:
            raise AuthenticatorFailed("whether a certificate is revoked cannot be told now; the server's log says why")

    def has(self, serial: str) -> bool:
        """Whether the certificate with this *serial* (hexadecimal) is revoked; one without a number cannot be told."""
        return bool(self._serials) and (not _SERIAL.match(serial) or int(serial, 16) in self._serials)

    def _united(self) -> frozenset[int]:
        return frozenset().union(*(seen.listed.serials for seen in self._seen.values()))

    def _refresh(self) -> None:
        try:
            changed = [file for file, seen in self._seen.items() if _has_changed(file, seen)]
            for file in changed:
                self._seen[file] = _read_as_seen(file)
                self._serials = self._united()  # whatever is the matter with the next one
        except (ManifestError, PluginError, OSError) as error:
            self._failed(error)
            return
        self._fault = ""

    def _failed(self, error: ManifestError | PluginError | OSError) -> None:
        fault = (error.strerror or type(error).__name__) if isinstance(error, OSError) else error.message
        if fault != self._fault:
            log = structlog.get_logger("jackfield.mtls")
            log.critical("revocations cannot be read: nobody is let in by a certificate", reason=fault)
        self._fault = fault


def read(file: Path) -> Listed:
    """What *file* says.

    Raises:
        ManifestError: It cannot be used; the message says why.
        PluginError: It needs a package that is not there.
    """
    try:
        content = begin_of(file, FILE_MAX + 1)
    except OSError as error:
        why = error.strerror
        raise ManifestError(f"{file.name}: the list of revoked certificates cannot be read ({why})") from error
    if len(content) > FILE_MAX:
        raise ManifestError(f"{file.name}: the list of revoked certificates is too large")
    if content.lstrip().startswith(_BEGIN) or not content.isascii():
        return _of_authority(file, content)
    return _of_lines(file, content.decode())


def _of_lines(file: Path, text: str) -> Listed:
    serials = []
    for number, line in enumerate(text.splitlines(), 1):
        serial = line.partition("#")[0].strip().replace(":", "")
        if not serial:
            continue
        if not _SERIAL.match(serial):
            raise ManifestError(f"{file.name}: line {number} is no serial number in hexadecimal")
        serials.append(int(serial, 16))
    return Listed(frozenset(serials), None)


def _of_authority(file: Path, content: bytes) -> Listed:
    """A certificate revocation list (RFC 5280, section 5)."""
    try:
        from cryptography import x509
    except ImportError as error:
        raise PluginError(
            f"{file.name}: revocation lists of authorities need cryptography ({error}): pip install 'jackfield[mtls]'"
        ) from error
    pem = content.lstrip().startswith(_BEGIN)
    try:
        found = x509.load_pem_x509_crl(content) if pem else x509.load_der_x509_crl(content)
        due = found.next_update_utc
        return Listed(frozenset(each.serial_number for each in found), due.timestamp() if due is not None else None)
    except ValueError as error:
        raise ManifestError(f"{file.name}: it is no list of revoked certificates (CRL), or a broken one") from error


def _read_as_seen(file: Path) -> _Seen:
    try:
        signature = signature_of(file.stat())
    except OSError as error:
        why = error.strerror
        raise ManifestError(f"{file.name}: the list of revoked certificates cannot be read ({why})") from error
    return _Seen(signature if settled(signature) else None, read(file))


def _has_changed(file: Path, seen: _Seen) -> bool:
    return seen.signature is None or signature_of(file.stat()) != seen.signature
