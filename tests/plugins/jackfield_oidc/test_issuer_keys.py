"""Keys of an issuer that come and go, and issuers that are away."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from structlog.testing import capture_logs

from jackfield.errors import AuthenticatorFailed
from jackfield_oidc.issuer_keys import RETRY_S, UNKNOWN_S, IssuerKeys
from jackfield_oidc.key_set import KEYS_MAX, KeySet, UnusableKeys
from jackfield_oidc.token import Signature

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.plugins.jackfield_oidc.conftest import Issuer


class Source:
    """Keys as a test wants them; each fetch waits until it may go on."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.fault = ""
        self.fetches = 0
        self.open = asyncio.Event()
        self.open.set()
        self.closed = False

    async def fetch(self) -> KeySet:
        self.fetches += 1
        await self.open.wait()
        if self.fault:
            raise UnusableKeys(self.fault)
        return KeySet(self.document)

    async def close(self) -> None:
        self.closed = True


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(body: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def wanted(kid: str | None, algorithm: str = "RS256") -> Signature:
    return Signature(algorithm, kid, b"", b"")


def kept(source: Source, clock: Clock, refresh_s: float = 300.0, stale_s: float = 3600.0) -> IssuerKeys:
    return IssuerKeys("corp", source, refresh_s, stale_s, clock)


def test_keys_are_fetched_once_for_all_who_wait(issuer: Issuer) -> None:
    async def go() -> None:
        source = Source(issuer.jwks)
        source.open.clear()
        keys = kept(source, Clock())
        asked = [asyncio.create_task(keys.candidates(wanted("rsa"))) for _ in range(50)]
        await asyncio.sleep(0)
        asked[0].cancel()  # who leaves does not end the others' fetch
        source.open.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [len(each) for each in found[1:] if not isinstance(each, BaseException)] == [1] * 49
        assert source.fetches == 1
        await keys.close()
        assert source.closed

    run(go())


def test_an_unknown_key_has_them_fetched_once_a_minute(issuer: Issuer) -> None:
    """However many tokens name one: they are anybody's to make up."""

    async def go() -> None:
        source, clock = Source(issuer.jwks), Clock()
        keys = kept(source, clock)
        await keys.ready()
        for _ in range(3):
            before = source.fetches
            found = await asyncio.gather(*(keys.candidates(wanted(f"new-{number}")) for number in range(100)))
            assert not any(found)
            assert source.fetches == before + 1
            for step in (0.0, UNKNOWN_S - 1):
                clock.now += step
                await keys.candidates(wanted("newer"))
                assert source.fetches == before + 1
            clock.now += 1
        await keys.close()

    run(go())


def test_a_key_that_has_just_come_is_found(issuer: Issuer, stranger: Issuer) -> None:
    """The first token that is signed with it has the keys fetched; its bearer waits and notices nothing."""

    async def go() -> None:
        source = Source(issuer.jwks)
        keys = kept(source, Clock())
        await keys.ready()
        source.document = stranger.jwks.replace(b'"rsa"', b'"rsa-2"')
        assert len(await keys.candidates(wanted("rsa-2"))) == 1
        assert keys.losses == 1
        assert not await keys.candidates(wanted("rsa"))
        await keys.close()

    run(go())


def test_keys_are_refreshed_in_the_background(issuer: Issuer, stranger: Issuer) -> None:
    """Nobody asks, and a key that was withdrawn is gone."""

    async def go() -> None:
        source = Source(issuer.jwks)
        keys = IssuerKeys("corp", source, 0.001, 3600.0)
        await keys.ready()
        source.document = stranger.jwks
        while not keys.losses:  # noqa: ASYNC110 - nobody but the clock says when
            await asyncio.sleep(0.001)
        assert source.fetches >= 2
        await keys.close()

    run(go())


def test_the_last_good_keys_stay_while_the_issuer_is_away(issuer: Issuer) -> None:
    """Up to a bound, and /readyz says so; when it is back, so is everything."""

    async def go() -> None:
        source, clock = Source(issuer.jwks), Clock()
        keys = kept(source, clock)
        await keys.ready()
        assert keys.trouble is None
        source.fault = "the issuer answers with status 503"
        clock.now += 3600
        with capture_logs() as lines:
            assert not await keys.candidates(wanted("new"))
        assert [line["log_level"] for line in lines] == ["error"]
        assert keys.trouble == (
            "issuer corp: no new keys (the issuer answers with status 503); those of 3600 s ago are still used"
        )
        assert len(await keys.candidates(wanted("rsa"))) == 1
        clock.now += 1
        assert "too old" in str(keys.trouble)
        for kid in ("rsa", "new"):
            with pytest.raises(AuthenticatorFailed):
                await keys.candidates(wanted(kid))
        source.fault = ""
        await keys._fetch()
        assert keys.trouble is None
        assert len(await keys.candidates(wanted("rsa"))) == 1
        await keys.close()

    run(go())


def test_an_issuer_that_was_never_there(issuer: Issuer) -> None:
    """Requests are refused, and do not fetch each time."""

    async def go() -> None:
        source, clock = Source(issuer.jwks), Clock()
        source.fault = "away"
        keys = kept(source, clock)
        for _ in range(10):
            with pytest.raises(AuthenticatorFailed):
                await keys.candidates(wanted("rsa"))
        assert source.fetches == 1
        assert keys.trouble == "issuer corp: there are no keys (away); its tokens are answered with 503"
        clock.now += RETRY_S
        source.fault = ""
        assert len(await keys.candidates(wanted("rsa"))) == 1
        await keys.close()

    run(go())


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": 1}', b'{"keys": [1]}', b"[" * 100_000]
)
def test_what_is_no_key_set_leaves_the_keys_there_are(issuer: Issuer, document: bytes) -> None:
    async def go() -> None:
        source = Source(issuer.jwks)
        keys = kept(source, Clock())
        await keys.ready()
        source.document = document
        await keys._fetch()
        assert keys.trouble
        assert len(await keys.candidates(wanted("rsa"))) == 1
        await keys.close()

    run(go())


def test_a_source_that_breaks_is_a_trouble_too(issuer: Issuer) -> None:
    class Broken(Source):
        async def fetch(self) -> KeySet:
            raise RuntimeError("hidden")

    async def go() -> None:
        keys = kept(Broken(issuer.jwks), Clock())
        with pytest.raises(AuthenticatorFailed):
            await keys.ready()
        assert "RuntimeError" in str(keys.trouble)
        assert "hidden" not in str(keys.trouble)
        await keys.close()

    run(go())


def test_keys_survive_the_end_of_an_event_loop(issuer: Issuer) -> None:
    keys = kept(Source(issuer.jwks), Clock())
    for _ in range(2):
        assert len(asyncio.run(keys.candidates(wanted("rsa")))) == 1


def test_a_key_set_has_public_signing_keys_only() -> None:
    """Shared secrets, keys for encryption, weak ones and ones with a curve that is not known here are left out."""
    good = ECKey.generate_key("P-256", {"kid": "good"})
    others = [
        OctKey.generate_key(256, {"kid": "shared"}).as_dict(private=True),
        RSAKey.generate_key(2048, {"kid": "enc", "use": "enc"}).as_dict(),
        {**ECKey.generate_key("P-256").as_dict(), "key_ops": ["encrypt"], "kid": "ops"},
        {**ECKey.generate_key("P-256").as_dict(), "alg": "ES384", "kid": "other"},
        ECKey.generate_key("secp256k1", {"kid": "koblitz"}).as_dict(),
        OKPKey.generate_key("X25519", {"kid": "exchange"}).as_dict(),
        OKPKey.generate_key("Ed448", {"kid": "448"}).as_dict(),
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "tiny"},
        {"kty": "RSA", "kid": "empty"},
        {"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB", "kid": "off the curve"},
        {"kty": "EC", "crv": "P-256", "x": "!", "y": "é", "kid": "no base64"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AQAB", "kid": "short"},
        {"kty": 1},
        "key",
        None,
    ]
    keys = KeySet(msgspec.json.encode({"keys": [*others, good.as_dict(private=True)]}))
    assert len(keys) == 1
    [found] = keys.candidates(wanted("good", "ES256"))
    assert not found.key.is_private
    with pytest.raises(UnusableKeys, match="no key that tokens could be signed with"):
        KeySet(msgspec.json.encode({"keys": others}))
    with pytest.raises(UnusableKeys, match="too large"):
        KeySet(msgspec.json.encode({"keys": [good.as_dict(private=False)] * (KEYS_MAX + 1)}))


def test_of_several_keys_without_names_none_is_tried(issuer: Issuer) -> None:
    """Which one it was is the token's to say."""
    one, two = (ECKey.generate_key("P-256").as_dict(private=False) for _ in range(2))
    alone, both = (KeySet(msgspec.json.encode({"keys": keys})) for keys in ([one], [one, two]))
    assert len(alone.candidates(wanted(None, "ES256"))) == 1
    assert not both.candidates(wanted(None, "ES256"))


FIELDS = st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y", "d", "k"])
VALUES = st.sampled_from(
    ["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "sig", "AQAB", "", "=", "é", ["verify"], None, 1]
)


@settings(max_examples=150, deadline=None)
@given(keys=st.lists(st.dictionaries(FIELDS, VALUES | st.text(max_size=50)), max_size=4), junk=st.binary(max_size=50))
def test_no_key_set_is_a_surprise(keys: list[dict[str, object]], junk: bytes) -> None:
    """It has keys that can be used, or it is refused."""
    for document in (msgspec.json.encode({"keys": keys}), junk, b'{"keys": [' + junk + b"]}"):
        with suppress(UnusableKeys):
            assert len(KeySet(document))
