"""``python -m jackfield.worker --control-fd N``: started by the supervisor, not by people."""

from __future__ import annotations

import argparse
import sys

from jackfield.worker.process import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="jackfield.worker", description="Serves one model; started by the supervisor."
    )
    parser.add_argument("--control-fd", type=int, required=True, help="inherited control socket")
    sys.exit(main(parser.parse_args().control_fd))
