"""Jackfield against llama-server, how long prompts hold up running answers: ``python benchmarks/long_arrivals.py``.

Four answers run, and prompts of 2,000 tokens come in one after another. Measured is how long the running answers wait
for their next token meanwhile. Both servers stay loaded and are asked alternately, in changing order.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from contenders import BOTH, PAIRS, ask, command_line, contender, first_tokens, percentile, ratios, turns
from llama_server import Settings
from load_client import Lane, Request
from make_model import ensure_model
from prompts import Prompts
from serving import MODELS, Child, progress, shown, spread

from jackfield.bench.plot import Line, Panel, picture

if TYPE_CHECKING:
    from load_client import Seen

MODEL: Final = "qwen2-0.5b"
STREAMS: Final = 4
PROMPT: Final = 2000
ARRIVALS: Final = 2
LEAD_S: Final = 4.0
"""How long the streams run alone: their own prompts are short and done by then."""
SHORT: Final = 20
"""Tokens of their prompts."""
ENDLESS: Final = 2000
"""Length of their answers: more than anybody comes to."""
CONTEXT: Final = 2560
SLOTS: Final = STREAMS + 1
TARGET: Final = 0.15
"""Greatest ratio of the 99th percentiles."""


def lanes(seed: object) -> list[Lane]:
    """The streams, which are cut off in the end, and the one that asks with long prompts."""
    prompts = Prompts(seed)
    streams = [Lane(requests=(Request(prompts.message(SHORT), ENDLESS),), background=True) for _ in range(STREAMS)]
    arrivals = tuple(Request(prompts.message(PROMPT), 1) for _ in range(ARRIVALS))
    return [*streams, Lane(requests=arrivals, delay_s=LEAD_S)]


def gaps(streams: list[Seen], arrivals: list[Seen]) -> list[float]:
    """Seconds between tokens of *streams* where a long prompt was under way in any part of them."""
    began, ended = arrivals[0].sent, arrivals[-1].arrivals[0]
    return [
        after - before
        for stream in streams
        for before, after in zip(stream.arrivals, stream.arrivals[1:], strict=False)
        if after > began and before < ended
    ]


def once(client: Child, port: int, seed: object) -> tuple[list[float], float]:
    """Gaps of the streams, and the median time to the first token of the long prompts; seconds."""
    *streams, [*arrivals] = ask(client, port, lanes(seed))
    running = [each for lane in streams for each in lane]
    found = gaps(running, arrivals)
    if len(running) < STREAMS or not found or min(each.arrivals[0] for each in running) > arrivals[0].sent:
        raise SystemExit("the streams did not run before the long prompts came")
    return found, percentile(first_tokens(arrivals), 50)


def measure(settings: Settings, pairs: int) -> dict[str, Any]:
    """All pairs."""
    p99: dict[str, list[float]] = {name: [] for name in BOTH}
    ttft: dict[str, list[float]] = {name: [] for name in BOTH}
    every: dict[str, list[float]] = {name: [] for name in BOTH}
    with ExitStack() as stack:
        client = stack.enter_context(Child("load_client.py"))
        ports = {name: stack.enter_context(contender(name, settings)) for name in BOTH}
        for pair in range(pairs):
            for name in turns(pair):
                found, first = once(client, ports[name], pair)
                p99[name].append(percentile(found, 99) * 1e3)
                ttft[name].append(first)
                every[name] += found
            progress(
                f"  pair {pair + 1}/{pairs}: "
                + ", ".join(f"{name} p99 {p99[name][-1]:.0f} ms, prompt {ttft[name][-1]:.1f} s" for name in BOTH)
            )
    return {
        "p99_ratio": spread(ratios(p99)),
        "ttft_ratio": spread(ratios(ttft)),
        "p99_ms": {name: spread(p99[name]) for name in BOTH},
        "ttft_s": {name: spread(ttft[name]) for name in BOTH},
        "gaps_ms": {name: sorted(gap * 1e3 for gap in every[name]) for name in BOTH},
    }


def run(threads: int = 2, pairs: int = PAIRS, *, unified: bool = True) -> dict[str, Any]:
    """One case."""
    progress("long prompts come while answers run")
    return measure(Settings(ensure_model(MODEL, MODELS), threads, SLOTS, CONTEXT, unified=unified), pairs)


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| figure | ratio | wanted | jackfield | llama-server |", "|---" * 5 + "|"]
    for title, name, digits, wanted in (
        ("inter-token p99 of running answers, ms", "p99_ms", 0, f"≤ {TARGET}"),
        ("first token of the 2,000-token prompts, s", "ttft_s", 2, ""),
    ):
        ratio = results[f"{name.partition('_')[0]}_ratio"]
        figures = " | ".join(shown(results[name][each], digits) for each in BOTH)
        lines.append(f"| {title} | {shown(ratio)} | {wanted} | {figures} |")
    return "\n".join(lines)


def plots(results: dict[str, Any]) -> dict[str, str]:
    """SVG pictures by file name."""
    lines = []
    for name in BOTH:
        found = results["gaps_ms"][name]
        lines.append(Line(name, [(gap, (place + 1) / len(found) * 100) for place, gap in enumerate(found)]))
    panel = Panel("while 2,000-token prompts come in", "inter-token latency, ms", "share of tokens, %", lines)
    return {"long-arrivals.svg": picture([panel], BOTH)}


if __name__ == "__main__":
    command_line("How long prompts hold up running answers.", run, table)
