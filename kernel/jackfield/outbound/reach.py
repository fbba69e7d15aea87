"""Where outbound fetches may go: judged by URL, and by the addresses that its host really has."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final, TypeAlias

from jackfield.outbound.errors import OutboundRefused

if TYPE_CHECKING:
    from yarl import URL

    from jackfield.outbound.options import OutboundOptions

Address: TypeAlias = IPv4Address | IPv6Address

METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # nearly all clouds
            "169.254.170.2",  # Amazon's container credentials
            "168.63.129.16",  # Azure's host, a public address
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # Amazon
            "fd20:ce::254",  # Google
        ),
    )
)
"""Services that hand out a machine's credentials to whoever asks from it."""

_PRIVATE: Final = tuple(
    map(
        ip_network,
        ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7"),
    )
)
"""What hosts that may be private may have: loopback, RFC 1918, RFC 6598 and RFC 4193."""

_TRANSLATED: Final = ip_network("64:ff9b::/96")
"""IPv4 addresses as networks with IPv6 only see them (RFC 6052)."""


class Reach:
    """The rules of one client. Any thread.

    Parameters:
        options: Says the rules.
    """

    def __init__(self, options: OutboundOptions) -> None:
        self._schemes = frozenset(options.schemes)
        self._hosts = _Hosts(options.hosts) if options.hosts else None
        self._private = _Hosts(options.private_hosts)
        self._networks = tuple(ip_network(text) for text in options.private_networks)

    def check_url(self, url: URL) -> None:
        """Judge all that can be judged before the host's name is looked up.

        Raises:
            OutboundRefused: The URL may not be fetched.
        """
        if url.scheme not in self._schemes:
            raise OutboundRefused(f"URLs must begin with {' or '.join(f'{each}://' for each in sorted(self._schemes))}")
        if url.user is not None or url.password is not None:
            raise OutboundRefused("a URL must not have a user or a password in it")
        host = bare_host(url)
        if not host:
            raise OutboundRefused("the URL has no host")
        if self._hosts is not None and host not in self._hosts and host not in self._private:
            raise OutboundRefused(f"{origin(url)} is not on the list of hosts that may be asked")
        if _like_an_address(host):
            self.check_address(host, host)

    def check_address(self, host: str, address: str) -> None:
        """Judge an address that *host* has.

        Raises:
            OutboundRefused: No connection may be made to it.
        """
        try:
            found = _plain(ip_address(address))
        except ValueError:
            raise OutboundRefused(f"{host} is no address that can be judged") from None
        if not self._open(host, found):
            raise OutboundRefused(f"{host} has an address that is not public, and private ones are not allowed for it")

    def _open(self, host: str, address: Address) -> bool:
        named = [each for each in self._networks if address in each]
        if address in METADATA:
            return any(each.num_addresses == 1 for each in named)
        if named or is_public(address):
            return True
        return host in self._private and any(address in each for each in _PRIVATE)


class _Hosts:
    """A list of hosts, some with all that are below them."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._names = frozenset(each for each in patterns if not each.startswith("*."))
        self._endings = tuple(each.removeprefix("*") for each in patterns if each.startswith("*."))

    def __contains__(self, host: str) -> bool:
        return host in self._names or host.endswith(self._endings)


def is_public(address: Address) -> bool:
    """Whether everybody on the internet can reach *address*, and it is nobody's inner one."""
    if isinstance(address, IPv6Address) and (address.sixtofour or address.teredo or address.is_site_local):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local
    )


def bare_host(url: URL) -> str:
    """The host of *url* as it is looked up: lower case, without the dot that may end a full name."""
    return (url.raw_host or "").lower().rstrip(".")


def origin(url: URL) -> str:
    """Scheme, host and port of *url*: all of it that messages may have."""
    host = url.raw_host or ""
    host = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{host}" if url.is_default_port() else f"{url.scheme}://{host}:{url.port}"


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for; else itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _like_an_address(host: str) -> bool:
    """Whether the socket layer could take *host* for an address without looking it up, as it does with ``127.1``."""
    last = host.rpartition(".")[2]
    return ":" in host or last.isdigit() or last.startswith("0x")
