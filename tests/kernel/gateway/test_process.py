"""A real gateway process, with the test as its supervisor."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from jackfield.channel.local import MessageSocket
from jackfield.channel.messages import (
    Attach,
    BootGateway,
    Drain,
    Events,
    Heartbeat,
    LinkLost,
    Progress,
    Ready,
    Refused,
    SetLogLevel,
    Stop,
    Submit,
    ToChild,
    ToGateway,
    ToSupervisor,
    ToWorker,
    WorkerStatus,
    to_child,
    to_gateway,
    to_supervisor,
    to_worker,
)
from jackfield.manifest import InstanceRef, KernelConfig, Manifest, ModelConfig
from jackfield.open_files import MOST
from jackfield.supervisor.child import CHILD_ENVIRONMENT
from jackfield.types import Finished, Started, TextDelta, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 30.0

PLUGIN = """
import sys
from aiohttp import web
from jackfield import hookimpl
from jackfield.errors import http
from jackfield.ports.frontend import ErrorPayload, Route
from jackfield.types import GenerateRequest, TextDelta, TextPrompt


class Frontend:
    def __init__(self, gateway):
        self.gateway = gateway

    def routes(self):
        return [Route("POST", "/say", self.say)]

    def render_error(self, error, request_id):
        return ErrorPayload(status=http(error).status, body=http(error).code.encode(), content_type="text/plain")

    async def say(self, request, context):
        asked = GenerateRequest(model="demo", prompt=TextPrompt((await request.read()).decode()))
        texts = [event.text async for event in self.gateway.generate(context, asked) if isinstance(event, TextDelta)]
        return web.Response(text="".join(texts))


@hookimpl
def jackfield_frontends(instance):
    return {instance.name: Frontend}


@hookimpl
def jackfield_shutdown(instance, process):
    print(f"{process} has shut down", file=sys.stderr)
