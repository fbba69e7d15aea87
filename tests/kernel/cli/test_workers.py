"""``jackfield workers`` and ``jackfield models`` against servers that really run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from jackfield.runtime_folder import short_path
from jackfield.testing.background import BackgroundLoop
from jackfield.testing.command import COMMAND, CommandResult, environment, run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.serve import ServeProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """A server with two models, for the whole module."""
    with BackgroundLoop() as loop:
        process = ServeProcess(
            scripted_manifest({"alpha": 'aliases = ["a", "default"]', "org/beta": ""}),
            tmp_path_factory.mktemp("server"),
            loop,
        )
        process.wait_ready()
        yield process
        process.close()


@pytest.fixture
def ask(running: ServeProcess) -> Callable[[str], CommandResult]:
    """Runs a command where it finds that server."""
    return lambda arguments: run_command(arguments, running.folder)


def read(result: CommandResult) -> object:
    """JSON that a command printed."""
    assert result.code == 0, result.output
    return json.loads(result.output)


def worker(ask: Callable[[str], CommandResult], model: str) -> dict[str, object]:
    """What ``workers list --json`` says of one."""
    state = read(ask("workers list --json"))
    assert isinstance(state, dict)
    (found,) = [each for each in state["children"] if each["model"] == model]
    return dict(found)


def test_the_list_says_how_they_are(running: ServeProcess, ask: Callable[[str], CommandResult]) -> None:
    """Real process ids, memory, threads, time."""
    state = read(ask("workers list --json"))
    assert isinstance(state, dict)
    assert state["pid"] == running.pid
    assert state["api"] == [running.target.url]
    gateway, *workers = state["children"]
    assert gateway["kind"] == "gateway"
    assert [each["model"] for each in workers] == ["alpha", "org/beta"]
    for each in workers:
        assert each["state"] == "ready"
        assert each["pid"] in running.children("worker")
        assert each["memory_bytes"] > 10_000_000
        assert each["threads"] >= 1
        assert each["uptime_s"] > 0
    table = ask("workers list").output.splitlines()
    assert table[0].split() == [
        "MODEL",
        "STATE",
        "PID",
        "RESTARTS",
        "UPTIME",
        "REQUESTS",
        "MEMORY",
        "THREADS",
        "REASON",
    ]
    assert [line.split()[0] for line in table[1:]] == ["alpha", "org/beta"]


def test_the_process_list_names_the_model_and_nothing_else(running: ServeProcess) -> None:
    """Anybody on the machine can read it."""
    lines = running.command_lines("worker")
    assert sorted(line[line.index("--model") + 1] for line in lines) == ["alpha", "org/beta"]
    for line in lines:
        assert not [word for word in line[1:] if "/" in word and word != "org/beta"]


def test_a_restart_by_an_alias(ask: Callable[[str], CommandResult]) -> None:
    """Another process, one restart more; the other worker stays."""
    before, other = worker(ask, "alpha"), worker(ask, "org/beta")
    done = ask("workers restart default")
    assert (done.code, done.output.splitlines()[-1]) == (0, "alpha: ready")
    after = worker(ask, "alpha")
    assert after["pid"] != before["pid"]
    assert int(str(after["restarts"])) == int(str(before["restarts"])) + 1
    assert worker(ask, "org/beta")["pid"] == other["pid"]


def test_a_restart_without_waiting(running: ServeProcess, ask: Callable[[str], CommandResult]) -> None:
    """It returns while the worker still goes."""
    done = read(ask("workers restart org/beta --no-wait --json"))
    assert isinstance(done, dict)
    assert (done["model"], done["state"]) == ("org/beta", "recycling")
    running.wait("restarted", lambda: worker(ask, "org/beta")["state"] == "ready")


def test_requests_are_counted(running: ServeProcess, ask: Callable[[str], CommandResult]) -> None:
    """As the worker said a second ago."""
    server = running.target
    stream = server.run(server.client.open("[repeat:3000:ab][delay:10]", model="alpha"))
    running.wait("counted", lambda: worker(ask, "alpha")["requests"] == 1)
    server.run(stream.hang_up())
    running.wait("forgotten", lambda: worker(ask, "alpha")["requests"] == 0)


def test_logs_hold_no_prompt(running: ServeProcess, ask: Callable[[str], CommandResult]) -> None:
    """Of the gateway: each request is a line, without what was asked."""
    server = running.target
    assert server.run(server.client.ask("[say:xyzzy-answer] xyzzy-prompt", model="alpha")).status == 200
    done = ask("workers logs --gateway")
    assert done.code == 0
    assert "route=/v1/chat/completions" in done.output
    assert "xyzzy" not in done.output
    lines = ask("workers logs --gateway --json -n 1").output.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["event"]


def test_logs_follow_until_interrupted(running: ServeProcess, ask: Callable[[str], CommandResult]) -> None:
    """A restart shows up in the log of a worker; Ctrl-C ends the command with 130."""
    with subprocess.Popen(
        [*COMMAND, "workers", "logs", "alpha", "-f"],
        cwd=running.folder,
        env=environment(running.folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as follower:
        assert follower.stdout is not None
        assert b"a process is started" in follower.stdout.readline()  # what was there: from here on it follows
        assert ask("workers restart alpha --now").code == 0
        assert any(b"the process ended" in line for line in follower.stdout)
        follower.send_signal(signal.SIGINT)
        assert follower.wait(30) == 130


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("workers restart nobody", 1, "this server has no model 'nobody'; it has alpha, org/beta"),
        ("workers logs nobody", 1, "this server has no model 'nobody'; it has alpha, org/beta"),
        ("workers logs alpha --gateway", 2, "not both"),
        ("workers logs -n -1", 2, "-1 is not in the range"),
        ("workers list --server 127.0.0.1:1", 1, "no server runs at 127.0.0.1:1; running: 127.0.0.1:"),
        ("workers restart", 2, "Missing argument 'MODEL'"),
        ("models show nobody", 2, "there is no model 'nobody'"),
    ],
)
def test_mistakes(ask: Callable[[str], CommandResult], arguments: str, code: int, message: str) -> None:
    """One sentence that says what there is instead."""
    done = ask(arguments)
    assert (done.code, "Traceback" in done.output) == (code, False)
    assert message in done.output


def test_the_server_can_be_named_by_its_url(running: ServeProcess, ask: Callable[[str], CommandResult]) -> None:
    """As people copy it."""
    assert ask(f"workers list --server {running.target.url}/").code == 0


def test_names_complete(running: ServeProcess) -> None:
    """Models and servers, as the shell asks for them."""

    def completed(line: str) -> set[str]:
        asked = {"_JACKFIELD_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        done = subprocess.run(
            COMMAND,
            cwd=running.folder,
            env=environment(running.folder) | asked,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return {row.partition(",")[2] for row in done.stdout.splitlines()}

    address = running.target.url.removeprefix("http://")
    assert completed("jackfield workers restart ") == {"alpha", "org/beta"}
    assert completed("jackfield chat --model ") == {"alpha", "org/beta"}
    assert {"fcfs", "jackfield"} <= completed("jackfield verify ")
    assert completed("jackfield workers restart o") == {"org/beta"}
    assert completed("jackfield cache clear ") == {"alpha", "org/beta"}
    assert completed("jackfield cache warm o") == {"org/beta"}
    assert {"show", "clear", "warm"} <= completed("jackfield cache ")
    assert completed("jackfield models show a") == {"alpha"}
    assert completed("jackfield workers list --server ") == {address}
    assert completed("jackfield plugins enable pro") == {"prometheus"}
    assert {"list", "restart", "logs"} <= completed("jackfield workers ")


def test_models_have_the_state_of_the_server(running: ServeProcess, ask: Callable[[str], CommandResult]) -> None:
    """And what the model said when it was loaded."""
    rows = read(ask("models list --json"))
    assert isinstance(rows, list)
    assert [(row["name"], row["state"]) for row in rows] == [("alpha", "ready"), ("org/beta", "ready")]
    shown = read(ask("models show default --json"))
    assert isinstance(shown, dict)
    assert (shown["model"]["name"], shown["model"]["info"]["architecture"]) == ("alpha", "scripted")
    assert shown["model"]["limits"]["max_sequences"] == 8
    assert shown["fits"] is None
    assert "requests of" in ask("models show alpha").output


def test_two_servers_are_told_apart(
    running: ServeProcess, background: BackgroundLoop, ask: Callable[[str], CommandResult]
) -> None:
    """Neither is guessed; each can be named."""
    folder = running.folder / "second"
    folder.mkdir()
    (folder / ".runtime").symlink_to(running.folder / ".runtime")
    other = subprocess.Popen(
        [*COMMAND, "serve", "--json", "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0", "--config", "plugins.toml"],
        cwd=running.folder,
        env=environment(running.folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert other.stdout is not None
        address = json.loads(other.stdout.readline())["api"][0].removeprefix("http://")
        refused = ask("workers list")
        assert refused.code == 1
        assert "several servers are running" in refused.output
        assert address in refused.output
        state = read(ask(f"workers list --json --server {address}"))
        assert isinstance(state, dict)
        assert state["pid"] == other.pid
        listed = ask("models list")
        assert (listed.code, "2 servers are running" in listed.output) == (0, True)
    finally:
        other.kill()
        other.wait()
        if other.stdout is not None:
            other.stdout.close()
    # what it left behind is not taken for a server
    assert (running.folder / ".runtime" / f"{address}.sock").is_socket()
    assert ask("workers list").code == 0


def test_a_server_that_does_not_answer(running: ServeProcess, ask: Callable[[str], CommandResult]) -> None:
    """One that was stopped by a debugger: the command gives up and says so."""
    os.kill(running.pid, signal.SIGSTOP)
    try:
        done = ask("workers list")
    finally:
        os.kill(running.pid, signal.SIGCONT)
    assert done.code == 1
    assert "has not answered" in done.output


def test_hostile_clients_do_not_disturb_the_server(running: ServeProcess, ask: Callable[[str], CommandResult]) -> None:
    """Garbage, silence and a thousand connections at once, while requests are served and operators too."""
    path = running.folder / ".runtime" / f"{running.target.url.removeprefix('http://')}.sock"
    clients = []
    try:
        for number in range(1000):
            client = socket.socket(socket.AF_UNIX)
            clients.append(client)
            with short_path(path) as name:
                client.connect(name)
            client.settimeout(10)
            if number % 3 == 0:
                with_garbage(client)
        assert running.target.run(running.target.client.ask("hello", model="alpha")).text == "hello"
        assert ask("workers list").code == 0
    finally:
        for client in clients:
            client.close()
    assert running.status("/readyz") == 200


def with_garbage(client: socket.socket) -> None:
    """It may have been hung up on already."""
    try:
        client.sendall(b"\xff" * 64)
    except OSError:
        return


def test_a_restart_that_fails(tmp_path: Path, serve: Callable[[str], ServeProcess]) -> None:
    """The file has gone: exit code 1, with the reason; and back again when it is there."""
    source = tmp_path / "model.bin"
    source.touch()
    manifest = scripted_manifest().replace('source = "', f'source = "{source}" # "')
    process = serve(manifest)
    process.wait_ready()
    source.unlink()
    done = run_command("workers restart scripted", tmp_path)
    assert done.code == 1
    assert "cannot be served: model.bin: the script refuses to load this model" in done.output
    row = run_command("models list", tmp_path).output.splitlines()[-1]
    assert row.rstrip().endswith("model.bin: the script refuses to load this model")
    source.touch()
    assert run_command("workers restart scripted", tmp_path).code == 0


def test_a_restart_of_one_that_waits_for_its_turn(tmp_path: Path, serve: Callable[[str], ServeProcess]) -> None:
    """Its first start is what was asked for; the command ends when it is ready."""
    serve(scripted_manifest({"alpha": "", "beta": ""}, plugin="load_s = 2"))
    waiting = run_command("workers list", tmp_path)
    assert "waiting for alpha to load" in waiting.output
    done = run_command("workers restart beta", tmp_path)
    assert (done.code, done.output.splitlines()[-1]) == (0, "beta: ready")
