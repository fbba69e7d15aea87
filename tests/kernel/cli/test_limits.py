"""``jackfield limits`` at a server that runs: tables for people, JSON for scripts, and wrong input."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests

from jackfield.testing.command import run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.serve import ServeProcess
from jackfield.testing.steps.keys import create

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop

DEADLINE_S = 30.0
RULES = """
[[config.limits.rules]]
name = "each key"
per = ["key"]
requests = { hour = 1000 }
tokens = { day = 1000000 }
concurrency = 4
[[config.limits.rules]]
name = "marks"
per = ["end_user"]
requests = { day = 10 }
"""


class Asked:
    """A server whose callers have limits: ann and bob have asked it for something."""

    def __init__(self, server: ServeProcess) -> None:
        self.server = server
        self.folder = server.folder
        assert [self.ask("ann"), self.ask("bob")] == [200, 200]

    def ask(self, name: str) -> int:
        """The status that a chat of *name* gets."""
        key, mark = (self.folder / f"{name}.key").read_text(), f"{name}\x1b]0;x\x07"
        body = {"model": "scripted", "messages": [{"role": "user", "content": "hello"}], "user": mark}
        url, headers = (
            f"{self.server.target.url}/v1/chat/completions",
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        return requests.post(url, data=json.dumps(body), headers=headers, timeout=DEADLINE_S).status_code

    def run(self, words: str, *, key: str = "operator") -> tuple[int, str]:
        """Exit code and output of ``jackfield limits`` with the key of *key*."""
        done = run_command(f"limits {words} --key-file {key}.key", self.folder)
        return done.code, done.output

    def rows(self, words: str) -> list[dict[str, object]]:
        """What ``show --json`` says."""
        code, output = self.run(f"show --json {words}")
        assert code == 0, output
        found: list[dict[str, object]] = json.loads(output)["limits"]
        return found


def started(text: str, folder: Path, background: BackgroundLoop) -> ServeProcess:
    """A server that is ready, and files with the keys of three."""
    (folder / "plugins.toml").write_text(text)
    for name, scope in (("operator", "'*'"), ("ann", "generate"), ("bob", "generate")):
        (folder / f"{name}.key").write_text(create(f"{name} --scope {scope}", folder))
    server = ServeProcess(text, folder, background)
    try:
        server.wait_ready()
    except BaseException:
        server.close()
        raise
    return server


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, background: BackgroundLoop) -> Iterator[Asked]:
    """Shared: tests leave ann's counters as they are, and bob's to the one that resets them."""
    folder = tmp_path_factory.mktemp("limits")
    text = scripted_manifest(enabled=("admin", "keys", "limits")) + RULES
    with closing(started(text, folder, background)) as server:
        yield Asked(server)


def test_a_table_for_people(asked: Asked) -> None:
    """Names that callers have chosen move no terminal."""
    code, output = asked.run("show --key keys/ann")
    assert code == 0, output
    header, *rows = output.splitlines()
    assert header.split("  ")[0] == "RULE"
    assert {row.split("  ")[0] for row in rows} == {"each key"}
    assert any("requests" in row and "hour" in row and "999 " in row and "1,000" in row for row in rows), output
    assert any("at a time" in row for row in rows), output
    code, output = asked.run("show --rule marks")
    assert code == 0, output
    assert output.count("end_user ") == 2
    assert "\x1b" not in output


def test_json_for_scripts(asked: Asked) -> None:
    """As the server says it; each option narrows."""
    everything = asked.rows("")
    assert {row["rule"] for row in everything} == {"each key", "marks"}
    ann = asked.rows("--key keys/ann --rule 'each key'")
    assert {row["measure"]: row["limit"] for row in ann} == {"requests": 1000, "tokens": 1000000, "concurrency": 4}
    assert all(row["whose"] == {"key": "keys/ann"} for row in ann)
    assert asked.rows("--team nobody") == []
    code, output = asked.run("show --tenant nobody")
    assert (code, "Nobody whom this is about" in output) == (0, True)


def test_counters_begin_anew(asked: Asked) -> None:
    """Of those that are named alone."""
    before = asked.rows("--key keys/ann")
    code, output = asked.run("reset --key keys/bob --json")
    assert code == 0, output
    assert json.loads(output) == {"counters": 2}
    assert all(row["remaining"] == row["limit"] for row in asked.rows("--key keys/bob"))
    assert [row["remaining"] for row in asked.rows("--key keys/ann")] >= [row["remaining"] for row in before]
    assert any(row["remaining"] != row["limit"] for row in asked.rows("--key keys/ann"))
    code, output = asked.run("reset --key keys/nobody")
    assert (code, "0 counters" in output) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("reset", 2, "say whose counters begin anew: --rule, --key, --user, --end-user, --team, --tenant, --model"),
        ("show --key ann", 2, "it has its authenticator before it, such as keys/ann"),
        ("show --key /ann", 2, "no key's id"),
        ("show --keys ann", 2, "No such option"),
        ("show --server 127.0.0.1:1", 1, "no server runs at 127.0.0.1:1"),
        ("show --url http://127.0.0.1:1", 1, "no server answers"),
        ("show --url ftp://127.0.0.1", 2, "no server address"),
        ("show --url http://127.0.0.1:1 --server 127.0.0.1:1", 2, "exclude each other"),
        ("show ann", 2, "unexpected extra argument"),
        ("show --rule " + "x" * 5000, 0, "Nobody whom this is about"),
    ],
)
def test_wrong_input_is_named(words: str, code: int, said: str, asked: Asked) -> None:
    """2 is a command line that cannot be used, 1 a server that cannot be asked."""
    got, output = asked.run(words)
    assert (got, said in output) == (code, True), output


def test_whoever_may_not_is_told_what_is_lacking(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the scope, or with how a key is given."""
    code, output = asked.run("show", key="ann")
    assert (code, "policy:read" in output) == (1, True), output
    code, output = asked.run("reset --key keys/ann", key="ann")
    assert (code, "policy:write" in output) == (1, True), output
    monkeypatch.delenv("JACKFIELD_API_KEY", raising=False)
    done = run_command("limits show", asked.folder)
    assert (done.code, "--key-file FILE" in done.output) == (1, True), done.output


@pytest.mark.parametrize(
    ("enabled", "said"),
    [(("keys", "limits"), "enable the plugin admin there"), (("keys", "admin"), "enable one that has, such as limits")],
    ids=["no admin", "no limits"],
)
def test_a_server_that_has_none_says_what_to_enable(
    enabled: tuple[str, ...], said: str, tmp_path: Path, background: BackgroundLoop
) -> None:
    """And the command repeats it."""
    with closing(started(scripted_manifest(enabled=enabled), tmp_path, background)):
        done = run_command("limits show --key-file operator.key", tmp_path)
    assert (done.code, said in done.output) == (1, True), done.output
