"""Where the keys of an issuer come from: its discovery document, a URL, or a file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from jackfield.errors import ManifestError
from jackfield.outbound.client import Outbound
from jackfield.outbound.errors import OutboundError, OutboundRefused
from jackfield.secret import Secret
from jackfield.watched_files import begin_of
from jackfield_oidc.key_set import SET_MAX, KeySet, UnusableKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from jackfield_oidc.config import IssuerOptions

DISCOVERY: Final = "/.well-known/openid-configuration"
"""Where the document is, below an issuer's URL (OpenID Connect Discovery 1.0, section 4)."""

BEARER_MAX: Final = 65_536
"""Longest token to fetch keys with, in bytes."""

_OK: Final = 200


class KeySource(Protocol):
    """Gives the keys as they are now."""

    async def fetch(self) -> KeySet:
        """Get them.

        Raises:
            UnusableKeys: They are not there, or no keys; the message has no secret.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


class _Discovery(msgspec.Struct, frozen=True):
    issuer: str
    jwks_uri: str


class FetchedKeys:
    """Fetches the keys of one issuer. Event loop thread.

    Parameters:
        options: Of the issuer.
        path: Where files are.

    Raises:
        ManifestError: A URL may not be fetched, or a file cannot be read.
    """

    def __init__(self, options: IssuerOptions, path: Callable[[str], Path]) -> None:
        self._issuer = options.url
        self._url = options.jwks_url
        self._bearer = path(options.bearer_file) if options.bearer_file else None
        self._client = Outbound(options.outbound, path)
        try:
            self._client.check(self._url or self._discovery())
        except OutboundRefused as error:
            raise ManifestError(f"{'jwks_url' if self._url else 'url'}: {error.message}") from error

    async def fetch(self) -> KeySet:
        credentials = await asyncio.to_thread(self._credentials)
        try:
            return KeySet(await self._fetched(credentials))
        except OutboundError as error:
            raise UnusableKeys(error.message) from error

    async def close(self) -> None:
        await self._client.close()

    async def _fetched(self, credentials: Mapping[str, Secret]) -> bytes:
        if self._url:
            return await self._get(self._url, credentials)
        try:
            document = msgspec.json.decode(await self._get(self._discovery(), credentials), type=_Discovery)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise UnusableKeys("the issuer's discovery document cannot be read") from None
        if document.issuer != self._issuer:
            raise UnusableKeys("the discovery document is another issuer's")
        own = _origin(document.jwks_uri) == _origin(self._issuer)
        return await self._get(document.jwks_uri, credentials if own else {})

    async def _get(self, url: str, credentials: Mapping[str, Secret]) -> bytes:
        answer = await self._client.fetch(
            url, headers={"Accept": "application/json"}, credentials=credentials, limit_bytes=SET_MAX
        )
        if answer.status != _OK:
            raise UnusableKeys(f"the issuer answers with status {answer.status}")
        return answer.body

    def _discovery(self) -> str:
        return self._issuer.rstrip("/") + DISCOVERY

    def _credentials(self) -> Mapping[str, Secret]:
        if self._bearer is None:
            return {}
        text = _read(self._bearer, BEARER_MAX).decode("ascii", "replace").strip()
        if not text or not text.isascii() or not text.isprintable():
            raise UnusableKeys("the file with the token to fetch keys with has none in it")
        return {"Authorization": Secret(f"Bearer {text}")}


class StoredKeys:
    """Reads the keys of one issuer from a file.

    Parameters:
        file: A JWK set.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    async def fetch(self) -> KeySet:
        return KeySet(await asyncio.to_thread(_read, self._file, SET_MAX))

    async def close(self) -> None:
        """It holds nothing."""


def source(options: IssuerOptions, path: Callable[[str], Path]) -> KeySource:
    """Where the keys of the issuer of *options* come from; raises as ``FetchedKeys``."""
    return StoredKeys(path(options.jwks_file)) if options.jwks_file else FetchedKeys(options, path)


def _read(file: Path, most: int) -> bytes:
    try:
        data = begin_of(file, most + 1)
    except OSError as error:
        raise UnusableKeys(f"{file.name} cannot be read ({error.strerror})") from None
    if len(data) > most:
        raise UnusableKeys(f"{file.name} is too large")
    return data


def _origin(url: str) -> str:
    """Scheme, host and port as they are written: where two differ in writing, nothing is sent."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}".lower()
