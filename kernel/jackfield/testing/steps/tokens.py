"""Steps: tokens of an issuer in a process of its own, and servers that take them."""

from __future__ import annotations

import base64
import json
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.oidc_issuer import IssuerProcess, Setting
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.target import Target

CLUSTER: Final = "https://kubernetes.default.svc"
"""What clusters call themselves in their tokens."""

REVOKED: Final = "revoked.toml"

SEEN_S: Final = 30.0
"""Before a busy machine is taken for one that does not notice."""


@pytest.fixture
def issuers() -> Iterator[Callable[[Setting], IssuerProcess]]:
    """Start an issuer; whatever is left of it ends with the scenario."""
    started: list[IssuerProcess] = []

    def start(setting: Setting) -> IssuerProcess:
        started.append(IssuerProcess(setting))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
def own_server(background: BackgroundLoop, tmp_path: Path) -> Iterator[Callable[[str], Target]]:
    """Start a server in this process for a manifest's text; it ends with the scenario."""
    from jackfield.testing.inprocess import InProcessServer

    started: list[InProcessServer] = []

    def start(manifest: str) -> Target:
        started.append(InProcessServer(manifest, tmp_path, background))
        return started[-1].target

    yield start
    for process in started:
        process.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Names and the address that each leads to, from now on; all others are looked up as ever."""
    found: dict[str, str] = {}
    usual = ThreadedResolver.resolve

    async def resolve(self: ThreadedResolver, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        if host not in found:
            return await usual(self, host, port, family)  # type: ignore[arg-type]
        return [ResolveResult(hostname=host, host=found[host], port=port, family=2, proto=6, flags=0)]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    return found


@given("an issuer of tokens", target_fixture="token_issuer")
def start_issuer(issuers: Callable[[Setting], IssuerProcess]) -> IssuerProcess:
    """With keys of its own."""
    return issuers(Setting())


@given("a cluster that gives its keys to its own only", target_fixture="token_issuer")
def start_cluster(issuers: Callable[[Setting], IssuerProcess], tmp_path: Path) -> IssuerProcess:
    """Over TLS, by an authority of its own, for a token that everybody in it has."""
    (tmp_path / "token").write_text("of-the-cluster\n")
    return issuers(Setting(issuer=CLUSTER, bearer="of-the-cluster", tls=str(tmp_path)))


@given("a server with a scripted model that takes its tokens", target_fixture="server")
def server_for_tokens(own_server: Callable[[str], Target], token_issuer: IssuerProcess, tmp_path: Path) -> Target:
    """It looks for new keys each second; there is an empty list of what is revoked."""
    (tmp_path / REVOKED).touch()
    return own_server(_manifest(token_issuer.url, "", f'revocations = "{REVOKED}"\nrefresh_s = 1.0'))


@given("a server with a scripted model that takes its tokens and has a policy store", target_fixture="server")
def server_with_store(own_server: Callable[[str], Target], token_issuer: IssuerProcess, tmp_path: Path) -> Target:
    """The store is sealed with a key of its own; scopes of tokens count."""
    key = tmp_path / "store.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32))
    manifest = _manifest(
        token_issuer.url, 'claims = {scopes = "scope"}', "", enabled=("oidc", "admin", "store", "secrets")
    )
    return own_server(manifest)


@given("a server with a scripted model that takes the cluster's tokens", target_fixture="server")
def server_for_cluster(own_server: Callable[[str], Target], token_issuer: IssuerProcess) -> Target:
    """By its authority, and with the token that pods have."""
    keys = f'jwks_url = "{token_issuer.url}/openid/v1/jwks"\nbearer_file = "token"'
    outbound = 'outbound = {private_hosts = ["127.0.0.1"], ca_file = "ca.pem"}'
    claims = 'claims = {name = ["kubernetes.io", "serviceaccount", "name"], team = ["kubernetes.io", "namespace"]}'
    return own_server(_manifest(CLUSTER, f"{keys}\n{claims}", "", outbound))


@given(words("a server whose role {role:Text} may generate, for members of {group:Text}"), target_fixture="server")
def server_with_roles(
    own_server: Callable[[str], Target], token_issuer: IssuerProcess, role: str, group: str
) -> Target:
    """Groups of the issuer are roles here; a token by itself may nothing but list models."""
    lines = f'scopes = ["models:read"]\nclaims = {{roles = "groups"}}\nrole_names = {{"{group}" = "{role}"}}'
    manifest = _manifest(token_issuer.url, lines, "", enabled=("oidc", "rbac"))
    return own_server(f'{manifest}\n[config.rbac.roles]\n{role} = {{scopes = ["generate"]}}\n')


@given(words("a server that takes tokens of {host:Text}, where the issuer is"), target_fixture="server")
def server_for_name(own_server: Callable[[str], Target], token_issuer: IssuerProcess, host: str) -> Target:
    """Found by that name; it may not be private."""
    return own_server(_manifest(_at(token_issuer, host), "", "", 'outbound = {schemes = ["http"]}'))


@given(words("a server that takes tokens of {host:Text}, which may be private"), target_fixture="server")
def server_for_private_name(own_server: Callable[[str], Target], token_issuer: IssuerProcess, host: str) -> Target:
    """Found by that name; it looks for new keys each second."""
    outbound = f'outbound = {{schemes = ["http"], private_hosts = ["{host}"], keep_alive_s = 0.0}}'
    keys = f'jwks_url = "{_at(token_issuer, host)}/openid/v1/jwks"'
    return own_server(_manifest(token_issuer.url, keys, "refresh_s = 1.0", outbound))


@given(words("the name {host:Text} leads to {address:Text}"))
@when(words("the name {host:Text} leads to {address:Text}"))
def lead(names: dict[str, str], host: str, address: str) -> None:
    """Whoever looks it up from now on is told so."""
    names[host] = address


@given(words("a token for {name:Text}"), target_fixture="token")
@when(words("the issuer makes a token for {name:Text}"), target_fixture="token")
def make_token(token_issuer: IssuerProcess, name: str) -> str:
    """Good for ten minutes."""
    return token_issuer.sign({"sub": name})


@given(words("a token of that server's issuer for {name:Text}"), target_fixture="token")
def make_named_token(token_issuer: IssuerProcess, name: str) -> str:
    """By the name that the server knows it by."""
    return token_issuer.sign({"sub": name, "iss": _at(token_issuer, "issuer.example")})


@given(words("a token for {name:Text} of the group {group:Text}"), target_fixture="token")
def make_member_token(token_issuer: IssuerProcess, name: str, group: str) -> str:
    """As directories write it."""
    return token_issuer.sign({"sub": name, "groups": [group]})


@given(words("a token for {name:Text} that is made out to {audience:Text}"), target_fixture="token")
def make_foreign_token(token_issuer: IssuerProcess, name: str, audience: str) -> str:
    """For another service of the same company."""
    return token_issuer.sign({"sub": name, "aud": audience})


@given(words("a token for {name:Text} whose time is over"), target_fixture="token")
def make_expired_token(token_issuer: IssuerProcess, name: str) -> str:
    """An hour ago."""
    return token_issuer.sign({"sub": name, "exp": int(time.time()) - 3600})


@given(words("a token for {name:Text} that nobody has signed"), target_fixture="token")
def make_unsigned_token(token_issuer: IssuerProcess, name: str) -> str:
    """The issuer's claims under a header that wants no signature."""
    claims = token_issuer.sign({"sub": name}).split(".")[1]
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    return f"{header}.{claims}."


@given(words("the token of the service account {account:Text} in the namespace {space:Text}"), target_fixture="token")
def make_account_token(token_issuer: IssuerProcess, account: str, space: str) -> str:
    """As a pod finds it in its files."""
    place = {"namespace": space, "serviceaccount": {"name": account, "uid": "1"}}
    subject = f"system:serviceaccount:{space}:{account}"
    return token_issuer.sign({"sub": subject, "aud": ["jackfield"], "kubernetes.io": place})


@when("the issuer changes its keys")
def change_keys(token_issuer: IssuerProcess) -> None:
    """The old ones are good for what they have signed."""
    token_issuer.rotate(keep=True)


@when("the issuer withdraws its keys")
def withdraw_keys(token_issuer: IssuerProcess) -> None:
    """Somebody may have copied them."""
    token_issuer.rotate(keep=False)


@when("the issuer goes away")
def end_issuer(token_issuer: IssuerProcess) -> None:
    """With ``kill -9``."""
    token_issuer.close()


@when(words("the operator revokes what {name:Text} has"))
def revoke(tmp_path: Path, name: str) -> None:
    """In the list that the server follows."""
    (tmp_path / REVOKED).write_text(f'[[revoked]]\nsub = "{name}"\n')


@when(words("an administrator revokes what {name:Text} has"))
def revoke_in_store(server: Target, token_issuer: IssuerProcess, name: str) -> None:
    """In the policy store, over HTTP."""
    token = token_issuer.sign({"sub": "admin", "scope": "jackfield:policy:write"})
    path, headers = f"/admin/v1/policy/documents/revocation/{name}", {"Authorization": f"Bearer {token}"}
    reply = server.run(server.client.request("PUT", path, {"issuer": "corp", "sub": name}, headers=headers))
    assert reply.status == HTTPStatus.OK, reply.summary


