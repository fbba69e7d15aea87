"""The wire contract with an OPA server, its failures, and decisions that are used again."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.plugins.jackfield_opa.played import PATIENCE_S, QUESTION

from jackfield.errors import ManifestError, PolicyUnavailable
from jackfield.ports.policy import Decision, Obligations
from jackfield.secret import Secret
from jackfield.testing.opa_server import PATH, served
from jackfield_opa.cache import DecisionCache
from jackfield_opa.config import OpaConfig
from jackfield_opa.failure import FailurePolicy
from jackfield_opa.server import ANSWER_MAX, ServerEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from jackfield.testing.opa_server import Opa


@asynccontextmanager
async def engine_for(
    url: str, ca: Path | None = None, token: str = "", **options: object
) -> AsyncIterator[ServerEngine]:
    """An engine that asks there."""
    values = {"mode": "server", "url": url, "deadline_ms": 900, "ca": str(ca or ""), **options}
    config = OpaConfig(**values)  # type: ignore[arg-type]
    engine = ServerEngine(
        "opa", config, ca, (lambda: Secret(token)) if token else None, FailurePolicy("opa", config.fail)
    )
    try:
        yield engine
    finally:
        await engine.close()


def run(scenario: Callable[[Opa, ServerEngine], Awaitable[None]], **options: object) -> None:
    """Run *scenario* with an OPA and an engine that asks it, without a cache unless *options* say otherwise."""

    async def main() -> None:
        uncached: dict[str, object] = {"cache_ttl_ms": 0, **options}
        async with asyncio.timeout(PATIENCE_S), served() as opa, engine_for(opa.url, None, "", **uncached) as engine:
            await scenario(opa, engine)

    asyncio.run(main())


def test_what_is_asked_and_answered() -> None:
    """``{"input": …}`` goes to the data API, ``{"result": …}`` comes back."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        opa.body = {
            "result": {"allow": True, "reasons": ["engineer"], "obligations": {"max_tokens": 100}},
            "decision_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        }
        decision = await engine.decide(QUESTION)
        assert decision == Decision(allow=True, reasons=("engineer",), obligations=Obligations(max_tokens=100))
        assert opa.asked == [{"input": msgspec.json.decode(msgspec.json.encode(QUESTION))}]
        assert engine._url.endswith(PATH)
        opa.body = {"result": False}
        assert not (await engine.decide(QUESTION)).allow

    run(scenario)


@pytest.mark.parametrize("name", ["Größe", "山田　太郎", "😀"])
def test_names_of_all_scripts_are_asked_and_told(name: str) -> None:
    """As UTF-8, and a decision that is used again is for that very name."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        opa.body = {"result": {"allow": True, "reasons": [name]}}
        who = msgspec.structs.replace(QUESTION.principal, team=name, owner=name)
        question = msgspec.structs.replace(QUESTION, principal=who)
        for _ in range(2):
            assert (await engine.decide(question)).reasons == (name,)
        [asked] = opa.asked
        assert asked == {"input": msgspec.json.decode(msgspec.json.encode(question))}
        opa.body = {"result": False}
        other = msgspec.structs.replace(question, principal=msgspec.structs.replace(who, team=f"{name}x"))
        assert not (await engine.decide(other)).allow

    run(scenario, cache_ttl_ms=60_000)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision_id": "x"},
        {"warning": {"code": "api_usage_warning", "message": "'input' key missing from the request"}},
        {"result": None},
        {"result": {}},
        {"result": {"allow": "true"}},
        {"result": {"allow": True, "obligations": {"max_tokens": -1}}},
        {"result": [True]},
        {"Result": True},
    ],
)
def test_what_is_no_decision_is_denied(body: object) -> None:
    """A missing ``result`` means that the rule is undefined; nothing else is a permission either, also not if open."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        opa.body = body
        decision = await engine.decide(QUESTION)
        assert not decision.allow
        assert decision.reasons
        opa.body = {"result": True}
        assert (await engine.decide(QUESTION)).allow, "it is not remembered"

    run(scenario, fail="open", cache_ttl_ms=60_000)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, {"code": "invalid_parameter", "message": "error(s) occurred while compiling"}, "400 invalid_parameter"),
        (401, {"code": "unauthorized", "message": "request rejected by administrative policy"}, "401 unauthorized"),
        (500, {"code": "internal_error", "message": "error(s) occurred", "errors": []}, "500 internal_error"),
        (503, {}, "503"),
        (302, {"result": True}, "302"),
        (204, {"result": True}, "204"),
    ],
)
def test_an_error_is_no_decision(status: int, body: object, said: str) -> None:
    """Closed: refused with 503. It is a trouble until OPA answers again."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        opa.status, opa.body = status, body
        with pytest.raises(PolicyUnavailable, match=said):
            await engine.decide(QUESTION)
        assert said in engine.troubles[0]
        opa.status, opa.body = 200, {"result": True}
        assert (await engine.decide(QUESTION)).allow
        assert not engine.troubles

    run(scenario)


@pytest.mark.parametrize(
    "raw", [b"", b"true", b"<html>", b'{"result":', b'{"result":true}' + b" " * ANSWER_MAX, b"\xff"]
)
def test_what_is_not_opas_is_no_decision(raw: bytes) -> None:
    """Something else listens there."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        opa.raw = raw
        with pytest.raises(PolicyUnavailable):
            await engine.decide(QUESTION)

    run(scenario)


