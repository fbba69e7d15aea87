"""Good tokens are somebody; hostile ones are nobody, whatever they try."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from jackfield.errors import CredentialExpired, Unauthenticated
from jackfield.ports.identity import CREDENTIAL_MAX, USUAL_SCOPES, Principal, fingerprint
from jackfield_oidc.token import HEADER_MAX, parse, signature_of

if TYPE_CHECKING:
    from tests.plugins.jackfield_oidc.conftest import Issuer, Judges

    from jackfield_oidc.authenticator import OidcAuthenticator

ISSUER = "https://issuer.example"
NOW = time.time()

HS256 = b'{"alg": "HS256", "kid": "rsa"}'
JWE = b'{"alg": "RSA-OAEP", "enc": "A256GCM"}'

ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"]

FORBIDDEN: dict[str, Any] = {
    "jku": "https://evil.example/jwks",
    "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    "x5u": "https://evil.example/x",
    "x5c": ["MIIB"],
    "crit": ["exp"],
    "b64": False,
    "cty": "JWT",
    "enc": "A256GCM",
    "zip": "DEF",
}


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def refusal(judges: Judges, judge: OidcAuthenticator, token: str) -> str:
    """Why *token*, which must be nobody, is refused."""
    try:
        assert judges.ask(judge, token) is None
    except Unauthenticated as error:
        return error.message
    return "not known here"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token(judges: Judges, issuer: Issuer, algorithm: str) -> None:
    """In every algorithm that is accepted, with a name for its key and without."""
    judge = judges.make()
    token = issuer.sign(algorithm)
    assert judges.ask(judge, token) == Principal(
        id="corp:alice", name="alice", fingerprint=fingerprint(token), scopes=frozenset(USUAL_SCOPES)
    )
    assert judges.ask(judge, issuer.sign(algorithm, {"kid": None, "typ": "at+jwt", "x5t": "ignored"})) is not None


@pytest.mark.parametrize("name", FORBIDDEN)
def test_headers_that_bring_keys_or_change_what_is_signed_are_refused(
    judges: Judges, issuer: Issuer, name: str
) -> None:
    """Also where the signature is good: nothing of the kind is needed."""
    with pytest.raises(Unauthenticated, match=f"a {name}, which is not accepted"):
        judges.ask(judges.make(), issuer.sign(header={name: FORBIDDEN[name]}))


@pytest.mark.parametrize("kind", ["logout+jwt", "secevent+jwt", "dpop+jwt", "JOSE", "", 1, None, ["JWT"]])
def test_other_things_that_the_issuer_signs_are_no_access(judges: Judges, issuer: Issuer, kind: Any) -> None:
    """Its keys sign many things; only None leaves the word out, and so does it here."""
    header = {"typ": kind} if kind is not None else {"typ": False}
    with pytest.raises(Unauthenticated):
        judges.ask(judges.make(), issuer.sign(header=header))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "HS256", "HS512", "PS256", "ES256K", "Ed448", "rs256", ""]
)
def test_other_algorithms_are_refused(judges: Judges, issuer: Issuer, algorithm: str) -> None:
    header = json.dumps({"alg": algorithm, "kid": "rsa", "typ": "JWT"})
    signed = f"{b64(header.encode())}.{b64(json.dumps(issuer.claims()).encode())}"
    for signature in ("", "AAAA", issuer.sign().rpartition(".")[2]):
        with pytest.raises(Unauthenticated, match="not signed in a way"):
            judges.ask(judges.make(), f"{signed}.{signature}")


def test_a_public_key_is_no_shared_secret(judges: Judges, issuer: Issuer) -> None:
    """HS256 with the issuer's public key, in every form that somebody might have it."""
    key = issuer.keys["RS256"]
    assert isinstance(key, RSAKey)
    forms = [key.as_pem(private=False), key.as_der(private=False), issuer.jwks, json.dumps(key.as_dict()).encode()]
    for secret in (*forms, b""):
        signed = f"{b64(HS256)}.{b64(json.dumps(issuer.claims()).encode())}"
        token = f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"
        with pytest.raises(Unauthenticated):
            judges.ask(judges.make(), token)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_signs_only_what_it_is_for(judges: Judges, issuer: Issuer, algorithm: str) -> None:
    """The key says which algorithm, not the token."""
    for kid in {"rsa", "ec", "ec3", "ec5", "ed"} - {issuer.keys[algorithm].kid}:
        with pytest.raises(Unauthenticated, match="key that its issuer does not have"):
            judges.ask(judges.make(), issuer.sign(algorithm, {"kid": kid}))


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "rsa\0",
        "' OR 1=1 --",
        "https://evil.example/k",
        "${jndi:ldap://x}",
        "RSA",
    ],
)
def test_a_keys_name_is_only_a_name(judges: Judges, issuer: Issuer, kid: str) -> None:
    with pytest.raises(Unauthenticated, match="key that its issuer does not have"):
        judges.ask(judges.make(), issuer.sign(header={"kid": kid}))


