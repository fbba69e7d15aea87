"""The limit on open files of this process: each connection is one."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

MOST: Final = 1 << 20
"""As many as are ever asked for. Where the hard limit is infinite, systems refuse to have it as the soft one."""


def raise_open_files_limit() -> None:
    """Take the soft limit up to the hard one: it is low, 1,024 as a rule, for programs that use ``select(2)``.

    Called once by a process that is about to accept connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS has a lower bound of its own; what there is must do
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def open_files_limit() -> int:
    """How many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft
