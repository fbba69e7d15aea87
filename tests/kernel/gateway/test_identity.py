"""Who calls: credentials in headers, authenticators in turn, scopes, models, failures."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from structlog.testing import capture_logs

from jackfield.errors import (
    AuthenticatorFailed,
    CredentialExpired,
    CredentialMissing,
    CredentialRevoked,
    JackfieldError,
    ManifestError,
    PluginError,
    Unauthenticated,
)
from jackfield.gateway import failures, identity
from jackfield.gateway.credentials import credential_of
from jackfield.gateway.failures import ADDRESSES_MAX, BURST, REFILL_S, Failures
from jackfield.gateway.server import GatewayServer
from jackfield.manifest import KernelConfig, ModelConfig
from jackfield.ports.frontend import Route
from jackfield.ports.identity import ADMINISTRATION, CREDENTIAL_MAX, Credential, Principal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.kernel.gateway.conftest import Serve, Served

    from jackfield.plugins import Kernel
    from jackfield.ports.frontend import FrontendFactory
    from jackfield.ports.identity import Authenticator, AuthenticatorFactory

SECRET = "open-sesame-0123456789"
BEARER = {"Authorization": f"Bearer {SECRET}"}


def somebody(name: str = "ann", scopes: Sequence[str] = ("*",), models: Sequence[str] | None = None) -> Principal:
    """A principal."""
    return Principal(
        id=name,
        name=name,
        fingerprint="abc123",
        scopes=frozenset(scopes),
        models=None if models is None else frozenset(models),
    )


class Judge:
    """An authenticator that does what its script says for the one secret it knows."""

    def __init__(self, answer: Any = None, *, secret: str = SECRET) -> None:
        self.answer: Any = answer if answer is not None else somebody()
        self.secret = secret
        self.asked = 0

    async def authenticate(self, credential: Credential) -> Any:
        """Raise what is an exception, await what a coroutine function makes, return the rest."""
        self.asked += 1
        if credential.value.reveal() != self.secret:
            return None
        if isinstance(self.answer, Exception):
            raise self.answer
        return await self.answer() if asyncio.iscoroutinefunction(self.answer) else self.answer


def by(*judges: Authenticator) -> Mapping[str, AuthenticatorFactory]:
    """Factories that hand over these."""

    def handing(judge: Authenticator) -> AuthenticatorFactory:
        return lambda: judge

    return {f"judge-{number}": handing(judge) for number, judge in enumerate(judges)}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are not throttled."""
    monkeypatch.setattr(failures, "BURST", 1_000_000)


# --- the credential --------------------------------------------------------------------------------------------------


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    """As a request has them."""
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize(
    ("pairs", "kind"),
    [
        ([("Authorization", "Bearer KEY")], "bearer"),
        ([("authorization", "bearer KEY")], "bearer"),
        ([("AUTHORIZATION", "BEARER KEY")], "bearer"),
        ([("Authorization", "  Bearer    KEY  ")], "bearer"),
        ([("x-api-key", "KEY")], "x-api-key"),
        ([("X-API-Key", " KEY\t")], "x-api-key"),
        ([("Authorization", "Bearer KEY"), ("X-Api-Key", "KEY")], "bearer"),
    ],
)
def test_where_a_credential_may_stand(pairs: list[tuple[str, str]], kind: str) -> None:
    """Any case, any spaces around it."""
    found = credential_of(headers(*pairs))
    assert (found.kind, found.value.reveal()) == (kind, "KEY")


