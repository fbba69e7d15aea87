"""The kits of the hooks that the plugin implements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.kv_store import KVStoreKit
from jackfield_kv_disk.store import DiskStore

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.kv_store import KVStoreFactory


class TestStore(KVStoreKit):
    """With a small bound."""

    @pytest.fixture(autouse=True)
    def _in_folder(self, tmp_path: Path) -> None:
        self._folder = tmp_path

    def factory(self) -> KVStoreFactory:
        """Stores in this test's folder."""
        return lambda model: DiskStore(self._folder / "kv", model, 2_000_000, option="config.kv-disk.path")


class TestConfig(ConfigKit):
    """Its options."""

    manifest = 'enabled = ["kv-disk"]'
