"""The key file: what is accepted, how it is replaced, who may read it."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jackfield.errors import JackfieldError, ManifestError
from jackfield_keys import store
from jackfield_keys.decode import parse
from jackfield_keys.edit import Grant, KeyFile
from jackfield_keys.key import digest_of, new_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.jackfield_keys.conftest import Keys

DIGEST = f"sha256:{'0' * 64}"
RECORD = f'name = "ci"\ndigest = "{DIGEST}"\nscopes = ["generate"]\ncreated = 2026-01-01T00:00:00Z\n'


def file_of(*records: str) -> str:
    """A key file's text."""
    return "version = 1\n" + "".join(f"\n[[keys]]\n{record}" for record in records)


# --- what it may say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "keys.toml: the file: Object missing required field `version`"),
        ("version = 2", "version"),
        ("version = 1\nkey = []", "unknown field `key`"),
        ("version = 1\n[[keys", "keys.toml:"),
        ("[" * 10_000, "keys.toml:"),
        (file_of(RECORD + "role = 1"), "keys[0]: Object contains unknown field `role`"),
        (file_of(RECORD.replace('name = "ci"\n', "")), "missing required field `name`"),
        (file_of(RECORD.replace('"ci"', '"a b"')), "name must be letters"),
        (file_of(RECORD.replace('"ci"', '""')), "name must be letters"),
        (file_of(RECORD.replace(DIGEST, "sha256:00")), "digest must be"),
        (file_of(RECORD.replace(DIGEST, DIGEST.upper())), "digest must be"),
        (file_of(RECORD.replace('["generate"]', "[]")), "scopes must be"),
        (file_of(RECORD.replace('["generate"]', '["Generate All"]')), "scopes must be"),
        (file_of(RECORD.replace('["generate"]', '"generate"')), "keys[0].scopes"),
        (file_of(RECORD + "models = [1]"), "keys[0].models"),
        (file_of(RECORD + 'models = [""]'), "models must be"),
        (file_of(RECORD + 'owner = "a\\u0000b"'), "owner must be a printable text"),
        (file_of(RECORD + f'owner = "{"x" * 201}"'), "owner must be a printable text"),
        (file_of(RECORD + "priority = 101"), "priority must be between -100 and 100"),
        (file_of(RECORD + 'priority = "high"'), "keys[0].priority"),
        (file_of(RECORD + "expires = 2027-01-01"), "keys[0].expires"),
        (file_of(RECORD + "expires = 2027-01-01T00:00:00"), "keys[0].expires"),
        (file_of(RECORD + 'expires = "soon"'), "keys[0].expires"),
        (file_of(RECORD, RECORD), "the key ci (000000) is there twice"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    """Where it stands, what is wrong, and no digest."""
    with pytest.raises(ManifestError, match=re.escape(message)) as error:
        parse(text, "keys.toml")
    assert "0" * 20 not in error.value.message


def test_an_empty_list_of_models_is_none() -> None:
    """Written by hand; it is not the same as no list."""
    [record] = parse(file_of(RECORD + "models = []"), "keys.toml")
    assert record.models == ()


def test_states() -> None:
    """Revoked beats expired; a revocation ahead is a grace period."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    past, ahead = "2026-05-01T00:00:00Z", "2026-07-01T00:00:00Z"
    states = {
        "": "active",
        f"expires = {ahead}": "active",
        f"expires = {past}": "expired",
        f"revoked = {past}": "revoked",
        f"revoked = {ahead}": "rotated",
        f"revoked = {past}\nexpires = {past}": "revoked",
        f"revoked = {ahead}\nexpires = {past}": "expired",
        "expires = 2026-06-01T00:00:00Z": "expired",
        "revoked = 2026-06-01T00:00:00Z": "revoked",
    }
    assert {lines: parse(file_of(RECORD + lines), "k")[0].state(now) for lines in states} == states


# --- changes ---------------------------------------------------------------------------------------------------------


def test_a_key_is_kept_as_its_digest(keys: Keys) -> None:
    """Nowhere in the folder is the key."""
    key = keys.make(models=("demo",), expires=datetime(2099, 1, 1, tzinfo=UTC))
    [record] = keys.file.records()
    assert record.digest_bytes == digest_of(key)
    assert (record.name, record.owner, record.scopes, record.models) == ("ci", "build", ("generate",), ("demo",))
    assert record.expires == datetime(2099, 1, 1, tzinfo=UTC)
    assert not any(key in file.read_text() for file in keys.path.parent.iterdir())


def test_what_people_wrote_stays(keys: Keys) -> None:
    """Comments and order."""
    keys.make("one")
    text = keys.path.read_text().replace("[[keys]]", "# of the robot\n[[keys]]  # second floor")
    keys.path.write_text(text)
    keys.make("two")
    keys.file.revoke("one")
    changed = keys.path.read_text()
    assert "# of the robot\n[[keys]]  # second floor\n" in changed
    assert [record.name for record in keys.file.records()] == ["one", "two"]


def test_a_name_is_used_once(keys: Keys) -> None:
    """Until its key is revoked."""
    keys.make("ci")
    with pytest.raises(JackfieldError, match="there is a key ci"):
        keys.make("ci")
    keys.file.revoke("ci")
    keys.make("ci")
    assert [record.revoked is None for record in keys.file.records()] == [False, True]


def test_revoking(keys: Keys) -> None:
    """By name or fingerprint; twice is once; nobody is an error."""
    keys.make("one")
    keys.make("two")
    _, two = keys.file.records()
    assert [record.name for record in keys.file.revoke(two.fingerprint)] == ["two"]
    before = keys.path.read_bytes()
    assert keys.file.revoke("two") == []
    assert keys.path.read_bytes() == before
    with pytest.raises(JackfieldError, match="no such key"):
        keys.file.revoke("three")


def test_rotating(keys: Keys) -> None:
    """Same name and rights, another key; the old one ends after its grace."""
    old_key = keys.make(models=("demo",), expires=datetime.now(UTC).replace(microsecond=0) + timedelta(days=30))
    key, record, old = keys.file.rotate("ci", timedelta(hours=1), None)
    assert key != old_key
    assert (record.name, record.owner, record.scopes, record.models) == (old.name, old.owner, old.scopes, old.models)
    assert old.revoked is not None
    assert timedelta(minutes=59) < old.revoked - datetime.now(UTC) <= timedelta(hours=1)
    assert record.expires is not None
    assert timedelta(days=29, hours=23) < record.expires - record.created <= timedelta(days=30)
    again, _, _ = keys.file.rotate("ci", timedelta(0), None)
    states = [each.state(datetime.now(UTC)) for each in keys.file.records()]
    assert states == ["rotated", "revoked", "active"]
    assert again != key


@pytest.mark.parametrize("which", ["ci", "nobody"])
def test_what_cannot_be_rotated(keys: Keys, which: str) -> None:
    """A revoked key, and one that is not there."""
    keys.make("ci")
    keys.file.revoke("ci")
    with pytest.raises(JackfieldError, match=r"cannot be rotated|no such key"):
        keys.file.rotate(which, timedelta(0), None)


# --- who may read it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_private_modes(keys: Keys, mode: int) -> None:
    """Made as 0600; a stricter one is fine."""
    keys.make()
    assert keys.path.stat().st_mode & 0o777 == 0o600
    keys.path.chmod(mode)
    assert len(keys.file.records()) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o700, 0o777, 0o610, 0o601])
def test_other_modes(keys: Keys, mode: int) -> None:
    """Refused, by servers and commands, with the command that helps."""
    keys.make()
    keys.path.chmod(mode)
    for use in (keys.file.records, keys.authenticator, keys.make):
        with pytest.raises(ManifestError, match=rf"mode {mode:04o}\); run: chmod 600 keys.toml"):
            use()


def test_somebody_elses_file(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused: its owner could add keys."""
    keys.make()
    owner = keys.path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ManifestError, match=rf"belongs to another user \(number {owner}\)"):
        keys.file.records()


