"""Where this process runs: container, cloud, service manager; and where what it logs ends up.

Each platform is a row of signs in a table. A sign is a variable of the environment or a file; nothing is asked over the
network. What has no sign is called ``bare``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BARE: Final = "bare"
"""No sign of anything."""


class Surroundings:
    """What signs are looked for in.

    Parameters:
        root: ``/`` but for tests.
        environ: The environment.
        pid: Of this process.
        errors: What standard error is: its ``os.fstat``; None where it is closed.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        environ: Mapping[str, str] = os.environ,
        pid: int | None = None,
        errors: os.stat_result | None = None,
    ) -> None:
        self._root = root
        self.environ = environ
        self.pid = os.getpid() if pid is None else pid
        self.errors = errors

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process."""
        try:
            return cls(errors=os.fstat(2))
        except OSError:
            return cls()

    def has(self, path: str) -> bool:
        """Whether there is a file or folder; one that cannot be looked at is none."""
        try:
            return (self._root / path).exists()
        except OSError:
            return False

    def text(self, path: str) -> str:
        """The beginning of a file; empty where it cannot be read."""
        try:
            with (self._root / path).open(errors="replace") as file:
                return file.read(4096)
        except OSError:
            return ""


class Platform(NamedTuple):
    """One row of the table."""

    name: str
    sign: Callable[[Surroundings], bool]


def _variable(*names: str) -> Callable[[Surroundings], bool]:
    return lambda here: any(here.environ.get(name) for name in names)


def _journal(here: Surroundings) -> bool:
    """Whether standard error leads to the journal: ``JOURNAL_STREAM`` is inherited by processes whose does not."""
    device, _, inode = here.environ.get("JOURNAL_STREAM", "").partition(":")
    return here.errors is not None and (device, inode) == (str(here.errors.st_dev), str(here.errors.st_ino))


PLATFORMS: Final = (
    Platform("RunPod", _variable("RUNPOD_POD_ID", "RUNPOD_ENDPOINT_ID")),
    Platform("Vast.ai", _variable("VAST_CONTAINERLABEL", "VAST_TCP_PORT_22")),
    Platform("Lambda", lambda here: here.has("etc/apt/sources.list.d/lambda-repository.list")),
    Platform(
        "Kubernetes",
        lambda here: bool(here.environ.get("KUBERNETES_SERVICE_HOST")) or here.has("run/secrets/kubernetes.io"),
    ),
    Platform("podman", lambda here: here.has("run/.containerenv") or here.environ.get("container") == "podman"),
    Platform("docker", lambda here: here.has(".dockerenv") or here.environ.get("container") == "docker"),
    Platform("systemd", lambda here: here.environ.get("SYSTEMD_EXEC_PID") == str(here.pid) or _journal(here)),
    Platform("WSL", lambda here: "microsoft" in here.text("proc/sys/kernel/osrelease").lower()),
)
"""RunPod: docs.runpod.io, "Environment variables". Vast.ai: docs.vast.ai, "Docker environment". Lambda: the package
source of Lambda Stack, which its images have. Kubernetes: kubernetes.io, "Accessing the API from a Pod". podman:
``podman-run(1)``. systemd: ``systemd.exec(5)``. WSL: the name of its kernel."""

CONTAINERS: Final = frozenset({"RunPod", "Vast.ai", "Kubernetes", "podman", "docker"})
"""Platforms whose runtime collects what a process prints."""


def platforms(here: Surroundings) -> Sequence[str]:
    """Names of what this process runs on, the most special one first; ``["bare"]`` where there is no sign."""
    return [platform.name for platform in PLATFORMS if platform.sign(here)] or [BARE]


def log_destination(here: Surroundings) -> str:
    """Where lines of the log go, in words; what standard error is decides, not what is usual on the platform."""
    if here.errors is None:
        return "nowhere (standard error is closed)"
    if _journal(here):
        return "the journal (journalctl)"
    mode = here.errors.st_mode
    if stat.S_ISCHR(mode):
        return "nowhere (/dev/null)" if here.errors.st_rdev == _NULL else "this terminal (standard error)"
    if stat.S_ISREG(mode):
        return "a file (standard error)"
    if CONTAINERS.intersection(platforms(here)):
        return "the container's log (standard error)"
    return "standard error"


_NULL: Final = os.makedev(1, 3)
"""``/dev/null`` of Linux (``null(4)``)."""
