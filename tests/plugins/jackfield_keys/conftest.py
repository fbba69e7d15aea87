"""A key file and what is done with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from jackfield.ports.identity import Credential
from jackfield.secret import Secret
from jackfield_keys import file_storage
from jackfield_keys.authenticator import KeysAuthenticator
from jackfield_keys.edit import Grant, KeyFile
from jackfield_keys.file_storage import FileStorage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from jackfield.ports.identity import Principal


class Keys:
    """A key file, and an authenticator that follows it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = KeyFile(path, path.name)

    def make(
        self,
        name: str = "ci",
        *,
        scopes: Sequence[str] = ("generate",),
        models: Sequence[str] | None = None,
        expires: datetime | None = None,
        priority: int = 0,
    ) -> str:
        """A new key."""
        return self.file.create(Grant(name, "build", scopes, models, expires, priority))[0]

    def authenticator(self) -> KeysAuthenticator:
        """One that has read the file."""
        return KeysAuthenticator("keys", self.storage())

    def storage(self) -> FileStorage:
        """The file as a running server follows it."""
        return FileStorage("keys", self.path, self.path.name)

    @staticmethod
    def judge(judge: KeysAuthenticator, key: str) -> Principal | None:
        """What it says of *key*."""
        return asyncio.run(judge.authenticate(Credential("bearer", Secret(key))))


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """A file that is not there yet; authenticators look at it before every answer."""
    monkeypatch.setattr(file_storage, "LOOK_S", 0.0)
    return Keys(tmp_path / "keys.toml")
