"""``python -m jackfield.gateway --control-fd N --log-fd N``: started by the supervisor only."""

from __future__ import annotations

import sys

from jackfield.child_process import child_arguments
from jackfield.gateway.process import run
from jackfield.logs import keep_lines

if __name__ == "__main__":
    arguments = child_arguments("jackfield.gateway")
    keep_lines(arguments.log_fd)
    sys.exit(run(arguments.control_fd))
