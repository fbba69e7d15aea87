"""Runs a supervisor over stand-in children: ``python run_stand_ins.py GATEWAY_MODE WORKER_MODE LOG``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from jackfield.manifest import KernelConfig, Manifest, ModelConfig
from jackfield.manifest_layers import load_manifest
from jackfield.supervisor.child import ChildCommands
from jackfield.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from jackfield.channel.messages import Ready, WorkerStatus
    from jackfield.supervisor.report import Addresses

GATEWAY_MODE, WORKER_MODE, LOG = sys.argv[1:4]


class Lines:
    """A report of JSON lines on standard output."""

    def listening(self, addresses: Addresses) -> None:
        """One line."""
        self._line("listening", api=addresses.api, health=addresses.health, no_control=addresses.no_control)

    def gateway_ready(self, ready: Ready, restarts: int) -> None:
        """One line."""
        self._line("gateway", plugins=ready.plugins, restarts=restarts)

    def worker(self, status: WorkerStatus) -> None:
        """One line."""
        self._line("worker", state=status.state, reason=status.reason, restarts=status.restarts)

    def trouble(self, text: str) -> None:
        """One line."""
        self._line("trouble", text=text)

    def log_level(self, level: str) -> None:
        """One line."""
        self._line("log_level", level=level)

    def reconfigured(self, model: str, plugin: str) -> None:
        """One line."""
        self._line("reconfigured", model=model, plugin=plugin)

    def stopping(self, timeout_s: float) -> None:
        """One line."""
        self._line("stopping", timeout_s=timeout_s)

    def _line(self, event: str, **more: object) -> None:
        print(json.dumps({"event": event, **more}), flush=True)


def _reread() -> Manifest:
    """The level, and the option of a plugin if there is one, that the notes beside the log have."""
    level = Path(LOG).with_suffix(".level").read_text()
    option = Path(LOG).with_suffix(".option")
    manifest = load_manifest(None, sets=[f"kernel.log_level={level}"], environ={})
    config = {"s": {"x": option.read_text()}, "t": {"y": 1}} if option.exists() else {}
    return replace(manifest, config=config)


stand_in = str(Path(__file__).with_name("stand_in.py"))
sys.exit(
    Supervisor(
        Manifest(
            enabled=(),
            kernel=KernelConfig(listen="127.0.0.1:0", health="127.0.0.1:0", drain_s=20, step_timeout_s=5),
            models={"m": ModelConfig(source="m.gguf")},
        ),
        Lines(),
        reread=_reread,
        children=ChildCommands(
            gateway=(sys.executable, "-P", stand_in, "gateway", GATEWAY_MODE, LOG),
            worker=(sys.executable, "-P", stand_in, "worker", WORKER_MODE, LOG),
        ),
    ).run()
)