@pytest.mark.parametrize("kid", ["", 1, ["rsa"], {"rsa": 1}, True, "k" * 300])
def test_a_keys_name_is_a_text(judges: Judges, issuer: Issuer, kid: Any) -> None:
    with pytest.raises(Unauthenticated, match="in a way that no issuer does"):
        judges.ask(judges.make(), issuer.sign(header={"kid": kid}))


def test_somebody_elses_keys_are_no_good(judges: Judges, stranger: Issuer) -> None:
    """The same names, the same claims."""
    for algorithm in ALGORITHMS:
        with pytest.raises(Unauthenticated, match="signature is wrong") as caught:
            judges.ask(judges.make(), stranger.sign(algorithm))
        assert not caught.value.fingerprint, "nobody knows whose it is"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": NOW - 31}, "expired"),
        ({"exp": None}, "has no exp"),
        ({"exp": str(NOW + 600)}, "exp is no time"),
        ({"exp": True}, "exp is no time"),
        ({"exp": [NOW + 600]}, "exp is no time"),
        ({"exp": -1}, "exp is no time"),
        ({"exp": 1e300}, "exp is no time"),
        ({"exp": 10**400}, "exp is no time"),
        ({"nbf": NOW + 3600}, "not good yet"),
        ({"iat": NOW + 3600}, "not good yet"),
        ({"nbf": None}, "has no nbf"),
        ({"nbf": "now"}, "nbf is no time"),
        ({"aud": "somebody"}, "somebody else"),
        ({"aud": ["somebody", "else"]}, "somebody else"),
        ({"aud": []}, "somebody else"),
        ({"aud": None}, "no usable aud"),
        ({"aud": 1}, "no usable aud"),
        ({"aud": {"jackfield": 1}}, "no usable aud"),
        ({"aud": ["jackfield", 1]}, "no usable aud"),
        ({"aud": "JACKFIELD"}, "somebody else"),
        ({"aud": "jackfield "}, "somebody else"),
        ({"sub": None}, "no usable sub"),
        ({"sub": ""}, "no usable sub"),
        ({"sub": 7}, "no usable sub"),
        ({"sub": ["alice"]}, "no usable sub"),
        ({"sub": "a" * 256}, "no usable sub"),
        ({"sub": "a\nb"}, "no usable sub"),
        ({"sub": "\u202ealice"}, "no usable sub"),
        ({"sub": "\ud800"}, "no usable sub"),
        ({"jti": 1}, "jti is no text"),
        ({"jti": "j" * 257}, "jti is no text"),
        ({"sid": ["a"]}, "sid is no text"),
    ],
)
def test_claims_that_are_not_good(judges: Judges, issuer: Issuer, claims: dict[str, Any], why: str) -> None:
    token = issuer.sign(**claims)
    with pytest.raises(Unauthenticated, match=why) as caught:
        judges.ask(judges.make(), token)
    assert caught.value.fingerprint == fingerprint(token)


