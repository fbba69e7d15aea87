"""Engines that evaluate policies of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.plugins.jackfield_opa.played import write

from jackfield_opa.config import OpaConfig
from jackfield_opa.embedded import EmbeddedEngine
from jackfield_opa.failure import FailurePolicy
from jackfield_opa.sources import PolicySource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.plugins.jackfield_opa.played import Engines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where policies are."""
    path = tmp_path / "policies"
    path.mkdir()
    return path


@pytest.fixture
def engines(folder: Path) -> Engines:
    """Makes engines; a test plays them with ``play``, which closes them."""

    def make(files: Mapping[str, str] | str, **options: object) -> EmbeddedEngine:
        write(folder, files)
        values = {"deadline_ms": 900, "processes": 1, **options}
        config = OpaConfig(**values)  # type: ignore[arg-type]
        return EmbeddedEngine("opa", config, PolicySource(folder, "policies"), FailurePolicy("opa", config.fail))

    return make
