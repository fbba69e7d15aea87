"""The kits of the hooks that the plugin implements."""

from __future__ import annotations

from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.kv_store import KVStoreKit

MANIFEST = 'enabled = ["kv-memory"]\n[config.kv-memory]\nlimit = 2_000_000'


class TestStore(KVStoreKit):
    """With a small bound."""

    manifest = MANIFEST


class TestConfig(ConfigKit):
    """Its options."""

    manifest = MANIFEST