def test_what_has_expired_says_so(judges: Judges, issuer: Issuer) -> None:
    """Clocks may differ by half a minute; a token that was good is forgotten when its time is over."""
    now = [time.time()]
    judge = judges.make(clock=lambda: now[0])
    token = issuer.sign(exp=now[0] + 1, nbf=now[0] + 29)
    assert judges.ask(judge, token) is not None
    now[0] += 30
    assert judges.ask(judge, token) is not None
    now[0] += 1
    with pytest.raises(CredentialExpired) as caught:
        judges.ask(judge, token)
    assert caught.value.fingerprint == fingerprint(token)


def test_some_issuers_never_say_since_when(judges: Judges, issuer: Issuer) -> None:
    """They may be listed all the same; where they do say it, it counts."""
    judge = judges.make({"nbf_required": False})
    assert judges.ask(judge, issuer.sign(nbf=None)) is not None
    with pytest.raises(Unauthenticated, match="not good yet"):
        judges.ask(judge, issuer.sign(nbf=NOW + 3600))


def test_an_issuer_may_be_held_to_one_algorithm(judges: Judges, issuer: Issuer) -> None:
    judge = judges.make({"algorithms": ["ES256"]})
    assert judges.ask(judge, issuer.sign("ES256")) is not None
    with pytest.raises(Unauthenticated):
        judges.ask(judge, issuer.sign("RS256"))


@pytest.mark.parametrize(
    "iss", ["https://issuer.example/", "https://issuer.example.evil", "HTTPS://issuer.example", "", 1, None, [ISSUER]]
)
def test_other_issuers_tokens_are_somebody_elses_business(judges: Judges, issuer: Issuer, iss: Any) -> None:
    """The next authenticator is asked."""
    assert judges.ask(judges.make(), issuer.sign(iss=iss)) is None


def duplicate(issuer: Issuer) -> str:
    text = json.dumps(issuer.claims(aud="somebody"))
    return issuer.sign_text(text[:-1] + ', "aud": "jackfield"}')


def nested_duplicate(issuer: Issuer) -> str:
    return issuer.sign_text(json.dumps(issuer.claims())[:-1] + ', "a": {"b": 1, "b": 2}}')


def duplicate_header(issuer: Issuer) -> str:
    return issuer.sign_parts('{"alg": "none", "alg": "RS256", "kid": "rsa"}', json.dumps(issuer.claims()))


MALFORMED = {
    "two parts": lambda issuer: issuer.sign().rpartition(".")[0],
    "four parts": lambda issuer: issuer.sign() + ".AAAA",
    "a JWE": lambda issuer: f"{b64(JWE)}.AAAA.AAAA.AAAA.AAAA",
    "padding": lambda issuer: issuer.sign() + "=",
    "standard base64": lambda issuer: issuer.sign().replace("-", "+").replace("_", "/") + "+",
    "white space": lambda issuer: issuer.sign().replace(".", ". ", 1),
    "a line break": lambda issuer: issuer.sign() + "\n",
    "no JSON": lambda issuer: issuer.sign_text("{"),
    "an array": lambda issuer: issuer.sign_text("[]"),
    "a text": lambda issuer: issuer.sign_text(json.dumps(issuer.sign())),
    "not UTF-8": lambda issuer: f"{issuer.sign().partition('.')[0]}.{b64(bytes([0x7B, 0xFF, 0x7D]))}.AAAA",
    "UTF-16": lambda issuer: f"{b64(json.dumps({'alg': 'RS256'}).encode('utf-16'))}.AAAA.AAAA",
    "NaN": lambda issuer: issuer.sign_text(json.dumps(issuer.claims(exp=float("nan")))),
    "infinity": lambda issuer: issuer.sign_text(json.dumps(issuer.claims(exp=float("inf")))),
    "a huge number": lambda issuer: issuer.sign_text(json.dumps(issuer.claims())[:-1] + ', "x": ' + "9" * 5000 + "}"),
    "deep nesting": lambda issuer: issuer.sign_text(json.dumps(issuer.claims())[:-1] + ', "x": ' + "[" * 4000),
    "a claim twice": duplicate,
    "an inner claim twice": nested_duplicate,
    "a parameter twice": duplicate_header,
    "a large header": lambda issuer: issuer.sign(header={"x": "x" * HEADER_MAX}),
    "huge": lambda issuer: issuer.sign(x="x" * CREDENTIAL_MAX),
    "garbage": lambda issuer: "eyJ.eyJ.eyJ",
    "empty": lambda issuer: "..",
}