@pytest.mark.parametrize(
    ("pairs", "kind"),
    [
        ([], CredentialMissing),
        ([("Cookie", "key=KEY")], CredentialMissing),
        ([("Proxy-Authorization", "Bearer KEY")], CredentialMissing),
        ([("Authorization", "Bearer")], CredentialMissing),
        ([("Authorization", "Bearer  ")], CredentialMissing),
        ([("x-api-key", "")], CredentialMissing),
        ([("Authorization", "")], Unauthenticated),
        ([("Authorization", "KEY")], Unauthenticated),
        ([("Authorization", "Basic a2V5OmtleQ==")], Unauthenticated),
        ([("Authorization", "BearerKEY")], Unauthenticated),
        ([("Authorization", "Bearer\tKEY")], Unauthenticated),
        ([("Authorization", "Bearer KEY KEY")], Unauthenticated),
        ([("Authorization", "Bearer KEY"), ("Authorization", "Bearer KEY")], Unauthenticated),
        ([("x-api-key", "KEY"), ("X-API-KEY", "KEY")], Unauthenticated),
        ([("Authorization", "Bearer KEY"), ("x-api-key", "OTHER")], Unauthenticated),
        ([("Authorization", "Bearer KEY"), ("x-api-key", "")], CredentialMissing),
        ([("Authorization", "Basic KEY"), ("x-api-key", "KEY")], Unauthenticated),
        ([("x-api-key", "schlüssel")], Unauthenticated),
        ([("x-api-key", "\udcff")], Unauthenticated),
        ([("x-api-key", "K\0Y")], Unauthenticated),
        ([("x-api-key", "K" * (CREDENTIAL_MAX + 1))], Unauthenticated),
    ],
)
def test_what_is_no_credential(pairs: list[tuple[str, str]], kind: type[Unauthenticated]) -> None:
    """Whatever is doubtful is refused, and never repeated."""
    with pytest.raises(Unauthenticated) as refusal:
        credential_of(headers(*pairs))
    assert type(refusal.value) is kind
    values = {value.rpartition(" ")[2] for _, value in pairs} - {"", "KEY", "Bearer"}
    assert not any(value in refusal.value.message for value in values)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Authorization", "x-api-key", "X-Api-Key"]),
            st.one_of(st.text(max_size=30), st.text(max_size=30).map("Bearer {}".format)),
        ),
        max_size=3,
    )
)
def test_any_headers_give_a_credential_or_a_refusal(pairs: list[tuple[str, str]]) -> None:
    """And nothing else; what is accepted is printable ASCII without spaces."""
    try:
        value = credential_of(headers(*pairs)).value.reveal()
    except Unauthenticated:
        return
    assert value.isascii()
    assert value.isprintable()
    assert " " not in value


# --- failures --------------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_allowed_and_time_gives_back() -> None:
    """Ten at once, then one each six seconds."""
    clock = Clock()
    table = Failures(clock)
    assert [table.note("1.2.3.4") for _ in range(BURST)] == [(None, 0)] * BURST
    first = table.note("1.2.3.4")
    assert first.wait_s == pytest.approx(REFILL_S)
    assert first.throttled == 1
    clock.now += REFILL_S / 2
    second = table.note("1.2.3.4")
    assert second.wait_s == pytest.approx(REFILL_S / 2)
    assert second.throttled == 2
    clock.now += REFILL_S / 2
    assert table.note("1.2.3.4") == (None, 2)
    again = table.note("1.2.3.4")
    assert again.wait_s == pytest.approx(REFILL_S)
    assert again.throttled == 1
    clock.now += 3600
    assert [table.note("1.2.3.4") for _ in range(BURST)] == [(None, 1)] + [(None, 0)] * (BURST - 1)


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        ("2001:db8::2", True),
        ("2001:db8:0:0:ffff::1", True),
        ("2001:db8:0:1::1", False),
        ("1.2.3.4", False),
        ("", False),
    ],
)
def test_who_shares_a_bucket(other: str, *, shared: bool) -> None:
    """A whole /64 is one subscriber's."""
    table = Failures(Clock())
    for _ in range(BURST):
        table.note("2001:db8::1")
    assert (table.note(other).wait_s is not None) == shared


def test_an_ipv4_address_is_one_in_either_spelling() -> None:
    """A dual-stack listener shows it mapped."""
    table = Failures(Clock())
    for _ in range(BURST):
        table.note("1.2.3.4")
    assert table.note("::ffff:1.2.3.4").wait_s is not None
    assert table.note("::ffff:1.2.3.5").wait_s is None


def test_the_table_is_bounded() -> None:
    """An attacker with many addresses fills no memory; who failed last is remembered."""
    table = Failures(Clock())
    for number in range(ADDRESSES_MAX + 500):
        table.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(table) == ADDRESSES_MAX


# --- the stage -------------------------------------------------------------------------------------------------------


