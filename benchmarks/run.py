"""Run all benchmarks: ``make bench``. Writes ``results.{json,md}`` and plots into ``reports/benchmarks``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import decode_cost
import deterministic_cost
import gateway_cost
import guardrail_cost
import idle_streams
import long_arrivals
import loop_overhead
import mask_cost
import multi_turn
import served_decode
import shared_prefix
import stream_cost
import unshared_prompts

import jackfield

REPORTS: Final = Path(__file__).resolve().parent.parent / "reports" / "benchmarks"


def machine() -> dict[str, str]:
    """What the figures depend on."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": platform.platform(),
        "python": platform.python_version(),
        "jackfield": jackfield.__version__,
        "load_average_at_start": f"{os.getloadavg()[0]:.2f}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def main() -> None:
    """Run what was asked for, write, show."""
    asked = arguments().only or list(PARTS)
    about = machine()
    sections = [
        "# Benchmarks",
        "Median (least to greatest). " + ", ".join(f"{key} {value}" for key, value in about.items()),
    ]
    results: dict[str, object] = {"machine": about}
    REPORTS.mkdir(parents=True, exist_ok=True)
    for name in asked:
        part = PARTS[name]
        measured = results[name] = part.run()
        sections.append(f"## {part.heading}\n\n{part.table(measured)}")
        for file, picture in (part.plots(measured) if part.plots else {}).items():
            (REPORTS / file).write_text(picture)
        # after each, so that an interruption loses one and not all
        (REPORTS / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        (REPORTS / "results.md").write_text("\n\n".join(sections) + "\n")
    print("\n\n".join(sections))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Run the benchmarks; they need an otherwise idle machine. Results go to reports/benchmarks.",
        epilog="Example: python benchmarks/run.py --only gateway_cost loop_overhead. What is measured against"
        " llama-server needs one, which is built where there is none.",
    )
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}")
    return parser.parse_args()


class Part(NamedTuple):
    """One benchmark."""

    heading: str
    run: Callable[[], Any]
    table: Callable[[Any], str]
    """Markdown of what ``run`` returned."""
    plots: Callable[[Any], dict[str, str]] | None = None
    """SVG of it, by file name."""


PARTS: Final = {
    "served_decode": Part("Served decode against a bare loop", served_decode.run, served_decode.table),
    "loop_overhead": Part("Engine loop and channel", loop_overhead.run, loop_overhead.table),
    "gateway_cost": Part("Gateway", gateway_cost.run, gateway_cost.table),
    "stream_cost": Part("Streams", stream_cost.run, stream_cost.table),
    "decode_cost": Part("Bodies of 1 MB", decode_cost.run, decode_cost.table),
    "idle_streams": Part("Idle streams", idle_streams.run, idle_streams.table),
    "deterministic_cost": Part("Deterministic mode", deterministic_cost.run, deterministic_cost.table),
    "guardrail_cost": Part("Guardrails", guardrail_cost.run, guardrail_cost.table),
    "mask_cost": Part("Structured output", mask_cost.run, mask_cost.table),
    "multi_turn": Part("Multi-turn conversations", multi_turn.run, multi_turn.table, multi_turn.plots),
    "unshared_prompts": Part(
        "Unshared prompts, against llama-server", unshared_prompts.run, unshared_prompts.table, unshared_prompts.plots
    ),
    "long_arrivals": Part(
        "Long prompts while answers run, against llama-server",
        long_arrivals.run,
        long_arrivals.table,
        long_arrivals.plots,
    ),
    "shared_prefix": Part(
        "Shared prefix, against llama-server", shared_prefix.run, shared_prefix.table, shared_prefix.plots
    ),
}


if __name__ == "__main__":
    main()
