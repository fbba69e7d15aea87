"""The kits of the hooks that the plugin implements (``jackfield_policy_stores``, ``jackfield_commands``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.commands import CommandsKit
from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.policy_store import PolicyStoreKit

if TYPE_CHECKING:
    from tests.plugins.jackfield_store_redis.conftest import Place

    from jackfield.ports.policy_store import PolicyStoreFactory


class TestStore(PolicyStoreKit):
    """Against a real Redis."""

    @pytest.fixture(autouse=True)
    def _in_place(self, place: Place) -> None:
        self._place = place

    def factory(self) -> PolicyStoreFactory:
        """Stores under this test's prefix."""
        return self._place.open


class TestConfig(ConfigKit):
    """Its options."""

    manifest = 'enabled = ["store-redis"]'


class TestCommands(CommandsKit):
    """``jackfield store-redis``."""

    manifest = 'enabled = ["store-redis"]'