def test_silence_is_no_decision() -> None:
    """For as long as the deadline; the connection is given up."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        opa.silent = True
        with pytest.raises(PolicyUnavailable, match="no answer within 50 ms"):
            await engine.decide(QUESTION)

    run(scenario, deadline_ms=50)


def test_nobody_there_is_no_decision() -> None:
    """Closed refuses, open allows and says so, each time; what is said has no address."""

    async def scenario() -> None:
        async with served() as opa:
            url = opa.url
        async with engine_for(url) as closed, engine_for(url, fail="open") as opened:
            with pytest.raises(PolicyUnavailable, match="no connection") as refused:
                await closed.decide(QUESTION)
            assert "127.0.0.1" not in refused.value.message
            for _ in range(2):
                decision = await opened.decide(QUESTION)
                assert decision.allow
                assert "fail is open" in decision.reasons[0]
            assert any("allowed" in trouble for trouble in opened.troubles)

    asyncio.run(scenario())


def test_open_is_loud(capsys: pytest.CaptureFixture[str]) -> None:
    """At the start, and for each request."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        opa.status = 500
        await engine.decide(QUESTION)
        await engine.decide(QUESTION)

    run(scenario, fail="open")
    said = capsys.readouterr().out
    assert said.count("what cannot be decided is allowed") == 1
    assert said.count("allowed without a decision") == 2
    assert "keys/ada" in said


def test_a_token_is_sent_and_never_said(capsys: pytest.CaptureFixture[str]) -> None:
    """As a bearer token."""

    async def scenario() -> None:
        async with served() as opa:
            opa.token = "hunter2"
            async with engine_for(opa.url, token="hunter2") as right, engine_for(opa.url, token="other-1") as wrong:
                assert (await right.decide(QUESTION)).allow
                with pytest.raises(PolicyUnavailable, match="401 unauthorized"):
                    await wrong.decide(QUESTION)

    asyncio.run(scenario())
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert "other-1" not in said.out + said.err


def test_a_rotated_token_is_sent_from_then_on() -> None:
    """OPA is asked with the one before until it is read again."""
    found = [Secret("first"), Secret("second")]

    async def scenario() -> None:
        async with served() as opa:
            config = OpaConfig(mode="server", url=opa.url, deadline_ms=900, cache_ttl_ms=0)
            engine = ServerEngine("opa", config, None, lambda: found.pop(0), FailurePolicy("opa", "closed"))
            opa.token = "second"
            with pytest.raises(PolicyUnavailable):
                await engine.decide(QUESTION)
            await engine.reload()
            assert (await engine.decide(QUESTION)).allow
            await engine.close()

    asyncio.run(scenario())


