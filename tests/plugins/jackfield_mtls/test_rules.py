"""Whose a certificate is: patterns that stay within their part of a name, rules in their order, principals."""

from __future__ import annotations

import asyncio
import fnmatch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ManifestError
from jackfield.plugins import Kernel
from jackfield.ports.identity import ClientCertificate, Credential, Principal
from jackfield.secret import Secret
from jackfield.testing.kits.kit import kernel_of
from jackfield_mtls.authenticator import CertificateAuthenticator
from jackfield_mtls.config import MtlsConfig, RuleOptions
from jackfield_mtls.patterns import LENGTH_MAX, alternative, common, distinguished

FAR = 4_102_444_800.0


def shown(subject: str = "CN=ann,OU=ops,O=Example", *names: str, common_name: str = "ann") -> ClientCertificate:
    """A certificate."""
    return ClientCertificate(
        subject=subject, common_name=common_name, names=names, issuer="CN=house authority", serial="0a", expires=FAR
    )


def who(certificate: ClientCertificate, digest: str = "ab" * 32, **rules: RuleOptions) -> Principal | None:
    """Who has it, by these rules."""
    authenticator = CertificateAuthenticator(rules, ())
    return asyncio.run(authenticator.authenticate(Credential("certificate", Secret(digest), certificate)))


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("CN=*,OU=ops,O=Example", "CN=ann,OU=ops,O=Example", True),
        ("CN=*,OU=ops,O=Example", r"CN=a\,b\\,OU=ops,O=Example", True),
        ("CN=*,OU=ops,O=Example", r"CN=eve\,OU=ops,O=Example", False),
        ("CN=*,OU=ops,O=Example", "CN=eve,OU=guests,OU=ops,O=Example", False),
        ("CN=*,OU=ops,O=Example", "CN=eve+UID=7,OU=ops,O=Example", False),
        ("CN=*", "CN=ann,O=Example", False),
        ("CN=*-bot,O=Example", "CN=mail-bot-bot,O=Example", True),
        ("CN=*", "CN=", True),
        ("CN=ann", "CN=Ann", False),
        ("CN=a.n", "CN=ann", False),
    ],
)
def test_patterns_of_distinguished_names(pattern: str, name: str, *, fits: bool) -> None:
    """No value passes for another part."""
    assert distinguished(pattern).fits(name) is fits


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("DNS:*.example.org", "DNS:mail.EXAMPLE.org", True),
        ("DNS:*.example.org", "DNS:a.b.example.org", False),
        ("DNS:*.example.org", "DNS:example.org", False),
        ("DNS:*.example.org", "URI:mail.example.org", False),
        ("URI:spiffe://example.org/ns/*/sa/*", "URI:spiffe://example.org/ns/post/sa/mail", True),
        ("URI:spiffe://example.org/ns/*/sa/*", "URI:spiffe://example.org/ns/post/x/sa/mail", False),
        ("URI:spiffe://example.org/ns/*/sa/*", "URI:spiffe://example.org.evil/ns/post/sa/mail", False),
        ("email:*@example.org", "email:ann@example.org", True),
        ("email:*@example.org", "email:ann@evil.org@example.org", False),
    ],
)
def test_patterns_of_alternative_names(pattern: str, name: str, *, fits: bool) -> None:
    """A star stays within a label, a segment, a side."""
    assert alternative(pattern).fits(name) is fits


@given(pattern=st.text("ab*", max_size=8), name=st.text("ab", max_size=8))
def test_patterns_fit_what_globs_fit(pattern: str, name: str) -> None:
    """As everybody knows them."""
    assert common(pattern).fits(name) is fnmatch.fnmatchcase(name, pattern)


def test_hostile_names_take_no_time() -> None:
    """Of any length; what is too long fits nothing."""
    assert not common("*a" * 200 + "b").fits("a" * LENGTH_MAX)
    assert not distinguished("CN=*").fits("CN=" + "a" * LENGTH_MAX)


