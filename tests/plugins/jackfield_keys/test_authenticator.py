"""A running server's keys: what it makes of a credential, and how it follows the file."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from jackfield import watched_files
from jackfield.errors import (
    AuthenticatorFailed,
    CredentialExpired,
    CredentialRevoked,
    ManifestError,
    Unauthenticated,
)
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.identity import Credential, Principal, fingerprint
from jackfield.secret import Secret
from jackfield_keys import file_storage, store
from jackfield_keys.key import new_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.jackfield_keys.conftest import Keys

    from jackfield.watched_files import Signature


def test_each_instance_has_an_authenticator(tmp_path: Path) -> None:
    """``jackfield_authenticators`` gives each its own file, which starts at the folder of plugins.toml."""
    manifest = Manifest(
        enabled=(InstanceRef("keys", "keys"), InstanceRef("partners", "keys")),
        kernel=KernelConfig(),
        config={"partners": {"file": "sub/partners.toml"}},
        file=str(tmp_path / "plugins.toml"),
    )
    factories = build_kernel(manifest).authenticators()
    assert list(factories) == ["keys", "partners"]
    with pytest.raises(ManifestError, match=r"sub/partners.toml: there is no such key file"):
        factories["partners"]()


def test_a_good_key(keys: Keys) -> None:
    """Is its record, as a principal."""
    key = keys.make("ci", scopes=("generate", "embed"), models=("demo",), priority=-5)
    assert keys.judge(keys.authenticator(), key) == Principal(
        id="ci",
        name="ci",
        owner="build",
        fingerprint=fingerprint(key),
        scopes=frozenset({"generate", "embed"}),
        models=frozenset({"demo"}),
        priority=-5,
        authenticator="keys",
    )


@pytest.mark.parametrize("text", ["sk-something", "eyJhbGciOi", "JF_0", "jf"])
def test_what_is_somebody_elses_business(keys: Keys, text: str) -> None:
    """The next authenticator is asked."""
    keys.make()
    assert keys.judge(keys.authenticator(), text) is None


def test_a_strange_key_may_be_another_files(keys: Keys) -> None:
    """Two instances have a file each."""
    keys.make()
    assert keys.judge(keys.authenticator(), new_key()) is None


@pytest.mark.parametrize("pattern", ["{:.51}", "{}x", "{:.3}"])
def test_a_damaged_key_is_told_apart(keys: Keys, pattern: str) -> None:
    """Its holder copied it badly."""
    key = keys.make()
    with pytest.raises(Unauthenticated, match="damaged"):
        keys.judge(keys.authenticator(), pattern.format(key))


def test_expiry_needs_no_change_of_the_file(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at for every request."""
    key = keys.make(expires=datetime.now(UTC) + timedelta(hours=1))
    judge = keys.authenticator()
    assert keys.judge(judge, key) is not None
    now = datetime.now(UTC).timestamp()
    monkeypatch.setattr("jackfield_keys.authenticator.time.time", lambda: now + 3601)
    with pytest.raises(CredentialExpired) as refusal:
        keys.judge(judge, key)
    assert refusal.value.fingerprint == fingerprint(key)


def test_changes_are_live(keys: Keys) -> None:
    """Made, revoked, rotated: without a restart."""
    keys.make("first")
    judge = keys.authenticator()
    key = keys.make("ci")
    assert keys.judge(judge, key) is not None
    new, _, _ = keys.file.rotate("ci", timedelta(hours=1), None)
    assert keys.judge(judge, key) is not None, "in its grace period"
    assert keys.judge(judge, new) is not None
    keys.file.revoke("ci")
    for refused in (key, new):
        with pytest.raises(CredentialRevoked) as refusal:
            keys.judge(judge, refused)
        assert refusal.value.fingerprint == fingerprint(refused)


