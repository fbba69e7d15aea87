"""Traces: what was asked for and when, without a word of it. One JSON object a line, oldest first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from jackfield.types import PRIORITY_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

TOKENS_MAX: Final = 10_000_000
REQUESTS_MAX: Final = 1_000_000
SECONDS_MAX: Final = 1_000_000_000
LINE_MAX: Final = 10_000
"""Bytes of a line; a request takes two hundred."""

NAME_MAX: Final = 256

STANDARD_INPUT: Final = Path("-")


class TraceError(ValueError):
    """A trace that is none, by line."""


class TracedRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One request of a trace."""

    arrival_s: float
    """Seconds after the trace begins."""
    prompt_tokens: int
    """At least 1."""
    output_tokens: int
    """Tokens of its answer; at least 1."""
    tenant: str = ""
    """Who asked."""
    priority: int = 0
    """-100 to 100; lower goes first."""
    prefix: str = ""
    """Requests with the same name here begin with the same tokens; empty where nothing is shared."""
    prefix_tokens: int = 0
    """How many tokens those are; the same for all of them."""

    def __post_init__(self) -> None:
        _within("arrival_s", self.arrival_s, 0, SECONDS_MAX)
        _within("prompt_tokens", self.prompt_tokens, 1, TOKENS_MAX)
        _within("output_tokens", self.output_tokens, 1, TOKENS_MAX)
        _within("priority", self.priority, -PRIORITY_MAX, PRIORITY_MAX)
        _within("prefix_tokens", self.prefix_tokens, 0, self.prompt_tokens)
        if bool(self.prefix) != bool(self.prefix_tokens):
            raise ValueError("prefix and prefix_tokens belong together")
        if not all(len(name) <= NAME_MAX and name.isprintable() for name in (self.tenant, self.prefix)):
            raise ValueError(f"tenant and prefix have at most {NAME_MAX} characters, all of them printable")

    @property
    def tokens(self) -> int:
        """Prompt and answer together."""
        return self.prompt_tokens + self.output_tokens


def read_trace(file: Path) -> list[TracedRequest]:
    """The requests in *file*, oldest first; ``-`` is standard input. Empty lines mean nothing.

    Raises:
        TraceError: A line is no request, or there is none; names the line.
    """
    try:
        if file == STANDARD_INPUT:
            return _requests(sys.stdin.buffer, "standard input")
        with file.open("rb") as lines:
            return _requests(lines, str(file))
    except OSError as error:
        raise TraceError(f"{file}: {error.strerror}") from error


def write_trace(requests: Iterable[TracedRequest], file: Path) -> None:
    """Write *requests* as ``read_trace`` reads them."""
    encoder = msgspec.json.Encoder()
    file.write_bytes(b"".join(encoder.encode(request) + b"\n" for request in requests))


def _requests(lines: BinaryIO, where: str) -> list[TracedRequest]:
    decoder = msgspec.json.Decoder(TracedRequest)
    requests: list[TracedRequest] = []
    prefixes: dict[str, int] = {}
    number = 0
    while line := lines.readline(LINE_MAX + 1):
        number += 1
        if len(line) > LINE_MAX or len(requests) >= REQUESTS_MAX:
            raise TraceError(f"{where}:{number}: more than {LINE_MAX} bytes in a line, or {REQUESTS_MAX} requests")
        if line.strip():
            requests.append(_request(decoder, line, f"{where}:{number}"))
            _check_prefix(requests[-1], prefixes, f"{where}:{number}")
    if not requests:
        raise TraceError(f"{where}: there is no request in it")
    return sorted(requests, key=lambda request: request.arrival_s)


def _request(decoder: msgspec.json.Decoder[TracedRequest], line: bytes, where: str) -> TracedRequest:
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TraceError(f"{where}: {error}") from error


def _check_prefix(request: TracedRequest, lengths: dict[str, int], where: str) -> None:
    if lengths.setdefault(request.prefix, request.prefix_tokens) != request.prefix_tokens:
        raise TraceError(f"{where}: the prefix {request.prefix!r} had another prefix_tokens before")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}")
