"""Makes requests of several lanes at once and tells what arrived when: raw sockets, one JSON line per job.

A child process of the benchmarks, so that its work is not counted as a server's. A job names a server's port and its
lanes; the requests of a lane run one after another. Background lanes are cut off when all others are done.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import msgspec
from stream_client import Connection, Stream


class Request(msgspec.Struct, frozen=True):
    """One question."""

    prompt: str
    tokens: int
    """Length of the answer."""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that run one after another."""

    requests: tuple[Request, ...]
    delay_s: float = 0.0
    background: bool = False


class Job(msgspec.Struct, frozen=True):
    """What one line asks for."""

    port: int
    lanes: tuple[Lane, ...]


class Seen(msgspec.Struct, frozen=True):
    """What one request saw. Seconds since the job's start."""

    sent: float
    arrivals: tuple[float, ...]
    """When each text came."""
    ended: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Answer(msgspec.Struct, frozen=True):
    """What became of a job: the requests of each lane."""

    lanes: tuple[tuple[Seen, ...], ...]


class Run:
    """One job while it runs."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._began = time.perf_counter()
        self._seen: list[list[Seen]] = [[] for _ in job.lanes]

    async def answer(self) -> Answer:
        """Run all lanes."""
        tasks = [asyncio.create_task(self._lane(number)) for number in range(len(self._job.lanes))]
        waited = [task for task, lane in zip(tasks, self._job.lanes, strict=True) if not lane.background]
        try:
            await asyncio.gather(*waited)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return Answer(tuple(map(tuple, self._seen)))

    async def _lane(self, number: int) -> None:
        lane = self._job.lanes[number]
        await asyncio.sleep(lane.delay_s)
        for request in lane.requests:
            stream = Stream(time.perf_counter())
            # a connection each: servers differ in how many requests they take on one
            connection = Connection(*await asyncio.open_connection("127.0.0.1", self._job.port))
            try:
                await connection.ask(body(request), stream)
            finally:
                connection.close()
                self._seen[number].append(self._told(stream))

    def _told(self, stream: Stream) -> Seen:
        return Seen(
            stream.sent - self._began,
            tuple(arrival - self._began for arrival in stream.arrivals),
            time.perf_counter() - self._began,
            stream.prompt_tokens,
            stream.cached_tokens,
            stream.completion_tokens,
        )


def body(request: Request) -> bytes:
    """The most likely answer, of exactly the wished length."""
    return json.dumps(
        {
            "model": "bench",
            "messages": [{"role": "user", "content": request.prompt}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            "max_tokens": request.tokens,
            "ignore_eos": True,
        }
    ).encode()


def main() -> None:
    """Do one job per input line until end-of-file."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        answer = asyncio.run(Run(msgspec.json.decode(line, type=Job)).answer())
        print(msgspec.json.encode(answer).decode(), flush=True)


if __name__ == "__main__":
    main()
