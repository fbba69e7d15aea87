"""What structured output costs: ``python benchmarks/mask_cost.py``.

First the parts, in this process, at a vocabulary of 151,936 tokens: schemas of the tests' corpus are compiled and
walked with random allowed tokens, and each mask, acceptance and application to logits is timed. Then the whole:
a server answers eight requests at once, with and without a schema, by turns; each pair gives one ratio of tokens per
second. The schema leaves nearly all to the model and forces nothing, which would make it faster.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from make_model import ensure_model
from serving import MODELS, ROOT, manifest_for, progress, server, shown, spread

from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield.ports.constraint import JsonSchema
from jackfield.testing.kits.loaded_model import generating
from jackfield_llama.masks import few_ids, forbid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from jackfield.ports.backend import Runner
    from jackfield.ports.constraint import ConstraintEngine
    from jackfield.testing.target import Target

T = TypeVar("T")

CORPUS: Final = ROOT / "tests" / "plugins" / "jackfield_llguidance" / "schemas"
TEXT_TOKENS: Final = 150
"""Most tokens walked in one text."""
SEQUENCES: Final = 8
TOKENS: Final = 32
"""Of an answer: all eight must be there before the client gives up, also on a busy machine and one thread."""
PAIRS: Final = 7
LOSS_MAX: Final = 0.05
OPEN: Final = {"type": "array", "items": {"type": "string", "minLength": 1000}, "minItems": 1}
"""A schema whose text goes on beyond ``TOKENS``, whatever is drawn."""


def run() -> dict[str, Any]:
    """All figures."""
    model = ensure_model("qwen2-0.5b", MODELS)
    progress("mask cost: parts")
    found = {"parts": parts(model)}
    for threads in (1, 2):
        progress(f"mask cost: throughput, {threads} threads")
        found[f"throughput, {threads} threads"] = throughput(model, threads)
    return found


# --- the parts -------------------------------------------------------------------------------------------------------


def parts(model: Path) -> dict[str, Any]:
    """Microseconds of each part; seconds of loading."""
    enabled = tuple(InstanceRef(name, name) for name in ("llama-cpu", "llguidance"))
    kernel = build_kernel(Manifest(enabled=enabled, kernel=KernelConfig()))
    spec = ModelSpec(name="bench", path=str(model), context=256, max_sequences=1, options={"threads": 1})
    runner = generating(kernel.backends()["llama-cpu"]().load(spec, lambda _: None))
    began = time.perf_counter()
    engine = kernel.constraints()["llguidance"](runner.tokenizer)
    times: dict[str, list[float]] = {"load": [time.perf_counter() - began]}
    for schema in schemas():
        walk(engine, runner, schema, times)
    runner.close()
    return {name: percentiles(values) for name, values in times.items()}


def schemas() -> Iterator[str]:
    """The corpus, as text."""
    for file in sorted(CORPUS.glob("*.json")):
        for part in json.loads(file.read_text()).values():
            yield from (json.dumps(schema) for schema in part.values())


def walk(engine: ConstraintEngine, runner: Runner, schema: str, times: dict[str, list[float]]) -> None:
    """Draw one text of *schema* and time what is done for each token."""
    vocabulary = runner.tokenizer.vocabulary
    dice = random.Random(schema)
    logits = np.random.default_rng(0).standard_normal(vocabulary, np.float32)
    mask = np.zeros(-(-vocabulary // 32), np.uint32)
    buffers = np.empty_like(logits), np.empty_like(logits)
    grammar = timed(times, "compile", lambda: engine.compile(JsonSchema(schema)))
    matcher = timed(times, "matcher", grammar.matcher)
    for _ in range(TEXT_TOKENS):
        for token in timed(times, "forced", matcher.forced):
            matcher.accept(token)
        if matcher.finished:
            return
        timed(times, "mask", lambda: matcher.mask(mask))
        timed(times, "apply", lambda: apply(logits, mask, *buffers))
        token = draw(mask, vocabulary, dice)
        if token in runner.tokenizer.end_tokens:
            return
        timed(times, "accept", partial(matcher.accept, token))


def apply(
    logits: npt.NDArray[np.float32],
    mask: npt.NDArray[np.uint32],
    scratch: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """As the sampler does: few tokens by their ids, many by the whole row."""
    ids = few_ids(mask, len(logits))
    if ids is None:
        forbid(mask, logits, scratch, out)
    else:
        logits[ids]


def draw(mask: npt.NDArray[np.uint32], vocabulary: int, dice: random.Random) -> int:
    """Any token that *mask* allows."""
    allowed = np.unpackbits(mask.view(np.uint8), bitorder="little", count=vocabulary).nonzero()[0]
    return int(allowed[dice.randrange(len(allowed))])


def timed(times: dict[str, list[float]], name: str, call: Callable[[], T]) -> T:
    """The result of *call*; its microseconds of processor time are added to *times*: neighbours do not count."""
    began = time.thread_time()
    result = call()
    times.setdefault(name, []).append((time.thread_time() - began) * 1e6)
    return result


def percentiles(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile, greatest, and how many."""
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": max(values), "count": len(values)}


