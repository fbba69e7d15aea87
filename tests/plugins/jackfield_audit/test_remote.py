"""Copies of records reach a syslog server and a collector, in order, and survive that these go away."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs
from tests.plugins.jackfield_audit.conftest import KEY, event, until

from jackfield.outbound.errors import OutboundRefused
from jackfield.ports.audit import AuditText
from jackfield.secret import Secret
from jackfield_audit import otlp, remote
from jackfield_audit.config import AuditConfig, OtlpConfig, SyslogConfig
from jackfield_audit.otlp import ANSWER_MAX, REPORT_INTERVAL_S, OtlpChannel
from jackfield_audit.remote import Parcel, RemoteSink
from jackfield_audit.syslog import SyslogChannel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from jackfield_audit.remote import Channel

LONG_S: Final = 100.0


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "COLLECT_S", 0.001)
    monkeypatch.setattr(remote, "RETRY_S", (0.01,))


def sink(channel: Channel, most: int = 100, batch: int = 10) -> RemoteSink:
    """One that sends over *channel*."""
    return RemoteSink(lambda: KEY, AuditConfig(), channel, most, batch)


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run it, in bounded time."""

    async def all_of_it() -> None:
        async with asyncio.timeout(LONG_S):
            await scenario()

    asyncio.run(all_of_it())


def number_of(message: bytes) -> int:
    """Of the request that a message is about."""
    return int(msgspec.json.decode(message[message.index(b"{") :])["request_id"].removeprefix("req_"))


@pytest.mark.parametrize("kind", ["unix", "udp"])
def test_datagrams_reach_a_syslog_server(tmp_path: Path, kind: str) -> None:
    """One record each, as RFC 5424 has it."""

    async def scenario() -> None:
        if kind == "unix":
            server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            server.bind(str(tmp_path / "log"))
            address = f"unix:{tmp_path / 'log'}"
        else:
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(("127.0.0.1", 0))
            address = f"udp:127.0.0.1:{server.getsockname()[1]}"
        server.setblocking(False)
        copies = sink(SyslogChannel(SyslogConfig(address=address)))
        with server:
            await copies.write(event(0, outcome="denied", name="eve\n<13>1 forged"))
            await copies.write(event(1))
            got = [await asyncio.get_running_loop().sock_recv(server, 65_536) for _ in range(2)]
            await copies.close()
        assert got[0].startswith(b"<108>1 2001-09-09T01:46:40.000000Z ")
        assert got[1].startswith(b"<109>1 ")
        assert [number_of(each) for each in got] == [0, 1]
        assert all(b"\n" not in each for each in got)

    play(scenario)


def test_what_no_datagram_can_hold_is_lost_and_holds_up_nothing() -> None:
    """It would never arrive, however often it was sent."""

    async def scenario() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.setblocking(False)
            address = f"udp:127.0.0.1:{server.getsockname()[1]}"
            config = AuditConfig(texts="full", text_max=100_000)
            copies = RemoteSink(lambda: KEY, config, SyslogChannel(SyslogConfig(address=address)), 100, 1)
            await copies.write(event(0, texts=(AuditText(role="prompt", text="x" * 100_000),)))
            await copies.write(event(1))
            assert number_of(await asyncio.get_running_loop().sock_recv(server, 65_536)) == 1
            assert copies.lost == 1
            await copies.close()

    play(scenario)


