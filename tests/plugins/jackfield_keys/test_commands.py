"""``jackfield keys`` as people and scripts use it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import pytest
from click.testing import CliRunner

from jackfield.errors import JackfieldError, ManifestError
from jackfield.ports.identity import USUAL_SCOPES
from jackfield_keys.commands import keys_command
from jackfield_keys.edit import Grant, KeyFile
from jackfield_keys.key import digest_of, is_whole

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result
    from tests.plugins.jackfield_keys.conftest import Keys


class Run(Protocol):
    """Runs a command."""

    def __call__(self, *arguments: str) -> Result:
        """With these arguments."""
        ...


@pytest.fixture
def run(keys: Keys) -> Run:
    """Runs commands on the test's file."""
    group = keys_command("keys", "keys.toml", lambda: keys.file)

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(group, arguments, prog_name="jackfield keys")
        if isinstance(result.exception, JackfieldError):
            raise result.exception
        return result

    return invoke


def test_the_key_is_all_there_is_on_standard_output(run: Run, keys: Keys) -> None:
    """``KEY=$(jackfield keys create ci)``."""
    result = run("create", "ci")
    assert result.exit_code == 0
    key = result.stdout.removesuffix("\n")
    assert is_whole(key)
    assert key not in result.stderr
    assert "not shown again" in result.stderr
    [record] = keys.file.records()
    assert record.digest_bytes == digest_of(key)
    assert record.scopes == USUAL_SCOPES
    assert record.models is None
    assert record.expires is None


def test_everything_that_can_be_said(run: Run, keys: Keys) -> None:
    """Repeated values count once."""
    rights = "--scope embed --scope embed --scope models:read --model a --model org/b:q4"
    result = run("create", "ci", "--owner", "team", *rights.split(), "--expires", "30d", "--json")
    row = json.loads(result.stdout)
    assert is_whole(row["key"])
    assert (row["owner"], row["scopes"], row["models"]) == ("team", ["embed", "models:read"], ["a", "org/b:q4"])
    expires = datetime.fromisoformat(row["expires"])
    assert timedelta(days=29, hours=23) < expires - datetime.now(UTC) <= timedelta(days=30)
    [record] = keys.file.records()
    assert record.expires == expires


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2099-01-31", "2099-01-31T00:00:00+00:00"),
        ("2099-01-31T18:00Z", "2099-01-31T18:00:00+00:00"),
        ("2099-01-31T18:00+02:00", "2099-01-31T16:00:00+00:00"),
        ("2099-01-31T18:00", "2099-01-31T18:00:00+00:00"),
    ],
)
def test_dates(run: Run, text: str, expected: str) -> None:
    """UTC where nothing else is said."""
    row = json.loads(run("create", "ci", "--expires", text, "--json").stdout)
    assert datetime.fromisoformat(row["expires"]).isoformat() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create"], "Missing argument 'NAME'"),
        (["create", "a b"], "NAME must be"),
        (["create", ""], "NAME must be"),
        (["create", "-x"], "No such option"),
        (["create", "x" * 65], "NAME must be"),
        (["create", "ci", "--scope", "Generate"], "--scope Generate: must be a word"),
        (["create", "ci", "--scope", ""], "must be a word"),
        (["create", "ci", "--model", ""], "must be printable texts"),
        (["create", "ci", "--owner", "a\nb"], "must be a printable text"),
        (["create", "ci", "--owner", "Gr\u202eöße"], "owner must be a printable text"),
        (["create", "ci", "--team", "Grö\0ße"], "team must be a printable text"),
        (["create", "ci", "--team", "Grö\u200bße"], "team must be a printable text"),
        (["create", "ci", "--user", "Grö\udcffße"], "user must be a printable text"),
        (["create", "ci", "--owner", 'Ann "Bo" Lee'], 'without " and \\'),
        (["create", "ci", "--tenant", "acme\\north"], 'without " and \\'),
        (["create", "ci", "--priority", "101"], "'--priority': 101 is not in the range"),
        (["create", "ci", "--priority", "high"], "'--priority': 'high' is not a valid integer"),
        (["create", "ci", "--expires", "soon"], "'--expires': 'soon' is neither"),
        (["create", "ci", "--expires", "2020-01-01"], "is not in the future"),
        (["create", "ci", "--expires", "0s"], "is not in the future"),
        (["create", "ci", "--expires", "999999999w"], "is neither"),
        (["create", "ci", "--expires", "-5d"], "is neither"),
        (["rotate", "ci", "--grace", "5x"], "'--grace': '5x' is not a duration"),
        (["rotate", "ci", "--grace", "99999999d"], "lies too far ahead"),
    ],
)
def test_mistakes(run: Run, keys: Keys, arguments: list[str], message: str) -> None:
    """Exit code 2, the option's name, and no key."""
    if arguments[0] == "rotate":
        keys.make("ci")
    before = keys.path.read_bytes() if keys.path.exists() else None
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert (keys.path.read_bytes() if keys.path.exists() else None) == before