def ask(served: Served, path: str = "/models", method: str = "GET", **given: str) -> http.client.HTTPResponse:
    """A request with these headers."""
    return served.request(method, path, headers={name.replace("_", "-"): value for name, value in given.items()})


def code_of(response: http.client.HTTPResponse) -> str:
    """The error's code."""
    return str(json.loads(response.read())["code"])


def test_the_first_who_knows_decides(serve: Serve) -> None:
    """Those behind are not asked; those before were."""
    judges = [Judge(secret="other"), Judge(), Judge()]
    served = serve(authenticators=by(*judges))
    assert ask(served, **BEARER).status == 200
    assert [judge.asked for judge in judges] == [1, 1, 0]


def test_the_first_who_refuses_decides(serve: Serve) -> None:
    """A revoked key is not good for somebody else."""
    judges = [Judge(CredentialRevoked("revoked")), Judge()]
    served = serve(authenticators=by(*judges))
    response = ask(served, **BEARER)
    assert (response.status, code_of(response)) == (401, "revoked_api_key")
    assert judges[1].asked == 0


def test_without_a_credential_nobody_is_asked(serve: Serve) -> None:
    """There is nothing to judge."""
    judge = Judge()
    assert ask(serve(authenticators=by(judge))).status == 401
    assert judge.asked == 0


@pytest.mark.parametrize(
    ("given", "status", "code", "challenge"),
    [
        ({}, 401, "missing_api_key", 'Bearer realm="jackfield"'),
        ({"x_api_key": "nope"}, 401, "invalid_api_key", 'Bearer realm="jackfield", error="invalid_token"'),
        ({"Authorization": "Basic abc"}, 401, "invalid_api_key", 'Bearer realm="jackfield", error="invalid_token"'),
        (BEARER, 403, "insufficient_scope", 'Bearer realm="jackfield", error="insufficient_scope"'),
    ],
)
def test_refusals(serve: Serve, given: Mapping[str, str], status: int, code: str, challenge: str) -> None:
    """In the dialect's shape, with the challenge that HTTP wants; none is worth repeating."""
    response = ask(serve(authenticators=by(Judge(somebody(scopes=("embed",))))), **given)
    assert (response.status, response.getheader("WWW-Authenticate")) == (status, challenge)
    assert response.getheader("x-should-retry") == "false"
    assert response.getheader("x-dialect") == "/"
    assert code_of(response) == code


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Unauthenticated("bad"), "invalid_api_key"),
        (CredentialExpired("late"), "expired_api_key"),
        (CredentialRevoked("gone"), "revoked_api_key"),
    ],
)
def test_an_explicit_refusal_says_why(serve: Serve, answer: Unauthenticated, code: str) -> None:
    """The caller holds the credential, and may know."""
    response = ask(serve(authenticators=by(Judge(answer))), **BEARER)
    assert (response.status, code_of(response)) == (401, code)


def test_a_refusal_that_repeats_the_credential_is_cleaned(serve: Serve) -> None:
    """A plugin's carelessness does not reach the client."""
    response = ask(serve(authenticators=by(Judge(Unauthenticated(f"unknown key {SECRET}!")))), **BEARER)
    body = response.read().decode()
    assert SECRET not in body
    assert "unknown key ***!" in body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"])
def test_a_stranger_learns_nothing_of_routes(serve: Serve, patient: None, method: str) -> None:
    """Whatever is asked, there or not: one answer."""
    served = serve(authenticators=by(Judge()))
    answers = set()
    for path in ("/models", "/generate", "/nothing", "/", "/admin", "/items/1", "/" + "x" * 3000):
        response = ask(served, path, method)
        body = json.loads(response.read() or b"{}")
        answers.add((response.status, body.get("message"), body.get("code"), response.getheader("Allow")))
    message = {answer[1] for answer in answers}
    assert {answer[0] for answer in answers} == {401}
    assert len(answers) == len(message) == 1


@pytest.mark.parametrize("expect", ["100-continue", "something"])
def test_nor_by_what_is_expected(serve: Serve, patient: None, expect: str) -> None:
    """``Expect`` is answered before any handler."""
    served = serve(authenticators=by(Judge()))
    seen = set()
    for path in (b"/length", b"/nothing"):
        raw = b"POST %b HTTP/1.1\r\nHost: x\r\nExpect: %b\r\nContent-Length: 0\r\n\r\n" % (path, expect.encode())
        response = http.client.HTTPResponse(served.raw(raw))
        response.begin()
        seen.add(response.status)
    assert seen == {401}


