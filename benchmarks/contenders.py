"""Jackfield and llama-server with the same model and settings, asked alternately by the same client."""

from __future__ import annotations

import argparse
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from llama_server import LlamaServer
from load_client import Answer, Seen
from serving import Child, manifest_for, port_of, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from llama_server import Settings
    from load_client import Lane

JACKFIELD: Final = "jackfield"
LLAMA_SERVER: Final = LlamaServer.name
BOTH: Final = (JACKFIELD, LLAMA_SERVER)

PAIRS: Final = 5
"""How often both are measured."""

Figures: TypeAlias = "dict[str, dict[str, list[float]]]"
"""What was measured, by figure and contender, one value a pair."""


def command_line(description: str, run: Callable[..., Any], table: Callable[[Any], str]) -> None:
    """Compare as the command line says; print a table and the figures as JSON.

    Parameters:
        description: What is compared.
        run: Called with the threads of each and the number of pairs; *unified* where llama-server's slots share cells.
        table: Makes Markdown of what it returns.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--split", action="store_true", help="llama-server's slots have KV cells of their own")
    given = parser.parse_args()
    measured = run(given.threads, given.pairs, unified=not given.split)
    print(table(measured))
    print(json.dumps(measured))


@contextmanager
def contender(name: str, settings: Settings) -> Iterator[int]:
    """The port of a fresh, ready server."""
    if name == LLAMA_SERVER:
        with LlamaServer(settings) as rival:
            yield rival.port
        return
    manifest = manifest_for(
        settings.model, threads=settings.threads, sequences=settings.slots, context=settings.context
    )
    with server(manifest) as process:
        yield port_of(process)


def turns(pair: int) -> tuple[str, ...]:
    """Who is asked first changes from pair to pair."""
    return BOTH if pair % 2 else BOTH[::-1]


def ask(client: Child, port: int, lanes: Sequence[Lane]) -> list[list[Seen]]:
    """Have *client* run *lanes* against the server at *port*; what their requests saw.

    Raises:
        SystemExit: An answer has not the wished length, so that nothing can be compared.
    """
    found = msgspec.convert(client.ask(port=port, lanes=msgspec.to_builtins(lanes)), Answer).lanes
    for lane, seen in zip(lanes, found, strict=True):
        lengths = [each.completion_tokens for each in seen]
        if not lane.background and lengths != [request.tokens for request in lane.requests]:
            raise SystemExit(f"answers of {lengths} tokens")
    return [list(seen) for seen in found]


def throughput(seen: Sequence[Seen]) -> float:
    """Tokens of answers a second, from the first request to the last answer's end."""
    took = max(each.ended for each in seen) - min(each.sent for each in seen)
    return sum(each.completion_tokens for each in seen) / took


def first_tokens(seen: Sequence[Seen]) -> list[float]:
    """How long the first token of each took, in seconds."""
    return [each.arrivals[0] - each.sent for each in seen]


def percentile(values: Sequence[float], percent: int) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


def ratios(figure: dict[str, list[float]]) -> list[float]:
    """Jackfield's share of llama-server's, pair by pair."""
    return [ours / theirs for ours, theirs in zip(figure[JACKFIELD], figure[LLAMA_SERVER], strict=True)]
