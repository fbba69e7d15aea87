"""Which URLs may be fetched, and which addresses connected to."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from jackfield.outbound.client import Outbound
from jackfield.outbound.errors import OutboundRefused
from jackfield.outbound.options import OutboundOptions
from jackfield.outbound.reach import METADATA, Reach, bare_host, is_public, origin

INNER = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%2",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2001:0:1::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
]
"""Addresses that strangers' URLs must not lead to."""


def refused(reach: Reach, host: str, address: str) -> bool:
    try:
        reach.check_address(host, address)
    except OutboundRefused:
        return True
    return False


@pytest.mark.parametrize("address", [*INNER, *sorted(map(str, METADATA))])
def test_inner_addresses_are_refused(address: str) -> None:
    """In whatever notation, and whoever has them."""
    assert refused(Reach(OutboundOptions()), "a.example", address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_not(address: str) -> None:
    assert not refused(Reach(OutboundOptions()), "a.example", address)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "0177.0.0.1", "١٢٧.0.0.1", "1.2.3.4.5", "[::1]"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert refused(Reach(OutboundOptions()), "a.example", text)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.96.0.1", "fd00::1", "::1", "100.64.0.9", "::ffff:10.0.0.1"])
def test_a_host_that_may_be_private_may_have_private_addresses(address: str) -> None:
    """And no other host."""
    reach = Reach(OutboundOptions(private_hosts=("kubernetes.default.svc", "*.cluster.local")))
    assert not refused(reach, "kubernetes.default.svc", address)
    assert not refused(reach, "opa.policy.cluster.local", address)
    assert refused(reach, "cluster.local", address)
    assert refused(reach, "evil-kubernetes.default.svc", address)


@pytest.mark.parametrize("address", ["169.254.1.1", "fe80::1", "0.0.0.0", "224.0.0.1", *sorted(map(str, METADATA))])
def test_private_is_not_link_local_or_metadata(address: str) -> None:
    """Credentials of the machine are no service of the cluster."""
    assert refused(Reach(OutboundOptions(private_hosts=("inner.example",))), "inner.example", address)


def test_networks_are_open_to_all_hosts() -> None:
    reach = Reach(OutboundOptions(private_networks=("10.96.0.0/12",)))
    assert not refused(reach, "a.example", "10.96.0.1")
    assert not refused(reach, "a.example", "::ffff:10.96.0.1")
    assert refused(reach, "a.example", "10.0.0.1")


def test_a_metadata_service_must_be_named_by_its_address() -> None:
    """A network that happens to have it in it does not open it."""
    assert refused(Reach(OutboundOptions(private_networks=("169.254.0.0/16",))), "x", "169.254.169.254")
    assert not refused(Reach(OutboundOptions(private_networks=("169.254.169.254/32",))), "x", "169.254.169.254")


@given(number=st.integers(0, 2**32 - 1))
def test_mapped_addresses_are_judged_as_what_they_are(number: int) -> None:
    plain = str(IPv4Address(number))
    reach = Reach(OutboundOptions())
    expected = refused(reach, "x", plain)
    for prefix in (0xFFFF << 32, 0x64FF9B << 96):
        assert refused(reach, "x", str(IPv6Address(prefix | number))) == expected


@given(address=st.ip_addresses().map(str))
def test_what_is_not_global_is_never_reached(address: str) -> None:
    if not ip_address(address).is_global:
        mapped = getattr(ip_address(address), "ipv4_mapped", None)
        assert refused(Reach(OutboundOptions()), "x", address) or (mapped is not None and mapped.is_global)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "file:///etc/passwd",
        "ftp://a.example/",
        "gopher://a.example/",
        "//a.example/",
        "/etc/passwd",
        "",
        "https://",
        "https:///x",
        "https://user:secret@a.example/",
        "https://user@a.example/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[fe80::1%25eth0]/",
        "https://①②⑦.⓪.⓪.①/",
        "https://169.254.169.254/latest/meta-data/",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(OutboundRefused) as caught:
        Reach(OutboundOptions()).check_url(URL(url))
    assert "secret" not in str(caught.value)
    assert "latest" not in str(caught.value)


def test_only_listed_hosts_are_asked() -> None:
    reach = Reach(OutboundOptions(hosts=("a.example", "*.b.example"), private_hosts=("inner",)))
    for host in ("a.example", "A.EXAMPLE", "a.example.", "x.b.example", "y.x.b.example", "inner"):
        reach.check_url(URL(f"https://{host}/"))
    for host in ("b.example", "xa.example", "a.example.evil.example", "evil-b.example", "c.example"):
        with pytest.raises(OutboundRefused, match="not on the list"):
            reach.check_url(URL(f"https://{host}/"))


def test_messages_have_the_origin_only() -> None:
    assert origin(URL("https://a.example:8443/t0ken?key=1#x")) == "https://a.example:8443"
    assert origin(URL("https://[::1]/x")) == "https://[::1]"


@settings(max_examples=200)
@given(host=st.from_regex(r"\A[0-9a-fA-FxX.]{1,24}\Z") | st.from_regex(r"\A[0-9]{1,12}(\.[0-9]{1,12}){0,4}\.?\Z"))
def test_what_the_socket_layer_takes_for_an_address_is_judged_as_one(host: str) -> None:
    """It knows more notations than anybody remembers; none of them is looked up, so none may pass for a name."""
    url = URL.build(scheme="https", host=host, path="/")
    try:
        Reach(OutboundOptions()).check_url(url)
    except OutboundRefused:
        return
    try:
        found = socket.getaddrinfo(bare_host(url), 443, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return  # a name, or nothing
    assert all(is_public(ip_address(each[4][0])) for each in found)


@settings(max_examples=200)
@given(text=st.text(max_size=60) | st.from_regex(r"\Ahttps?://[^/]{0,40}(/.{0,20})?\Z"))
def test_no_url_is_a_surprise(text: str) -> None:
    """It is fetched, or refused."""
    with suppress(OutboundRefused):
        CLIENT.check(text)


CLIENT = Outbound(OutboundOptions(schemes=("http",)))


@pytest.mark.parametrize(
    "options",
    [
        {"schemes": ()},
        {"hosts": ("https://a.example",)},
        {"hosts": ("A.example",)},
        {"hosts": ("*",)},
        {"private_hosts": ("a.*.example",)},
        {"private_hosts": ("0:0::1",)},
        {"private_networks": ("10.0.0.1/8",)},
        {"private_networks": ("local",)},
        {"redirects": 11},
        {"timeout_s": 0.0},
        {"timeout_s": float("nan")},
        {"limit_bytes": 0},
        {"connections": 0},
        {"client_key": "x.pem"},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        OutboundOptions(**options)  # type: ignore[arg-type]
