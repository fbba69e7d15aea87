"""Who is behind a proxy, and how much one address may take."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from jackfield.gateway.addresses import HOPS_MAX, Addresses, Crowd, site
from jackfield.manifest import KernelConfig

PROXY = "10.0.0.1"
CONFIG = KernelConfig(trusted_proxies=("10.0.0.0/8", "2001:db8:1::/48"))
FORWARDED = KernelConfig(trusted_proxies=("10.0.0.0/8", "2001:db8:1::/48"), trusted_proxy_header="forwarded")


def client(config: KernelConfig, peer: str, *values: str, name: str | None = None) -> str:
    """What is found for a request from *peer* with these header lines."""
    headers = CIMultiDict([(name or config.trusted_proxy_header, value) for value in values])
    return Addresses(config).client(peer, CIMultiDictProxy(headers))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], PROXY),
        ([""], PROXY),
        (["192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1:5678"], "192.0.2.1"),
        (["  192.0.2.1  "], "192.0.2.1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (["[2001:DB8::1]:443"], "2001:db8::1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
        (["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
        (["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1, 10.9.9.9"], "192.0.2.1"),
        (["203.0.113.9, 192.0.2.1, 10.9.9.9, 2001:db8:1::7"], "192.0.2.1"),
        (["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        (["unknown"], PROXY),
        (["192.0.2.1, unknown, 10.9.9.9"], "10.9.9.9"),
        (["192.0.2.1, garbage"], PROXY),
        (["192.0.2.1,"], PROXY),
        (["192.0.2.1.5"], PROXY),
        (["192.0.2.01"], PROXY),
        (["192.0.2.1:99:99"], PROXY),
        (["192.0.2.1:port"], PROXY),
        (["[2001:db8::1]x"], PROXY),
        (["[2001:db8::1"], PROXY),
        (["fe80::1%eth0"], PROXY),
        (["<script>"], PROXY),
        (["127.0.0.1\r\nx: y"], PROXY),
        (["192.0.2.1" + ", 10.0.0.2" * (HOPS_MAX + 5)], "10.0.0.2"),
        (["9" * 100_000], PROXY),
    ],
)
def test_x_forwarded_for(values: list[str], found: str) -> None:
    """Read from the right, through trusted proxies only, to the first other address; garbage ends it."""
    assert client(CONFIG, PROXY, *values) == found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["for=192.0.2.1"], "192.0.2.1"),
        (['for="192.0.2.1:80"'], "192.0.2.1"),
        (['For="[2001:db8::1]:4711"'], "2001:db8::1"),
        (["proto=https;for=192.0.2.1;by=10.0.0.1"], "192.0.2.1"),
        (["for=203.0.113.9, for=192.0.2.1;proto=http"], "192.0.2.1"),
        (["for=192.0.2.1, for=10.3.3.3"], "192.0.2.1"),
        (["for=_hidden"], PROXY),
        (["for=192.0.2.1, for=unknown"], PROXY),
        (["by=192.0.2.1"], PROXY),
        (["before=192.0.2.1"], PROXY),
        (["for="], PROXY),
        (['for="192.0.2.1'], PROXY),
    ],
)
def test_forwarded(values: list[str], found: str) -> None:
    """RFC 7239, where the manifest says that the proxies speak it."""
    assert client(FORWARDED, PROXY, *values) == found


@pytest.mark.parametrize("peer", ["192.0.2.7", "127.0.0.1", "2001:db8:2::1", ""])
def test_strangers_are_not_believed(peer: str) -> None:
    """Whoever is no trusted proxy is the client, whatever it says."""
    assert client(CONFIG, peer, "203.0.113.9") == peer
    assert client(KernelConfig(), peer, "203.0.113.9") == peer


def test_the_other_header_is_ignored() -> None:
    """A proxy passes on what it does not know: its client may have sent it."""
    assert client(CONFIG, PROXY, "for=203.0.113.9", name="forwarded") == PROXY
    assert client(FORWARDED, PROXY, "203.0.113.9", name="x-forwarded-for") == PROXY


def test_a_mapped_peer_is_the_same_proxy() -> None:
    """A socket for both families shows IPv4 addresses as IPv6 ones."""
    assert client(CONFIG, "::ffff:10.0.0.1", "192.0.2.1") == "192.0.2.1"


@given(st.lists(st.text(max_size=60), max_size=5), st.sampled_from([CONFIG, FORWARDED]))
def test_any_header_gives_an_address(values: list[str], config: KernelConfig) -> None:
    """Whatever is sent, what is found is an address, so that logs and limits are safe from it."""
    ip_address(client(config, PROXY, *values))


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::1", "::"),
        ("fe80::1:2%eth0", "fe80::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_site(address: str, same: str) -> None:
    """An IPv6 client has a whole network to take addresses from."""
    assert site(address) == same


def test_crowd() -> None:
    """Counted up to the limit, by address; whoever leaves makes room, and leaves nothing behind."""
    crowd = Crowd(Addresses(KernelConfig()), 2)
    assert [crowd.enter("a") for _ in range(3)] == [True, True, False]
    assert crowd.enter("b")
    crowd.leave("a")
    assert [crowd.enter("a") for _ in range(2)] == [True, False]
    for name in "aab":
        crowd.leave(name)
    assert crowd._counts == {}


@pytest.mark.parametrize("network", ["10.0.0.1/8", "proxy.internal", "", "10.0.0.0/33", "*"])
def test_networks_are_checked_at_the_start(network: str) -> None:
    """The message begins with the key, as the manifest's reader expects."""
    with pytest.raises(ValueError, match=r"^trusted_proxies has "):
        KernelConfig(trusted_proxies=(network,))
