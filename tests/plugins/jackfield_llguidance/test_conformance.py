"""The kits of the hooks that the plugin implements."""

from __future__ import annotations

from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.constraint import ConstraintKit


class TestConforms(ConstraintKit):
    """As it is packaged."""

    manifest = 'enabled = ["llguidance"]'


class TestConformsWithFlexibleWhitespace(ConstraintKit):
    """The model chooses spaces, and nothing is kept."""

    manifest = 'enabled = ["llguidance"]\n[config.llguidance]\nwhitespace = "flexible"\ncache_entries = 0'


class TestConformsCompact(ConstraintKit):
    """No spaces."""

    manifest = 'enabled = ["llguidance"]\n[config.llguidance]\nwhitespace = "compact"'


class TestOptions(ConfigKit):
    """Its options."""

    manifest = 'enabled = ["llguidance"]'
