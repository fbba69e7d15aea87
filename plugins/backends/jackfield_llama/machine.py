"""How many threads compute, from what this process may use of the machine."""

from __future__ import annotations

from typing import Final

from jackfield import machine

SHARED_CORES_MAX: Final = 4
"""Up to so many cores the gateway needs one for itself: on 2 shared cores a busy neighbour triples the time of a step
that runs 2 threads, and leaves one with 1 thread alone."""


class Machine(machine.Machine):
    """Reads limits below *root*, which is ``/`` but for tests."""

    def auto_threads(self, processors: frozenset[int] | None = None) -> int:
        """Threads for inference.

        Parameters:
            processors: Logical processors this process may run on; None asks the kernel.

        Returns:
            Physical cores among *processors*, at most the cgroup's quota, less one for the gateway up to
            ``SHARED_CORES_MAX`` cores; at least 1.
        """
        cores = self.cores(processors)
        return max(1, int(cores) - 1 if cores <= SHARED_CORES_MAX else int(cores))