@when(words("I ask {prompt:Text} with that token"), target_fixture="reply")
def ask_with_token(server: Target, prompt: str, token: str) -> Reply:
    """One question."""
    return _ask(server, prompt, token)


@then(words("soon that token is refused with {code:Text}"))
def token_refused(server: Target, token: str, code: str) -> None:
    """And it was good, or refused, until then."""

    def refused() -> bool:
        reply = _ask(server, "hello", token)
        assert reply.status in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED}
        return reply.status != HTTPStatus.OK and reply.error.code == code

    _wait(f"refused with {code}", refused)


@then(words("soon {path:Text} mentions {text:Text}"))
def soon_mentions(server: Target, path: str, text: str) -> None:
    """The health port's page."""
    _wait(text, lambda: text in server.run(server.probe.request("GET", path)).body.decode())


@then("nobody has asked the issuer for its keys")
def not_asked(token_issuer: IssuerProcess) -> None:
    """Not even once."""
    assert token_issuer.fetches == 0


def _ask(server: Target, prompt: str, token: str) -> Reply:
    body: JsonValue = {"model": server.client.model, "messages": [{"role": "user", "content": prompt}]}
    headers = {"Authorization": f"Bearer {token}"}
    return server.run(server.client.request("POST", "/v1/chat/completions", body, headers=headers))


def _wait(what: str, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SEEN_S
    while not reached():
        assert time.monotonic() < deadline, f"not within {SEEN_S:g} s: {what}"


def _at(issuer: IssuerProcess, host: str) -> str:
    return f"http://{host}:{issuer.url.rpartition(':')[2]}"


def _manifest(
    url: str,
    issuer: str,
    oidc: str,
    outbound: str = 'outbound = {schemes = ["http"], private_hosts = ["127.0.0.1"]}',
    enabled: tuple[str, ...] = ("oidc",),
) -> str:
    """A scripted model for callers of the issuer *url*, with further lines of its table and of the plugin's."""
    tables = f'[config.oidc]\n{oidc}\n[config.oidc.issuers.corp]\nurl = "{url}"\naudiences = ["jackfield"]'
    return f"{scripted_manifest(enabled=enabled)}\n{tables}\n{issuer}\n{outbound}\n"
