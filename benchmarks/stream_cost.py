"""What streams cost the gateway, by dialect, and how long events take: ``python benchmarks/stream_cost.py``.

The gateway is a real process, pinned to one core; on the other one this process plays its worker and all its clients.
Processor time is the gateway's own clock, around runs that differ in their length only: the difference is what events
cost. Tools and thoughts are on.
"""

from __future__ import annotations

import json
import os
import select
import socket
import statistics
import threading
import time
from contextlib import ExitStack
from typing import Any, Final

from dialect_streams import DIALECTS, Client, Dialect, Worker
from gateway_process import TIMEOUT_S, Gateway
from serving import cpu_s, progress, resident_mb, shown, spread

from jackfield.channel.messages import Events, Submit
from jackfield.types import Finished, Started, TextDelta, Timings, Usage

OUR_CORE: Final = 0
GATEWAY_CORE: Final = 1
AT_ONCE: Final = ((1, 0.01), (32, 0.01), (200, 0.03))
"""Streams, and seconds between their tokens."""
SHORT: Final = 5
LONG: Final = 45
"""Tokens of each kind."""
REPEATS: Final = 3
REQUESTS: Final = 150
MANY: Final = 200
SLOW: Final = 20
"""Clients that read nothing, beside those whose delays are measured."""
FLOOD: Final = "words " * 20_000
"""A piece of each answer that nobody reads."""
PIECES: Final = 40
"""So many: 4.8 MB an answer; of a connection over loopback the kernel keeps 2.8 MB."""
TARGETS: Final = {"event_us": 40.0, "request_ms": 0.9, "p99_ms": 20.0}


def run_streams(gateway: Gateway, dialect: Dialect, streams: int, tokens: int, interval_s: float) -> tuple[float, int]:
    """Processor time of so many streams from the first byte to the last, in seconds, and how many events they had."""
    with Client(gateway) as client:
        before = cpu_s(gateway.process.pid)
        for _ in range(streams):
            client.open(dialect)
        Worker(gateway, streams).play(tokens, interval_s)
        wait_for(client, streams)
        return cpu_s(gateway.process.pid) - before, client.events


def event_us(gateway: Gateway, dialect: Dialect, streams: int, interval_s: float) -> list[float]:
    """What one event costs, in µs; a figure for each repeat."""
    run_streams(gateway, dialect, streams, SHORT, interval_s)
    figures = []
    for _ in range(REPEATS):
        short, few = run_streams(gateway, dialect, streams, SHORT, interval_s)
        long, many = run_streams(gateway, dialect, streams, LONG, interval_s)
        figures.append((long - short) / (many - few) * 1e6)
    return figures


def request_ms(gateway: Gateway, dialect: Dialect) -> list[float]:
    """What a request with a short answer costs on a connection that is kept, one after the other, in ms."""
    answer = (
        Started(16, 4096),
        TextDelta("<think>\nHm.\n</think>\n\nYes.", 8),
        Finished("stop", Usage(16, 8), Timings(0.0, 0.0, 0.0)),
    )
    figures = []
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=TIMEOUT_S) as client:
        for _ in range(REPEATS + 1):
            before = cpu_s(gateway.process.pid)
            for _ in range(REQUESTS):
                client.sendall(dialect.request)
                [submit] = [each for each in gateway.worker.receive() if isinstance(each, Submit)]
                gateway.worker.send(Events([(submit.id, event) for event in answer]))
                while not client.recv(1 << 16).endswith(b"0\r\n\r\n"):
                    pass
            figures.append((cpu_s(gateway.process.pid) - before) / REQUESTS * 1e3)
    return figures[1:]


