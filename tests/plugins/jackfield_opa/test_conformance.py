"""The kits of the hooks that the plugin implements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.check import CheckKit
from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.policy import PolicyKit
from jackfield_opa.config import OpaConfig
from jackfield_opa.failure import FailurePolicy
from jackfield_opa.governed import GovernedEngine
from jackfield_opa.sources import PolicySource
from jackfield_opa.verification import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.policy import PolicyEngineFactory


class TestPolicies(PolicyKit):
    """A folder with one module, and documents that may replace it; evaluated by one process, which is started often."""

    @pytest.fixture(autouse=True)
    def told_what(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As ``jackfield verify`` tells it."""
        monkeypatch.setattr(type(self), "needs", prepare(tmp_path)["policy"])

    @pytest.fixture
    def make_engine(self, tmp_path: Path) -> PolicyEngineFactory:
        """As the plugin makes it."""
        config = OpaConfig(store=True, processes=1, deadline_ms=900)
        source = PolicySource(tmp_path, "policies")
        return lambda: GovernedEngine("opa", config, source, FailurePolicy("opa", "closed"))


class TestOptions(ConfigKit):
    """``[config.opa]``."""

    manifest = 'enabled = ["opa"]'


class TestChecks(CheckKit):
    """The folder is not there."""

    manifest = 'enabled = ["opa"]'
