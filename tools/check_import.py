"""Show what ``import jackfield`` costs, and that it pulls in nothing heavy.

Run with ``python -I`` of the environment to test.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

HEAVY: Final = ("aiohttp", "asyncio", "llama_cpp", "numpy", "prometheus_client", "rich", "uvloop")
"""Modules of servers and engines. ``import jackfield`` is what every plugin and every command pays first."""
RUNS: Final = 5

PROBE: Final = f"""
import sys, time
begun = time.perf_counter()
import jackfield
took = time.perf_counter() - begun
print(took, *[name for name in {HEAVY!r} if name in sys.modules])
"""


def main() -> int:
    """Print the best time of a few fresh processes; exit status 1 if something heavy came along."""
    best = float("inf")
    for _ in range(RUNS):
        output = subprocess.run([sys.executable, "-I", "-c", PROBE], capture_output=True, text=True, check=True).stdout
        took, *heavy = output.split()
        best = min(best, float(took))
        if heavy:
            print(f"import jackfield also imports {', '.join(heavy)}", file=sys.stderr)
            return 1
    print(f"import jackfield: {best * 1000:.0f} ms, best of {RUNS}; nothing heavy imported")
    return 0


if __name__ == "__main__":
    sys.exit(main())
