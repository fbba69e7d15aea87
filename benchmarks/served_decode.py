"""How much of a bare decode loop's speed a client of the server gets: ``python benchmarks/served_decode.py``.

Both load the same model with the same parameters and run alternately, in changing order; each pair gives one ratio.
Streamed answers of 64 tokens; the rate counts tokens while all streams decode, so prompts are not part of it.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any, Final

from make_model import ensure_model
from serving import MODELS, Child, manifest_for, port_of, progress, server, shown, spread

if TYPE_CHECKING:
    from pathlib import Path

TOKENS: Final = 64
PROMPT: Final = 16
CONTEXT: Final = 256
PAIRS: Final = 5
CASES: Final = ((1, 1), (4, 1), (8, 1), (1, 2), (4, 2), (8, 2))
"""Requests at once, threads of the model."""
TARGETS: Final = {1: 0.97, 2: 0.90}
"""Least median ratio, by threads (measured on two cores, which two threads fill)."""


def measure(model: Path, requests: int, threads: int, pairs: int) -> dict[str, Any]:
    """Ratios of one case."""
    arguments = [str(model)]
    for name, value in {
        "sequences": requests,
        "threads": threads,
        "context": CONTEXT,
        "prompt": PROMPT,
        "tokens": TOKENS,
    }.items():
        arguments += [f"--{name}", str(value)]
    manifest = manifest_for(model, threads=threads, sequences=requests, context=CONTEXT)
    bare_rates, served_rates = [], []
    with (
        server(manifest) as process,
        Child("bare_loop.py", *arguments) as bare,
        Child("stream_client.py", str(port_of(process)), "bench", str(requests)) as client,
    ):
        for pair in range(-1, pairs):  # the first pair warms up
            order = (bare, client) if pair % 2 else (client, bare)
            rates = {each: each.ask(requests=requests, tokens=TOKENS)["tokens_per_s"] for each in order}
            if pair >= 0:
                bare_rates.append(rates[bare])
                served_rates.append(rates[client])
                progress(f"  pair {pair + 1}/{pairs}: bare {rates[bare]:.1f}, served {rates[client]:.1f} tokens/s")
    ratios = [served / bare for served, bare in zip(served_rates, bare_rates, strict=True)]
    return {
        "model": model.stem,
        "requests": requests,
        "threads": threads,
        "target": TARGETS[threads],
        "ratio": spread(ratios),
        "bare_tokens_per_s": spread(bare_rates),
        "served_tokens_per_s": spread(served_rates),
    }


def run(name: str = "qwen2-0.5b", pairs: int = PAIRS) -> list[dict[str, Any]]:
    """All cases."""
    model = ensure_model(name, MODELS)
    results = []
    for requests, threads in CASES:
        progress(f"served decode, {name}: {requests} requests, {threads} threads")
        results.append(measure(model, requests, threads, pairs))
    return results


def table(results: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = [
        "| model | requests | threads | served / bare | wanted | bare tokens/s | served tokens/s |",
        "|---" * 7 + "|",
    ]
    for each in results:
        bare, served = shown(each["bare_tokens_per_s"], 1), shown(each["served_tokens_per_s"], 1)
        lines.append(
            f"| {each['model']} | {each['requests']} | {each['threads']} | {shown(each['ratio'])} |"
            f" ≥ {each['target']:.2f} | {bare} | {served} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Served decode against a bare loop.")
    parser.add_argument("--model", default="qwen2-0.5b")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    given = parser.parse_args()
    found = run(given.model, given.pairs)
    print(table(found))
    print(json.dumps(found))
