"""The guarded client: fetches what others name, and reaches nothing that it must not.

Of a URL, scheme and host are judged before anything is sent, and the addresses of the host when a connection is made:
it is made to an address that was judged, whatever the name leads to a moment later (DNS rebinding). Redirects are
judged like the first URL. There are no proxies and no credentials from the environment, and no cookies.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from jackfield.errors import ManifestError
from jackfield.outbound.answers import Answer, read_body
from jackfield.outbound.errors import OutboundError, OutboundRefused, OutboundTimeout
from jackfield.outbound.reach import Reach, origin
from jackfield.private_files import exposure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from aiohttp.abc import ResolveResult

    from jackfield.outbound.options import OutboundOptions
    from jackfield.secret import Secret

URL_MAX: Final = 8192
"""Longest URL in characters."""

HEADERS_MAX: Final = 64
"""Headers of an answer; one line has up to 8,190 bytes."""

_LINE_MAX: Final = 8190
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_FOLLOWED: Final = frozenset({"GET", "HEAD"})


class Outbound:
    """A pool of connections under one set of rules. One event loop at a time, on its thread.

    Connections are made when they are needed, and closed by ``close``, at the end of ``async with``, or when the event
    loop ends.

    Parameters:
        options: The rules.
        path: Where the files of *options* are, such as ``PluginInstance.path``; read now.
        resolver: Makes what looks names up; the default asks the system.

    Raises:
        ManifestError: A file of *options* cannot be used.
    """

    def __init__(
        self,
        options: OutboundOptions,
        path: Callable[[str], Path] = Path,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        self._options = options
        self._reach = Reach(options)
        self._resolver = resolver
        self._tls = _tls(options, path) if "https" in options.schemes else None
        self._session: aiohttp.ClientSession | None = None
        self._keeper: asyncio.Task[None] | None = None

    def check(self, url: str) -> None:
        """Judge *url* without fetching it: what an operator wrote can be refused at start-up.

        Raises:
            OutboundRefused: It would not be fetched.
        """
        self._reach.check_url(_parsed(url))

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        credentials: Mapping[str, Secret] | None = None,
        body: bytes | None = None,
        timeout_s: float | None = None,
        limit_bytes: int | None = None,
    ) -> Answer:
        """Ask *url*, and read the answer. Redirects are followed for GET and HEAD; for others they are the answer.

        Parameters:
            url: Absolute.
            method: In capital letters.
            headers: Sent wherever redirects lead.
            credentials: Headers that are sent to the URL's own scheme, host and port only.
            body: Bytes to send.
            timeout_s, limit_bytes: Less than the options allow; seconds, bytes.

        Returns:
            The answer, whatever its status.

        Raises:
            OutboundRefused: The rules forbid it.
            OutboundTimeout: It took too long.
            OutboundTooLarge: It has too many bytes.
            OutboundError: It failed in another way.
        """
        options, asked = self._options, _parsed(url)
        request = _Request(method, dict(headers or {}), credentials or {}, body)
        limit = min(options.limit_bytes, limit_bytes or options.limit_bytes)
        return await self._within(min(options.timeout_s, timeout_s or options.timeout_s), asked, request, limit)

    async def close(self) -> None:
        """Close all connections; the next fetch opens new ones."""
        keeper, self._keeper, self._session = self._keeper, None, None
        if keeper is not None and not keeper.done():
            keeper.cancel()
            await asyncio.wait([keeper])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _within(self, deadline_s: float, asked: URL, request: _Request, limit: int) -> Answer:
        try:
            async with asyncio.timeout(deadline_s):
                return await self._follow(asked, request, limit)
        except TimeoutError:
            raise OutboundTimeout(f"{origin(asked)} did not answer within {deadline_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # their texts have the URL in them, and the address
            raise OutboundError(f"{origin(asked)} cannot be asked ({type(error).__name__})") from None

    async def _follow(self, asked: URL, request: _Request, limit: int) -> Answer:
        url, followed = asked, 0
        while True:
            self._reach.check_url(url)
            answer, target = await self._ask(url, request, limit, own=url.origin() == asked.origin())
            if answer is not None:
                return answer
            followed += 1
            if followed > self._options.redirects:
                raise OutboundRefused(f"{origin(asked)} redirects more often than {self._options.redirects} times")
            if target.scheme == "http" and url.scheme == "https":
                raise OutboundRefused(f"{origin(asked)} redirects from https to http")
            url = target

    async def _ask(self, url: URL, request: _Request, limit: int, *, own: bool) -> tuple[Answer | None, URL]:
        """One request; the answer, or None and where it redirects to."""
        session = await self._opened()
        async with session.request(
            request.method,
            url,
            headers=request.headers_for(own=own),
            data=request.body,
            allow_redirects=False,
            ssl=self._tls if self._tls is not None else True,
        ) as response:
            target = response.headers.get("Location")
            if response.status in _REDIRECTS and request.method in _FOLLOWED and target is not None:
                return None, url.join(_parsed(target))
            body = await read_body(response, limit)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(status=response.status, headers=headers, body=body, url=str(url)), url

    async def _opened(self) -> aiohttp.ClientSession:
        """The session of this event loop."""
        session = self._session
        if session is None or self._keeper is None or self._keeper.done():
            session = self._session = self._new_session()
            self._keeper = asyncio.get_running_loop().create_task(_keep(session))
            await asyncio.sleep(0)  # a task that is cancelled before it began would never close the session
        return session

    def _new_session(self) -> aiohttp.ClientSession:
        options = self._options
        connector = aiohttp.TCPConnector(
            resolver=_GuardedResolver(self._resolver(), self._reach),
            use_dns_cache=False,
            limit=options.connections,
            keepalive_timeout=options.keep_alive_s or None,
            force_close=not options.keep_alive_s,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"Accept-Encoding": "identity", "User-Agent": "jackfield"},
            auto_decompress=False,
            trust_env=False,
            max_line_size=_LINE_MAX,
            max_field_size=_LINE_MAX,
            max_headers=HEADERS_MAX,
        )


class _Request:
    """What is asked, wherever redirects lead."""

    def __init__(
        self, method: str, headers: dict[str, str], credentials: Mapping[str, Secret], body: bytes | None
    ) -> None:
        self.method = method
        self.body = body
        self._headers = headers
        self._credentials = credentials

    def headers_for(self, *, own: bool) -> Mapping[str, str]:
        """The headers; with the credentials where it is the *own* origin of the first URL."""
        if not own:
            return self._headers
        return self._headers | {name: secret.reveal() for name, secret in self._credentials.items()}


class _GuardedResolver(AbstractResolver):
    """Names lead to addresses that may be reached, or nowhere: one bad address among good ones refuses them all."""

    def __init__(self, inner: AbstractResolver, reach: Reach) -> None:
        self._inner = inner
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not found:
            raise OSError("the name leads nowhere")
        for each in found:
            self._reach.check_address(host.lower().rstrip("."), each["host"])
        return found

    async def close(self) -> None:
        await self._inner.close()


async def _keep(session: aiohttp.ClientSession) -> None:
    """Keep *session* open until this task is cancelled, as an event loop's end does."""
    async with session:
        await asyncio.get_running_loop().create_future()


def _parsed(text: str) -> URL:
    if len(text) > URL_MAX:
        raise OutboundRefused("the URL is too long")
    if not text.isprintable():
        raise OutboundRefused("the URL has characters that no URL has")
    try:
        return URL(text)
    except ValueError:
        raise OutboundRefused("this is no URL") from None


def _tls(options: OutboundOptions, path: Callable[[str], Path]) -> ssl.SSLContext:
    where = "ca_file"
    try:
        context = ssl.create_default_context(cafile=str(path(options.ca_file)) if options.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if options.client_certificate:
            where = "client_certificate"
            key = _private_key(options, path)
            # a key with a passphrase would ask for it on the terminal
            context.load_cert_chain(path(options.client_certificate), key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no PEM"
        raise ManifestError(f"{where}: the file cannot be used ({reason})", param=where) from error
    return context


def _private_key(options: OutboundOptions, path: Callable[[str], Path]) -> Path | None:
    if not options.client_key:
        return None
    key = path(options.client_key)
    exposed = exposure(key.stat(), Path(options.client_key))
    if exposed:
        raise ManifestError(f"client_key: {exposed}", param="client_key")
    return key
