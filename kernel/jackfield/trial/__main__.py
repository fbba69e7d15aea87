"""``python -m jackfield.trial --results-fd N``: started by the command line only."""

from __future__ import annotations

import argparse
import sys

from jackfield.trial.process import run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m jackfield.trial", description="Started by the command line only.")
    parser.add_argument("--results-fd", type=int, required=True, help="inherited pipe for results")
    sys.exit(run(sys.stdin.buffer.read(), parser.parse_args().results_fd))
