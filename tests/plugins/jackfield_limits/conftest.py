"""A Redis, and a clock that stands still until it is told."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jackfield.testing.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One for all tests that only count in it; each has a prefix of its own."""
    with tempfile.TemporaryDirectory(prefix="jf") as folder, RedisServer(Path(folder)) as server:
        yield server


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One of the test's own, to be stopped and started."""
    with tempfile.TemporaryDirectory(prefix="jf") as folder, RedisServer(Path(folder)) as server:
        yield server
