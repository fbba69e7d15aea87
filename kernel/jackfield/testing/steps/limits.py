"""Steps: limits and budgets, and a clock that stands still until it is told."""

from __future__ import annotations

import json
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.redis_server import RedisServer
from jackfield.testing.steps.keys import create
from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.client import JsonValue, OpenStream, Reply
    from jackfield.testing.inprocess import InProcessServer
    from jackfield.testing.serve import ServeProcess
    from jackfield.testing.target import Target

NOON: Final = 1_775_044_800.0
"""Unix seconds at which a scenario's clock stands at first: noon of 1 April 2026 in UTC."""

UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class StoppedClock:
    """Says the same until somebody moves it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class LimitedServers:
    """Servers in this process whose callers have limits, in one folder, and the keys of these callers.

    Parameters:
        folder: An empty one.
        loop: Runs them.
    """

    def __init__(self, folder: Path, loop: BackgroundLoop) -> None:
        self.folder = folder
        self.keys: dict[str, str] = {}
        self._loop = loop
        self._manifest = ""
        self._running: list[InProcessServer] = []

    def start(self, manifest: str, name: str = "server") -> Target:
        """One more, in the folder *name*."""
        from jackfield.testing.inprocess import InProcessServer

        self._manifest = manifest
        home = self.folder / name
        home.mkdir(exist_ok=True)
        server = InProcessServer(manifest, home, self._loop)
        self._running.append(server)
        return server.target

    @property
    def first(self) -> Target:
        """The one that was started first."""
        return self._running[0].target

    def start_anew(self) -> Target:
        """End the one there is, and start it again."""
        self.close()
        return self.start(self._manifest)

    def make_key(self, name: str, options: str) -> None:
        """For the server that is to be started."""
        home = self.folder / "server"
        if not home.exists():
            home.mkdir()
            (home / "plugins.toml").write_text(scripted_manifest(enabled=("keys",)))
        self.keys[name] = create(f"{name} {options}", home)

    def close(self) -> None:
        """End all."""
        while self._running:
            self._running.pop().close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """What ``time.time`` says in a scenario with limits: no window ends but where a step says so."""
    stopped = StoppedClock()
    monkeypatch.setattr(time, "time", stopped)
    return stopped


@pytest.fixture
def limited(tmp_path: Path, background: BackgroundLoop, clock: StoppedClock) -> Iterator[LimitedServers]:
    """A scenario's own servers."""
    servers = LimitedServers(tmp_path, background)
    yield servers
    servers.close()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A real one; its folder has a short name, as Unix sockets need."""
    with tempfile.TemporaryDirectory(prefix="jf") as folder, RedisServer(Path(folder)) as server:
        yield server


@given(words("the key {name:Text} of the team {team:Text}"))
def key_of_team(limited: LimitedServers, name: str, team: str) -> None:
    """Made with ``jackfield keys create``."""
    limited.make_key(name, f"--team {team}")


@given(words("a server with these limits"), target_fixture="server")
def limited_server(limited: LimitedServers, docstring: str) -> Target:
    """A scripted one; the text is its ``[config.limits]``."""
    return limited.start(_manifest(docstring, enabled=("keys",) if limited.keys else ()))


@given("a server of several dialects with these limits", target_fixture="server")
def polyglot_server(limited: LimitedServers, docstring: str) -> Target:
    """A scripted one that speaks as llama-server and as Anthropic too."""
    return limited.start(_manifest(docstring, enabled=("llamacpp", "anthropic")))


@given("a server with guardrails and these limits", target_fixture="server")
def guarded_server(limited: LimitedServers, docstring: str) -> Target:
    """The text ends with the tables of the guardrails' rules."""
    return limited.start(_manifest(docstring, enabled=("guardrails", "secrets")))


@given(
    words("a server that runs {slots:d} request at a time, lets {queue:d} wait and has these limits"),
    target_fixture="server",
)
def small_limited_server(limited: LimitedServers, slots: int, queue: int, docstring: str) -> Target:
    """One with little room."""
    return limited.start(_manifest(docstring, slots=slots, queue=queue))


@given("jackfield serve runs with these limits", target_fixture="service")
def limited_service(serve: Callable[[str], ServeProcess], docstring: str) -> ServeProcess:
    """Supervisor, gateway and a worker, all ready."""
    service = serve(_manifest(docstring))
    service.wait_ready()
    return service


@given("two servers that share these limits in Redis", target_fixture="server")
def sharing_servers(limited: LimitedServers, redis: RedisServer, docstring: str) -> Target:
    """Each with counters in the same Redis; the first is the one that is asked."""
    text = _with_redis(docstring, redis)
    limited.start(_manifest(text), "other")
    return limited.start(_manifest(text), "server")


@given("a server with these limits in Redis", target_fixture="server")
def redis_server(limited: LimitedServers, redis: RedisServer, docstring: str) -> Target:
    """One with counters in Redis, which is asked again as soon as possible when it was away."""
    return limited.start(_manifest(_with_redis(docstring, redis)))


@when(words("{count:d} {unit} passes"))
@when(words("{count:d} {unit}s pass"))
def time_passes(clock: StoppedClock, count: int, unit: str) -> None:
    """On the clock that stands still otherwise."""
    clock.now += count * UNITS[unit]


@when("the server is started anew", target_fixture="server")
def started_anew(limited: LimitedServers) -> Target:
    """In the same folder."""
    return limited.start_anew()


