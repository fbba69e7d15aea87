"""Steps: protected connections, certificates of servers and clients, and secrets that are rotated."""

from __future__ import annotations

import asyncio
import secrets
import signal
import ssl
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
import pytest
from pytest_bdd import given, then, when

from jackfield.testing.client import Client, OpenStream
from jackfield.testing.command import run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from jackfield.testing.authority import Authority
    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.inprocess import InProcessServer
    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target

SEEN_S: Final = 30.0
"""Before a busy machine is taken for one that does not notice."""

LONG: Final = "[delay:12][repeat:150:ab]"
"""Takes some seconds to be answered."""

_TLS: Final = '[kernel.tls]\ncertificate = "server.pem"\n'
_CLIENTS: Final = """\
client_ca = "test-authority.pem"
client_certificates = "optional"
[config.mtls]
revocations = ["revoked.pem"]
[config.mtls.rules.staff]
subject = "CN=*,OU=staff"
"""
_SERIALS: Final = {"ann": 0x0A01, "bob": 0x0A02}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Signs for servers and clients."""
    from jackfield.testing.authority import Authority  # needs cryptography, which nothing else does here

    return Authority(tmp_path)


@pytest.fixture
def protect(
    authority: Authority, background: BackgroundLoop, tmp_path: Path
) -> Iterator[Callable[[str], InProcessServer]]:
    """Start a server with TLS in this process for a manifest's text; it ends with the scenario."""
    from jackfield.testing.inprocess import InProcessServer

    started: list[InProcessServer] = []

    def start(manifest: str) -> InProcessServer:
        authority.server()
        trusted = ssl.create_default_context(cafile=authority.file)
        started.append(InProcessServer(manifest, tmp_path, background, trusted))
        return started[-1]

    yield start
    for each in started:
        each.close()


@given("a server with TLS and a scripted model", target_fixture="server")
def protected_server(protect: Callable[[str], InProcessServer]) -> Target:
    """Its certificate is good for a month."""
    return protect(scripted_manifest() + _TLS).target


@given("a server that speaks TLS 1.3 only", target_fixture="server")
def modern_server(protect: Callable[[str], InProcessServer]) -> Target:
    """With a scripted model."""
    return protect(f'{scripted_manifest()}{_TLS}minimum = "1.3"\n').target


@given("a server that knows its staff by their certificates", target_fixture="server")
def staffed_server(protect: Callable[[str], InProcessServer], authority: Authority) -> Target:
    """It asks clients for one; nobody's is revoked."""
    authority.revocations()
    return protect(scripted_manifest(enabled=("mtls",)) + _TLS + _CLIENTS).target


@given(words("a client with the certificate of {name:Text} of the unit {unit:Text}"), target_fixture="holder")
def certified(server: Target, authority: Authority, name: str, unit: str) -> Iterator[Client]:
    """By the authority that the server trusts."""
    yield from _client(server, authority, authority.client(name, unit=unit, serial=_SERIALS.get(name)))


@given(words("a client with a certificate of {name:Text} that somebody else has signed"), target_fixture="holder")
def forged(server: Target, authority: Authority, tmp_path: Path, name: str) -> Iterator[Client]:
    """With all the right names."""
    from jackfield.testing.authority import Authority as Other

    yield from _client(server, authority, Other(tmp_path, "another authority").client(name, unit="staff"))


@when(words("that client asks {prompt:Text}"), target_fixture="reply")
def ask_certified(server: Target, holder: Client, prompt: str) -> Reply:
    """On the connection that it has, if it has one."""
    return server.run(holder.ask(prompt))


@when(words("a page of {origin:Text} has that client's browser ask {prompt:Text}"), target_fixture="reply")
def ask_from_page(server: Target, holder: Client, origin: str, prompt: str) -> Reply:
    """Browsers show certificates by themselves."""
    body: JsonValue = {"model": holder.model, "messages": [{"role": "user", "content": prompt}]}
    return server.run(holder.request("POST", "/v1/chat/completions", body, headers={"Origin": origin}))


@when(words("the certificate of {name:Text} is revoked"))
def revoke(authority: Authority, name: str) -> None:
    """By its authority."""
    authority.revocations(_SERIALS[name])


@then(words("soon that client is refused with {status:d} {code:Text}"))
def soon_refused(server: Target, holder: Client, status: int, code: str) -> None:
    """Lists are looked at four times a second."""

    async def refused() -> bool:
        reply = await holder.ask("hello")
        return reply.status == status and reply.error.code == code

    server.run(_until(refused))


@then("that client is not let in")
def not_let_in(server: Target, holder: Client) -> None:
    """There is no connection for it."""
    with pytest.raises(aiohttp.ClientError):
        server.run(holder.ask("hello"))


