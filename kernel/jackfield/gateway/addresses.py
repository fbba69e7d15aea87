"""Where a request comes from, and how much one address may take at a time."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address

    from multidict import CIMultiDictProxy

    from jackfield.manifest import KernelConfig

    Address: TypeAlias = IPv4Address | IPv6Address

HOPS_MAX: Final = 20
"""Proxies in a row that are looked at; nobody has more, and the header's length is the client's choice."""

_SITE_BITS: Final = 64
"""An IPv6 client owns a whole network of this prefix length (RFC 6177), so that is what is counted as one address."""

_FOR: Final = re.compile(r"(?:^|;)\s*for\s*=\s*(\"[^\"]*\"|[^\s;,\"]+)", re.IGNORECASE)
"""The ``for`` parameter of one element of ``Forwarded`` (RFC 7239, section 4)."""


class Addresses:
    """Finds out who is behind a trusted proxy. Event loop thread.

    Parameters:
        config: For ``trusted_proxies`` and ``trusted_proxy_header``.
    """

    __slots__ = ("_header", "_networks")

    def __init__(self, config: KernelConfig) -> None:
        self._networks = tuple(ip_network(text) for text in config.trusted_proxies)
        self._header = config.trusted_proxy_header

    def trusted(self, peer: str) -> bool:
        """Whether *peer*, an address, is a proxy that says who its clients are."""
        if not self._networks:
            return False
        address = _parsed(peer)
        return address is not None and self._listed(address)

    def client(self, peer: str, headers: CIMultiDictProxy[str]) -> str:
        """Address of the client of a request that came from *peer*.

        Each proxy appends whom it heard, so only the right end of the list is its word: it is read from there to the
        first address that is no trusted proxy. What is no address ends the reading at the last one that was good.
        """
        if not self.trusted(peer):
            return peer
        found = peer
        for text in self._hops(headers):
            address = _parsed(text)
            if address is None:
                break
            found = str(address)
            if not self._listed(address):
                break
        return found

    def _listed(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _hops(self, headers: CIMultiDictProxy[str]) -> Iterator[str]:
        """Addresses as they were sent, the nearest first."""
        elements = ",".join(headers.getall(self._header, ())).rsplit(",", HOPS_MAX)[-HOPS_MAX:]
        for element in reversed(elements):
            if self._header == "forwarded":
                match = _FOR.search(element)
                yield match[1].strip('"') if match else ""
            else:
                yield element.strip()


class Crowd:
    """Counts what each address has at a time: connections, or requests that came through a proxy. Event loop thread.

    Parameters:
        addresses: Knows the proxies.
        limit: How many one address may have.
    """

    __slots__ = ("_counts", "_limit", "addresses")

    def __init__(self, addresses: Addresses, limit: int) -> None:
        self.addresses = addresses
        self._counts: dict[str, int] = {}
        self._limit = limit

    def enter(self, address: str) -> bool:
        """Count one more for *address*; False, and nothing counted, where it has as many as it may."""
        key = site(address)
        count = self._counts.get(key, 0)
        if count >= self._limit:
            return False
        self._counts[key] = count + 1
        return True

    def leave(self, address: str) -> None:
        """One that ``enter`` counted has gone."""
        key = site(address)
        count = self._counts[key] - 1
        if count:
            self._counts[key] = count
        else:
            del self._counts[key]


def site(address: str) -> str:
    """What counts as one with *address*: itself, or the network that an IPv6 client owns."""
    if ":" not in address:
        return address
    parsed = _parsed(address.partition("%")[0])  # without the interface that a link-local address came through
    if not isinstance(parsed, IPv6Address):
        return address if parsed is None else str(parsed)
    return str(IPv6Address(int(parsed) >> (128 - _SITE_BITS) << (128 - _SITE_BITS)))


def _parsed(text: str) -> Address | None:
    """The address in ``192.0.2.1``, ``192.0.2.1:80``, ``2001:db8::1`` or ``[2001:db8::1]:80``; None for all else."""
    bare = text
    if text.startswith("["):
        bare, closed, port = text[1:].partition("]")
        if not closed or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        bare, _, port = text.partition(":")
        if not _is_port(":" + port):
            return None
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    if not isinstance(address, IPv6Address):
        return address
    return None if address.scope_id else address.ipv4_mapped or address


def _is_port(text: str) -> bool:
    return re.fullmatch(r":[0-9]{1,5}", text) is not None
