"""The file of revocations in a running server: looked at often, read when it has changed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import AuthenticatorFailed, ManifestError
from jackfield.watched_files import SharedLook, settled, signature_of
from jackfield_oidc.revocations import NOTHING, RevocationList, read

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.watched_files import Signature

LOOK_S: Final = 0.25
"""Between two looks at the file: who was revoked a second ago is refused."""


class RevocationFile:
    """Follows a file. Event loop thread; the file is read in another one.

    Parameters:
        file: The file; None: there is none, and nothing is revoked by it.

    Raises:
        ManifestError: It cannot be used.
    """

    def __init__(self, file: Path | None) -> None:
        self._seen: Signature | None = None
        self._log = structlog.get_logger("jackfield.oidc")
        self.fault = ""
        """Why it cannot be used at present; nobody is let in then."""
        self.list: RevocationList = NOTHING
        self._looks: SharedLook | None = None
        if file is not None:
            self._load(file)
            self._looks = SharedLook(partial(self._refresh, file))

    async def look(self) -> None:
        """Have the file looked at, if the last time is a moment ago; everybody who comes meanwhile waits for it.

        Raises:
            AuthenticatorFailed: It cannot be used any more.
        """
        if self._looks is None:
            return
        await self._looks.recent(LOOK_S)
        if self.fault:
            raise AuthenticatorFailed("whether a token is revoked cannot be told now; the server's log says why")

    def _refresh(self, file: Path) -> None:
        try:
            if self._seen is None or signature_of(file.stat()) != self._seen:
                self._load(file)
        except (ManifestError, OSError) as error:
            self._seen = None
            fault = error.message if isinstance(error, ManifestError) else f"{file.name}: {error.strerror}"
            if fault != self.fault:
                self._log.critical("revocations cannot be read: nobody is let in", reason=fault)
            self.fault = fault

    def _load(self, file: Path) -> None:
        try:
            signature = signature_of(file.stat())
        except OSError as error:
            raise ManifestError(f"{file.name}: the list of revocations cannot be read ({error.strerror})") from error
        seen = signature if settled(signature) else None
        self.list = read(file)
        self._seen = seen
        self.fault = ""