@pytest.mark.parametrize("headers", [b"", b"Authorization: Bearer wrong\r\n"])
def test_a_strangers_body_is_not_invited(serve: Serve, headers: bytes) -> None:
    """A client that asks before it sends learns at once that it need not, and that the connection ends."""
    served = serve(authenticators=by(Judge()))
    head = b"POST /length HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n%b\r\n"
    response = http.client.HTTPResponse(served.raw(head % headers))
    response.begin()
    assert response.status == 401
    assert response.will_close


def test_who_is_known_learns_of_routes(serve: Serve) -> None:
    """As ever."""
    served = serve(authenticators=by(Judge()))
    assert ask(served, "/nothing", **BEARER).status == 404
    assert ask(served, "/models", "DELETE", **BEARER).status == 405


def test_a_strangers_body_is_not_waited_for(serve: Serve) -> None:
    """Refused on its headers alone."""
    served = serve(authenticators=by(Judge()))
    client = served.raw(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    response = http.client.HTTPResponse(client)
    response.begin()
    assert response.status == 401


@pytest.mark.parametrize("hosts", ["evil.example", "10.0.0.1"])
def test_any_host_is_served(serve: Serve, hosts: str) -> None:
    """The key is what counts; a name that was made to point here has none."""
    assert ask(serve(authenticators=by(Judge())), Host=hosts, **BEARER).status == 200


@pytest.mark.parametrize(("origin", "readable"), [("https://chat.example", True), ("https://evil.example", False)])
def test_pages_read_answers_where_they_may(serve: Serve, origin: str, *, readable: bool) -> None:
    """Preflights come without a key; other pages get no permission, and no word about routes."""
    served = serve(kernel=KernelConfig(allowed_origins=("https://chat.example",)), authenticators=by(Judge()))
    response = ask(served, Origin=origin, **BEARER)
    assert response.status == 200
    assert (response.getheader("Access-Control-Allow-Origin") == origin) == readable
    asked = ask(served, "/nothing", "OPTIONS", Origin=origin, Access_Control_Request_Method="GET")
    assert asked.status == (204 if readable else 401)
    assert (asked.getheader("Access-Control-Allow-Origin") == origin) == readable


# --- authenticators that break ---------------------------------------------------------------------------------------


async def forever() -> None:
    """Never."""
    await asyncio.Event().wait()


async def out_of_time() -> None:
    """What a library raises by itself."""
    raise TimeoutError


@pytest.mark.parametrize(
    "answer",
    [
        ValueError(f"cannot parse {SECRET}"),
        ManifestError("no"),
        PluginError("no"),
        "ann",
        {"id": "ann"},
        forever,
        out_of_time,
    ],
    ids=["raises", "manifest error", "plugin error", "a text", "a table", "hangs", "runs out of time"],
)
def test_a_broken_authenticator_lets_nobody_in(serve: Serve, monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    """503, the next one is not asked, and the log names it, once, without the key."""
    monkeypatch.setattr(identity, "DEADLINE_S", 0.05)
    judges = [Judge(answer), Judge()]
    served = serve(authenticators=by(*judges))
    with capture_logs() as lines:
        for _ in range(3):
            response = ask(served, **BEARER)
            assert (response.status, code_of(response)) == (503, "authentication_unavailable")
            assert response.getheader("Retry-After") == "1"
    assert judges[1].asked == 0
    broken = [line for line in lines if line["event"] == "authenticator failed"]
    assert [line["plugin"] for line in broken] == ["judge-0"]
    assert SECRET not in repr(lines)


def test_one_that_knows_better_speaks_for_itself(serve: Serve) -> None:
    """What it cannot check now it says itself."""
    response = ask(serve(authenticators=by(Judge(AuthenticatorFailed("the directory is down")))), **BEARER)
    assert (response.status, json.loads(response.read())["message"]) == (503, "the directory is down")


class NotAsync:
    """Has the right name only."""

    def authenticate(self, credential: Credential) -> Principal | None:
        """At once."""
        return somebody()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda: object(), "has no async authenticate"),  # noqa: PLW0108  a factory
        (NotAsync, "has no async authenticate"),
        (lambda: 1 / 0, "its factory raised ZeroDivisionError"),
    ],
)
def test_what_cannot_authenticate_is_refused_at_the_start(
    kernel_of: Callable[..., Kernel], factory: AuthenticatorFactory, message: str
) -> None:
    """By name."""
    with pytest.raises(PluginError, match=f"authenticator broken.*{message}"):
        GatewayServer(kernel_of(authenticators={"broken": factory}), started=0)


