"""``python -m jackfield.gateway --control-fd N``: started by the supervisor only."""

from __future__ import annotations

import sys

from jackfield.child_process import control_descriptor
from jackfield.gateway.process import run

if __name__ == "__main__":
    sys.exit(run(control_descriptor("jackfield.gateway")))