def test_priorities(run: Run, keys: Keys) -> None:
    """Shown where one is made, in both lists, and kept by the key's successor."""
    first = run("create", "nightly", "--priority", "10")
    assert "; priority 10;" in first.stderr
    assert "priority" not in run("create", "laptop").stderr
    assert "priority" not in keys.path.read_text().partition("laptop")[2]
    assert json.loads(run("create", "desk", "--priority", "-100", "--json").stdout)["priority"] == -100
    assert run("rotate", "nightly").exit_code == 0
    rows = json.loads(run("list", "--json").stdout)
    assert [(row["name"], row["priority"]) for row in rows] == [
        ("nightly", 10),
        ("laptop", 0),
        ("desk", -100),
        ("nightly", 10),
    ]
    header, line = run("list").stdout.splitlines()[:2]
    assert line[header.index("PRIORITY") :].startswith("10 ")


def test_a_mistyped_scope_is_a_warning(run: Run) -> None:
    """Plugins may have scopes of their own."""
    result = run("create", "ci", "--scope", "genrate")
    assert result.exit_code == 0
    assert "did you mean generate?" in result.stderr


def test_the_list_shows_no_digest(run: Run, keys: Keys) -> None:
    """Neither for people nor for scripts."""
    made = {name: keys.make(name) for name in ("one", "two", "three")}
    keys.file.revoke("two")
    keys.file.rotate("three", timedelta(days=1), None)
    table, rows = run("list").stdout, json.loads(run("list", "--json").stdout)
    assert [row["state"] for row in rows] == ["active", "revoked", "rotated", "active"]
    for name, key in made.items():
        digest = digest_of(key).hex()
        assert re.search(rf"^{name} +{digest[:6]} ", table, re.MULTILINE)
        for text in (table, json.dumps(rows)):
            assert key not in text
            assert digest[:12] not in text


def test_an_empty_list(run: Run, keys: Keys) -> None:
    """After all were taken out by hand."""
    keys.path.write_text("version = 1\n")
    keys.path.chmod(0o600)
    assert run("list").stdout == "There are no keys.\n"
    assert json.loads(run("list", "--json").stdout) == []


def test_revoking(run: Run, keys: Keys) -> None:
    """What was done is said; doing it again is fine."""
    keys.make("ci")
    assert "is revoked" in run("revoke", "ci").stdout
    again = run("revoke", "ci")
    assert (again.exit_code, again.stdout) == (0, "ci was revoked before\n")
    assert json.loads(run("revoke", "ci", "--json").stdout) == []
    with pytest.raises(JackfieldError, match="no such key"):
        run("revoke", "nobody")


def test_rotating(run: Run, keys: Keys) -> None:
    """The new key, and until when the old one is good."""
    old = keys.make("ci")
    result = run("rotate", "ci", "--grace", "24h")
    new = result.stdout.removesuffix("\n")
    assert is_whole(new)
    assert new != old
    assert re.search(rf"old key {digest_of(old).hex()[:6]} is good until \d{{4}}-", result.stderr)
    assert "is revoked" in run("rotate", "ci").stderr


def test_another_file(run: Run, keys: Keys) -> None:
    """Named before the command."""
    other = keys.path.with_name("other.toml")
    assert run("--file", str(other), "create", "ci").exit_code == 0
    assert not keys.path.exists()
    assert "ci" in run("--file", str(other), "list").stdout


@pytest.mark.parametrize("command", [["list"], ["revoke", "ci"], ["rotate", "ci"]])
def test_without_a_file(run: Run, command: list[str]) -> None:
    """Only ``create`` makes one."""
    with pytest.raises(ManifestError, match="make a first key: jackfield keys create NAME"):
        run(*command)


def test_a_folder_that_is_not_there(run: Run, keys: Keys) -> None:
    """Is not made by mistake."""
    with pytest.raises(ManifestError, match="its folder cannot be used: No such file"):
        run("--file", str(keys.path.parent / "nix" / "keys.toml"), "create", "ci")


def test_whose_a_key_is(keys: Keys, run: Run) -> None:
    """All of it is kept; a role stands in for scopes."""
    options = ("--owner", "o", "--user", "u", "--team", "t", "--tenant", "n", "--role", "reader", "--role", "reader")
    run("create", "ann", *options, "--tag", "a", "--tag", "b")
    [record] = keys.file.records()
    assert (record.owner, record.user, record.team, record.tenant) == ("o", "u", "t", "n")
    assert (record.roles, record.tags, record.scopes) == (("reader",), ("a", "b"), ())


def test_showing_a_key(keys: Keys, run: Run) -> None:
    """By name, fingerprint or what it begins with; neither the key nor its digest."""
    key = keys.make("ci")
    [record] = keys.file.records()
    for which in ("ci", record.fingerprint, key[:8]):
        shown = run("show", which)
        assert shown.exit_code == 0
        assert re.search(r"^name: +ci$", shown.stdout, re.MULTILINE)
        assert re.search(r"^state: +active$", shown.stdout, re.MULTILINE)
        assert key not in shown.stdout
        assert record.digest not in shown.stdout
    [row] = json.loads(run("show", "ci", "--json").stdout)
    assert (row["name"], row["prefix"], row["last_used"]) == ("ci", key[:8], None)
    with pytest.raises(JackfieldError, match="no such key"):
        run("show", "nobody")


def test_changing_a_key(keys: Keys, run: Run) -> None:
    """What is named; lists are replaced, and what was given can be taken away."""
    keys.make("ci", models=("one",), expires=datetime.now(UTC) + timedelta(days=1))
    assert run("update", "ci", "--team", "t", "--scope", "embed", "--role", "r", "--priority", "5").exit_code == 0
    [record] = keys.file.records()
    assert (record.team, record.scopes, record.roles, record.priority) == ("t", ("embed",), ("r",), 5)
    assert (record.owner, record.models) == ("build", ("one",))
    done = run("update", "ci", "--clear", "roles", "--clear", "team", "--all-models", "--never-expires")
    assert "all models" in done.stdout
    [record] = keys.file.records()
    assert (record.team, record.roles, record.models, record.expires) == ("", (), None, None)
    [row] = json.loads(run("update", "ci", "--expires", "2099-01-31", "--json").stdout)
    assert row["expires"].startswith("2099-01-31")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing is to be changed"),
        (("--clear", "scopes"), "--clear scopes: must be one of"),
        (("--scope", "Embed"), "must be a word"),
        (("--tag", "a b"), "tags must be words"),
        (("--team", "a\nb"), "team must be a printable text"),
        (("--expires", "2001-01-01"), "is not in the future"),
    ],
)
def test_changes_that_are_mistakes(keys: Keys, run: Run, options: tuple[str, ...], message: str) -> None:
    """Nothing is different."""
    keys.make("ci")
    before = keys.path.read_text()
    result = run("update", "ci", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert keys.path.read_text() == before


def test_blocking_and_unblocking(keys: Keys, run: Run) -> None:
    """As often as is wanted, until it is revoked."""
    keys.make("ci")
    for command, state in (("block", "blocked"), ("block", "blocked"), ("unblock", "active")):
        assert "ci" in run(command, "ci").stdout
        assert json.loads(run("list", "--json").stdout)[0]["state"] == state
    [row] = json.loads(run("block", "ci", "--json").stdout)
    assert row["state"] == "blocked"
    run("revoke", "ci")
    with pytest.raises(JackfieldError, match="for ever"):
        run("unblock", "ci")


def test_taking_keys_over(keys: Keys, run: Run, tmp_path: Path) -> None:
    """From another file."""
    keys.make("here")
    other = KeyFile(tmp_path / "other.toml", "other.toml")
    other.create(Grant("there", "", ("embed",), None, None))
    assert "1 of 1 keys were taken over" in run("import", str(tmp_path / "other.toml")).stdout
    assert "0 of 1 keys were taken over" in run("import", str(tmp_path / "other.toml")).stdout
    assert [each.name for each in keys.file.records()] == ["here", "there"]


def test_which_models_a_key_may_use_is_listed(keys: Keys, run: Run) -> None:
    """All, those that are named, those of its roles, or none."""
    keys.make("everything")
    keys.make("one", models=("demo",))
    keys.make("none", models=())
    run("create", "ann", "--role", "reader")
    rows = {line.split()[0]: line for line in run("list").stdout.splitlines()}
    assert re.search(r" all +0 ", rows["everything"])
    assert re.search(r" demo +0 ", rows["one"])
    assert re.search(r" - +0 ", rows["none"])
    assert "its roles'" in rows["ann"]
