"""What the packaged sources refuse, and that nothing of a secret is in what they say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest
from structlog.testing import capture_logs

from jackfield.errors import ManifestError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield_secrets.sources import CredentialSource, EnvironmentSource, FileSource

if TYPE_CHECKING:
    from pathlib import Path

SECRET: Final = "sesame-opens-it"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A good one."""
    path = tmp_path / "token"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


def source(folder: Path) -> FileSource:
    """Relative paths start at *folder*."""
    return FileSource(lambda text: (folder / text).absolute())


def test_a_file_without_the_end_of_its_line(file: Path) -> None:
    """An editor adds one; it is no part of the secret."""
    assert source(file.parent).read("token").reveal() == SECRET


def test_a_file_is_read_anew(file: Path) -> None:
    """So that a changed secret can be taken up."""
    files = source(file.parent)
    files.read("token")
    file.write_text("another")
    assert files.read("token").reveal() == "another"


def test_a_link_counts_as_what_it_names(file: Path) -> None:
    """Orchestrators mount secrets so."""
    (file.parent / "link").symlink_to(file)
    assert source(file.parent).read("link").reveal() == SECRET
    file.chmod(0o644)
    with pytest.raises(ManifestError, match="0644"):
        source(file.parent).read("link")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o601, 0o777])
def test_a_file_that_others_may_read_or_change_is_refused(file: Path, mode: int) -> None:
    """With the command that helps, and nothing of the secret."""
    file.chmod(mode)
    with pytest.raises(ManifestError, match="chmod 600") as refused:
        source(file.parent).read("token")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"a\0b", "zero byte"),
        (b"x" * 65_537, "larger"),
    ],
)
def test_what_can_be_no_secret_is_refused(file: Path, content: bytes, why: str) -> None:
    """Rather than taken for one."""
    file.write_bytes(content)
    with pytest.raises(ManifestError, match=why):
        source(file.parent).read("token")


def test_a_pipe_or_folder_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody waits for a writer."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises(ManifestError, match="plain file"):
            source(tmp_path).read(name)


def test_credentials_of_systemd(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, from the folder that systemd names; without it the message says what a unit needs."""
    with pytest.raises(ManifestError, match="LoadCredential=token"):
        CredentialSource().read("token")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))
    assert CredentialSource().read("token").reveal() == SECRET
    for name in ("../token", "a/b", ".hidden", ""):
        with pytest.raises(ManifestError, match="name"):
            CredentialSource().read(name)


def test_the_environment_is_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning names the variable alone."""
    monkeypatch.setenv("TOKEN", SECRET)
    variables = EnvironmentSource()
    with capture_logs() as lines:
        assert variables.read("TOKEN").reveal() == SECRET
        variables.read("TOKEN")
    [line] = lines
    assert line["log_level"] == "warning"
    assert line["variable"] == "TOKEN"
    assert SECRET not in str(line)


def test_a_variable_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """No default is taken instead."""
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(ManifestError, match="no such variable"):
        EnvironmentSource().read("TOKEN")


def test_an_instance_reads_what_its_option_names(file: Path) -> None:
    """Through the sources of its kernel; the packaged ones are there without being asked for."""
    enabled = (InstanceRef("fcfs", "fcfs"),)
    kernel = build_kernel(Manifest(enabled=enabled, kernel=KernelConfig(), file=str(file.parent / "plugins.toml")))
    [instance] = [each for each in kernel.instances if each.name == "fcfs"]
    assert instance.secret("file:token").reveal() == SECRET
    with pytest.raises(ManifestError, match="vault"):
        instance.secret("vault:token")