def test_what_breaks_while_one_client_leaves(serve: Serve) -> None:
    """A cancelled request is no failure of the authenticator."""
    served = serve(authenticators=by(Judge(forever)))
    with capture_logs() as lines:
        client = served.raw(f"GET /models HTTP/1.1\r\nHost: x\r\nx-api-key: {SECRET}\r\n\r\n".encode())
        client.close()
        served.until(lambda: any(line["event"] == "request" for line in lines))
    assert not any(line["event"] == "authenticator failed" for line in lines)


# --- throttling ------------------------------------------------------------------------------------------------------


def test_failures_are_throttled_and_good_keys_are_not(serve: Serve) -> None:
    """One client with an old key does not lock out its neighbours behind the same address."""
    served = serve(authenticators=by(Judge()))
    statuses = [ask(served, x_api_key="nope").status for _ in range(BURST + 2)]
    assert statuses == [401] * BURST + [429] * 2
    response = ask(served)
    assert (response.status, code_of(response)) == (429, "too_many_failures")
    assert int(response.getheader("Retry-After", "0")) >= 1
    assert response.getheader("x-should-retry") == "false"
    assert ask(served, **BEARER).status == 200


def test_clients_of_a_proxy_are_counted_one_by_one(serve: Serve) -> None:
    """By the address that a trusted proxy names; others name none."""
    trusting = serve(kernel=KernelConfig(trusted_proxies=("127.0.0.0/8",)), authenticators=by(Judge()))
    for _ in range(BURST):
        ask(trusting, X_Forwarded_For="192.0.2.1")
    assert ask(trusting, X_Forwarded_For="192.0.2.1").status == 429
    assert ask(trusting, X_Forwarded_For="192.0.2.2").status == 401
    plain = serve(authenticators=by(Judge()))
    for number in range(BURST):
        ask(plain, X_Forwarded_For=f"192.0.2.{number}")
    assert ask(plain, X_Forwarded_For="192.0.2.99").status == 429


def test_a_good_key_without_the_scope_is_no_failure(serve: Serve) -> None:
    """Nobody is guessing."""
    served = serve(authenticators=by(Judge(somebody(scopes=("embed",)))))
    assert {ask(served, **BEARER).status for _ in range(BURST + 2)} == {403}


# --- what a principal may ------------------------------------------------------------------------------------------


class ScopedFrontend:
    """Wraps the small frontend; its model list needs a scope."""

    def __init__(self, make: FrontendFactory, scope: str) -> None:
        self._make = make
        self._scope = scope

    def __call__(self, gateway: object) -> ScopedFrontend:
        self._inner = self._make(gateway)  # type: ignore[arg-type]  # the gateway
        return self

    def routes(self) -> Sequence[Route]:
        """With the scope."""
        return [Route(one.method, one.path, one.handler, self._scope) for one in self._inner.routes()]

    def render_error(self, error: JackfieldError, request_id: str) -> object:
        """As the inner one."""
        return self._inner.render_error(error, request_id)


@pytest.mark.parametrize(
    ("route", "scopes", "status"),
    [
        ("generate", ("generate",), 200),
        ("generate", ("*",), 200),
        ("generate", ("embed", "models:read"), 403),
        ("models:read", ("models",), 403),
        ("models:read", ("models:read",), 200),
        ("*", ("generate", "embed", "rerank", "models:read", "admin"), 403),
        ("*", ("*",), 200),
        ("admin", ("generate",), 403),
        ("admin", ("admin",), 200),
    ],
)
def test_scopes(
    serve: Serve, small: Callable[[str], FrontendFactory], route: str, scopes: tuple[str, ...], status: int
) -> None:
    """Exactly, or everything; a route that names none is for those who may do everything."""
    frontend: FrontendFactory = ScopedFrontend(small(""), route)  # type: ignore[assignment]  # as small as possible
    served = serve(frontends={"scoped": frontend}, authenticators=by(Judge(somebody(scopes=scopes))))
    assert ask(served, **BEARER).status == status


