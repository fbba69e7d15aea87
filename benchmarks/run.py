"""Run all benchmarks: ``make bench``. Writes ``results.json`` and ``results.md`` into ``reports/benchmarks``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import deterministic_cost
import gateway_cost
import idle_streams
import loop_overhead
import served_decode

import jackfield

if TYPE_CHECKING:
    from collections.abc import Callable

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
    for name in asked:
        heading, run = PARTS[name]
        results[name], table = run()
        sections.append(f"## {heading}\n\n{table}")
    text = "\n\n".join(sections)
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (REPORTS / "results.md").write_text(text + "\n")
    print(text)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Run the benchmarks; they need an otherwise idle machine. Results go to reports/benchmarks.",
        epilog="Example: python benchmarks/run.py --only gateway_cost loop_overhead",
    )
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}")
    return parser.parse_args()


def decode() -> tuple[object, str]:
    """Served decode against a bare loop."""
    measured = served_decode.run()
    return measured, served_decode.table(measured)


def loop() -> tuple[object, str]:
    """The engine loop's own share."""
    measured = loop_overhead.run()
    return measured, loop_overhead.table(measured)


def gateway() -> tuple[object, str]:
    """What the gateway costs."""
    measured = gateway_cost.run()
    return measured, gateway_cost.table(measured)


def streams() -> tuple[object, str]:
    """What a silent stream costs."""
    measured = idle_streams.run()
    return measured, idle_streams.table(measured)


def deterministic() -> tuple[object, str]:
    """What results that do not depend on company cost."""
    measured = deterministic_cost.run()
    return measured, deterministic_cost.table(measured)


PARTS: Final[dict[str, tuple[str, Callable[[], tuple[object, str]]]]] = {
    "served_decode": ("Served decode against a bare loop", decode),
    "loop_overhead": ("Engine loop and channel", loop),
    "gateway_cost": ("Gateway", gateway),
    "idle_streams": ("Idle streams", streams),
    "deterministic_cost": ("Deterministic mode", deterministic),
}


if __name__ == "__main__":
    main()
