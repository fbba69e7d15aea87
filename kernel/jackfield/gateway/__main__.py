"""``python -m jackfield.gateway --control-fd N``: started by the supervisor only."""

from __future__ import annotations

import argparse
import sys

from jackfield.gateway.process import run


def main() -> int:
    """Read the command line and live."""
    parser = argparse.ArgumentParser(prog="python -m jackfield.gateway")
    parser.add_argument("--control-fd", type=int, required=True, help="inherited socket to the supervisor")
    return run(parser.parse_args().control_fd)


if __name__ == "__main__":
    sys.exit(main())
