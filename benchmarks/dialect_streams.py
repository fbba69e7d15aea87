"""Streams of every HTTP dialect, answered by a worker that plays what models write: thoughts, text, a call of a tool.

Each token is one delta, as workers send them, and all tokens of a step are one message. A token's text carries the time
at which its step was sent, so that whoever reads the stream knows how long each event was under way.
"""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from gateway_process import TIMEOUT_S

from jackfield.channel.messages import Events, Submit
from jackfield.types import Finished, Started, TextDelta, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from gateway_process import Gateway

_SCHEMA: Final = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_ASKED: Final = "Think, answer, and then call the tool."
_FUNCTION: Final = {"name": "note", "description": "Takes a note.", "parameters": _SCHEMA}
_CHAT: Final = {"model": "default", "messages": [{"role": "user", "content": _ASKED}], "stream": True}
_TOOLS: Final = [{"type": "function", "function": _FUNCTION}]


class Dialect(NamedTuple):
    """How a stream is asked for, and how its events are read."""

    path: str
    body: dict[str, object]
    stamp: re.Pattern[bytes]
    """Finds the time of a piece in the event that brings it, and in no other."""
    end: bytes = b"\n\n"
    """Of an event."""

    @property
    def request(self) -> bytes:
        """As it is sent."""
        body = json.dumps(self.body).encode()
        head = f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


DIALECTS: Final = {
    "OpenAI chat": Dialect("/v1/chat/completions", {**_CHAT, "tools": _TOOLS}, re.compile(rb"@(\d{16})")),
    "OpenAI responses": Dialect(
        "/v1/responses",
        {
            "model": "default",
            "input": _ASKED,
            "stream": True,
            "store": False,
            "tools": [{"type": "function", **_FUNCTION}],
        },
        re.compile(rb'"delta":"@(\d{16})'),
    ),
    "Anthropic": Dialect(
        "/v1/messages",
        {
            **_CHAT,
            "max_tokens": 4096,
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "tools": [{"name": "note", "input_schema": _SCHEMA}],
        },
        re.compile(rb"@(\d{16})"),
    ),
    # a call is one line here, sent when it is whole: how long its pieces waited is no delay
    "Ollama": Dialect("/api/chat", {**_CHAT, "tools": _TOOLS}, re.compile(rb'(?:content|thinking)":"@(\d{16})'), b"\n"),
}

_BEFORE: Final = (
    "<think>\n",
    "\n</think>\n\n",
    '\n<tool_call>\n{"name": "note", "arguments": {"text": "',
)
_AFTER: Final = '"}}\n</tool_call>'
_LAST_CHUNK: Final = b"0\r\n\r\n"
_SMALL_BUFFER: Final = 4096


class Client(threading.Thread):
    """Reads all streams, and notes how long events were under way.

    Parameters:
        gateway: Whose client it is.
    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(daemon=True)
        self.events = 0
        self.delays: list[float] = []
        """Milliseconds from a step's message to the read that had its event."""
        self.ended = 0
        self._gateway = gateway
        self._streams: dict[int, tuple[socket.socket, Dialect]] = {}
        self._poll = select.epoll()
        self._sockets = ExitStack()
        self._wake, self._woken = socket.socketpair()
        self._poll.register(self._woken, select.EPOLLIN)
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake.send(b".")
        self.join()
        self._sockets.close()
        self._poll.close()
        self._wake.close()
        self._woken.close()

    def open(self, dialect: Dialect, *, reads: bool = True) -> None:
        """One stream more; of one that nobody reads little fits into the kernel's buffers."""
        client = self._sockets.enter_context(socket.socket())
        if not reads:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        client.settimeout(TIMEOUT_S)
        client.connect(("127.0.0.1", self._gateway.port))
        client.sendall(dialect.request)
        if reads:
            self._streams[client.fileno()] = client, dialect
            self._poll.register(client, select.EPOLLIN)

    def run(self) -> None:
        """Until the streams are closed."""
        while True:
            for number, _ in self._poll.poll():
                if number == self._woken.fileno():
                    return
                self._read(*self._streams[number])

    def _read(self, client: socket.socket, dialect: Dialect) -> None:
        data = client.recv(1 << 16)
        now = time.monotonic_ns()
        if not data or (data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 200")):
            raise SystemExit(f"a stream was refused or broken: {data!r}")
        self.events += data.count(dialect.end)
        self.delays += [(now - int(stamp)) / 1e6 for stamp in dialect.stamp.findall(data)]
        self.ended += data.endswith(_LAST_CHUNK)


class Worker:
    """Plays the answers to all requests of one run, in step.

    Parameters:
        gateway: Whose worker it is.
        streams: How many requests come.
    """

    def __init__(self, gateway: Gateway, streams: int) -> None:
        self._gateway = gateway
        self._requests: list[int] = []
        while len(self._requests) < streams:
            self._requests += [message.id for message in gateway.worker.receive() if isinstance(message, Submit)]
        self._send([(each, Started(16, 4096)) for each in self._requests])

    def play(self, tokens: int, interval_s: float) -> None:
        """So many tokens of each kind, one of each answer every *interval_s* seconds, and the end."""
        for before in _BEFORE:
            self._step(before)
            due = time.monotonic()
            for _ in range(tokens):
                due += interval_s
                time.sleep(max(0.0, due - time.monotonic()))
                self._step(f"@{time.monotonic_ns():016d} and so on")
        self._step(_AFTER)
        finished = Finished("stop", Usage(16, 64), Timings(0.0, 0.0, 0.0))
        self._send([(each, finished) for each in self._requests])

    def flood(self, text: str) -> None:
        """A piece of every answer, without a time."""
        self._step(text)

    def _step(self, text: str) -> None:
        self._send([(each, TextDelta(text, 1)) for each in self._requests])

    def _send(self, events: Sequence[tuple[int, Started | TextDelta | Finished]]) -> None:
        self._gateway.worker.send(Events(list(events)))