@when("the file of the limits is damaged and the server is started anew", target_fixture="server")
def damaged(limited: LimitedServers) -> Target:
    """By half of it."""
    limited.close()
    file = limited.folder / "server" / "limits.snapshot"
    file.write_bytes(file.read_bytes()[:-20])
    return limited.start_anew()


@when(words("the other server is asked {prompt:Text}"), target_fixture="reply")
def ask_other(limited: LimitedServers, prompt: str) -> Reply:
    """The one that was started first."""
    return limited.first.run(limited.first.client.ask(prompt))


@when("Redis is gone")
def redis_gone(redis: RedisServer) -> None:
    """Killed."""
    redis.stop()


@when("Redis hangs")
def redis_hangs(redis: RedisServer) -> None:
    """It takes connections, and does not answer."""
    redis.pause()


@when("Redis is back")
def redis_back(redis: RedisServer) -> None:
    """Empty, where it was gone."""
    redis.start()


@when(words("the key {name:Text} asks {prompt:Text}"), target_fixture="reply")
@when(words("the key {name:Text} asks {prompt:Text} with"), target_fixture="reply")
def key_asks(limited: LimitedServers, server: Target, name: str, prompt: str, datatable: Table = None) -> Reply:
    """One question; the table's rows join the request."""
    body: JsonValue = {
        "model": server.client.model,
        "messages": [{"role": "user", "content": prompt}],
        **fields(datatable),
    }
    headers = {"Authorization": f"Bearer {limited.keys[name]}"}
    return server.run(server.client.request("POST", "/v1/chat/completions", body, headers=headers))


@when(words("{route:Text} is asked"), target_fixture="reply")
def route_asked(server: Target, route: str) -> Reply:
    """About a text that is not to be answered."""
    messages: JsonValue = [{"role": "user", "content": "hello"}]
    bodies: dict[str, JsonValue] = {
        "/tokenize": {"content": ["hello", 1, "there"]},
        "/detokenize": {"tokens": [104, 105]},
        "/v1/responses/input_tokens": {"model": server.client.model, "input": "hello"},
    }
    body = bodies.get(route, {"model": server.client.model, "messages": messages})
    return server.run(server.client.request("POST", route, body))


@then(words("the headers say that {left:d} of {limit:d} {measure} are left"))
def headers_say(reply: Reply, left: int, limit: int, measure: str) -> None:
    """``requests`` or ``tokens``."""
    found = [reply.headers.get(f"x-ratelimit-{what}-{measure}") for what in ("remaining", "limit")]
    assert found == [str(left), str(limit)], reply.summary


@then(words("the headers of the stream say that {left:d} of {limit:d} {measure} are left"))
def stream_headers_say(opened: OpenStream, left: int, limit: int, measure: str) -> None:
    """They came with its beginning."""
    found = [opened.headers.get(f"x-ratelimit-{what}-{measure}") for what in ("remaining", "limit")]
    assert found == [str(left), str(limit)]


@then(words("it is told to come back in {seconds:d} seconds"))
def told_when(reply: Reply, seconds: int) -> None:
    """In ``Retry-After``."""
    assert int(reply.headers["Retry-After"]) == seconds, reply.summary


@then("it is told not to try again by itself")
def told_not_to(reply: Reply) -> None:
    """As clients' libraries understand it."""
    assert reply.headers["x-should-retry"] == "false"


@then(words("within {seconds:g} seconds {prompt:Text} is answered again with"))
def answered_again(server: Target, seconds: float, prompt: str, datatable: Table) -> None:
    """What is refused takes nothing, so that it can be tried until it is not refused any more."""
    until = time.monotonic() + seconds
    while True:
        reply = server.run(server.client.ask(prompt, **fields(datatable)))
        if reply.status == HTTPStatus.OK or time.monotonic() > until:
            break
        assert reply.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}, reply.summary
        time.sleep(_POLL_S)
    assert reply.status == HTTPStatus.OK, reply.summary


@then(words("the server's troubles mention {text:Text}"))
def troubles_mention(server: Target, text: str) -> None:
    """In the detail of ``/readyz``."""
    reply = server.run(server.probe.request("GET", "/readyz"))
    assert text in reply.body.decode()


@then(words("the metric {name:Text} counts {count:d}"))
def metric_counts(server: Target, name: str, count: int) -> None:
    """The only row of that beginning, on ``/metrics``."""
    page = server.run(server.probe.request("GET", "/metrics")).body.decode()
    [row] = [line for line in page.splitlines() if line.startswith(name)]
    assert float(row.rpartition(" ")[2]) == count


_POLL_S: Final = 0.05


def _manifest(limits: str, *, enabled: tuple[str, ...] = (), slots: int | None = None, queue: int | None = None) -> str:
    models = {"scripted": "" if slots is None else f"max_sequences = {slots}"}
    kernel = "" if queue is None else f"queue = {queue}"
    return scripted_manifest(models, kernel=kernel, enabled=(*enabled, "limits")) + f"\n[config.limits]\n{limits}\n"


def _with_redis(limits: str, redis: RedisServer) -> str:
    """*limits*, whose first lines are options, with counters in *redis*."""
    connection = f"redis = {{ url = {json.dumps(redis.url)}, retry_s = 0.0, timeout_s = 0.5 }}"
    return f'backend = "redis"\n{connection}\n{limits}'