def test_a_grace_period_ends(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself."""
    old = keys.make("ci")
    keys.file.rotate("ci", timedelta(hours=1), None)
    judge = keys.authenticator()
    assert keys.judge(judge, old) is not None
    now = datetime.now(UTC).timestamp()
    monkeypatch.setattr("jackfield_keys.authenticator.time.time", lambda: now + 3601)
    with pytest.raises(CredentialRevoked):
        keys.judge(judge, old)


@pytest.mark.parametrize("back", ["copied", "moved", "same times"])
def test_a_revoked_key_never_comes_back(keys: Keys, back: str) -> None:
    """Also where an older copy of the file does, with all its times as they were; the log is loud."""
    key, other = keys.make("ci"), keys.make("other")
    older, times = keys.path.read_bytes(), keys.path.stat()
    judge = keys.authenticator()
    keys.file.revoke("ci")
    with pytest.raises(CredentialRevoked):
        keys.judge(judge, key)
    if back == "copied":
        keys.path.write_bytes(older)
    else:
        copy = keys.path.with_name("copy")
        copy.write_bytes(older)
        copy.chmod(0o600)
        if back == "same times":
            os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
        copy.replace(keys.path)
    with capture_logs() as lines:
        assert keys.judge(judge, other) is not None
        for _ in range(2):
            with pytest.raises(CredentialRevoked):
                keys.judge(judge, key)
    [loud, *_] = [line for line in lines if line["log_level"] == "error"]
    assert loud["keys"] == [f"ci ({fingerprint(key)})"]


def test_a_rotation_never_comes_undone(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older copy, in which the key was not rotated yet, gives it no longer life."""
    key = keys.make("ci")
    older = keys.path.read_bytes()
    keys.file.rotate("ci", timedelta(hours=1), None)
    judge = keys.authenticator()
    keys.path.write_bytes(older)
    assert keys.judge(judge, key) is not None
    now = datetime.now(UTC).timestamp()
    monkeypatch.setattr("jackfield_keys.authenticator.time.time", lambda: now + 3601)
    with pytest.raises(CredentialRevoked):
        keys.judge(judge, key)


@pytest.mark.parametrize("rotated", [False, True])
def test_a_clock_that_is_set_back_revives_no_key(keys: Keys, monkeypatch: pytest.MonkeyPatch, *, rotated: bool) -> None:
    """Not one that was revoked, nor one whose grace period has ended; also where the file is read again."""
    key = keys.make("ci")
    judge = keys.authenticator()
    if rotated:
        keys.file.rotate("ci", timedelta(hours=1), None)
        keys.judge(judge, key)
    else:
        keys.file.revoke("ci")
    now = datetime.now(UTC).timestamp()
    for later in (3601, -7200):
        monkeypatch.setattr("jackfield_keys.authenticator.time.time", lambda later=later: now + later)
        for _ in range(2):
            with pytest.raises(CredentialRevoked):
                keys.judge(judge, key)
            keys.path.write_bytes(keys.path.read_bytes() + b"\n")


def damage(path: Path, how: str) -> None:
    """Make the file unusable."""
    match how:
        case "missing":
            path.unlink()
        case "broken":
            path.write_text("version = 1\n[[keys")
        case "empty":
            path.write_text("")
        case "too wide":
            path.chmod(0o644)
        case "a folder":
            path.unlink()
            path.mkdir()
        case _:
            raise AssertionError(how)


@pytest.mark.parametrize("how", ["missing", "broken", "empty", "too wide", "a folder"])
def test_a_file_that_cannot_be_used_lets_nobody_in(keys: Keys, how: str) -> None:
    """503 for good keys, still 401 for revoked ones; one loud line; and all is well once it is repaired."""
    key, revoked = keys.make("ci"), keys.make("old")
    keys.file.revoke("old")
    judge = keys.authenticator()
    assert keys.judge(judge, key) is not None
    good = keys.path.read_bytes()
    damage(keys.path, how)
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(AuthenticatorFailed):
                keys.judge(judge, key)
            with pytest.raises(AuthenticatorFailed):
                keys.judge(judge, new_key())
            with pytest.raises(CredentialRevoked):
                keys.judge(judge, revoked)
    assert [line["log_level"] for line in lines] == ["critical"]
    assert "keys.toml" in lines[0]["reason"]
    assert str(keys.path.parent) not in lines[0]["reason"]
    if keys.path.is_dir():
        keys.path.rmdir()
    keys.path.write_bytes(good)
    keys.path.chmod(0o600)
    assert keys.judge(judge, key) is not None


def test_a_change_of_the_same_size_and_time_is_seen(keys: Keys) -> None:
    """The time of a change of status cannot be set by anybody."""
    key = keys.make("ci")
    judge = keys.authenticator()
    assert keys.judge(judge, key) is not None
    status = keys.path.stat()
    text = keys.path.read_text()
    digit = text[text.index("sha256:") + 7]
    keys.path.write_text(text.replace(f"sha256:{digit}", "sha256:" + ("0" if digit != "0" else "1")))
    os.utime(keys.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert keys.path.stat().st_size == status.st_size
    assert keys.judge(judge, key) is None


def test_a_file_that_does_not_change_is_not_read_again(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look is one system call, once it is settled."""
    monkeypatch.setattr(watched_files, "SETTLED_NS", -(10**18))
    key = keys.make()
    judge = keys.authenticator()
    monkeypatch.setattr("jackfield_keys.file_storage.read", lambda *_: pytest.fail("read again"))
    for _ in range(3):
        assert keys.judge(judge, key) is not None


def test_one_look_serves_all_who_wait(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred requests at once are one look; a file system that hangs holds up no event loop."""
    monkeypatch.setattr(watched_files, "SETTLED_NS", 10**18)  # so that the look reads
    key = keys.make()
    judge = keys.authenticator()
    looks: list[int] = []
    go = threading.Event()

    def slow(path: Path, shown: str) -> tuple[str, Signature | None]:
        looks.append(1)
        assert go.wait(20)
        return store.read(path, shown)

    monkeypatch.setattr(file_storage, "read", slow)

    async def crowd() -> int:
        asked = Credential("bearer", Secret(key))
        tasks = [asyncio.create_task(judge.authenticate(asked)) for _ in range(100)]
        while not looks:  # noqa: ASYNC110  a thread sets it
            await asyncio.sleep(0.001)
        assert not any(task.done() for task in tasks)
        go.set()
        return sum(principal is not None for principal in await asyncio.gather(*tasks))

    assert asyncio.run(crowd()) == 100
    assert len(looks) == 1


def test_a_key_that_was_just_made_is_good_at_once(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the next look at the file: an unknown key is a reason to look."""
    known = keys.make("first")
    monkeypatch.setattr(file_storage, "LOOK_S", 3600.0)
    monkeypatch.setattr(file_storage, "LOOK_FOR_UNKNOWN_S", 0.0)
    judge = keys.authenticator()
    made = keys.make("second")
    assert keys.judge(judge, made) is not None
    assert keys.judge(judge, known) is not None