def delays_ms(*, slow: int) -> dict[str, float]:
    """How long events of many streams take, beside *slow* clients that read nothing of long answers."""
    dialect = DIALECTS["OpenAI chat"]
    with ExitStack() as resources:
        gateway = Gateway(resources, core=GATEWAY_CORE)
        run_streams(gateway, dialect, MANY, SHORT, 0.0)
        idle, client = resources.enter_context(Client(gateway)), resources.enter_context(Client(gateway))
        before = resident_mb(gateway.process.pid)
        for _ in range(slow):
            idle.open(dialect, reads=False)
        unread = Worker(gateway, slow)
        for _ in range(MANY):
            client.open(dialect)
        worker = Worker(gateway, MANY)
        for _ in range(PIECES):
            unread.flood(FLOOD)
        worker.play(LONG, 0.05)
        wait_for(client, MANY)
        found = sorted(client.delays)
        return {
            "streams": MANY,
            "slow": slow,
            "p50": statistics.median(found),
            "p99": found[len(found) * 99 // 100],
            "max": found[-1],
            "grown_mb": resident_mb(gateway.process.pid) - before,
        }


def bare_write_us(streams: int, interval_s: float) -> float:
    """What this machine wants for a write of 250 bytes to a connection, and for nothing else, in µs.

    The writer sleeps between its rounds as a gateway does, and the readers sleep until something comes.
    """
    rounds = 200
    with ExitStack() as sockets:
        pairs = []
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        for _ in range(streams):
            reader = sockets.enter_context(socket.create_connection(listener.getsockname()))
            writer = sockets.enter_context(listener.accept()[0])
            writer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pairs.append((reader, writer))
        pid = os.fork()
        if not pid:
            os.sched_setaffinity(0, {OUR_CORE})
            read_all([reader for reader, _ in pairs], rounds * streams * 250)
            os._exit(0)
        os.sched_setaffinity(0, {GATEWAY_CORE})
        data = b"x" * 250
        before = time.thread_time()
        for _ in range(rounds):
            time.sleep(interval_s)
            for _, writer in pairs:
                writer.send(data)
        spent = time.thread_time() - before
        os.waitpid(pid, 0)
        os.sched_setaffinity(0, {OUR_CORE})
    return spent / rounds / streams * 1e6


def read_all(readers: list[socket.socket], size: int) -> None:
    """So many bytes in all."""
    poll = select.epoll()
    by_number = {reader.fileno(): reader for reader in readers}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    while size > 0:
        for number, _ in poll.poll():
            size -= len(by_number[number].recv(1 << 16))


def wait_for(client: Client, streams: int) -> None:
    """Until so many streams have ended."""
    deadline = time.monotonic() + TIMEOUT_S
    while client.ended < streams:
        if time.monotonic() > deadline or not client.is_alive():
            raise SystemExit("a stream did not end")
        time.sleep(0.005)


def run() -> dict[str, Any]:
    """All figures."""
    threading.stack_size(1 << 20)
    whole = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {OUR_CORE})
    costs = []
    try:
        for streams, interval_s in AT_ONCE:
            costs.append({"dialect": "a write", "streams": streams, "event_us": bare_write_us(streams, interval_s)})
        with ExitStack() as resources:
            gateway = Gateway(resources, core=GATEWAY_CORE)
            requests = {}
            for name, dialect in DIALECTS.items():
                requests[name] = spread(request_ms(gateway, dialect))
                progress(f"  {name}: {shown(requests[name])} ms a request")
                for streams, interval_s in AT_ONCE:
                    figures = spread(event_us(gateway, dialect, streams, interval_s))
                    costs.append({"dialect": name, "streams": streams, "event_us": figures})
                    progress(f"  {name}, {streams} streams: {shown(figures, 1)} µs an event")
        delays = [delays_ms(slow=slow) for slow in (0, SLOW)]
        progress(f"  delays: {delays}")
    finally:
        os.sched_setaffinity(0, whole)
    return {"costs": costs, "requests": requests, "delays": delays, "targets": TARGETS}


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    counts = [streams for streams, _ in AT_ONCE]
    lines = [
        "| | ms a request | " + " | ".join(f"µs an event, {count} at once" for count in counts) + " |",
        "|---|---|" + "---|" * len(counts),
    ]
    for name in ["a write", *DIALECTS]:
        cells = [each["event_us"] for each in results["costs"] if each["dialect"] == name]
        request = shown(results["requests"][name]) if name in results["requests"] else ""
        events = [shown(cell, 1) if isinstance(cell, dict) else f"{cell:.1f}" for cell in cells]
        lines.append(f"| {name} | {request} | " + " | ".join(events) + " |")
    lines += ["", "| streams | beside them | delay p50, ms | p99, ms | wanted | max, ms | memory grew, MB |"]
    lines.append("|---|---|---|---|---|---|---|")
    for each in results["delays"]:
        beside = f"{each['slow']} that read nothing" if each["slow"] else "nobody"
        figures = f"{each['p50']:.1f} | {each['p99']:.1f} | ≤ {TARGETS['p99_ms']:g} | {each['max']:.1f}"
        lines.append(f"| {each['streams']} | {beside} | {figures} | {each['grown_mb']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    found = run()
    print(table(found))
    print(json.dumps(found))