@pytest.mark.parametrize("kind", ["folder", "pipe", "missing", "huge", "binary", "loop"])
def test_what_is_no_file(keys: Keys, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Said at once: nothing waits, nothing is read without end."""
    monkeypatch.setattr(store, "FILE_BYTES_MAX", 1000)
    match kind:
        case "folder":
            keys.path.mkdir(0o600)
        case "pipe":
            os.mkfifo(keys.path, 0o600)
        case "huge":
            keys.path.write_text("#" * 1001)
        case "binary":
            keys.path.write_bytes(b"\xff\xfe")
        case "loop":
            keys.path.symlink_to(keys.path)
        case _:
            pass
    if keys.path.is_file():
        keys.path.chmod(0o600)
    with pytest.raises(ManifestError, match=r"^keys.toml: "):
        keys.file.records()


def test_a_link_stays_a_link(keys: Keys, tmp_path: Path) -> None:
    """What it points to is replaced."""
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "k.toml"
    KeyFile(real, "k.toml").create(Grant("one", "", ("generate",), None, None))
    keys.path.symlink_to(real)
    keys.make("two")
    assert keys.path.is_symlink()
    assert len(KeyFile(real, "k.toml").records()) == 2


# --- crashes and crowds ----------------------------------------------------------------------------------------------


def test_a_failed_write_changes_nothing(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, at any step."""
    keys.make("one")
    before = keys.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, full)
            with pytest.raises(ManifestError, match="No space left"):
                keys.make("two")
        assert keys.path.read_bytes() == before
        assert [file.name for file in keys.path.parent.iterdir()] == ["keys.toml"]


