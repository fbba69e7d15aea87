"""The kit of the hook that the plugin implements, for each of its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.secret import Secret
from jackfield.testing.kits.secret_source import SecretNeeds, SecretSourceKit
from jackfield_secrets.verification import NAME, SECRET, VARIABLE

if TYPE_CHECKING:
    from pathlib import Path


class Secrets(SecretSourceKit):
    """A file, which is a credential of systemd's too, and a variable."""

    manifest = 'enabled = ["secrets"]'

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where the file is."""
        file = tmp_path / NAME
        file.write_text(SECRET)
        file.chmod(0o600)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        monkeypatch.setenv(VARIABLE, SECRET)
        return tmp_path

    @pytest.fixture
    def needs_of(self, place: Path) -> SecretNeeds:
        """Names differ between the sources."""
        name = {"file": str(place / NAME), "systemd": NAME, "env": VARIABLE}[self.name]
        return SecretNeeds(name=name, secret=Secret(SECRET), missing="NOTHING")


class TestFile(Secrets):
    """``file:``."""

    name = "file"


class TestSystemd(Secrets):
    """``systemd:``."""

    name = "systemd"


class TestEnvironment(Secrets):
    """``env:``."""

    name = "env"
