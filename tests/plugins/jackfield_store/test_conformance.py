"""The kits of the hooks that the plugin implements (``jackfield_policy_stores``, ``jackfield_checks``, …)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.check import CheckKit
from jackfield.testing.kits.commands import CommandsKit
from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.policy_store import PolicyStoreKit

if TYPE_CHECKING:
    from tests.plugins.jackfield_store.conftest import Folder

    from jackfield.ports.policy_store import PolicyStoreFactory


class TestStore(PolicyStoreKit):
    """With a file that outlives its stores."""

    @pytest.fixture(autouse=True)
    def _in_folder(self, folder: Folder) -> None:
        self._folder = folder

    def factory(self) -> PolicyStoreFactory:
        """Stores in this test's folder."""
        return self._folder.open


class TestCheck(CheckKit):
    """What doctor asks; the secret is not there."""

    manifest = 'enabled = ["store"]'


class TestConfig(ConfigKit):
    """Its options."""

    manifest = 'enabled = ["store"]'


class TestCommands(CommandsKit):
    """``jackfield store``."""

    manifest = 'enabled = ["store"]'
