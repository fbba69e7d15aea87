"""A light streaming client: raw sockets, one JSON line per run.

A child process of the benchmarks, so that its work is not counted as the server's. For each JSON line on standard input
(``requests`` at once, ``tokens`` each, ``rounds`` one after another on the same connections) it prints what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

HEADERS = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
EVENT = b"data: "
LAST_CHUNK = b"0\r\n\r\n"


@dataclass
class Stream:
    """What arrived of one answer."""

    sent: float
    arrivals: list[float] = field(default_factory=list)
    """Times at which events with text arrived, in seconds."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt, those that the server did not compute."""
    completion_tokens: int = 0


class Connection:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, body: bytes, stream: Stream) -> Stream:
        """Send *body* and read the answer to its end, noting in *stream* when each event arrives."""
        head = f"POST /v1/chat/completions HTTP/1.1\r\n{HEADERS}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        await self._reader.readuntil(b"\r\n\r\n")
        rest, seen = b"", b""
        while not rest.endswith(LAST_CHUNK):
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionError(f"the server closed the connection after {(seen + rest)[:300]!r}")
            now = time.perf_counter()
            rest += data
            # events are short: what has no line end yet is looked at again with the next read
            *lines, tail = rest.split(b"\n\n")
            for line in lines:
                self._take(stream, line, now)
            if lines:
                seen, rest = b"".join(lines[-1:]), tail
        return stream

    @staticmethod
    def _take(stream: Stream, block: bytes, now: float) -> None:
        start = block.find(EVENT)
        if start < 0 or block.endswith(b"[DONE]"):
            return
        event = json.loads(block[start + len(EVENT) :])
        if "error" in event:
            raise ConnectionError(f"the server failed: {event['error']}")
        if event.get("usage"):
            usage = event["usage"]
            stream.prompt_tokens, stream.completion_tokens = usage["prompt_tokens"], usage["completion_tokens"]
            stream.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        if any(choice["delta"].get("content") for choice in event["choices"]):
            stream.arrivals.append(now)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def steady_rate(streams: list[Stream]) -> float:
    """Tokens per second of all streams together, while all of them were decoding."""
    begin = max(stream.arrivals[0] for stream in streams)
    end = min(stream.arrivals[-1] for stream in streams)
    tokens = sum(sum(begin < arrival <= end for arrival in stream.arrivals) for stream in streams)
    return tokens / (end - begin) if end > begin else 0.0


async def run(connections: list[Connection], model: str, job: dict[str, int]) -> dict[str, float]:
    """One job: *requests* at once, *rounds* times."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "a benchmark"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "max_tokens": job["tokens"],
        "ignore_eos": True,
    }
    data = json.dumps(body).encode()
    rates, events, tokens = [], 0, 0
    for _ in range(job.get("rounds", 1)):
        streams = await asyncio.gather(
            *(each.ask(data, Stream(time.perf_counter())) for each in connections[: job["requests"]])
        )
        events += sum(len(stream.arrivals) for stream in streams)
        tokens += sum(stream.completion_tokens for stream in streams)
        if job["tokens"] > 1:
            rates.append(steady_rate(streams))
    return {"tokens_per_s": sorted(rates)[len(rates) // 2] if rates else 0.0, "events": events, "tokens": tokens}


async def main() -> None:
    """Serve one job per input line until end-of-file."""
    parser = argparse.ArgumentParser(description="A light streaming client.")
    parser.add_argument("port", type=int)
    parser.add_argument("model")
    parser.add_argument("connections", type=int)
    given = parser.parse_args()
    connections = [
        Connection(*await asyncio.open_connection("127.0.0.1", given.port)) for _ in range(given.connections)
    ]
    print(json.dumps({"ready": True}), flush=True)
    # a blocking read is fine: nothing else happens between jobs
    for line in sys.stdin:
        print(json.dumps(await run(connections, given.model, json.loads(line))), flush=True)
    for connection in connections:
        connection.close()


if __name__ == "__main__":
    asyncio.run(main())
