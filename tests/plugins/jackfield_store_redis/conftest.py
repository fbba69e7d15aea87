"""Stores in a real Redis."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

from jackfield.secret import Secret
from jackfield.testing.redis_server import RedisServer
from jackfield_store_redis.config import RedisStoreConfig
from jackfield_store_redis.connection import Connection
from jackfield_store_redis.store import RedisPolicyStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

Result = TypeVar("Result")

OPTION: Final = "config.store-redis"
KEY: Final = Secret("00" * 32)


class Place:
    """Makes stores that share their documents."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.prefix = f"test-{secrets.token_hex(6)}"
        self.password: Secret | None = None
        self.secrets = {"config.store-redis.key": KEY}

    def open(self) -> RedisPolicyStore:
        """A store."""
        config = RedisStoreConfig(url=self.server.url, prefix=self.prefix)
        read = None if self.password is None else lambda: self.password or Secret("")
        return RedisPolicyStore(Connection(config, read, None, option=OPTION), lambda: self.secrets)

    def run(self, use: Callable[[RedisPolicyStore], Awaitable[Result]]) -> Result:
        """What *use* gives, with a store of its own."""

        async def body() -> Result:
            store = self.open()
            try:
                return await use(store)
            finally:
                await store.close()

        return asyncio.run(body())


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RedisServer]:
    """One for all tests that leave it as it is."""
    with tempfile.TemporaryDirectory(prefix="jf") as folder, RedisServer(Path(folder)) as server:
        yield server


@pytest.fixture
def place(shared_server: RedisServer) -> Place:
    """A prefix that nobody else has."""
    return Place(shared_server)


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """One of the test's own, to be stopped and started."""
    with tempfile.TemporaryDirectory(prefix="jf") as folder, RedisServer(Path(folder)) as server:
        yield server
