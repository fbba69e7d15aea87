"""The kits of the hooks that the plugin implements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.records import RecordStoreKit
from jackfield_sqlite.config import SqliteConfig
from jackfield_sqlite.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.records import RecordStoreFactory


class TestInMemory(RecordStoreKit):
    """As it is without options."""

    manifest = 'enabled = ["sqlite"]'


class TestFile(RecordStoreKit):
    """With a file that outlives its stores."""

    @pytest.fixture(autouse=True)
    def _in_folder(self, tmp_path: Path) -> None:
        self._folder = tmp_path

    def factory(self) -> RecordStoreFactory:
        """Stores in this test's folder."""
        return lambda: SqliteStore(self._folder / "records.db", SqliteConfig(), option="config.sqlite.file")


class TestConfig(ConfigKit):
    """Its options."""

    manifest = 'enabled = ["sqlite"]'
