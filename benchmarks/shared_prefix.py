"""Jackfield against llama-server, prompts that begin alike: ``python benchmarks/shared_prefix.py``.

Eight clients ask at the same moment; their prompts share 400 tokens and have 20 of their own, answers have 16. Cold is
the first time after a start, warm are the next times, with the same beginning and new ends. Every pair has fresh
servers, one after the other in changing order, and a beginning of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from contenders import BOTH, PAIRS, ask, command_line, contender, first_tokens, percentile, ratios, throughput, turns
from llama_server import Settings
from load_client import Lane, Request
from make_model import ensure_model
from prompts import Prompts
from serving import MODELS, Child, progress, shown, spread

from jackfield.bench.plot import Line, Panel, picture

if TYPE_CHECKING:
    from load_client import Seen

MODEL: Final = "qwen2-0.5b"
CLIENTS: Final = 8
SHARED: Final = 400
OWN: Final = 20
TOKENS: Final = 16
CONTEXT: Final = 512
WARM_ROUNDS: Final = 2


class State(NamedTuple):
    """What is known when everybody asks."""

    title: str
    throughput: float
    """Least ratio wanted."""
    percent: int
    """Percentile of the time to the first token that is compared."""
    ttft: float
    """Greatest ratio wanted."""


STATES: Final = (State("cold", 1.8, 90, 0.5), State("warm", 0.97, 50, 0.8))


def asked(client: Child, port: int, seed: object) -> tuple[list[list[Seen]], list[list[Seen]]]:
    """What was seen cold and warm, in rounds."""
    prompts = Prompts(seed)
    shared = prompts.text(SHARED)
    found: list[list[Seen]] = []
    for _ in range(1 + WARM_ROUNDS):
        lanes = [Lane(requests=(Request(shared + prompts.text(OWN), TOKENS),)) for _ in range(CLIENTS)]
        found.append([each for lane in ask(client, port, lanes) for each in lane])
    return found[:1], found[1:]


class Tally:
    """Figures of one state, pair by pair and contender by contender."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._speed: dict[str, list[float]] = {name: [] for name in BOTH}
        self._ttft: dict[str, list[float]] = {name: [] for name in BOTH}
        self._cached: dict[str, list[float]] = {name: [] for name in BOTH}
        self._firsts: dict[str, list[float]] = {name: [] for name in BOTH}

    def add(self, name: str, rounds: list[list[Seen]]) -> None:
        """Of one pair."""
        speeds = [throughput(seen) for seen in rounds]
        answers = [each for seen in rounds for each in seen]
        firsts = [first * 1e3 for first in first_tokens(answers)]
        self._speed[name].append(sum(speeds) / len(speeds))
        self._ttft[name].append(percentile(firsts, self._state.percent))
        self._firsts[name] += firsts
        prompt = sum(each.prompt_tokens for each in answers)
        self._cached[name].append(sum(each.cached_tokens for each in answers) / prompt)

    def result(self) -> dict[str, Any]:
        """All pairs."""
        return {
            "state": self._state.title,
            "speed_ratio": spread(ratios(self._speed)),
            "ttft_ratio": spread(ratios(self._ttft)),
            "speed": {name: spread(self._speed[name]) for name in BOTH},
            "ttft_ms": {name: spread(self._ttft[name]) for name in BOTH},
            "cached": {name: spread(self._cached[name]) for name in BOTH},
            "firsts_ms": {name: sorted(self._firsts[name]) for name in BOTH},
        }

    def __str__(self) -> str:
        """The latest pair."""
        figures = ", ".join(
            f"{name} {self._speed[name][-1]:.1f} tokens/s, first after {self._ttft[name][-1]:.0f} ms" for name in BOTH
        )
        return f"{self._state.title}: {figures}"


def run(threads: int = 2, pairs: int = PAIRS, *, unified: bool = True) -> list[dict[str, Any]]:
    """Cold and warm."""
    progress("shared prefix")
    settings = Settings(ensure_model(MODEL, MODELS), threads, CLIENTS, CONTEXT, unified=unified)
    tallies = [Tally(state) for state in STATES]
    with Child("load_client.py") as client:
        for pair in range(pairs):
            for name in turns(pair):
                with contender(name, settings) as port:
                    found = asked(client, port, pair)
                for tally, rounds in zip(tallies, found, strict=True):
                    tally.add(name, rounds)
            progress(f"  pair {pair + 1}/{pairs}: {'; '.join(map(str, tallies))}")
    return [tally.result() for tally in tallies]


def table(results: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = [
        "| prefix | throughput | wanted | TTFT | wanted | tokens/s | theirs | TTFT, ms | theirs | cached |",
        "|---" * 10 + "|",
    ]
    for state, each in zip(STATES, results, strict=True):
        cells = [state.title, shown(each["speed_ratio"]), f"≥ {state.throughput}"]
        cells += [f"p{state.percent} {shown(each['ttft_ratio'])}", f"≤ {state.ttft}"]
        cells += [shown(each["speed"][name], 1) for name in BOTH]
        cells += [shown(each["ttft_ms"][name], 0) for name in BOTH]
        cells.append(" and ".join(f"{each['cached'][name]['median']:.0%}" for name in BOTH))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plots(results: list[dict[str, Any]]) -> dict[str, str]:
    """SVG pictures by file name."""
    panels = []
    for each in results:
        lines = []
        for name in BOTH:
            found = each["firsts_ms"][name]
            lines.append(Line(name, [(first, (place + 1) / len(found) * 100) for place, first in enumerate(found)]))
        panels.append(
            Panel(f"shared prefix, {each['state']}", "time to first token, ms", "share of requests, %", lines)
        )
    return {"shared-prefix.svg": picture(panels, BOTH)}


if __name__ == "__main__":
    command_line("Jackfield against llama-server, prompts that begin alike.", run, table)
