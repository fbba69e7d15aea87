"""Protected connections: what is spoken, what is refused, and another certificate while streams run."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest
import uvloop
from aiohttp import web

from jackfield.errors import ManifestError, TooManyConnections
from jackfield.gateway.addresses import Addresses, Crowd
from jackfield.gateway.certificates import Certificates
from jackfield.gateway.client_certificates import certificate_of, distinguished
from jackfield.gateway.connections import Bounds
from jackfield.gateway.listener import Listener
from jackfield.manifest import KernelConfig
from jackfield.testing.authority import Authority
from jackfield.transport import TLSConfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from jackfield.errors import JackfieldError

    Play: TypeAlias = Callable[[Callable[[], Awaitable[None]]], None]

BOUNDS: Final = Bounds(connections=100, per_address=100, requests=100, header_s=30.0, idle_s=30.0, write_s=30.0)
LONG_S: Final = 100.0


class Words:
    """What never becomes a request is told so."""

    def bad_request(self, _request: web.BaseRequest, status: int) -> web.Response:
        """In a word."""
        return web.Response(status=status, text="bad")

    def crowded(self, error: JackfieldError, _client: str) -> web.Response:
        """In a word."""
        assert isinstance(error, TooManyConnections)
        return web.Response(status=429, text="full")


class House:
    """A port that says who calls, and streams."""

    def __init__(self, folder: Path, authority: Authority, bounds: Bounds = BOUNDS, **options: str) -> None:
        self.folder = folder
        self.authority = authority
        authority.server()
        self.certificates = Certificates(TLSConfig(**({"certificate": "server.pem"} | options)), self.path)  # type: ignore[arg-type]
        application = web.Application()
        application.router.add_get("/who", self._who)
        application.router.add_get("/stream", self._stream)
        crowd = Crowd(Addresses(KernelConfig()), 100)
        self.listener = Listener(application, Words(), bounds, crowd, finish_s=0.1)
        self.go_on = asyncio.Event()
        self.port = 0

    def path(self, text: str) -> Path:
        """In the test's folder."""
        return self.folder / text

    async def open(self) -> None:
        """Listen."""
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        self.port = bound.getsockname()[1]
        await self.listener.start([bound], self.certificates.context)

    async def _who(self, request: web.Request) -> web.Response:
        shown = certificate_of(request.transport)
        return web.Response(text="nobody" if shown is None or shown.certificate is None else shown.certificate.subject)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first ")
        await self.go_on.wait()
        await response.write(b"last")
        return response

    def client(self, certificate: Path | None = None) -> ssl.SSLContext:
        """Of somebody who trusts the authority."""
        context = ssl.create_default_context(cafile=self.authority.file)
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    async def ask(self, path: str = "/who", context: ssl.SSLContext | None = None) -> str:
        """The answer's text."""
        reader, writer = await self.connected(context or self.client())
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        try:
            answer = await reader.read()
        finally:
            writer.close()
        return answer.partition(b"\r\n\r\n")[2].decode()

    async def refuses(self, context: ssl.SSLContext) -> bool:
        """Whether nothing is answered: with TLS 1.3 clients hear of a refusal only after they have asked."""
        try:
            return not await self.ask(context=context)
        except (ssl.SSLError, ConnectionError):
            return True

    async def connected(self, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection."""
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One for all."""
    return Authority(tmp_path)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Run a scenario on either event loop, in bounded time."""

    def run(scenario: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(LONG_S):
                await scenario()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(bounded())

    return run


def test_requests_are_answered(tmp_path: Path, authority: Authority, play: Play) -> None:
    """By many at a time, over the newest version that both speak."""

    async def scenario() -> None:
        house = House(tmp_path, authority)
        await house.open()
        assert set(await asyncio.gather(*(house.ask() for _ in range(50)))) == {"nobody"}
        _, writer = await house.connected(house.client())
        secured = writer.get_extra_info("ssl_object")
        assert secured.version() == "TLSv1.3"
        writer.close()
        await house.listener.close()

    play(scenario)


def test_old_versions_and_weak_ciphers_are_refused(tmp_path: Path, authority: Authority, play: Play) -> None:
    """As is what nobody needs any more."""

    async def scenario() -> None:
        house = House(tmp_path, authority, minimum="1.3")
        await house.open()
        old = house.client()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await house.refuses(old)
        await house.listener.close()
        modern = House(tmp_path, authority)
        await modern.open()
        assert await modern.ask(context=old) == "nobody"
        weak = modern.client()
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA")
        assert await modern.refuses(weak)
        await modern.listener.close()

    play(scenario)


def test_what_is_no_tls_breaks_nothing(tmp_path: Path, authority: Authority, play: Play) -> None:
    """Plain HTTP, noise, and clients that say nothing."""

    async def scenario() -> None:
        house = House(tmp_path, authority)
        await house.open()
        for said in (b"GET /who HTTP/1.1\r\n\r\n", b"\x00" * 100, b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
            writer.write(said)
            writer.write_eof()
            assert b"200" not in await reader.read()
            writer.close()
        assert await house.ask() == "nobody"
        await house.listener.close()

    play(scenario)


def test_a_full_house_says_so(tmp_path: Path, authority: Authority, play: Play) -> None:
    """Also over TLS, whose connections have no half-closed state."""

    async def scenario() -> None:
        house = House(tmp_path, authority, BOUNDS._replace(connections=1))
        await house.open()
        _, first = await house.connected(house.client())
        assert await house.ask() == "full"
        first.close()
        await house.listener.close()

    play(scenario)


def test_another_certificate_while_a_stream_runs(tmp_path: Path, authority: Authority, play: Play) -> None:
    """The stream goes on to its end; who comes now sees the new one; nobody is refused."""

    async def scenario() -> None:
        house = House(tmp_path, authority)
        await house.open()
        context = house.client()
        reader, writer = await house.connected(context)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await reader.readuntil(b"first ")
        before = writer.get_extra_info("peercert")["serialNumber"]
        authority.server()
        renewed = house.certificates.look()
        assert renewed is not None
        asking = [asyncio.ensure_future(house.ask()) for _ in range(10)]
        await house.listener.renew(renewed)
        assert set(await asyncio.gather(*asking)) == {"nobody"}
        _, later = await house.connected(context)
        assert later.get_extra_info("peercert")["serialNumber"] != before
        later.close()
        house.go_on.set()
        assert b"last" in await reader.read()
        writer.close()
        await house.listener.close()

    play(scenario)


def test_a_certificate_that_cannot_be_used_changes_nothing(tmp_path: Path, authority: Authority) -> None:
    """It is said why, until there is a good one."""
    house = House(tmp_path, authority)
    good = house.certificates.context
    assert house.certificates.look() is None
    for content in (b"", b"-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n", authority.file.read_bytes()):
        (tmp_path / "server.pem").write_bytes(content)
        assert house.certificates.look() is None
        assert house.certificates.context is good
        [trouble] = house.certificates.troubles
        assert trouble.startswith("the certificate stays as it was")
    (tmp_path / "server.pem").unlink()
    assert house.certificates.look() is None
    authority.server()
    assert house.certificates.look() is not None
    assert house.certificates.troubles == []


def test_sighup_reads_again_what_looks_the_same(tmp_path: Path, authority: Authority) -> None:
    """Files on some disks change unnoticed."""
    house = House(tmp_path, authority)
    assert house.certificates.look(again=True) is not None


def test_a_certificate_that_ends_soon_is_warned_of(tmp_path: Path, authority: Authority) -> None:
    """A fortnight before."""
    house = House(tmp_path, authority)
    authority.server(days=3.5)
    assert house.certificates.look() is not None
    assert house.certificates.troubles == ["the certificate of kernel.tls ends in 3 days"]
    authority.server(days=-0.5)
    assert house.certificates.look() is not None
    assert house.certificates.troubles == ["the certificate of kernel.tls has ended"]


def test_clients_show_certificates(tmp_path: Path, authority: Authority, play: Play) -> None:
    """Good ones are known; others are not let in; without one nobody is known."""

    async def scenario() -> None:
        house = House(tmp_path, authority, client_ca=authority.file.name, client_certificates="optional")
        await house.open()
        assert await house.ask() == "nobody"
        ann = authority.client("ann", unit="ops")
        assert await house.ask(context=house.client(ann)) == "CN=ann,OU=ops"
        stranger = Authority(tmp_path, "another authority").client("eve")
        over = authority.client("late", days=-1)
        for bad in (stranger, over):
            assert await house.refuses(house.client(bad))
        await house.listener.close()

    play(scenario)


def test_clients_may_have_to_show_one(tmp_path: Path, authority: Authority, play: Play) -> None:
    """Where it is required."""

    async def scenario() -> None:
        house = House(tmp_path, authority, client_ca=authority.file.name, client_certificates="required")
        await house.open()
        assert await house.refuses(house.client())
        assert await house.ask(context=house.client(authority.client("ann"))) == "CN=ann"
        await house.listener.close()

    play(scenario)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, authority: Authority, mode: int) -> None:
    """With the command that helps."""
    authority.server().chmod(mode)
    with pytest.raises(ManifestError, match=r"chmod 600 server\.pem") as refused:
        Certificates(TLSConfig(certificate="server.pem"), lambda text: tmp_path / text)
    assert refused.value.param == "kernel.tls.key"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"certificate": ""}, "certificate"),
        ({"certificate": "a", "client_certificates": "required"}, "client_ca"),
        ({"certificate": "a", "client_ca": "b"}, "client_certificates"),
        ({"certificate": "a", "hsts_s": -1}, "hsts_s"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, str], why: str) -> None:
    """Are refused by name."""
    with pytest.raises(ValueError, match=why):
        TLSConfig(**options)  # type: ignore[arg-type]


def test_names_are_written_as_rfc_4514_has_it() -> None:
    """So that no value can pass for another part."""
    name = ((("organizationName", "a, CN=boss"),), (("commonName", "eve+x"), ("unknown", " #y ")))
    assert distinguished(name) == r"CN=eve\+x+unknown=\ #y\ ,O=a\, CN\=boss"
