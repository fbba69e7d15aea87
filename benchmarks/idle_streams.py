"""What an open but silent stream costs the gateway in memory: ``python benchmarks/idle_streams.py [STREAMS]``.

A real gateway process serves streams of the OpenAI dialect; this process plays its supervisor, a worker that says one
word in each stream and then thinks for ever, and all the clients. The gateway's resident memory is read before and
after the streams were opened, the first hundred not counted: they fill caches that all others share.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from gateway_process import TIMEOUT_S, Gateway
from serving import progress, resident_mb

from jackfield.channel.messages import Events, Submit
from jackfield.types import Started, TextDelta

STREAMS: Final = 1000
WARM_UP: Final = 100
TARGET_KIB: Final = 64.0
BODY: Final = json.dumps(
    {"model": "default", "messages": [{"role": "user", "content": "hello"}], "stream": True, "max_tokens": 64}
).encode()
ASK: Final = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
SETTLE_S: Final = 2.0
"""Until what opening a thousand streams left behind has been given back."""


def open_streams(gateway: Gateway, count: int, resources: ExitStack) -> None:
    """So many streams more, each with one word said."""
    clients = [resources.enter_context(client_of(gateway)) for _ in range(count)]
    waiting = count
    while waiting:
        for message in gateway.worker.receive():
            if isinstance(message, Submit):
                gateway.worker.send(Events([(message.id, Started(1, 64)), (message.id, TextDelta("hello", 1))]))
                waiting -= 1
    for client in clients:
        answer = b""
        while b"hello" not in answer:
            data = client.recv(65536)
            if not data:
                raise SystemExit(f"a stream was refused: {answer!r}")
            answer += data


def client_of(gateway: Gateway) -> socket.socket:
    """A connection that has asked for a stream."""
    client = socket.create_connection(("127.0.0.1", gateway.port), timeout=TIMEOUT_S)
    client.sendall(ASK)
    return client


def run(streams: int = STREAMS) -> dict[str, Any]:
    """Memory per stream."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, streams + 1000)), hard))
    with ExitStack() as resources:
        gateway = Gateway(resources)
        open_streams(gateway, WARM_UP, resources)
        time.sleep(SETTLE_S)
        before = resident_mb(gateway.process.pid)
        progress(f"  {WARM_UP} streams: {before:.1f} MB")
        open_streams(gateway, streams, resources)
        time.sleep(SETTLE_S)
        after = resident_mb(gateway.process.pid)
        progress(f"  {WARM_UP + streams} streams: {after:.1f} MB")
        threads = len(list(Path(f"/proc/{gateway.process.pid}/task").iterdir()))
    each = (after - before) * 1e6 / 1024 / streams
    return {"streams": streams, "kib_per_stream": each, "gateway_mb": after, "threads": threads, "target": TARGET_KIB}


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    per_stream = f"{results['kib_per_stream']:.1f} | ≤ {TARGET_KIB:g}"
    lines = (
        "| figure | measured | wanted |",
        "|---|---|---|",
        f"| gateway RSS per idle stream, KiB, {results['streams']} streams | {per_stream} |",
        f"| gateway RSS with them, MB | {results['gateway_mb']:.1f} | |",
    )
    return "\n".join(lines)


if __name__ == "__main__":
    found = run(int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS)
    print(table(found))
    print(json.dumps(found))
