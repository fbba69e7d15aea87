"""Which hosts and origins may call. While nobody has to say who they are: loopback only.

A web page that a user visits can make the browser send requests to ``127.0.0.1``, either openly from another origin or,
after DNS rebinding, under the page's own host name. Without an authenticator the ``Host`` header must therefore be a
loopback name and a foreign ``Origin`` is refused; and the server listens on loopback only.

With an authenticator any host may be named, and any page may send requests: none of them has the key, which no browser
adds by itself. ``kernel.allowed_origins`` then says which pages may read the answers; only for those do certificates of
clients count, which browsers do add.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Final

from jackfield.errors import ForeignOrigin, ManifestError

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    from jackfield.manifest import KernelConfig

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_ORIGIN: Final = re.compile(r"https?://([^/?#@\s]+)", re.IGNORECASE)
_LONGEST: Final = 300
"""A DNS name has at most 253 characters; nothing longer is worth parsing."""


def is_loopback(host: str) -> bool:
    """Whether *host* (a name, an IPv4 address, an IPv6 address with or without brackets) means this machine only."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    try:
        return "%" not in name and ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(authority: str) -> str | None:
    """The host in ``HOST`` or ``HOST:PORT``, in lower case; None where that is not what it is."""
    match = _HOST.fullmatch(authority) if len(authority) <= _LONGEST else None
    return match[1].lower() if match else None


def refuse_public_bind(listen: str, *, authenticated: bool) -> None:
    """Raise ``ManifestError`` where *listen* (``HOST:PORT``) is reachable from other machines and anybody could call.

    Parameters:
        listen: ``kernel.listen``.
        authenticated: Whether an authenticator is enabled.
    """
    host = listen.rpartition(":")[0]
    if authenticated or is_loopback(host):
        return
    raise ManifestError(
        f"kernel.listen: {listen!r} is reachable from other machines, and no authenticator is enabled: anybody could"
        " use the models; listen on 127.0.0.1 (or localhost, or [::1]) or enable an authenticator",
        param="kernel.listen",
    )


def is_local(listener: socket.socket) -> bool:
    """Whether a listening socket is reachable from this machine only."""
    if listener.family == socket.AF_UNIX:
        return True
    return is_loopback(str(listener.getsockname()[0]))


class OriginGuard:
    """Checks ``Host`` and ``Origin`` of requests.

    Parameters:
        config: For ``allowed_hosts`` and ``allowed_origins``.
        authenticated: Whether an authenticator is enabled: then nothing is refused here.

    Event loop thread.
    """

    __slots__ = ("_authenticated", "_hosts", "_origins")

    def __init__(self, config: KernelConfig, *, authenticated: bool = False) -> None:
        self._authenticated = authenticated
        self._hosts = frozenset(host.lower() for host in config.allowed_hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in config.allowed_origins)

    def check(self, headers: CIMultiDictProxy[str]) -> None:
        """Raise ``ForeignOrigin`` unless host and origin are loopback or allow-listed.

        No ``Host``, two of them, and the origin ``null`` (a sandboxed frame, a file) are refused: a client that means
        well sends exactly one host, and a page that hides its origin cannot be told from a hostile one.
        """
        if self._authenticated:
            return
        hosts = headers.getall("Host", [])
        if len(hosts) != 1 or not self._host_allowed(hosts[0]):
            raise ForeignOrigin(
                "the Host header is not a loopback name or address; use 127.0.0.1 or localhost, or list the host in"
                " kernel.allowed_hosts"
            )
        origins = headers.getall("Origin", [])
        if len(origins) > 1 or (origins and not self._origin_allowed(origins[0])):
            raise ForeignOrigin("web pages of another origin may not call this server; see kernel.allowed_origins")

    def may_read(self, headers: CIMultiDictProxy[str]) -> bool:
        """Whether the page that sent a request with *headers* may read the answer."""
        origins = headers.getall("Origin", [])
        return len(origins) == 1 and self._origin_allowed(origins[0])

    def may_act(self, headers: CIMultiDictProxy[str]) -> bool:
        """Whether a request with *headers* may be taken for its user's wish where nothing but the browser says so.

        False for pages of other origins, which need not be able to read answers to do harm. Browsers send ``Origin``
        with all requests that could change something, and newer ones ``Sec-Fetch-Site`` with all requests.
        """
        if "Origin" in headers:
            return self.may_read(headers)
        return headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")

    def _host_allowed(self, authority: str) -> bool:
        host = host_of(authority)
        return host is not None and (is_loopback(host) or host in self._hosts)

    def _origin_allowed(self, origin: str) -> bool:
        if origin.lower() in self._origins:
            return True
        match = _ORIGIN.fullmatch(origin) if len(origin) <= _LONGEST else None
        host = host_of(match[1]) if match else None
        return host is not None and is_loopback(host)
