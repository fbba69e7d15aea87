"""Options of outbound fetches, which plugins embed in theirs."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Final, Literal

import msgspec

REDIRECTS_MAX: Final = 10

_HOST: Final = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\Z")


class OutboundOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be fetched, from where, and how long it may take.

    A plugin has it as a field of its own Struct, usually called ``outbound``.
    """

    schemes: tuple[Literal["http", "https"], ...] = ("https",)
    """Schemes that URLs may have."""
    hosts: tuple[str, ...] = ()
    """Hosts that may be asked: names, addresses, or `*.example.com` for all names below one. Empty: all that are
    public, and those of `private_hosts`."""
    private_hosts: tuple[str, ...] = ()
    """Hosts, written as in `hosts`, that may have a private address: loopback, 10.0.0.0/8, fd00::/8 and the like. Not
    link-local, and no cloud's metadata service."""
    private_networks: tuple[str, ...] = ()
    """Networks, such as `10.96.0.0/12`, whose addresses any host may have. A cloud's metadata service must be named
    by its very address."""
    redirects: int = 3
    """Most redirects that are followed, each one judged like the first URL; 0 to 10."""
    timeout_s: float = 10.0
    """Seconds that a whole fetch may take: names, connections, redirects and the last byte; at most 600."""
    limit_bytes: int = 1 << 20
    """Largest answer in bytes, as it arrives and after decompression."""
    connections: int = 20
    """Most connections at a time; further fetches wait."""
    keep_alive_s: float = 4.0
    """Seconds that an idle connection is kept; should be less than the other side's, or fetches that are not
    repeatable fail now and then."""
    ca_file: str = ""
    """PEM file with the authorities that certificates must be signed by, instead of the system's."""
    client_certificate: str = ""
    """PEM file with the certificate, and its chain, to present to servers that want one."""
    client_key: str = ""
    """PEM file with its key; empty where the key is in the certificate's file."""

    def __post_init__(self) -> None:
        if not self.schemes:
            raise ValueError("schemes must not be empty")
        _check_hosts("hosts", self.hosts)
        _check_hosts("private_hosts", self.private_hosts)
        for network in self.private_networks:
            _check_network(network)
        if not 0 <= self.redirects <= REDIRECTS_MAX:
            raise ValueError(f"redirects must be between 0 and {REDIRECTS_MAX}")
        if not 0 < self.timeout_s <= 600:  # noqa: PLR2004 - as documented
            raise ValueError("timeout_s must be more than 0 and at most 600")
        if self.limit_bytes < 1 or self.connections < 1 or self.keep_alive_s < 0:
            raise ValueError("limit_bytes and connections must be at least 1, keep_alive_s at least 0")
        if self.client_key and not self.client_certificate:
            raise ValueError("client_key needs client_certificate")


def _check_hosts(name: str, hosts: tuple[str, ...]) -> None:
    for host in hosts:
        if not _HOST.match(host) and not _is_address(host):
            raise ValueError(f"{name}: {host!r} is no host; write a name in lower case, *.name, or an address")


def _check_network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError as error:
        raise ValueError(f"private_networks: {error}") from error


def _is_address(text: str) -> bool:
    try:
        return str(ip_address(text)) == text
    except ValueError:
        return False