def test_nothing_is_written_to_a_connection_that_the_server_has_ended() -> None:
    """It would be lost, and nobody would know."""
    got: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int(await reader.readuntil(b" "))
        got.append(number_of(await reader.readexactly(length)))
        writer.close()
        await writer.wait_closed()

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        channel = SyslogChannel(SyslogConfig(address=f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        for number in range(3):
            body = msgspec.json.encode({"request_id": f"req_{number}"})
            assert await channel.send([Parcel(event(number), body)]) == 0
            await until(lambda: channel.ended)
            assert got == [*range(number + 1)]
        await channel.close()
        server.close()

    play(scenario)


def test_a_syslog_server_over_tcp_may_break_off() -> None:
    """Frames say how long they are; what comes later goes over a new connection."""
    connections: list[list[int]] = []
    ended: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        numbers: list[int] = []
        connections.append(numbers)
        for _ in range(1 if len(connections) == 1 else 1000):
            try:
                length = int(await reader.readuntil(b" "))
            except asyncio.IncompleteReadError:
                break
            numbers.append(number_of(await reader.readexactly(length)))
        writer.close()
        await writer.wait_closed()
        ended.append(len(numbers))

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        copies = sink(SyslogChannel(SyslogConfig(address=f"tcp:127.0.0.1:{port}")))
        for number in range(1000):
            await copies.write(event(number))
            await asyncio.sleep(0.002)
            if len(connections) > 1 and connections[1]:
                break
        await copies.close()
        await until(lambda: len(ended) == len(connections))
        server.close()

    play(scenario)
    first, second, *_ = connections
    assert first == [0]
    assert second == list(range(second[0], second[0] + len(second)))


class Collector:
    """An OpenTelemetry collector that answers what it is told to."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[int] = []
        self.tokens: set[str] = set()
        self.answer = b""

    async def logs(self, request: web.Request) -> web.Response:
        """``POST /v1/logs``."""
        self.tokens.add(request.headers.get("Authorization", ""))
        said = msgspec.json.decode(await request.read())
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            [resource] = said["resourceLogs"]
            [scope] = resource["scopeLogs"]
            self.got += [number_of(each["body"]["stringValue"].encode()) for each in scope["logRecords"]]
        return web.Response(status=status, body=self.answer, content_type="application/json")

    async def served(self) -> tuple[web.AppRunner, str]:
        """It, and its address."""
        application = web.Application()
        application.router.add_post("/v1/logs", self.logs)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/v1/logs"


def test_records_reach_a_collector() -> None:
    """In order and once, although it is busy at first; the token is shown to it."""
    collector = Collector()
    collector.statuses = [503, 429]

    async def scenario() -> None:
        runner, address = await collector.served()
        copies = sink(OtlpChannel(OtlpConfig(endpoint=address, private=True), lambda: Secret("sesame")))
        for number in range(35):
            await copies.write(event(number))
        await until(lambda: len(collector.got) == 35)
        await copies.close()
        await runner.cleanup()
        assert (copies.lost, copies.troubles) == (0, [])

    play(scenario)
    assert collector.got == list(range(35))
    assert collector.tokens == {"Bearer sesame"}


@pytest.mark.parametrize("status", [308, 400])
def test_records_that_a_collector_refuses_are_lost(status: int) -> None:
    """And counted; it is not asked again, nor is whoever it says has moved."""
    collector = Collector()
    collector.statuses = [status]

    async def scenario() -> None:
        runner, address = await collector.served()
        copies = sink(OtlpChannel(OtlpConfig(endpoint=address, private=True), None))
        await copies.write(event(0))
        await until(lambda: copies.lost > 0)
        assert copies.troubles == ["1 records were lost on their way to the collector"]
        await copies.close()
        await runner.cleanup()

    play(scenario)
    assert collector.got == []


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        (b"", 0),
        (b"{}", 0),
        (b'{"partialSuccess":{}}', 0),
        (b'{"partialSuccess":null}', 0),
        (b'{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"slow down"}}', 0),
        (b'{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old\\u001b[2J"}}', 2),
        (b'{"partialSuccess":{"rejectedLogRecords":2}}', 2),
        (b'{"partialSuccess":{"rejectedLogRecords":3},"new":[1]}', 3),
        (b'{"partialSuccess":{"rejectedLogRecords":"9223372036854775807"}}', 3),
        (b'{"partialSuccess":{"rejectedLogRecords":-1}}', 0),
        (b'{"partialSuccess":{"rejectedLogRecords":"many"}}', 0),
        (b'{"partialSuccess":{"rejectedLogRecords":true}}', 0),
        (b"[" * 60_000, 0),
        (b"\xff<html>", 0),
    ],
)
def test_records_that_a_collector_takes_only_in_part_are_lost_in_part(answer: bytes, lost: int) -> None:
    """As it says in its answer, which may be empty or nonsense; nothing is sent twice."""
    collector = Collector()
    collector.answer = answer

    async def scenario() -> None:
        runner, address = await collector.served()
        copies = sink(OtlpChannel(OtlpConfig(endpoint=address, private=True), None))
        with capture_logs() as log:
            for number in range(3):
                await copies.write(event(number))
            await copies.close()
        await runner.cleanup()
        assert copies.lost == lost
        assert list(copies.troubles) == ([f"{lost} records were lost on their way to the collector"] if lost else [])
        assert [line["records"] for line in log] == ([lost] if lost else [])
        assert all(line["reason"].isprintable() for line in log)

    play(scenario)
    assert collector.got == [0, 1, 2]


class Slow:
    """Refuses everything, when it may."""

    name = "slow"

    def __init__(self) -> None:
        self.begun, self.may = asyncio.Event(), asyncio.Event()

    async def send(self, parcels: Sequence[Parcel]) -> int:
        """See ``Channel``."""
        self.begun.set()
        await self.may.wait()
        return len(parcels)

    def reload(self) -> None:
        """See ``Channel``."""

    async def close(self) -> None:
        """See ``Channel``."""


def test_what_is_lost_while_others_are_refused_is_counted_too() -> None:
    """There was no room for it."""

    async def scenario() -> None:
        channel = Slow()
        copies = sink(channel, most=2)
        copies.note(event(0))
        copies.note(event(1))
        await channel.begun.wait()
        copies.note(event(2))
        assert copies.lost == 1
        channel.may.set()
        await copies.close()
        assert copies.lost == 3

    play(scenario)


def test_refusals_are_in_the_log_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how many there were since the last line."""
    collector = Collector()
    collector.answer = b'{"partialSuccess":{"rejectedLogRecords":"1"}}'
    now = 1000.0
    monkeypatch.setattr(otlp, "time", SimpleNamespace(monotonic=lambda: now))

    async def scenario() -> None:
        nonlocal now
        runner, address = await collector.served()
        channel = OtlpChannel(OtlpConfig(endpoint=address, private=True), None)
        parcel = Parcel(event(0), b'{"request_id":"req_0"}')
        with capture_logs() as log:
            for later in (0.0, 1.0, 2.0, REPORT_INTERVAL_S):
                now = 1000.0 + later
                assert await channel.send([parcel]) == 1
        assert [line["records"] for line in log] == [1, 3]
        await channel.close()
        await runner.cleanup()

    play(scenario)


def test_an_answer_that_never_ends_is_not_read_on() -> None:
    """It is no collector's; what was sent is sent again."""
    collector = Collector()
    collector.answer = b" " * (ANSWER_MAX + 1)

    async def scenario() -> None:
        runner, address = await collector.served()
        copies = sink(OtlpChannel(OtlpConfig(endpoint=address, private=True), None))
        await copies.write(event(0))
        await until(lambda: len(collector.got) > 1)
        assert copies.troubles == ["records do not reach the collector: OutboundTooLarge"]
        collector.answer = b""
        await copies.close()
        await runner.cleanup()
        assert copies.lost == 0

    play(scenario)


def test_a_private_collector_must_be_asked_for() -> None:
    """An address inside is not reached by mistake."""
    with pytest.raises(OutboundRefused):
        OtlpChannel(OtlpConfig(endpoint="https://127.0.0.1:4318/v1/logs"), None)


def test_a_queue_is_bounded(tmp_path: Path) -> None:
    """Nobody is there: what does not fit is lost, and it is said why."""

    async def scenario() -> None:
        copies = sink(SyslogChannel(SyslogConfig(address=f"unix:{tmp_path / 'nobody'}")), most=5)
        for number in range(9):
            await copies.write(event(number))
        assert copies.lost == 4
        await until(lambda: any("do not reach syslog" in each for each in copies.troubles))
        await copies.close()

    play(scenario)


@pytest.mark.parametrize(
    "address", ["", "unix:", "udp:host", "tcp:host:0", "tcp:host:99999", "http://host", "udp::1:514"]
)
def test_addresses_that_are_none(address: str) -> None:
    """Are refused at start-up."""
    with pytest.raises(ValueError, match="address"):
        SyslogConfig(address=address)