"""


class GatewayProcess:
    """The process, its control conversation and its sockets."""

    def __init__(
        self,
        manifest: Manifest,
        resources: ExitStack,
        first: ToChild | None = None,
        *,
        public: socket.socket | None = None,
        open_files: int | None = None,
    ) -> None:
        self._resources = resources
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE_S)
        self.control: MessageSocket[ToSupervisor, ToChild] = MessageSocket(ours, to_supervisor(), to_child())
        resources.callback(self.control.close)
        self.public, self.health = (
            given or resources.enter_context(socket.create_server(("127.0.0.1", 0))) for given in (public, None)
        )
        limit = ["prlimit", f"--nofile={open_files}:"] if open_files else []
        command = [*limit, sys.executable, "-m", "jackfield.gateway", "--control-fd", str(theirs.fileno())]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env={**CHILD_ENVIRONMENT, **os.environ},
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        resources.callback(self._end)
        theirs.close()
        boot = BootGateway(
            generation=1, manifest=manifest.dump(), public_listeners=1, health_listeners=1, started=1_700_000_000
        )
        self.control.send(first or boot, [self.public.fileno(), self.health.fileno()])
        self.heard: list[ToSupervisor] = []

    def outcome(self) -> Ready | Refused:
        """Wait until it serves, or says why not."""
        while True:
            self.heard += self.control.receive()
            for message in self.heard:
                if isinstance(message, Ready | Refused):
                    return message

    def next_lost(self) -> LinkLost:
        """Wait until it asks for a new connection to a worker."""
        while True:
            for message in self.control.receive():
                if isinstance(message, LinkLost):
                    return message

    def attach_worker(self) -> MessageSocket[ToWorker, ToGateway]:
        """Our end of a new worker connection."""
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE_S)
        with theirs:
            self.control.send(WorkerStatus(model="demo", state="ready"))
            self.control.send(Attach(model="demo"), [theirs.fileno()])
        return MessageSocket(ours, to_worker(), to_gateway())

    def status(self, path: str) -> int:
        """Status of a page on the health port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.health.getsockname()[1], timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def connect(self, data: bytes, *, window: int = 0) -> socket.socket:
        """A bare connection to the API with *data* sent; a small *window* takes little of an answer unread."""
        client = socket.socket()
        self._resources.callback(client.close)
        if window:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.settimeout(DEADLINE_S)
        client.connect(self.public.getsockname())
        client.sendall(data)
        return client

    def resident_kib(self) -> int:
        """Its resident memory."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def connections(self) -> int:
        """How many it has at the API's port, as the system sees it."""
        port = f":{self.public.getsockname()[1]:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return sum(row[1].endswith(port) and row[3] == "01" for row in rows)

    def ask(self) -> http.client.HTTPConnection:
        """Send a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.public.getsockname()[1], timeout=DEADLINE_S)
        self._resources.callback(connection.close)
        connection.request("POST", "/say", b"hello")
        return connection

    def ended(self) -> tuple[int, list[str]]:
        """Wait for its end: exit code and log lines."""
        _, log = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, log.splitlines()

    def _end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """One model, one frontend from a file."""
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN)
    return Manifest(
        enabled=(InstanceRef("say", str(plugin)),),
        kernel=KernelConfig(),
        models={"demo": ModelConfig(source="demo.gguf")},
    )


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    """Ends what a test started."""
    with ExitStack() as stack:
        yield stack


def test_life(manifest: Manifest, resources: ExitStack) -> None:
    """Heartbeats from the start, Ready with the plugins, serving, draining what runs, exit 0."""
    gateway = GatewayProcess(manifest, resources)
    ready = gateway.outcome()
    assert isinstance(gateway.heard[0], Heartbeat)
    assert any(isinstance(message, Progress) for message in gateway.heard)
    assert isinstance(ready, Ready)
    assert ready.plugins["say"] == "plugin.py"
    assert gateway.status("/livez") == 200
    worker = gateway.attach_worker()
    while gateway.status("/readyz") != 200:
        assert gateway.process.poll() is None
    client = gateway.ask()
    submit = next(iter(worker.receive()))
    assert isinstance(submit, Submit)
    gateway.control.send(Drain(timeout_s=DEADLINE_S))
    while gateway.status("/readyz") != 503:
        assert gateway.process.poll() is None
    refused = gateway.ask().getresponse()
    assert (refused.status, refused.read()) == (503, b"draining")
    end = Finished("stop", Usage(1, 1), Timings(0, 0, 0))
    worker.send(Events([(submit.id, Started(1, 9)), (submit.id, TextDelta("hi", 1)), (submit.id, end)]))
    response = client.getresponse()
    assert (response.status, response.read()) == (200, b"hi")
    code, log = gateway.ended()
    assert code == 0
    assert "gateway has shut down" in log
    lines = [json.loads(line) for line in log if line.startswith("{")]
    assert [line["event"] for line in lines] == ["draining", "request", "request", "drained"]
    assert "hello" not in "".join(log)
    worker.close()


def test_stop_is_at_once(manifest: Manifest, resources: ExitStack) -> None:
    """A drain that would last is overtaken by Stop; the running request is told."""
    gateway = GatewayProcess(manifest, resources)
    gateway.outcome()
    worker = gateway.attach_worker()
    while gateway.status("/readyz") != 200:
        assert gateway.process.poll() is None
    client = gateway.ask()
    worker.receive()
    gateway.control.send(Drain(timeout_s=600))
    gateway.control.send(Stop())
    response = client.getresponse()
    assert (response.status, response.read()) == (503, b"draining")
    assert gateway.ended()[0] == 0
    worker.close()


def test_sigterm_drains_and_sigint_is_ignored(manifest: Manifest, resources: ExitStack) -> None:
    """A signal to the whole group does not tear running requests."""
    gateway = GatewayProcess(manifest, resources)
    gateway.outcome()
    os.kill(gateway.process.pid, signal.SIGINT)
    assert gateway.status("/livez") == 200
    os.kill(gateway.process.pid, signal.SIGTERM)
    assert gateway.ended()[0] == 0


@pytest.mark.parametrize("early", [True, False])
def test_end_with_the_supervisor(manifest: Manifest, resources: ExitStack, *, early: bool) -> None:
    """End-of-file on the control socket ends the process, before and after Ready."""
    gateway = GatewayProcess(manifest, resources)
    if not early:
        gateway.outcome()
    gateway.control.close()
    assert gateway.ended()[0] == 0


@pytest.mark.parametrize(
    ("enabled", "listen", "code", "text"),
    [
        ("nothing-like-it", "127.0.0.1:0", "manifest_error", "no installed package provides"),
        (None, "0.0.0.0:0", "manifest_error", "kernel.listen"),
    ],
)
def test_refusal(
    manifest: Manifest, resources: ExitStack, enabled: str | None, listen: str, code: str, text: str
) -> None:
    """What cannot work as configured is said, with exit code 3."""
    refs = (InstanceRef(enabled, enabled),) if enabled else manifest.enabled
    odd = Manifest(enabled=refs, kernel=KernelConfig(listen=listen), models=manifest.models)
    gateway = GatewayProcess(odd, resources)
    refused = gateway.outcome()
    assert isinstance(refused, Refused)
    assert refused.error.code == code
    assert text in refused.error.message
    assert gateway.ended()[0] == 3


def test_defect_at_start_is_logged_without_paths(manifest: Manifest, resources: ExitStack, tmp_path: Path) -> None:
    """What a plugin breaks in a way that nobody foresaw ends the process with one log line."""
    (tmp_path / "plugin.py").write_text(PLUGIN.replace('"/say"', "42"))
    gateway = GatewayProcess(manifest, resources)
    exit_code, log = gateway.ended()
    assert exit_code == 1
    assert "the gateway broke" in log[0]
    assert len(log) == 1
    assert str(Path(__file__).parents[3]) not in log[0]


def test_listening_soon_and_small(manifest: Manifest, resources: ExitStack) -> None:
    """Live within a second of CPU time, and at most 90 MB at rest."""
    gateway = GatewayProcess(manifest, resources)
    gateway.outcome()
    assert gateway.status("/livez") == 200
    proc = Path(f"/proc/{gateway.process.pid}")
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    assert seconds < 1.0
    assert gateway.resident_kib() < 90_000


def test_first_message_must_be_the_boot(manifest: Manifest, resources: ExitStack) -> None:
    """A supervisor that speaks another language is refused, not waited for."""
    gateway = GatewayProcess(manifest, resources, first=Stop())
    refused = gateway.outcome()
    assert isinstance(refused, Refused)
    assert refused.error.code == "channel_error"
    assert gateway.ended()[0] == 3


def test_broken_connection_to_a_worker_is_asked_for_again(manifest: Manifest, resources: ExitStack) -> None:
    """Garbage closes it; the supervisor, who sees a healthy worker, is told, and a new connection serves."""
    gateway = GatewayProcess(manifest, resources)
    gateway.outcome()
    broken = gateway.attach_worker()
    os.write(broken.fileno(), b"\xff\xff\xff\xff nonsense")
    assert gateway.next_lost() == LinkLost(model="demo")
    assert gateway.status("/readyz") == 503
    worker = gateway.attach_worker()
    while gateway.status("/readyz") != 200:
        assert gateway.process.poll() is None
    client = gateway.ask()
    submit = next(iter(worker.receive()))
    assert isinstance(submit, Submit)
    end = Finished("stop", Usage(1, 1), Timings(0, 0, 0))
    worker.send(Events([(submit.id, Started(1, 9)), (submit.id, TextDelta("hi", 1)), (submit.id, end)]))
    assert client.getresponse().read() == b"hi"
    broken.close()
    worker.close()


def test_log_level_changes_while_it_runs(manifest: Manifest, resources: ExitStack) -> None:
    """From the message on, lines below the new level are not written; nothing else is disturbed."""
    gateway = GatewayProcess(manifest, resources)
    gateway.outcome()
    gateway.ask().getresponse().read()
    gateway.control.send(SetLogLevel(level="error"))
    gateway.control.send(Drain(timeout_s=DEADLINE_S))
    code, log = gateway.ended()
    assert code == 0
    assert [json.loads(line)["event"] for line in log if line.startswith("{")] == ["request"]


def test_may_open_as_many_files_as_the_system_allows(manifest: Manifest, resources: ExitStack) -> None:
    """Each connection is one."""
    gateway = GatewayProcess(manifest, resources, open_files=300)
    gateway.outcome()
    soft, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
    assert soft == min(hard, MOST)


def test_address_that_somebody_else_took(manifest: Manifest, resources: ExitStack) -> None:
    """Two servers may bind one port while neither listens; the second one to listen refuses to start."""
    with socket.socket() as ours, socket.socket() as theirs:
        for each in (ours, theirs):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        theirs.bind(("127.0.0.1", 0))
        ours.bind(theirs.getsockname())
        theirs.listen()
        refused = GatewayProcess(manifest, resources, public=ours).outcome()
        assert isinstance(refused, Refused)
        assert "cannot listen" in refused.error.message
        assert "in use" in refused.error.message


def test_hostile_clients(manifest: Manifest, resources: ExitStack) -> None:
    """Headers that never end, more connections than allowed, an answer that is not read: none of them stays."""
    kernel = KernelConfig(header_timeout_s=0.5, write_timeout_s=0.5, connections_per_address=2)
    gateway = GatewayProcess(msgspec.structs.replace(manifest, kernel=kernel), resources)
    gateway.outcome()
    worker = gateway.attach_worker()
    while gateway.status("/readyz") != 200:
        assert gateway.process.poll() is None
    slow = gateway.connect(b"POST /say HTTP/1.1\r\nHost: localhost\r\nContent-Le")
    reader = gateway.connect(b"POST /say HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", window=4096)
    submit = next(iter(worker.receive()))
    assert isinstance(submit, Submit)
    refused = gateway.connect(b"")
    assert refused.recv(12) == b"HTTP/1.1 429"
    assert gateway.status("/livez") == 200
    assert slow.recv(1) == b""
    end = Finished("stop", Usage(1, 1), Timings(0, 0, 0))
    worker.send(Events([(submit.id, Started(1, 9)), (submit.id, TextDelta("x" * 10_000_000, 1)), (submit.id, end)]))
    while gateway.connections() > 0:
        assert gateway.process.poll() is None
    reader.close()
    worker.close()
    gateway.control.send(Stop())
    assert gateway.ended()[0] == 0


def test_waiting_clients_cost_little(manifest: Manifest, resources: ExitStack) -> None:
    """A request that is open and silent takes at most 64 KiB; the first hundred fill what all others share."""
    kernel = KernelConfig(queue=1000, log_level="warning")
    gateway = GatewayProcess(msgspec.structs.replace(manifest, kernel=kernel), resources)
    gateway.outcome()
    worker = gateway.attach_worker()
    while gateway.status("/readyz") != 200:
        assert gateway.process.poll() is None

    def wait(count: int) -> int:
        for _ in range(count):
            gateway.ask()
        while count:
            submitted = [message for message in worker.receive() if isinstance(message, Submit)]
            count -= len(submitted)
            worker.send(Events([(each.id, Started(1, 9)) for each in submitted]))
        return gateway.resident_kib()

    before = wait(100)
    assert (wait(300) - before) / 300 < 64
    worker.close()


def test_bodies_that_never_arrive_whole_leave_nothing_behind(manifest: Manifest, resources: ExitStack) -> None:
    """A hundred megabytes that were on their way when their clients left: the memory goes back to the system."""
    gateway = GatewayProcess(manifest, resources)
    gateway.outcome()
    before = gateway.resident_kib()
    head = b"POST /say HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n"
    clients = [gateway.connect(head) for _ in range(12)]
    for _ in range(90):
        for client in clients:
            client.sendall(b"x" * 100_000)
        gateway.connect(head + b"stays")  # what one who stays needs lies among their bytes
    _until(lambda: gateway.resident_kib() - before > 80_000)
    for client in clients:
        client.close()
    _until(lambda: gateway.resident_kib() - before < 20_000)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