def test_leftovers_of_the_dead_are_removed(keys: Keys) -> None:
    """Nobody else writes under the lock."""
    keys.make("one")
    (keys.path.parent / ".keys.toml.tmp").write_text("half")
    (keys.path.parent / ".other.toml.tmp").write_text("not ours")
    keys.make("two")
    assert sorted(file.name for file in keys.path.parent.iterdir()) == [".other.toml.tmp", "keys.toml"]


CREATE = """
import sys
from pathlib import Path
from jackfield_keys.edit import Grant, KeyFile
for number in range(4):
    KeyFile(Path(sys.argv[1]), "keys.toml").create(Grant(f"key-{sys.argv[2]}-{number}", "", ("generate",), None, None))
"""


@pytest.mark.parametrize("there", [False, True])
def test_writers_wait_for_each_other(keys: Keys, *, there: bool) -> None:
    """Three processes at once; no key is lost, and none of the file that the first of them makes."""
    if there:
        keys.make("early")
    writers = [
        subprocess.Popen([sys.executable, "-I", "-c", CREATE, str(keys.path), str(number)]) for number in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len({record.name for record in keys.file.records()}) == 12 + there


def test_nobody_who_may_only_look_keeps_keys_from_being_revoked(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can open the folder can lock it; the key file can be opened by its owner alone."""
    monkeypatch.setattr(store, "LOCK_S", 0.05)
    keys.make("ci")
    stranger = os.open(keys.path.parent, os.O_RDONLY)
    fcntl.flock(stranger, fcntl.LOCK_EX)
    assert len(keys.file.revoke("ci")) == 1
    os.close(stranger)


@pytest.mark.parametrize("there", [False, True])
def test_a_writer_that_never_ends_is_not_waited_for(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    """An error says so, for the first key and for later ones."""
    monkeypatch.setattr(store, "LOCK_S", 0.05)
    if there:
        keys.make("early")
    with store.locked(keys.path, "keys.toml"), pytest.raises(JackfieldError, match="another command has been writing"):
        keys.make()


KILLED = """
import os, sys, signal
from pathlib import Path
from jackfield_keys import store
from jackfield_keys.edit import Grant, KeyFile
step, path = sys.argv[1], Path(sys.argv[2])
original = getattr(os, step)
def die(*arguments, **named):
    if sys.argv[3] == "after":
        original(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, step, die)
KeyFile(path, path.name).create(Grant("late", "", ("generate",), None, None))
"""


@pytest.mark.parametrize(
    ("step", "when", "there"), [("fsync", "before", 1), ("replace", "before", 1), ("replace", "after", 2)]
)
def test_a_writer_that_is_killed(keys: Keys, step: str, when: str, there: int) -> None:
    """``kill -9`` at any step: the old file or the new one, and the next command works."""
    keys.make("early")
    done = subprocess.run([sys.executable, "-I", "-c", KILLED, step, str(keys.path), when], check=False)
    assert done.returncode == -9
    assert len(keys.file.records()) == there
    keys.make("next")
    assert len(keys.file.records()) == there + 1
    assert [file.name for file in keys.path.parent.iterdir()] == ["keys.toml"]


def test_readers_never_see_half_a_file(keys: Keys) -> None:
    """While it is replaced again and again."""
    keys.make("first")
    ended = threading.Event()

    def write() -> None:
        for number in range(20):
            keys.make(f"key-{number}")
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 1
    deadline = time.monotonic() + 60
    while not ended.is_set() and time.monotonic() < deadline:
        count = len(keys.file.records())
        assert count >= seen
        seen = count
    writer.join()
    assert len(keys.file.records()) == 21


def test_fingerprints_in_a_file_differ(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """They name keys on the command line."""
    same, other = new_key(), new_key()
    drawn = iter([same, same, same, other])
    monkeypatch.setattr("jackfield_keys.changes.new_key", lambda: next(drawn))
    assert keys.make("one") == same
    assert keys.make("two") == other
