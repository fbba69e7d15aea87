"""The kits of the hooks that the plugin implements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.check import CheckKit
from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.policy import PolicyKit
from jackfield_cedar.config import CedarConfig
from jackfield_cedar.engine import engine
from jackfield_cedar.verification import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.policy import PolicyEngineFactory


class TestPolicies(PolicyKit):
    """A folder with two policies, and documents that may replace them."""

    @pytest.fixture(autouse=True)
    def told_what(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As ``jackfield verify`` tells it."""
        monkeypatch.setattr(type(self), "needs", prepare(tmp_path)["policy"])

    @pytest.fixture
    def make_engine(self, tmp_path: Path) -> PolicyEngineFactory:
        """As the plugin makes it."""
        return lambda: engine("cedar", tmp_path, CedarConfig(policies="policies", store=True))


class TestOptions(ConfigKit):
    """``[config.cedar]``."""

    manifest = 'enabled = ["cedar"]'


class TestChecks(CheckKit):
    """The folder is not there."""

    manifest = 'enabled = ["cedar"]'