@then("a client that speaks nothing newer than TLS 1.2 is not let in")
def too_old(server: Target, authority: Authority) -> None:
    """It gets no answer."""
    old = ssl.create_default_context(cafile=authority.file)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    for client in _opened(server, old):
        with pytest.raises(aiohttp.ClientError):
            server.run(client.ask("hello"))


@then("nobody is answered without TLS")
def plain_refused(server: Target) -> None:
    """At the same address."""
    client = Client(server.url.replace("https", "http", 1), server.client.model)
    with pytest.raises(aiohttp.ClientError):
        server.run(client.ask("hello"))
    server.run(client.close())


@then("browsers are told to stay with TLS")
def strict(reply: Reply) -> None:
    """For a year (RFC 6797)."""
    assert reply.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


@then("browsers are told nothing of TLS")
def not_strict(reply: Reply) -> None:
    """They could not come back."""
    assert "Strict-Transport-Security" not in reply.headers


@when("a long answer streams and the certificate is renewed", target_fixture="streaming")
def renew_while_streaming(server: Target, authority: Authority) -> OpenStream:
    """And whoever connects has seen the new one."""
    before = server.run(_serial(server))
    opened = server.run(server.client.open(LONG, max_tokens=400))
    authority.server()

    async def renewed() -> bool:
        return await _serial(server) != before

    server.run(_until(renewed))
    return opened


@then("the long answer arrives whole")
def arrives_whole(server: Target, streaming: OpenStream) -> None:
    """To its last character."""
    stream = server.run(streaming.finished())
    assert (stream.text, stream.done) == ("ab" * 150, True)


@when("the certificate is replaced by one that cannot be used")
def break_certificate(tmp_path: Path) -> None:
    """As a renewal that was cut short leaves it."""
    file = tmp_path / "server.pem"
    file.write_bytes(file.read_bytes()[:200])


@when("a good certificate is put there")
def mend_certificate(authority: Authority) -> None:
    """A new one."""
    authority.server()


@then(words("soon readiness says {text:Text}"))
def readiness_says(server: Target, text: str) -> None:
    """In its detail."""

    async def said() -> bool:
        return text in (await server.probe.request("GET", "/readyz")).body.decode()

    server.run(_until(said))


@then(words("soon readiness says nothing of {text:Text}"))
def readiness_silent(server: Target, text: str) -> None:
    """In its detail."""

    async def silent() -> bool:
        return text not in (await server.probe.request("GET", "/readyz")).body.decode()

    server.run(_until(silent))


@when(words("{times:d} guesses come that name {count:d} addresses as theirs"), target_fixture="reply")
def spoof(server: Target, times: int, count: int) -> Reply:
    """As a proxy would; the last one's answer."""
    headers = [
        {"Authorization": "Bearer jf_nobody-ever-made-this-key", "X-Forwarded-For": f"192.0.2.{number % count}"}
        for number in range(times)
    ]
    return [server.run(server.client.request("GET", "/v1/models", headers=each)) for each in headers][-1]


@when("the key of the record is rotated and SIGHUP is sent")
def rotate(service: ServeProcess) -> None:
    """The one before is kept in a file."""
    file = service.folder / "audit.key"
    (service.folder / "old.key").touch(0o600)
    (service.folder / "old.key").write_bytes(file.read_bytes())
    file.write_text(secrets.token_hex(32))
    service.signal(signal.SIGHUP)
    service.wait("a record of the other key", lambda: _recorded(service, "audit.rekeyed"))


@when("the key of the record is taken away and SIGHUP is sent")
def lose(service: ServeProcess) -> None:
    """By mistake."""
    (service.folder / "audit.key").unlink()
    service.signal(signal.SIGHUP)


@then("the record is whole under both keys, and not under one of them")
def whole_under_both(service: ServeProcess) -> None:
    """As ``jackfield audit verify`` says."""
    both = run_command("audit verify --key file:old.key --json", service.folder)
    assert both.code == 0, both.output
    alone = run_command("audit verify --json", service.folder)
    assert msgspec.json.decode(alone.output)["problem"]["defect"] == "unknown key", alone.output


def _client(server: Target, authority: Authority, certificate: Path) -> Iterator[Client]:
    context = ssl.create_default_context(cafile=authority.file)
    context.load_cert_chain(certificate)
    yield from _opened(server, context)


def _opened(server: Target, context: ssl.SSLContext) -> Iterator[Client]:
    client = Client(server.url, server.client.model, tls=context)
    yield client
    server.run(client.close())


def _recorded(service: ServeProcess, action: str) -> bool:
    return any(action in file.read_text() for file in (service.folder / "audit").glob("*.jsonl"))


async def _serial(server: Target) -> str:
    """Of the certificate that a new connection is shown."""
    host, _, port = server.url.removeprefix("https://").partition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return shown.hex()


async def _until(reached: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SEEN_S):
        while not await reached():  # noqa: ASYNC110 -- nobody tells when
            await asyncio.sleep(0.05)
