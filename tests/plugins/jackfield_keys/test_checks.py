"""What ``jackfield doctor`` finds out about a key file (``jackfield_checks``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.check import CheckKit
from jackfield_keys.checks import KeysCheck
from jackfield_keys.commands import keys_command
from jackfield_keys.edit import KeyFile

if TYPE_CHECKING:
    from pathlib import Path

    import click


class TestConformance(CheckKit):
    """The kit; the file is not there."""

    manifest = 'enabled = ["keys"]'


def command(path: Path) -> click.Group:
    """``jackfield keys`` for that file."""
    return keys_command("keys", "keys.toml", lambda: KeyFile(path, "keys.toml"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one key."""
    from click.testing import CliRunner

    path = tmp_path / "keys.toml"
    assert CliRunner().invoke(command(path), ["create", "ann"]).exit_code == 0
    return path


def check(path: Path) -> tuple[str, str, str]:
    """What the check says."""
    result = KeysCheck(KeyFile(path, "keys.toml"), "keys.toml", "keys").run()
    return result.level, result.message, result.fix


def test_a_file_with_a_key(file: Path) -> None:
    """It is counted, not shown."""
    assert check(file) == ("ok", "keys.toml: 1 of 1 keys can be used", "")


def test_a_file_that_others_may_read(file: Path) -> None:
    """With the command that helps."""
    file.chmod(0o644)
    level, message, fix = check(file)
    assert (level, "0644" in message, "chmod 600 keys.toml" in fix) == ("error", True, True)


def test_no_file(tmp_path: Path) -> None:
    """As after turning the plugin on."""
    level, _, fix = check(tmp_path / "keys.toml")
    assert (level, "jackfield keys create NAME" in fix) == ("error", True)


def test_a_damaged_file(file: Path) -> None:
    """Something to do all the same."""
    file.write_text("[[key]]\nname = 3")
    level, _, fix = check(file)
    assert (level, bool(fix)) == ("error", True)


def test_nothing_but_revoked_keys(file: Path) -> None:
    """A server would start and refuse everybody."""
    from click.testing import CliRunner

    assert CliRunner().invoke(command(file), ["revoke", "ann"]).exit_code == 0
    level, message, fix = check(file)
    assert (level, "no key" in message, fix) == ("warn", True, "jackfield keys create NAME")
