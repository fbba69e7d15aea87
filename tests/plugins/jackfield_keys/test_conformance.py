"""The kits of the hooks that the plugin implements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.authenticator import AuthenticatorKit
from jackfield.testing.kits.commands import CommandsKit
from jackfield.testing.kits.key_issuer import KeyIssuerKit
from jackfield_keys.authenticator import KeysAuthenticator
from jackfield_keys.edit import Grant, KeyFile
from jackfield_keys.file_storage import FileStorage
from jackfield_keys.issuer import KeysIssuer

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.identity import AuthenticatorFactory


class TestAuthenticator(AuthenticatorKit):
    """A file with one key."""

    @pytest.fixture
    def credential(self, tmp_path: Path) -> str:
        """That key."""
        key, _ = KeyFile(tmp_path / "keys.toml", "keys.toml").create(Grant("ci", "", ("generate",), None, None))
        return key

    @pytest.fixture
    def make_authenticator(self, credential: str, tmp_path: Path) -> AuthenticatorFactory:
        """As the plugin makes it."""
        return lambda: KeysAuthenticator("keys", FileStorage("keys", tmp_path / "keys.toml", "keys.toml"))


class TestIssuer(KeyIssuerKit):
    """A file that has one key."""

    @pytest.fixture
    def make_issuer(self, tmp_path: Path) -> AuthenticatorFactory:
        """As the plugin makes it."""
        path = tmp_path / "keys.toml"
        KeyFile(path, path.name).create(Grant("ci", "", ("generate",), None, None))
        return lambda: KeysIssuer("keys", FileStorage("keys", path, path.name))


class TestCommands(CommandsKit):
    """``jackfield keys``."""

    manifest = 'enabled = ["keys"]'
