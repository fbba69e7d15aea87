"""Start an installed ``jackfield serve``, stream one chat completion, end it with SIGTERM.

``python tools/smoke_test.py path/to/jackfield``. Standard library only, so that it needs nothing of what it tests.
Exit status 0 only if the answer streamed, the server ended with 0, and none of its processes is left.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

READY_TIMEOUT_S: Final = 60.0
"""The demo model loads in less than a second; the rest is for a machine that does much else."""
STOP_TIMEOUT_S: Final = 40.0
"""More than the server's default drain time (30 s)."""
POLL_S: Final = 0.05


def main() -> int:
    """Run the test; print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("jackfield", type=Path, help="the command to test")
    command = parser.parse_args().jackfield.resolve()
    # the server is in a session of its own: whoever ends this test must not leave it behind
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    api, health = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="jackfield-smoke-") as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as sink:
            server = start(command, api, health, folder, sink.fileno())
        try:
            wait_ready(server, health)
            answer = stream_answer(api)
            print(f"answer: {answer!r}")
            stop(server)
        except SmokeError as error:
            print(f"smoke test failed: {error}\n--- server log ---\n{log.read_text(errors='replace')}", file=sys.stderr)
            return 1
        finally:
            kill_group(server)
    print("smoke test passed: streamed an answer, ended with 0 on SIGTERM, left no process")
    return 0


class SmokeError(Exception):
    """What was seen is not what was promised."""


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on right now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(command: Path, api: int, health: int, folder: str, log: int) -> subprocess.Popen[bytes]:
    """Start the server in a process group of its own, in an empty folder."""
    arguments = [str(command), "serve"]
    arguments += ["--set", f"kernel.listen=127.0.0.1:{api}", "--set", f"kernel.health=127.0.0.1:{health}"]
    return subprocess.Popen(
        arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )


def wait_ready(server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until ``/readyz`` says 200."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SmokeError(f"the server ended with {server.returncode} before it was ready")
        if readiness(port) == http.HTTPStatus.OK:
            return
        time.sleep(POLL_S)
    raise SmokeError(f"not ready after {READY_TIMEOUT_S:.0f} s")


def readiness(port: int) -> int:
    """Status of ``/readyz``; 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def stream_answer(port: int) -> str:
    """The text of a streamed chat completion that is complete and well-formed."""
    body = {"model": "demo", "stream": True, "messages": [{"role": "user", "content": "What is Jackfield?"}]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode()
    except OSError as error:
        raise SmokeError(f"no answer: {error}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK or response.headers.get_content_type() != "text/event-stream":
        raise SmokeError(f"status {response.status}, type {response.headers.get_content_type()}: {text[:500]}")
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    if events[-1:] != ["[DONE]"]:
        raise SmokeError(f"the stream does not end with [DONE]: {text[-500:]}")
    chunks = [json.loads(event) for event in events[:-1]]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    answer = "".join(choice["delta"].get("content") or "" for choice in choices)
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    if not answer or len(reasons) != 1:
        raise SmokeError(f"answer {answer!r}, finish reasons {reasons}")
    return answer


def stop(server: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM to the server alone and see it and its children end."""
    server.send_signal(signal.SIGTERM)
    try:
        status = server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise SmokeError(f"still running {STOP_TIMEOUT_S:.0f} s after SIGTERM") from None
    if status != 0:
        raise SmokeError(f"exit status {status} after SIGTERM")
    left = group_members(server.pid)
    if left:
        raise SmokeError(f"processes left behind: {left}")


def group_members(group: int) -> list[int]:
    """Processes that are in the group *group* and are not zombies."""
    members: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended in the meantime
        state, process_group = fields[0], int(fields[2])
        if process_group == group and state not in {"Z", "X"}:
            members.append(int(stat.parent.name))
    return members


def kill_group(server: subprocess.Popen[bytes]) -> None:
    """Leave nothing behind, whatever happened."""
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    server.wait()


if __name__ == "__main__":
    sys.exit(main())
