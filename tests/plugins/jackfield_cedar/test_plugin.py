"""The plugin's hooks: ``jackfield_policies``, its options and its check."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.plugins.jackfield_cedar.policies import ALL, question

from jackfield.errors import PluginError
from jackfield.testing.kits.kit import kernel_of
from jackfield_cedar.checks import PoliciesCheck
from jackfield_cedar.config import CedarConfig
from jackfield_cedar.verification import BROKEN

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With what to install."""
    monkeypatch.setitem(sys.modules, "jackfield_cedar.engine", None)
    factory = kernel_of('enabled = ["cedar"]', str(tmp_path)).policies()["cedar"]
    with pytest.raises(PluginError, match=r"pip install 'jackfield\[cedar\]'"):
        factory()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"policies": ""}, "must not be empty"), ({"actions": ("Bad Scope",)}, "is not a scope")],
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CedarConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("files", "level", "message"),
    [
        ({}, "error", "rules: there are no policies"),
        ({"a.cedar": BROKEN}, "error", "rules: a.cedar: policy 1"),
        ({"a.cedar": ALL}, "warn", "rules: 1 policies, 0 cases"),
        ({"a.cedar": ALL, "cases.json": "CASE"}, "ok", "rules: 1 policies, 1 cases"),
    ],
)
def test_the_check_says_what_there_is(tmp_path: Path, files: dict[str, str], level: str, message: str) -> None:
    """And what to do."""
    asked = msgspec.json.encode(question()).decode()
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("CASE", f'[{{"name": "x", "allow": true, "input": {asked}}}]'))
    result = PoliciesCheck("cedar", tmp_path, CedarConfig(policies="rules")).run()
    assert result.level == level
    assert result.message.startswith(message)


def test_the_check_finds_a_folder_missing(tmp_path: Path) -> None:
    result = PoliciesCheck("cedar", tmp_path / "x", CedarConfig(policies="rules")).run()
    assert (result.level, result.message) == ("error", "rules: No such file or directory")
