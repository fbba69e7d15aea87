"""What this process may use of the machine: processor cores and memory, inside containers too.

Everything is read from ``/proc`` and ``/sys`` when it is asked for. What cannot be read does not limit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNLIMITED: Final = 1 << 62
"""cgroup v1 writes a number near 2**63 for "no limit"."""


class Machine:
    """Reads limits below *root*, which is ``/`` but for tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def cores(self, processors: frozenset[int] | None = None) -> float:
        """Physical cores among *processors*, at most the cgroup's quota.

        Parameters:
            processors: Logical processors this process may run on; None asks the kernel.
        """
        mine = frozenset(os.sched_getaffinity(0)) if processors is None else processors
        return min(self._physical_cores(mine), self.quota())

    def available_memory(self) -> int | None:
        """Bytes that can be taken without swapping or exceeding a cgroup's limit; None where nothing says so."""
        found = list(self._memory_rooms())
        return max(0, min(found)) if found else None

    def memory_limit(self) -> int | None:
        """Least memory limit in bytes of the cgroups this process is in; None where there is none."""
        names = ("memory.max", "memory.limit_in_bytes")
        limits = [_number(folder / name) for folder in self._groups("memory") for name in names]
        return min((limit for limit in limits if limit is not None and limit < _UNLIMITED), default=None)

    def huge_pages(self) -> bool:
        """Whether large blocks of memory can be in huge pages: Linux, with transparent ones not switched off.

        ``madvise`` is enough, as workers ask for them. A mapped file is in small pages all the same.
        """
        modes = _text(self._root / "sys/kernel/mm/transparent_hugepage/enabled") or ""
        return "[always]" in modes or "[madvise]" in modes

    def _physical_cores(self, processors: frozenset[int]) -> int:
        topology = self._root / "sys/devices/system/cpu"
        siblings = {
            _text(topology / f"cpu{number}/topology/thread_siblings_list") or str(number) for number in processors
        }
        return len(siblings)

    def quota(self) -> float:
        """Processors whose time the cgroup grants; infinite where it sets no limit."""
        quotas = [float("inf")]
        for folder in self._groups("cpu"):
            quota, _, period = (_text(folder / "cpu.max") or "").partition(" ")
            pairs = [(quota, period), (_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))]
            quotas += [int(quota) / int(period) for quota, period in pairs if _positive(quota) and _positive(period)]
        return min(quotas)

    def _memory_rooms(self) -> Iterator[int]:
        for line in (_text(self._root / "proc/meminfo") or "").splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024
        for folder in self._groups("memory"):
            for limit_name, used_name in (
                ("memory.max", "memory.current"),
                ("memory.limit_in_bytes", "memory.usage_in_bytes"),
            ):
                limit, used = _number(folder / limit_name), _number(folder / used_name)
                if limit is not None and used is not None and limit < _UNLIMITED:
                    yield limit - used + self._reclaimable(folder)

    def _reclaimable(self, folder: Path) -> int:
        """Page cache that the kernel drops before it refuses memory: counted as used, yet free to us."""
        rows = dict(line.split() for line in (_text(folder / "memory.stat") or "").splitlines() if line.count(" ") == 1)
        return int(rows.get("total_inactive_file", rows.get("inactive_file", "0")))

    def _groups(self, controller: str) -> Iterator[Path]:
        """Folders of this process's cgroup and all above it, v2 and v1. A container may see its own as the root."""
        for line in (_text(self._root / "proc/self/cgroup") or "").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            top = self._root / "sys/fs/cgroup" / controllers  # v2 has one tree, v1 one for each set of controllers
            here = top / path.lstrip("/")
            while here != top and top in here.parents:
                yield here
                here = here.parent
            yield top


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _positive(text: str | None) -> TypeGuard[str]:
    return text is not None and text.isdecimal() and int(text) > 0


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and text.lstrip("-").isdigit() else None