def test_connections_are_used_again_and_bounded() -> None:
    """Fifty at the same time, over two."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        decisions = await asyncio.gather(*(engine.decide(QUESTION) for _ in range(50)))
        assert all(decision.allow for decision in decisions)
        assert len(opa.connections) == 2

    run(scenario, connections=2)


def test_over_a_unix_socket(tmp_path: Path) -> None:
    """Nobody else on the host can listen in."""

    async def scenario() -> None:
        async with served(socket=tmp_path / "opa.sock") as opa, engine_for(opa.url) as engine:
            assert (await engine.decide(QUESTION)).allow

    asyncio.run(scenario())


def test_over_tls(tmp_path: Path) -> None:
    """Only with a certificate that is trusted."""
    certificate, key = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def scenario() -> None:
        async with served(tls=tls) as opa, engine_for(opa.url, certificate) as engine, engine_for(opa.url) as strange:
            assert (await engine.decide(QUESTION)).allow
            with pytest.raises(PolicyUnavailable, match="certificate"):
                await strange.decide(QUESTION)

    asyncio.run(scenario())
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ManifestError, match=r"empty\.pem"):
        ServerEngine(
            "opa",
            OpaConfig(mode="server", url="https://opa.internal", ca="empty.pem"),
            tmp_path / "empty.pem",
            None,
            FailurePolicy("opa", "closed"),
        )


def test_the_same_question_is_asked_once_in_a_while() -> None:
    """In the same minute; another caller, or another minute, is another question."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        later = msgspec.structs.replace(QUESTION, time=msgspec.structs.replace(QUESTION.time, unix=1_767_603_659))
        minute = msgspec.structs.replace(QUESTION, time=msgspec.structs.replace(QUESTION.time, minute=1))
        other = msgspec.structs.replace(QUESTION, principal=msgspec.structs.replace(QUESTION.principal, id="keys/bo"))
        longer = msgspec.structs.replace(
            QUESTION, request=msgspec.structs.replace(QUESTION.request, prompt_tokens=10_000)
        )
        for question in (QUESTION, later, QUESTION):
            assert (await engine.decide(question)).allow
        assert len(opa.asked) == 1
        opa.body = {"result": False}
        for question in (minute, other, longer):
            assert not (await engine.decide(question)).allow
        assert (await engine.decide(QUESTION)).allow
        assert len(opa.asked) == 4

    run(scenario, cache_ttl_ms=60_000)


def test_failures_are_not_used_again() -> None:
    """Neither is what was allowed because nobody answered."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        opa.status = 500
        assert (await engine.decide(QUESTION)).allow
        opa.status, opa.body = 200, {"result": False}
        assert not (await engine.decide(QUESTION)).allow

    run(scenario, cache_ttl_ms=60_000, fail="open")


def test_the_cache_is_bounded_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go first; the clock decides, not who asks."""
    now = 100.0
    monkeypatch.setattr("jackfield_opa.cache.time.monotonic", lambda: now)
    cache = DecisionCache(2.0, 3)
    for number in range(5):
        cache.put(b"%d" % number, Decision(allow=True))
    assert len(cache) == 3
    assert cache.get(b"1") is None
    assert cache.get(b"4") == Decision(allow=True)
    now = 102.0
    assert cache.get(b"4") is None
    assert len(cache) == 2
    off = DecisionCache(0.0, 3)
    off.put(b"1", Decision(allow=True))
    assert len(off) == 0


def test_an_explanation_has_opas_own_notes() -> None:
    """And the id under which OPA has logged it."""

    async def scenario(opa: Opa, engine: ServerEngine) -> None:
        opa.body = {"result": True, "decision_id": "d-1", "explanation": ['query:1  Note "engineer"']}
        explanation = await engine.explain(QUESTION)
        assert explanation.decision.allow
        assert explanation.notes == ["OPA's decision id: d-1", 'query:1  Note "engineer"']
        assert opa.queries == [{"explain": "notes", "pretty": "true"}]
        with pytest.raises(ManifestError, match="opa test"):
            await engine.test()

    run(scenario)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "server"}, "url"),
        ({"mode": "server", "url": "http://opa.internal:8181"}, "https"),
        ({"mode": "server", "url": "ftp://127.0.0.1"}, "http"),
        ({"mode": "server", "url": "http://user:secret@127.0.0.1"}, "token"),
        ({"mode": "server", "url": "http://127.0.0.1:99999"}, "url"),
        ({"mode": "server", "url": "unix:relative.sock"}, "unix:/"),
        ({"mode": "server", "url": "http://127.0.0.1", "ca": "ca.pem"}, "https"),
        ({"mode": "server", "url": "http://127.0.0.1", "store": True}, "embedded"),
        ({"url": "http://127.0.0.1"}, "server"),
        ({"token": "file:/x"}, "server"),
        ({"decision": "jackfield"}, "package and a rule"),
        ({"decision": "jackfield/decision"}, "package and a rule"),
        ({"policies": ""}, "empty"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, object], message: str) -> None:
    """Each is refused at the start, by name."""
    with pytest.raises(ValueError, match=message):
        OpaConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8181", "http://localhost", "http://[::1]:1", "https://opa", "unix:/o"]
)
def test_addresses_of_opa(url: str) -> None:
    """Loopback, TLS or a Unix socket."""
    assert OpaConfig(mode="server", url=url).url == url


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for ``localhost``, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "opa.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "opa.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "opa.pem", folder / "opa.key"
