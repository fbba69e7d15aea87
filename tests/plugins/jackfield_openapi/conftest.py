"""The server that the tests of its document ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.plugins.jackfield_openapi.served import Served, manifest

from jackfield.gateway import failures
from jackfield.testing.background import BackgroundLoop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With every frontend; strangers may come as often as they like."""
    with BackgroundLoop() as loop, pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "BURST", 1_000_000)
        served = Served(tmp_path_factory.mktemp("server"), loop, manifest())
        yield served
        served.close()
