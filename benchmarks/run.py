"""Run all benchmarks: ``make bench``. Writes ``results.json`` and ``results.md`` into ``reports/benchmarks``."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Final

import gateway_cost
import loop_overhead
import served_decode

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
    """Run, write, show."""
    about = machine()
    decode, loop, gateway = served_decode.run(), loop_overhead.run(), gateway_cost.run()
    text = "\n\n".join(
        [
            "# Benchmarks",
            "Median (least to greatest). " + ", ".join(f"{key} {value}" for key, value in about.items()),
            "## Served decode against a bare loop\n\n" + served_decode.table(decode),
            "## Engine loop and channel\n\n" + loop_overhead.table(loop),
            "## Gateway\n\n" + gateway_cost.table(gateway),
        ]
    )
    REPORTS.mkdir(parents=True, exist_ok=True)
    results = {"machine": about, "served_decode": decode, "loop_overhead": loop, "gateway_cost": gateway}
    (REPORTS / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (REPORTS / "results.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
