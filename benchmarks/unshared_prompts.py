"""Jackfield against llama-server, prompts that share nothing: ``python benchmarks/unshared_prompts.py``.

So many clients ask at the same moment, prompts of 129 tokens and answers of 64, and nobody asks again before all are
answered. Both servers stay loaded and get the same prompts alternately, in changing order; the first pair warms up.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from contenders import BOTH, PAIRS, ask, command_line, contender, first_tokens, percentile, ratios, throughput, turns
from llama_server import Settings
from load_client import Lane, Request
from make_model import ensure_model
from prompts import Prompts
from serving import MODELS, Child, progress, shown, spread

from jackfield.bench.plot import Line, Panel, picture

if TYPE_CHECKING:
    from contenders import Figures
    from load_client import Seen

MODEL: Final = "qwen2-0.5b"
PROMPT: Final = 129
TOKENS: Final = 64
CONTEXT: Final = 512
ROUNDS: Final = {1: 3, 4: 1, 8: 1, 16: 1}
"""How often everybody asks, by clients at once."""
THROUGHPUT: Final = 0.97
TTFT: Final = {1: 1.05, 4: 0.8, 8: 0.8}
"""Greatest ratio, by clients at once."""


def one_round(client: Child, port: int, clients: int, seed: object) -> list[Seen]:
    """Everybody asks once, at the same moment."""
    prompts = Prompts(seed)
    lanes = [Lane(requests=(Request(prompts.message(PROMPT), TOKENS),)) for _ in range(clients)]
    seen = [each for lane in ask(client, port, lanes) for each in lane]
    lengths = {each.prompt_tokens for each in seen}
    if lengths != {PROMPT}:
        raise SystemExit(f"prompts of {lengths} tokens")
    return seen


def once(client: Child, port: int, clients: int, seed: object) -> tuple[float, float]:
    """Tokens a second, and the median time to the first token."""
    rounds = [one_round(client, port, clients, f"{seed} {number}") for number in range(ROUNDS[clients])]
    speeds = [throughput(seen) for seen in rounds]
    return sum(speeds) / len(speeds), percentile(first_tokens([each for seen in rounds for each in seen]), 50)


def measure(settings: Settings, pairs: int) -> dict[str, Any]:
    """One number of clients: as many as the servers have slots."""
    clients = settings.slots
    speed: dict[str, list[float]] = {name: [] for name in BOTH}
    ttft: dict[str, list[float]] = {name: [] for name in BOTH}
    with ExitStack() as stack:
        client = stack.enter_context(Child("load_client.py"))
        ports = {name: stack.enter_context(contender(name, settings)) for name in BOTH}
        for pair in range(-1, pairs):  # the first pair warms up
            for name in turns(pair):
                found = once(client, ports[name], clients, f"{clients} {pair}")
                if pair >= 0:
                    speed[name].append(found[0])
                    ttft[name].append(found[1] * 1e3)
            if pair >= 0:
                progress(f"  pair {pair + 1}/{pairs}: " + said({"speed": speed, "ttft": ttft}))
    return {
        "clients": clients,
        "threads": settings.threads,
        "unified": settings.unified,
        "speed_ratio": spread(ratios(speed)),
        "ttft_ratio": spread(ratios(ttft)),
        "speed": {name: spread(speed[name]) for name in BOTH},
        "ttft_ms": {name: spread(ttft[name]) for name in BOTH},
    }


def said(figures: Figures) -> str:
    """The latest pair, for whoever waits."""
    return ", ".join(
        f"{name} {figures['speed'][name][-1]:.1f} tokens/s, first after {figures['ttft'][name][-1]:.0f} ms"
        for name in BOTH
    )


def run(threads: int = 2, pairs: int = PAIRS, *, unified: bool = True) -> list[dict[str, Any]]:
    """All numbers of clients."""
    model = ensure_model(MODEL, MODELS)
    results = []
    for clients in ROUNDS:
        progress(f"unshared prompts: {clients} clients")
        results.append(measure(Settings(model, threads, clients, CONTEXT, unified=unified), pairs))
    return results


def table(results: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = [
        "| clients | throughput | wanted | TTFT p50 | wanted | tokens/s | theirs | TTFT p50, ms | theirs |",
        "|---" * 9 + "|",
    ]
    for each in results:
        clients = each["clients"]
        ttft = f"≤ {TTFT[clients]:.2f}" if clients in TTFT else ""
        cells = [str(clients), shown(each["speed_ratio"]), f"≥ {THROUGHPUT}", shown(each["ttft_ratio"]), ttft]
        cells += [shown(each["speed"][name], 1) for name in BOTH]
        cells += [shown(each["ttft_ms"][name], 0) for name in BOTH]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plots(results: list[dict[str, Any]]) -> dict[str, str]:
    """SVG pictures by file name."""

    def lines(figure: str) -> list[Line]:
        return [Line(name, [(each["clients"], each[figure][name]["median"]) for each in results]) for name in BOTH]

    panels = [
        Panel("throughput", "clients at once", "tokens a second", lines("speed"), dots=True),
        Panel("time to first token, median", "clients at once", "ms", lines("ttft_ms"), dots=True),
    ]
    return {"unshared-prompts.svg": picture(panels, BOTH)}


if __name__ == "__main__":
    command_line("Jackfield against llama-server, prompts that share nothing.", run, table)