@pytest.mark.parametrize("make", MALFORMED.values(), ids=list(MALFORMED))
def test_what_is_malformed_is_nobody(judges: Judges, issuer: Issuer, make: Any) -> None:
    """Before any key is looked at."""
    token = make(issuer)
    assert token not in refusal(judges, judges.make(), token)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_can_be_written_in_one_way_only(judges: Judges, issuer: Issuer, algorithm: str) -> None:
    """Bits of the last character that mean nothing must be nought, or one token would have several texts."""
    token, judge = issuer.sign(algorithm), judges.make()
    assert judges.ask(judge, token) is not None
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        if last != token[-1]:
            assert refusal(judges, judge, token[:-1] + last)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_changed_token_is_nobody(lasting: Judges, fuzzed: tuple[OidcAuthenticator, str], data: st.DataObject) -> None:
    """Any character in any place, put in, taken out or replaced."""
    judge, token = fuzzed
    at = data.draw(st.integers(0, len(token) - 1))
    length = data.draw(st.integers(0, 3))
    text = data.draw(st.text('ABab01-_.=+/ {}"\0é', max_size=4) | st.text(max_size=3))
    changed = token[:at] + text + token[at + length :]
    if changed == token:
        return
    assert changed not in refusal(lasting, judge, changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["alg", "kid", "typ", "iss", "aud", "exp", "nbf", "iat", "sub", "jti", "sid", "groups", "x"])


@settings(max_examples=150, deadline=None)
@given(header=st.dictionaries(NAMES, JSON, max_size=4), claims=st.dictionaries(NAMES, JSON, max_size=6))
def test_no_signed_token_is_a_surprise(
    issuer: Issuer,
    lasting: Judges,
    fuzzed: tuple[OidcAuthenticator, str],
    header: dict[str, Any],
    claims: dict[str, Any],
) -> None:
    """Also an issuer that has gone mad only ever makes its own callers."""
    judge, _ = fuzzed
    usual = {"alg": "ES256", "kid": "ec"}
    token = issuer.sign_parts(json.dumps(usual | header), json.dumps(issuer.claims() | claims), "ES256")
    try:
        found = lasting.ask(judge, token)
    except Unauthenticated:
        return
    if found is not None:
        assert found.id.startswith("corp:")
        assert all(each.isprintable() for each in (found.id, found.name, found.team, *found.roles))


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=300) | st.from_regex(r"\A[A-Za-z0-9_-]{0,80}(\.[A-Za-z0-9_-]{0,80}){0,5}\Z"))
def test_the_parser_takes_whatever_comes(text: str) -> None:
    token = parse(text)
    if token is not None:
        try:
            signature_of(token)
        except Unauthenticated:
            return


@pytest.fixture(scope="module")
def fuzzed(issuer: Issuer, lasting: Judges) -> tuple[OidcAuthenticator, str]:
    """One authenticator for many examples, that maps claims, and a token that it takes."""
    claims = {"name": "x", "roles": "groups", "team": ["x", "y"]}
    return lasting.make({"claims": claims}), issuer.sign("ES256")
