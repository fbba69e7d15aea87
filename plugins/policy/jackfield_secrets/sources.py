"""The packaged secret sources. Main thread of any process that builds a kernel."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import ManifestError
from jackfield.ports.secret_source import SECRET_MAX
from jackfield.private_files import exposure
from jackfield.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

CREDENTIALS_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"
"""Where systemd tells a service of its credentials: https://systemd.io/CREDENTIALS/."""

_CREDENTIAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,254}\Z")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}\Z")


class FileSource:
    """``file:PATH``: a file that only its owner can read, who is this user or root.

    Links are followed, as orchestrators mount secrets so; what counts is the file at their end.

    Parameters:
        path: Makes a path absolute, as ``PluginInstance.path`` does.
    """

    def __init__(self, path: Callable[[str], Path]) -> None:
        self._path = path

    def read(self, name: str) -> Secret:
        """See ``SecretSource``."""
        return _read(self._path(name), f"file:{name}", guarded=True)


class CredentialSource:
    """``systemd:NAME``: a credential that the unit of the service loads."""

    def read(self, name: str) -> Secret:
        """See ``SecretSource``."""
        folder = os.environ.get(CREDENTIALS_DIRECTORY)
        if not folder:
            raise ManifestError(
                f"systemd:{name}: this process was started without credentials; add LoadCredential={name}:… to its unit"
            )
        if not _CREDENTIAL.match(name):
            raise ManifestError("systemd:…: a credential's name has letters, digits, . _ - and @ only")
        # systemd keeps the folder for the service's user alone; the files' modes differ between its versions
        return _read(Path(folder, name), f"systemd:{name}", guarded=False)


class EnvironmentSource:
    """``env:NAME``: a variable of the environment. Others of this user can read it, so it is warned of."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def read(self, name: str) -> Secret:
        """See ``SecretSource``."""
        if not _VARIABLE.match(name):
            raise ManifestError("env:…: a variable's name has letters, digits and _ only")
        value = os.environ.get(name)
        if value is None:
            raise ManifestError(f"env:{name}: there is no such variable in the environment")
        secret = _checked(value, f"env:{name}")
        if name not in self._warned:
            self._warned.add(name)
            structlog.get_logger("jackfield.secrets").warning(
                "a secret is in the environment, which other processes of this user can read; use file: or systemd:",
                variable=name,
            )
        return secret


def _read(path: Path, shown: str, *, guarded: bool) -> Secret:
    """The text of the file at *path*, without its last line's end; *guarded* refuses what others may read."""
    try:
        # a pipe in its place would block for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ManifestError(f"{shown}: cannot be read: {error.strerror}") from None
    except ValueError:  # a zero byte, or half a character
        raise ManifestError(f"{shown!a}: not a path") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ManifestError(f"{shown}: not a plain file")
        exposed = exposure(status, path) if guarded else ""
        if exposed:
            raise ManifestError(f"{shown}: {exposed}")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(SECRET_MAX + 1)
    except OSError as error:
        raise ManifestError(f"{shown}: cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(data) > SECRET_MAX:
        raise ManifestError(f"{shown}: larger than {SECRET_MAX} bytes; that is no secret")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ManifestError(f"{shown}: not UTF-8; write binary keys as base64 or hexadecimal digits") from None
    return _checked(text.removesuffix("\n").removesuffix("\r"), shown)


def _checked(text: str, shown: str) -> Secret:
    if not text:
        raise ManifestError(f"{shown}: it is empty")
    if len(text.encode(errors="surrogatepass")) > SECRET_MAX:
        raise ManifestError(f"{shown}: longer than {SECRET_MAX} bytes; that is no secret")
    if "\0" in text:
        raise ManifestError(f"{shown}: it has a zero byte; write binary keys as base64 or hexadecimal digits")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ManifestError(f"{shown}: not UTF-8; write binary keys as base64 or hexadecimal digits") from None
    return Secret(text)
