"""The guarded client against real servers on loopback, and resolvers that lie."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import ssl
import zlib
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jackfield.errors import ManifestError
from jackfield.outbound.client import HEADERS_MAX, URL_MAX, Outbound
from jackfield.outbound.errors import OutboundError, OutboundRefused, OutboundTimeout, OutboundTooLarge
from jackfield.outbound.options import OutboundOptions
from jackfield.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

LOOPBACK = OutboundOptions(schemes=("http",), private_hosts=("127.0.0.1", "inner.example"))


class Names(AbstractResolver):
    """A resolver whose answers change each time it is asked; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=each, port=port, family=10 if ":" in each else 2, proto=6, flags=0)
            for each in addresses
        ]

    async def close(self) -> None:
        pass


class Server:
    """What a server was asked, and where it is."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.connections: set[object] = set()
        self.port = 0

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def server(
    handle: Callable[[web.Request], web.StreamResponse] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server that answers everything with *handle*, or with ``hello``."""
    seen = Server()

    async def serve(request: web.Request) -> web.StreamResponse:
        seen.requests.append(request)
        seen.connections.add(request.transport)
        return web.Response(text="hello") if handle is None else handle(request)

    runner = web.AppRunner(_application(serve))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    seen.port = runner.addresses[0][1]
    try:
        yield seen
    finally:
        await runner.cleanup()


def _application(serve: Callable[[web.Request], object]) -> web.Application:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)  # type: ignore[arg-type]
    return application