@pytest.mark.parametrize(
    ("scope", "status"),
    [("generate", 200), ("slots", 200), ("*", 200), *((each, 401) for each in sorted(ADMINISTRATION))],
)
def test_without_an_authenticator_nobody_administers(
    serve: Serve, small: Callable[[str], FrontendFactory], scope: str, status: int
) -> None:
    """Everything else is open to this machine; where it matters, a start says so."""
    frontend: FrontendFactory = ScopedFrontend(small(""), scope)  # type: ignore[assignment]  # as small as possible
    with capture_logs() as lines:
        served = serve(frontends={"scoped": frontend})
    assert ask(served).status == status
    assert any("nobody can use the routes" in line["event"] for line in lines) == (status == 401)


@pytest.mark.parametrize("scope", ["", "Generate", "a b", "a:b:c", "generate*", "*x"])
def test_a_scope_that_is_none(
    kernel_of: Callable[..., Kernel], small: Callable[[str], FrontendFactory], scope: str
) -> None:
    """A start-up error that names frontend and route."""
    with pytest.raises(PluginError, match=r"frontend scoped: POST /generate: .* is not a scope"):
        GatewayServer(kernel_of(frontends={"scoped": ScopedFrontend(small(""), scope)}), started=0)


MODELS = {
    "demo": ModelConfig(source="demo.gguf", aliases=("default",)),
    "secret-project": ModelConfig(source="other.gguf"),
}


@pytest.mark.parametrize(
    ("allowed", "listed"),
    [
        (None, ["demo", "secret-project"]),
        (("demo",), ["demo"]),
        (("default",), ["demo"]),
        (("secret-project", "gone"), ["secret-project"]),
        ((), []),
    ],
)
def test_only_allowed_models_are_there(serve: Serve, allowed: tuple[str, ...] | None, listed: list[str]) -> None:
    """By name or alias; any other one is answered like one that does not exist."""
    served = serve(models=MODELS, authenticators=by(Judge(somebody(models=allowed))))
    cards = json.loads(ask(served, **BEARER).read())
    assert [card["name"] for card in cards] == listed
    for name in ("demo", "default", "secret-project", "no-such-model"):
        body = json.dumps({"prompt": "hi", "model": name}).encode()
        response = served.request("POST", "/generate", body, BEARER)
        there = name.replace("default", "demo") in listed
        assert (response.status, code_of(response)) == ((503, "model_not_ready") if there else (404, "model_not_found"))


def test_forbidden_and_missing_models_look_the_same(serve: Serve) -> None:
    """Names of models may be secrets, too."""
    served = serve(models=MODELS, authenticators=by(Judge(somebody(models=("demo",)))))
    messages = set()
    for name in ("secret-project", "project-secret"):
        body = json.dumps({"prompt": "hi", "model": name}).encode()
        error = json.loads(served.request("POST", "/generate", body, BEARER).read())
        messages.add(error["message"].replace(name, "NAME"))
    assert len(messages) == 1


# --- what is told --------------------------------------------------------------------------------------------------


def test_the_access_log_knows_the_caller(serve: Serve) -> None:
    """Name and fingerprint, of refused credentials what the authenticator knows; never the key."""
    judges = [Judge(), Judge(CredentialExpired("late", fingerprint="fff000"), secret="old-key-0123456789")]
    served = serve(authenticators=by(*judges))
    with capture_logs() as lines:
        ask(served, **BEARER)
        ask(served, x_api_key="old-key-0123456789")
        ask(served, x_api_key="unheard-of-0123456789")
        served.until(lambda: len([line for line in lines if line["event"] == "request"]) == 3)
    known, expired, unknown = (line for line in lines if line["event"] == "request")
    assert (known["principal"], known["key"]) == ("ann", "abc123")
    assert (expired["key"], expired["code"]) == ("fff000", "expired_api_key")
    assert "principal" not in expired
    assert not {"principal", "key"} & unknown.keys()
    assert "0123456789" not in repr(lines)


