"""A real issuer in a process of its own, found by discovery or by URL, over HTTP and TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web
from joserfc.jwk import ECKey

from jackfield.errors import AuthenticatorFailed, ManifestError, Unauthenticated
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.outbound.options import OutboundOptions
from jackfield.plugins import build_kernel
from jackfield.ports.identity import Credential
from jackfield.secret import Secret
from jackfield.testing.oidc_issuer import AUTHORITY, IssuerProcess, Setting
from jackfield_oidc.authenticator import OidcAuthenticator
from jackfield_oidc.config import IssuerOptions, OidcConfig
from jackfield_oidc.key_source import FetchedKeys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from jackfield.ports.identity import Principal

HTTP = {"schemes": ["http"], "private_hosts": ["127.0.0.1"]}
HTTPS = {"private_hosts": ["127.0.0.1"]}


@pytest.fixture
def issuer() -> Iterator[IssuerProcess]:
    """Fresh keys."""
    with IssuerProcess() as process:
        yield process


def authenticator(folder: Path, options: dict[str, Any], **config: Any) -> OidcAuthenticator:
    """As the plugin makes it from options."""
    table = {"issuers": {"corp": {"audiences": ["jackfield"], "outbound": HTTP, **options}}, **config}
    manifest = Manifest(
        enabled=(InstanceRef("oidc", "oidc"),),
        kernel=KernelConfig(),
        config={"oidc": table},
        file=str(folder / "plugins.toml"),
    )
    made = build_kernel(manifest).authenticators()["oidc"]()
    assert isinstance(made, OidcAuthenticator)
    return made


async def ask(judge: OidcAuthenticator, token: str) -> Principal | None:
    return await judge.authenticate(Credential("bearer", Secret(token)))


def run(judge: OidcAuthenticator, body: Callable[[], Awaitable[None]]) -> None:
    async def go() -> None:
        try:
            async with asyncio.timeout(60):
                await body()
        finally:
            await judge.close()

    asyncio.run(go())


def test_it_is_found_by_discovery(issuer: IssuerProcess, tmp_path: Path) -> None:
    """Its keys are fetched once for many tokens, and tokens of every kind of key are good."""
    judge = authenticator(tmp_path, {"url": issuer.url})

    async def go() -> None:
        for algorithm in ("RS256", "ES256", "EdDSA"):
            found = await ask(judge, issuer.sign(algorithm=algorithm))
            assert found is not None
            assert found.id == "corp:alice"
        assert issuer.fetches == 1
        assert judge.troubles == []

    run(judge, go)


def test_keys_rotate_while_tokens_come(issuer: IssuerProcess, tmp_path: Path) -> None:
    """Old tokens are good until the old keys are withdrawn; new ones are from the first on."""
    judge = authenticator(tmp_path, {"url": issuer.url})

    async def go() -> None:
        old = issuer.sign()
        assert await ask(judge, old) is not None
        issuer.rotate(keep=True)
        assert await ask(judge, issuer.sign()) is not None
        assert await ask(judge, old) is not None
        assert issuer.fetches == 2

    run(judge, go)


def test_a_withdrawn_key_ends_its_tokens(issuer: IssuerProcess, tmp_path: Path) -> None:
    """Also those that were verified before, as soon as the keys are fetched."""
    judge = authenticator(tmp_path, {"url": issuer.url})

    async def go() -> None:
        old = issuer.sign()
        assert await ask(judge, old) is not None
        issuer.rotate(keep=False)
        assert await ask(judge, issuer.sign()) is not None
        with pytest.raises(Unauthenticated, match="does not have"):
            await ask(judge, old)

    run(judge, go)


def test_made_up_keys_do_not_keep_the_issuer_busy(issuer: IssuerProcess, tmp_path: Path) -> None:
    judge = authenticator(tmp_path, {"url": issuer.url})

    async def go() -> None:
        assert await ask(judge, issuer.sign()) is not None
        tokens = [issuer.sign(header={"kid": f"made-up-{number}"}) for number in range(30)]
        answers = await asyncio.gather(*(ask(judge, token) for token in tokens), return_exceptions=True)
        assert all(isinstance(answer, Unauthenticated) for answer in answers)
        assert issuer.fetches == 2

    run(judge, go)


def test_an_issuer_that_ends_is_missed_and_not_needed(tmp_path: Path) -> None:
    """Good tokens stay good; nobody waits for it."""
    with IssuerProcess() as issuer:
        judge = authenticator(tmp_path, {"url": issuer.url})
        token, later, unknown = issuer.sign(), issuer.sign({"sub": "bob"}), issuer.sign(header={"kid": "new"})

        async def go() -> None:
            assert await ask(judge, token) is not None
            issuer.close()
            with pytest.raises(Unauthenticated):
                await ask(judge, unknown)
            [trouble] = judge.troubles
            assert "corp" in trouble
            assert "cannot be asked" in trouble
            assert await ask(judge, token) is not None
            assert await ask(judge, later) is not None

        run(judge, go)


@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_an_issuer_without_an_answer_is_no_issuer(issuer: IssuerProcess, tmp_path: Path, status: int) -> None:
    """Nobody is let in, and nobody is told that the token was bad: try again."""
    judge = authenticator(tmp_path, {"url": issuer.url})
    issuer.answer(status)

    async def go() -> None:
        with pytest.raises(AuthenticatorFailed):
            await ask(judge, issuer.sign())
        [trouble] = judge.troubles
        assert str(status) in trouble

    run(judge, go)


def test_a_discovery_document_is_its_issuers_own(tmp_path: Path) -> None:
    """One that speaks for somebody else is not believed."""
    with IssuerProcess(Setting(issuer="https://accounts.example")) as issuer:
        judge = authenticator(tmp_path, {"url": issuer.url})

        async def go() -> None:
            with pytest.raises(AuthenticatorFailed):
                await ask(judge, issuer.sign({"iss": issuer.url}))
            assert "another issuer's" in judge.troubles[0]
            assert issuer.fetches == 0

        run(judge, go)


def test_the_token_to_fetch_with_stays_with_the_issuer(tmp_path: Path) -> None:
    """A discovery document may say that the keys are elsewhere; whoever is there learns nothing by it."""
    (tmp_path / "token").write_text("hidden")
    seen: dict[str, str | None] = {}

    async def go() -> None:
        async def discovery(request: web.Request) -> web.Response:
            seen["issuer"] = request.headers.get("Authorization")
            return web.json_response({"issuer": urls[0], "jwks_uri": f"{urls[1]}/keys"})

        async def keys(request: web.Request) -> web.Response:
            seen["elsewhere"] = request.headers.get("Authorization")
            return web.json_response({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]})

        application = web.Application()
        application.router.add_get("/.well-known/openid-configuration", discovery)
        application.router.add_get("/keys", keys)
        runner = web.AppRunner(application)
        await runner.setup()
        for _ in range(2):
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        urls = [f"http://127.0.0.1:{address[1]}" for address in runner.addresses]
        options = IssuerOptions(
            url=urls[0], audiences=("x",), bearer_file="token", outbound=msgspec.convert(HTTP, OutboundOptions)
        )
        fetched = FetchedKeys(options, lambda text: tmp_path / text)
        assert len(await fetched.fetch()) == 1
        await fetched.close()
        await runner.cleanup()

    asyncio.run(go())
    assert seen == {"issuer": "Bearer hidden", "elsewhere": None}


def test_a_cluster_gives_its_keys_to_its_own(tmp_path: Path) -> None:
    """As Kubernetes does: by URL, over TLS with the cluster's authority, for a token that a file has."""
    setting = Setting(issuer="https://kubernetes.default.svc", bearer="cluster-secret", tls=str(tmp_path))
    with IssuerProcess(setting) as issuer:
        (tmp_path / "token").write_text("expired-secret\n")
        options = {
            "url": "https://kubernetes.default.svc",
            "jwks_url": f"{issuer.url}/openid/v1/jwks",
            "bearer_file": "token",
            "claims": {"team": ["kubernetes.io", "namespace"]},
            "outbound": {**HTTPS, "ca_file": AUTHORITY},
        }
        judge = authenticator(tmp_path, options, refresh_s=1.0)
        account: dict[str, object] = {"sub": "system:serviceaccount:ml:trainer", "kubernetes.io": {"namespace": "ml"}}

        async def go() -> None:
            with pytest.raises(AuthenticatorFailed):
                await ask(judge, issuer.sign(account))
            assert "401" in judge.troubles[0]
            (tmp_path / "token").write_text("cluster-secret\n")
            found = await until_good(judge, issuer.sign(account))
            assert (found.id, found.team) == ("corp:system:serviceaccount:ml:trainer", "ml")

        run(judge, go)