# --- the whole -------------------------------------------------------------------------------------------------------


def throughput(model: Path, threads: int) -> dict[str, Any]:
    """Constrained to free, and the rates."""
    manifest = manifest_for(model, threads=threads, sequences=SEQUENCES, context=256)
    shape = {"type": "json_schema", "json_schema": {"name": "open", "schema": OPEN}}
    rates: dict[str, list[float]] = {"free": [], "constrained": []}
    with server(manifest) as process:
        kinds = {"free": None, "constrained": shape}
        for pair in range(-1, PAIRS):  # the first pair warms up
            names = list(kinds) if pair % 2 else list(kinds)[::-1]
            found = {name: process.target.run(rate(process.target, kinds[name])) for name in names}
            if pair >= 0:
                for name, value in found.items():
                    rates[name].append(value)
                progress(f"  pair {pair + 1}/{PAIRS}: free {found['free']:.1f}, constrained {found['constrained']:.1f}")
    ratios = [constrained / free for constrained, free in zip(rates["constrained"], rates["free"], strict=True)]
    return {"ratio": spread(ratios)} | {name: spread(values) for name, values in rates.items()}


async def rate(target: Target, shape: dict[str, Any] | None) -> float:
    """Tokens per second of ``SEQUENCES`` answers at once."""
    fields: dict[str, Any] = {"max_tokens": TOKENS, "temperature": 1.0, "ignore_eos": True}
    if shape is not None:
        fields |= {"response_format": shape}
    began = time.perf_counter()
    replies = await asyncio.gather(*(target.client.ask("Go on.", seed=n, **fields) for n in range(SEQUENCES)))
    seconds = time.perf_counter() - began
    counted = [reply.completion.usage.completion_tokens for reply in replies]
    if counted != [TOKENS] * SEQUENCES:
        raise SystemExit(f"answers of {counted} tokens")
    return sum(counted) / seconds


def table(found: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| part, at 151,936 tokens | p50, µs | p99, µs | greatest, µs | times |", "|---" * 5 + "|"]
    lines += [
        f"| {name} | {each['p50']:.0f} | {each['p99']:.0f} | {each['max']:.0f} | {each['count']} |"
        for name, each in found["parts"].items()
        if name != "load"
    ]
    lines += [f"\nLoading the vocabulary: {found['parts']['load']['p50']:.2f} s.\n"]
    lines += [
        "| eight answers at once | constrained / free | wanted | free, tokens/s | constrained |",
        "|---" * 5 + "|",
    ]
    lines += [
        f"| {name} | {shown(each['ratio'])} | ≥ {1 - LOSS_MAX:.2f} | {shown(each['free'], 1)} |"
        f" {shown(each['constrained'], 1)} |"
        for name, each in found.items()
        if name != "parts"
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    results = run()
    print(table(results))
    print(json.dumps(results))
