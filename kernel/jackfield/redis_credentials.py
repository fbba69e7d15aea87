"""What Redis is shown by connections that plugins make: the password as it is by then. Needs ``redis``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redis.credentials import CredentialProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.secret import Secret


class Credentials(CredentialProvider):
    """See ``redis.credentials.CredentialProvider``. Event loop thread.

    Parameters:
        username: May be empty.
        read: Reads the password.
    """

    def __init__(self, username: str, read: Callable[[], Secret]) -> None:
        self._username = username
        self._read = read
        self._password = read()

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = self._password.reveal()
        return (self._username, password) if self._username else (password,)

    async def reload(self) -> None:
        """Connections that are made from now on show the password that there is now."""
        self._password = await asyncio.to_thread(self._read)
