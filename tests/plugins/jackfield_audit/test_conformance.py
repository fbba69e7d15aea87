"""The kits of the hooks that the plugin implements."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.plugins.jackfield_audit.conftest import SECRET

from jackfield.testing.kits.audit_sink import AuditSinkKit
from jackfield.testing.kits.commands import CommandsKit
from jackfield_audit.config import AuditConfig
from jackfield_audit.sink import FileSink

if TYPE_CHECKING:
    from jackfield.ports.audit import AuditSinkFactory


class _InFolder(AuditSinkKit):
    config = AuditConfig()

    def setup_method(self) -> None:
        """The folder is another one for each test."""
        self._folder = tempfile.TemporaryDirectory()

    def teardown_method(self) -> None:
        """And gone afterwards."""
        self._folder.cleanup()

    def factory(self) -> AuditSinkFactory:
        """As the plugin makes it."""
        return lambda: FileSink(Path(self._folder.name), lambda: SECRET, self.config)


class TestStrict(_InFolder):
    """Files, ``mode = "strict"``."""


class TestDurable(_InFolder):
    """Files, on the disk."""

    config = AuditConfig(mode="durable", rotate_bytes=4096)


class TestBatched(_InFolder):
    """Files, some time later."""

    config = AuditConfig(mode="batched", texts="full")


class TestCommands(CommandsKit):
    """``jackfield audit``."""

    manifest = 'enabled = ["audit"]'
