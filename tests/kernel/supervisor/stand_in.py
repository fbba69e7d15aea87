"""A child process that only speaks the control conversation; tests run it in place of the real gateway and worker.

``python stand_in.py KIND MODE LOG --control-fd N …``. It appends what it lives through to LOG, one JSON line each.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from jackfield.channel import messages
from jackfield.channel.local import MessageSocket, PeerGone
from jackfield.error_record import ErrorRecord
from jackfield.errors import ModelLoadError
from jackfield.manifest import Manifest

KIND, MODE, LOG = sys.argv[1:4]
FD = sys.argv[sys.argv.index("--control-fd") + 1]
LOST = 3
"""Sockets that a gateway has when its first data connection has come: two listeners before."""


def note(what: str, **more: object) -> None:
    """Append one line to the log."""
    with Path(LOG).open("a") as log:
        log.write(json.dumps({"kind": KIND, "pid": os.getpid(), "what": what, **more}) + "\n")


def main() -> None:
    """Live as MODE says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control = MessageSocket(socket.socket(fileno=int(FD)), messages.to_child(), messages.to_supervisor())
    note("started", backtrace=os.environ.get("GGML_NO_BACKTRACE"))
    if MODE == "crash":
        sys.exit(1)
    if MODE == "refuse":
        if KIND == "gateway":
            note("looks", reachable=_reachable(control))
        control.send(messages.Refused(error=ErrorRecord.of(ModelLoadError("m.gguf is truncated"))))
        sys.exit(3)
    if MODE == "garbage":
        os.write(control.fileno(), b"\xff\xff\xff\xff nonsense")
    else:
        threading.Thread(target=speak, args=(control,), daemon=True).start()
    connections: list[socket.socket] = []
    while True:
        try:
            received = control.receive()
        except PeerGone:
            note("orphaned")
            os._exit(0)
        for message in received:
            obey(message, control, connections)


def _reachable(control: MessageSocket[messages.ToChild, messages.ToSupervisor]) -> bool:
    """Whether the API takes connections before a gateway has agreed."""
    boot = control.receive()[0]
    assert isinstance(boot, messages.BootGateway)
    public = control.take()
    try:
        socket.create_connection(public.getsockname(), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def obey(
    message: messages.ToChild,
    control: MessageSocket[messages.ToChild, messages.ToSupervisor],
    connections: list[socket.socket],
) -> None:
    """Act as a real child would, and note it."""
    manifest = getattr(message, "manifest", None)
    level = Manifest.restore(manifest).kernel.log_level if manifest else getattr(message, "level", None)
    state, reason = getattr(message, "state", None), getattr(message, "reason", None)
    options = Manifest.restore(manifest).config if manifest else None
    note(type(message).__name__, state=state, reason=reason, level=level, options=options)
    if isinstance(message, messages.Attach):
        connections.append(control.take())
        if MODE == "loses" and len(connections) == LOST:
            control.send(messages.LinkLost(model="m"))
    elif isinstance(message, messages.BootGateway):
        connections += [control.take() for _ in range(message.public_listeners + message.health_listeners)]
        for listener in connections:
            listener.listen()
        note("listens")
    elif isinstance(message, messages.Reconfigure):
        error = "config.s.x: odd" if Manifest.restore(message.manifest).config.get("s") == {"x": "odd"} else ""
        control.send(messages.Reconfigured(ticket=message.ticket, model="m", plugin="s", error=error))
    elif isinstance(message, messages.Stop | messages.Drain) and MODE != "deaf":
        note("ends")
        os._exit(0)


def speak(control: MessageSocket[messages.ToChild, messages.ToSupervisor]) -> None:
    """Heartbeats, and the start-up story."""
    busy_s = 99.0 if MODE == "busy" else 0.0
    if KIND == "worker" and MODE != "loading":
        control.send(messages.Progress(fraction=0.43))
    if MODE != "loading":
        control.send(messages.Ready(plugins={KIND: "stand-in 1"}))
    while True:
        control.send(messages.Heartbeat(busy_s=busy_s))
        time.sleep(messages.HEARTBEAT_INTERVAL_S)


main()