def test_the_first_rule_that_fits_counts() -> None:
    """With all that it brings; a certificate that no rule is about is nobody."""
    ops = RuleOptions(
        subject="CN=*,OU=ops,O=*",
        owner="ann",
        team="ops",
        tenant="house",
        roles=("operator",),
        scopes=("generate",),
        models=("demo",),
        tags=("night",),
        priority=-5,
    )
    everybody = RuleOptions(anybody=True, name="guest")
    assert who(shown(), ops=ops, others=everybody) == Principal(
        id="ops:CN=ann,OU=ops,O=Example",
        name="ann",
        fingerprint=who(shown(), ops=ops).fingerprint,  # type: ignore[union-attr]
        owner="ann",
        team="ops",
        tenant_name="house",
        roles=frozenset({"operator"}),
        scopes=frozenset({"generate"}),
        models=frozenset({"demo"}),
        tags=frozenset({"night"}),
        priority=-5,
    )
    guest = who(shown("CN=eve"), ops=ops, others=everybody)
    assert guest is not None
    assert (guest.id, guest.name) == ("others:CN=eve", "guest")
    assert who(shown("CN=eve"), ops=ops) is None


def test_all_patterns_of_a_rule_must_fit() -> None:
    """Subject, common name, authority, and one of the alternative names."""
    rule = RuleOptions(common_name="a*", issuer="CN=house *", names=("DNS:*.example.org", "DNS:example.org"))
    assert who(shown("CN=ann", "DNS:x", "DNS:example.org"), one=rule) is not None
    assert who(shown("CN=ann", "DNS:x"), one=rule) is None
    assert who(shown("CN=ann", "DNS:example.org", common_name="bob"), one=rule) is None
    other = msgspec.structs.replace(shown("CN=ann", "DNS:example.org"), issuer="CN=another authority")
    assert who(other, one=rule) is None


def test_a_renewed_certificate_is_the_same_caller() -> None:
    """By the part that stays; its fingerprint tells it from the one before."""
    rule = RuleOptions(names=("URI:spiffe://example.org/*",), id="name")
    before = who(shown("CN=1", "URI:spiffe://example.org/mail"), "aa" * 32, robots=rule)
    after = who(shown("CN=2", "URI:spiffe://example.org/mail"), "bb" * 32, robots=rule)
    assert before is not None
    assert after is not None
    assert before.id == after.id == "robots:URI:spiffe://example.org/mail"
    assert before.fingerprint != after.fingerprint


def test_names_that_cannot_be_read_are_nobody() -> None:
    """They would end in logs and records."""
    rule = RuleOptions(anybody=True)
    assert who(shown("CN=a\0"), one=rule) is None
    assert who(shown("", common_name=""), one=rule) is None
    odd = who(shown("CN=ann", common_name="a\u202eb"), one=rule)
    assert odd is not None
    assert odd.name == "one:CN=ann"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "anybody"),
        ({"anybody": True, "subject": "CN=*"}, "anybody"),
        ({"names": ["example.org"]}, "names"),
        ({"names": ["DNS:"]}, "names"),
        ({"subject": "CN=*", "id": "name"}, "names"),
        ({"subject": "x" * 1000}, "pattern"),
        ({"subject": "CN=*", "scopes": ["No"]}, "scopes"),
        ({"subject": "CN=*", "priority": 1000}, "priority"),
    ],
)
def test_rules_that_cannot_be_meant(options: dict[str, object], why: str) -> None:
    """Are refused by name."""
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert({"rules": {"one": options}}, MtlsConfig)


def test_without_rules_nothing_starts() -> None:
    """And it is said what is missing."""
    [make] = Kernel.authenticators(kernel_of('enabled = ["mtls"]')).values()
    with pytest.raises(ManifestError, match=r"config\.mtls\.rules"):
        make()