async def until_good(judge: OidcAuthenticator, token: str) -> Principal:
    """Who *token* is, once the keys are there."""
    while True:
        try:
            found = await ask(judge, token)
        except AuthenticatorFailed:
            await asyncio.sleep(0.01)
            continue
        assert found is not None
        return found


def test_a_strange_authority_is_not_believed(tmp_path: Path) -> None:
    with IssuerProcess(Setting(tls=str(tmp_path))) as issuer:
        judge = authenticator(tmp_path, {"url": issuer.url, "outbound": HTTPS})

        async def go() -> None:
            with pytest.raises(AuthenticatorFailed):
                await ask(judge, issuer.sign())
            assert "Certificate" in judge.troubles[0]
            assert issuer.fetches == 0

        run(judge, go)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"url": "http://127.0.0.1/", "outbound": {}}, "url: URLs must begin with https"),
        ({"url": "https://127.0.0.1/", "outbound": {}}, "url: 127.0.0.1 has an address that is not public"),
        ({"url": "x", "jwks_url": "http://10.0.0.1/", "outbound": HTTP}, "jwks_url: 10.0.0.1 has an address"),
        ({"url": "https://a.example", "outbound": {"ca_file": "missing.pem"}}, "ca_file: the file cannot be used"),
    ],
)
def test_what_could_never_be_fetched_is_refused_at_start_up(tmp_path: Path, options: dict[str, Any], why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        authenticator(tmp_path, options)


@pytest.mark.parametrize("text", ["", "a\nb", "é", "x" * 70_000])
def test_a_file_without_a_token_is_a_trouble(issuer: IssuerProcess, tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    judge = authenticator(tmp_path, {"url": issuer.url, "bearer_file": "token"})

    async def go() -> None:
        with pytest.raises(AuthenticatorFailed):
            await ask(judge, issuer.sign())
        assert "token" in judge.troubles[0]
        assert issuer.fetches == 0

    run(judge, go)


def test_what_is_remembered_is_bounded(issuer: IssuerProcess, tmp_path: Path) -> None:
    """The token that was used last stays."""
    judge = authenticator(tmp_path, {"url": issuer.url}, cache_entries=2)

    async def go() -> None:
        tokens = [issuer.sign({"jti": str(number)}) for number in range(5)]
        for token in tokens:
            assert await ask(judge, token) is not None
        assert len(judge._verified) == 2
        assert await ask(judge, tokens[0]) is not None

    run(judge, go)


def test_without_an_issuer_there_is_no_start() -> None:
    manifest = Manifest(enabled=(InstanceRef("staff", "oidc"),), kernel=KernelConfig())
    with pytest.raises(ManifestError, match=r"config\.staff\.issuers is empty") as caught:
        build_kernel(manifest).authenticators()["staff"]()
    assert caught.value.param == "config.staff.issuers"


def test_options_say_what_is_wrong() -> None:
    def config(**options: Any) -> OidcConfig:
        issuer = {"url": "https://a.example", "audiences": ["x"], **options.pop("issuer", {})}
        return msgspec.convert({"issuers": {options.pop("name", "a"): issuer}, **options}, OidcConfig)

    assert config(leeway_s=300.0).issuers["a"].url == "https://a.example"
    for wrong, name in (
        ({"leeway_s": 301.0}, "leeway_s"),
        ({"leeway_s": -1.0}, "leeway_s"),
        ({"refresh_s": 0.0}, "refresh_s"),
        ({"stale_s": 10.0}, "stale_s"),
        ({"cache_entries": 0}, "cache_entries"),
        ({"name": "A b"}, "issuers"),
        ({"issuer": {"url": ""}}, "url"),
        ({"issuer": {"audiences": []}}, "audiences"),
        ({"issuer": {"audiences": [""]}}, "audiences"),
        ({"issuer": {"algorithms": []}}, "algorithms"),
        ({"issuer": {"algorithms": ["HS256"]}}, "algorithms"),
        ({"issuer": {"scopes": ["NO"]}}, "scopes"),
        ({"issuer": {"jwks_file": "x", "jwks_url": "https://a.example"}}, "jwks_file"),
    ):
        with pytest.raises(msgspec.ValidationError, match=name):
            config(**wrong)
    two = {"url": "https://a.example", "audiences": ["x"]}
    with pytest.raises(msgspec.ValidationError, match="same url"):
        msgspec.convert({"issuers": {"a": two, "b": two}}, OidcConfig)
