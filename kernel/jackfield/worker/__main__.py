"""``python -m jackfield.worker --model NAME --control-fd N --log-fd N``: started by the supervisor only."""

from __future__ import annotations

import sys

from jackfield.child_process import child_arguments
from jackfield.logs import keep_lines
from jackfield.worker.process import run

if __name__ == "__main__":
    arguments = child_arguments("jackfield.worker")
    keep_lines(arguments.log_fd)
    sys.exit(run(arguments.control_fd))