def test_the_principal_knows_its_authenticator(serve: Serve) -> None:
    """Two plugins may both know an ann; the kernel says which."""
    stage = identity.Identity(by(Judge(secret="other"), Judge(somebody())))
    principal = asyncio.run(stage._ask("judge-1", Judge(), credential_of(headers(("x-api-key", SECRET)))))
    assert principal is not None
    assert principal.authenticator == "judge-1"


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "10.1.2.3:8080", "gpu-1:8080"])
def test_a_public_address_needs_an_authenticator(kernel_of: Callable[..., Kernel], listen: str) -> None:
    """And is fine with one."""
    config = KernelConfig(listen=listen)
    with pytest.raises(ManifestError, match="no authenticator is enabled"):
        GatewayServer(kernel_of(config), started=0)
    assert GatewayServer(kernel_of(config, authenticators=by(Judge())), started=0).authenticators == ("judge-0",)


def test_the_health_port_stays_public(serve: Serve) -> None:
    """Probes have no keys; pages of strangers are refused there as ever."""
    served = serve(authenticators=by(Judge()))
    assert served.get_health("/livez")[0] == 200
    assert served.get_health("/readyz")[0] == 503
    assert served.get_health("/livez", {"Host": "evil.example"})[0] == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"fingerprint": "abc"},
        {"fingerprint": "ABC123"},
        {"id": ""},
        {"name": ""},
        {"fingerprint": "abc1234"},
        {"priority": 101},
        {"priority": -101},
    ],
)
def test_a_principal_without_what_it_needs(fields: dict[str, str | int]) -> None:
    """Cannot be built."""
    with pytest.raises(ValueError):
        Principal(**{"id": "ann", "name": "ann", "fingerprint": "abc123", **fields})  # type: ignore[arg-type]


# --- who called before ------------------------------------------------------------------------------------------------


class Reviewing(Judge):
    """An authenticator that is a reviewer too: what it says of principals is its second answer."""

    def __init__(self, said: Any) -> None:
        super().__init__()
        self.said = said

    async def review(self, principal: Principal) -> Any:
        """Raise what is an exception, wait where it is None, return the rest."""
        if isinstance(self.said, Exception):
            raise self.said
        if self.said is None:
            await asyncio.Event().wait()
        return self.said


def review(principal: Principal | None, *judges: Authenticator) -> Principal | None:
    """What the kernel makes of a principal of ``judge-0``."""
    return asyncio.run(identity.Identity(by(*judges)).review(principal))


ANN = msgspec.structs.replace(somebody(), authenticator="judge-0")


def test_a_principal_has_the_rights_that_it_has_now() -> None:
    """The kernel says whose it is."""
    now = somebody(scopes=("embed",))
    assert review(ANN, Reviewing(now)) == msgspec.structs.replace(now, authenticator="judge-0")


def test_an_authenticator_that_reviews_nobody_lets_them_go_on() -> None:
    """With the rights that they had; where nobody is asked who calls, nobody is asked later."""
    assert review(ANN, Judge()) == ANN
    assert review(None) is None


@pytest.mark.parametrize(
    ("principal", "judges"),
    [
        (None, [Judge()]),
        (ANN, []),
        (msgspec.structs.replace(ANN, authenticator="judge-7"), [Judge()]),
        (ANN, [Reviewing(CredentialRevoked("revoked"))]),
    ],
)
def test_who_may_nothing_any_more(principal: Principal | None, judges: list[Judge]) -> None:
    """Because it was said so, or because nobody is left who could say."""
    with pytest.raises(Unauthenticated):
        review(principal, *judges)


@pytest.mark.parametrize("said", [RuntimeError("broken"), AuthenticatorFailed("cannot"), somebody("bob"), None])
def test_a_reviewer_that_fails_lets_nobody_through(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raising, being slow, or taking one for another."""
    monkeypatch.setattr(identity, "DEADLINE_S", 0.01)
    with pytest.raises(AuthenticatorFailed):
        review(ANN, Reviewing(said))
