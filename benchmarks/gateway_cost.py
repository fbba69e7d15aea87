"""What the gateway costs: CPU time per request and per SSE event, memory at rest, time until it listens.

``python benchmarks/gateway_cost.py``. The process's own CPU clock is read around runs that differ in one thing:
many short answers and as many long ones. The difference is what events cost; what is left of the short ones is the
request.
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from serving import Child, cpu_s, port_of, progress, resident_mb, server, shown, spread

from jackfield.testing.background import BackgroundLoop
from jackfield.testing.serve import ServeProcess

MANIFEST: Final = """
[kernel]
log_level = "warning"
[models.bench]
source = "jackfield:demo"
max_sequences = 8
"""
SHORT: Final = 2
LONG: Final = 130
ROUNDS: Final = 40
REPEATS: Final = 5
CASES: Final = (1, 8)
"""Requests at once."""
TARGETS: Final = {"request_ms": 0.9, "event_us": 40.0, "gateway_mb": 90.0, "listening_s": 1.0}
LISTEN_TIMEOUT_S: Final = 30.0


def cost(requests: int) -> dict[str, Any]:
    """CPU time with *requests* at once."""
    per_request, per_event = [], []
    with server(MANIFEST) as process:
        [gateway] = process.children("gateway")
        with Child("stream_client.py", str(port_of(process)), "bench", str(requests)) as client:
            client.ask(requests=requests, tokens=LONG, rounds=3)
            for done in range(REPEATS):
                spent, events = [], []
                for tokens in (SHORT, LONG):
                    before = cpu_s(gateway)
                    answer = client.ask(requests=requests, tokens=tokens, rounds=ROUNDS)
                    spent.append(cpu_s(gateway) - before)
                    events.append(answer["events"])
                event = (spent[1] - spent[0]) / (events[1] - events[0])
                per_event.append(event * 1e6)
                per_request.append((spent[0] - events[0] * event) / (requests * ROUNDS) * 1e3)
                progress(f"  {done + 1}/{REPEATS}: {per_request[-1]:.3f} ms a request, {per_event[-1]:.1f} µs an event")
    return {"requests": requests, "request_ms": spread(per_request), "event_us": spread(per_event)}


def rest() -> dict[str, Any]:
    """Memory of a ready server that does nothing, and how long its port took to listen after the start."""
    listening, answering, gateway, supervisor = [], [], [], []
    for _ in range(REPEATS):
        with BackgroundLoop() as loop, tempfile.TemporaryDirectory(prefix="jackfield-bench-") as folder:
            started = time.monotonic()
            process = ServeProcess(MANIFEST, Path(folder), loop)
            try:
                listening.append(first_connection(port_of(process)) - started)
                process.wait_live()
                answering.append(time.monotonic() - started)
                process.wait_ready()
                gateway.append(resident_mb(process.children("gateway")[0]))
                supervisor.append(resident_mb(process.pid))
            finally:
                process.close()
        progress(
            f"  listening after {listening[-1]:.2f} s, gateway {gateway[-1]:.1f} MB, supervisor {supervisor[-1]:.1f} MB"
        )
    return {
        "listening_s": spread(listening),
        "answering_s": spread(answering),
        "gateway_mb": spread(gateway),
        "supervisor_mb": spread(supervisor),
    }


def first_connection(port: int) -> float:
    """When *port* first took a connection, on the monotonic clock."""
    deadline = time.monotonic() + LISTEN_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.002)
        else:
            return time.monotonic()
    raise SystemExit(f"nothing listens on port {port}")


def run() -> dict[str, Any]:
    """All figures."""
    costs = []
    for requests in CASES:
        progress(f"gateway cost: {requests} requests at once")
        costs.append(cost(requests))
    progress("gateway at rest")
    return {"targets": TARGETS, "costs": costs, "rest": rest()}


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| figure | measured | wanted |", "|---|---|---|"]
    for each in results["costs"]:
        at_once = f"{each['requests']} at once"
        lines.append(f"| CPU per request, ms, {at_once} | {shown(each['request_ms'])} | ≤ {TARGETS['request_ms']:g} |")
        lines.append(f"| CPU per SSE event, µs, {at_once} | {shown(each['event_us'], 1)} | ≤ {TARGETS['event_us']:g} |")
    resting = results["rest"]
    lines.append(f"| gateway RSS at rest, MB | {shown(resting['gateway_mb'], 1)} | ≤ {TARGETS['gateway_mb']:g} |")
    lines.append(f"| supervisor RSS, MB | {shown(resting['supervisor_mb'], 1)} | |")
    lines.append(f"| listening after, s | {shown(resting['listening_s'], 2)} | ≤ {TARGETS['listening_s']:g} |")
    lines.append(f"| first answer (`/livez`) after, s | {shown(resting['answering_s'], 2)} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    found = run()
    print(table(found))
    print(json.dumps(found))