@asynccontextmanager
async def raw_server(raw: bytes, *, hang: bool = False) -> AsyncIterator[str]:
    """A server that sends *raw* to whatever is asked, and hangs up, or never does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        if hang:
            await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/hidden?key=hidden"


def test_an_answer_is_what_came_back() -> None:
    async def go() -> None:
        async with server() as there, Outbound(LOOPBACK) as client:
            answer = await client.fetch(there.url("/x?y=1"), method="POST", body=b"data", headers={"X-A": "1"})
            assert (answer.status, answer.body) == (200, b"hello")
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            [request] = there.requests
            assert (request.method, request.path_qs, request.headers["X-A"]) == ("POST", "/x?y=1", "1")

    asyncio.run(go())


def test_any_status_is_an_answer() -> None:
    async def go() -> None:
        async with server(lambda _: web.Response(status=503)) as there, Outbound(LOOPBACK) as client:
            assert (await client.fetch(there.url())).status == 503

    asyncio.run(go())


def test_connections_are_used_again() -> None:
    async def go() -> None:
        async with server() as there, Outbound(LOOPBACK) as client:
            for _ in range(5):
                await client.fetch(there.url())
            assert (len(there.requests), len(there.connections)) == (5, 1)

    asyncio.run(go())


def test_one_client_lives_through_several_event_loops() -> None:
    """Whoever has no moment to close it needs none: connections end with their event loop."""
    client = Outbound(LOOPBACK)

    async def go() -> None:
        async with server() as there:
            assert (await client.fetch(there.url())).status == 200

    asyncio.run(go())
    asyncio.run(go())


def test_a_private_address_is_not_reached_unless_it_is_allowed() -> None:
    async def go() -> None:
        async with server() as there, Outbound(OutboundOptions(schemes=("http",))) as client:
            for host in ("127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "localhost"):
                with pytest.raises(OutboundRefused):
                    await client.fetch(there.url(host=host))
            assert there.requests == []

    asyncio.run(go())


def test_a_name_that_leads_inside_is_not_followed() -> None:
    async def go() -> None:
        names = Names(["127.0.0.1"])
        async with server() as there, Outbound(OutboundOptions(schemes=("http",)), resolver=lambda: names) as client:
            with pytest.raises(OutboundRefused, match=r"a\.example has an address that is not public"):
                await client.fetch(there.url(host="a.example"))
            assert (names.asked, there.requests) == (1, [])

    asyncio.run(go())


def test_one_inner_address_among_public_ones_refuses_all() -> None:
    async def go() -> None:
        names = Names(["93.184.215.14", "127.0.0.1"])
        async with server() as there, Outbound(OutboundOptions(schemes=("http",)), resolver=lambda: names) as client:
            with pytest.raises(OutboundRefused):
                await client.fetch(there.url(host="a.example"))
            assert there.requests == []

    asyncio.run(go())


def test_a_name_that_changes_its_mind_is_judged_at_each_connection() -> None:
    """What was judged is what is connected to: nobody asks for the name a second time in between."""

    async def go() -> None:
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        options = OutboundOptions(schemes=("http",), private_hosts=("inner.example",), keep_alive_s=0.0)
        async with server() as there, Outbound(options, resolver=lambda: names) as client:
            assert (await client.fetch(there.url(host="inner.example"))).status == 200
            assert names.asked == 1
            with pytest.raises(OutboundRefused):
                await client.fetch(there.url(host="inner.example"))
            assert (names.asked, len(there.requests)) == (2, 1)

    asyncio.run(go())


def test_redirects_are_followed_within_bounds() -> None:
    async def go() -> None:
        def handle(request: web.Request) -> web.Response:
            step = int(request.path.strip("/"))
            return (
                web.Response(text="end") if not step else web.Response(status=302, headers={"Location": f"{step - 1}"})
            )

        async with server(handle) as there, Outbound(LOOPBACK) as client:
            answer = await client.fetch(there.url("/3"))
            assert (answer.body, answer.url) == (b"end", there.url("/0"))
            with pytest.raises(OutboundRefused, match="more often than 3 times"):
                await client.fetch(there.url("/4"))

    asyncio.run(go())


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//10.0.0.1/",
        "file:///etc/passwd",
        "https://user:pass@b.example/",
        "http://[::1]/",
        "http://127.1/",
        "javascript:alert(1)",
        "http://b.example/",
    ],
)
def test_every_redirect_is_judged(target: str) -> None:
    async def go() -> None:
        options = OutboundOptions(schemes=("http",), hosts=("127.0.0.1",), private_hosts=("127.0.0.1",))
        names = Names(["127.0.0.1"])
        answer = web.Response(status=302, headers={"Location": target})
        async with server(lambda _: answer) as there, Outbound(options, resolver=lambda: names) as client:
            with pytest.raises(OutboundRefused):
                await client.fetch(there.url())
            assert (len(there.requests), names.asked) == (1, 0)

    asyncio.run(go())


@pytest.mark.parametrize("target", ["\x7f\x00", "http://[", "x" * (URL_MAX + 1), "http://a b/"])
def test_a_redirect_to_nowhere_is_an_error(target: str) -> None:
    async def go() -> None:
        raw = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
        async with raw_server(raw) as url, Outbound(LOOPBACK) as client:
            with pytest.raises(OutboundError):
                await client.fetch(url)

    asyncio.run(go())


def test_what_is_posted_is_not_posted_elsewhere() -> None:
    """A redirect is the answer then."""

    async def go() -> None:
        answer = web.Response(status=307, headers={"Location": "/elsewhere"})
        async with server(lambda _: answer) as there, Outbound(LOOPBACK) as client:
            assert (await client.fetch(there.url(), method="POST", body=b"secret")).status == 307
            assert len(there.requests) == 1

    asyncio.run(go())


def test_credentials_stay_with_their_host() -> None:
    """Another port is another host."""

    async def go() -> None:
        async with server() as other:
            away = web.Response(status=302, headers={"Location": other.url("/away")})
            near = web.Response(status=302, headers={"Location": "/away"})

            def handle(request: web.Request) -> web.Response:
                return near if request.path == "/near" else away

            async with server(handle) as own, Outbound(LOOPBACK) as client:
                secrets = {"Authorization": Secret("Bearer hidden")}
                await client.fetch(own.url("/near"), credentials=secrets, headers={"X-Kind": "plain"})
                assert [request.headers.get("Authorization") for request in own.requests] == ["Bearer hidden"] * 2
                assert other.requests[0].headers.get("Authorization") is None
                assert other.requests[0].headers["X-Kind"] == "plain"

    asyncio.run(go())


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither proxies nor passwords."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password hidden\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def go() -> None:
        async with server() as there, Outbound(LOOPBACK) as client:
            assert (await client.fetch(there.url())).status == 200
            assert "Authorization" not in there.requests[0].headers

    asyncio.run(go())


def test_cookies_are_not_kept() -> None:
    async def go() -> None:
        def handle(_: web.Request) -> web.Response:
            return web.Response(headers={"Set-Cookie": "a=b; Path=/"})

        async with server(handle) as there, Outbound(LOOPBACK) as client:
            await client.fetch(there.url())
            await client.fetch(there.url())
            assert [request.headers.get("Cookie") for request in there.requests] == [None, None]

    asyncio.run(go())


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + b"x" * 4095,
    ],
)
def test_large_answers_are_not_read(raw: bytes) -> None:
    """Whatever their headers say of their size; the other side never ends."""

    async def go() -> None:
        async with raw_server(raw, hang=True) as url, Outbound(LOOPBACK) as client:
            with pytest.raises(OutboundTooLarge, match="1,000 bytes"):
                await client.fetch(url, limit_bytes=1000)

    asyncio.run(go())


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_answers_are_bounded_when_they_are_large_again(encoding: str) -> None:
    small, bomb = b"hello" * 10, b"\0" * 50_000_000
    compress = gzip.compress if encoding == "gzip" else zlib.compress

    async def go(body: bytes) -> bytes:
        answer = web.Response(body=compress(body), headers={"Content-Encoding": encoding})
        async with server(lambda _: answer) as there, Outbound(LOOPBACK) as client:
            return (await client.fetch(there.url())).body

    assert asyncio.run(go(small)) == small
    with pytest.raises(OutboundTooLarge):
        asyncio.run(go(bomb))


def test_what_follows_a_compressed_body_is_not_kept() -> None:
    """It would grow without anybody seeing it."""

    async def go() -> None:
        raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"x") + b"y" * 10_000
        async with raw_server(raw, hang=True) as url, Outbound(LOOPBACK) as client:
            with pytest.raises(OutboundTooLarge):
                await client.fetch(url, limit_bytes=5000)

    asyncio.run(go())


def test_a_name_that_leads_nowhere_is_an_error() -> None:
    async def go() -> None:
        async with Outbound(LOOPBACK, resolver=lambda: Names([])) as client:
            with pytest.raises(OutboundError, match="cannot be asked"):
                await client.fetch("http://inner.example/")

    asyncio.run(go())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n"
        + b"".join(b"X%d: y\r\n" % i for i in range(HEADERS_MAX + 1))
        + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
        + gzip.compress(b"x" * 100, mtime=0)[:20],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"x", mtime=0)[:3],
    ],
)
def test_broken_servers_give_an_error_without_the_urls_secrets(raw: bytes) -> None:
    async def go() -> None:
        async with raw_server(raw) as url, Outbound(LOOPBACK) as client:
            with pytest.raises(OutboundError) as caught:
                await client.fetch(url)
            assert "hidden" not in f"{caught.value} {caught.value!r}"
            assert caught.value.__cause__ is None

    asyncio.run(go())


def test_who_does_not_answer_is_not_waited_for() -> None:
    """Also one that sends a byte now and then, or redirects for ever."""

    async def go() -> None:
        async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1", hang=True) as url:
            client = Outbound(LOOPBACK)
            with pytest.raises(OutboundTimeout, match=r"127\.0\.0\.1:\d+ did not answer within 0\.1 s") as caught:
                await client.fetch(url, timeout_s=0.1)
            assert "hidden" not in str(caught.value)
            await client.close()

    asyncio.run(go())


def test_names_are_looked_up_within_the_time() -> None:
    class Silent(Names):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
            await asyncio.Event().wait()
            raise AssertionError

    async def go() -> None:
        async with Outbound(LOOPBACK, resolver=lambda: Silent([])) as client:
            with pytest.raises(OutboundTimeout):
                await client.fetch("http://inner.example/", timeout_s=0.1)

    asyncio.run(go())


def test_who_is_not_there_is_an_error() -> None:
    async def go() -> None:
        async with server() as there:
            url = there.url("/hidden?hidden")
        async with Outbound(LOOPBACK) as client:
            with pytest.raises(OutboundError, match="cannot be asked") as caught:
                await client.fetch(url)
            assert "hidden" not in str(caught.value)
            with pytest.raises(OutboundError):
                await client.fetch("http://inner.example.invalid/")

    asyncio.run(go())


def test_urls_can_be_judged_at_start_up() -> None:
    client = Outbound(LOOPBACK)
    client.check("http://inner.example/x")
    for url in ("https://a.example/", "http://10.0.0.1/", "no url", "http://a.example/\n", "x" * 10_000, "http://["):
        with pytest.raises(OutboundRefused):
            client.check(url)


@pytest.mark.parametrize("option", ["ca_file", "client_certificate"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, option: str) -> None:
    (tmp_path / "bad.pem").write_text("no pem")
    for file in ("bad.pem", "missing.pem"):
        with pytest.raises(ManifestError, match=f"{option}: the file cannot be used") as caught:
            Outbound(OutboundOptions(**{option: file}), lambda text: tmp_path / text)  # type: ignore[arg-type]
        assert caught.value.param == option


def certificate(folder: Path, name: str) -> None:
    """A certificate for loopback, which is its own authority, and its key."""
    now, key = dt.datetime.now(dt.UTC), ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(key.private_bytes(*form))
    (folder / f"{name}.key").chmod(0o600)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """With what to do about it."""
    certificate(tmp_path, "client")
    (tmp_path / "client.key").chmod(0o640)
    options = OutboundOptions(client_certificate="client.pem", client_key="client.key")
    with pytest.raises(ManifestError, match=r"client_key: .*chmod 600 client\.key"):
        Outbound(options, lambda text: tmp_path / text)


def test_certificates_are_checked_and_presented(tmp_path: Path) -> None:
    """A server that wants one gets it; a server without one of the authority gets nothing."""
    for name in ("server", "client"):
        certificate(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "client.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    own = {"client_certificate": "client.pem", "client_key": "client.key"}

    async def go() -> None:
        async with server(tls=context) as there:
            url = there.url().replace("http", "https")
            for files, good in (
                ({"ca_file": "server.pem", **own}, True),
                ({"ca_file": "server.pem"}, False),
                ({"ca_file": "client.pem", **own}, False),
                (own, False),
            ):
                options = OutboundOptions(private_hosts=("127.0.0.1",), **files)  # type: ignore[arg-type]
                async with Outbound(options, lambda text: tmp_path / text) as client:
                    if good:
                        assert (await client.fetch(url)).body == b"hello"
                        continue
                    with pytest.raises(OutboundError, match="cannot be asked"):
                        await client.fetch(url)
            assert len(there.requests) == 1

    asyncio.run(go())
