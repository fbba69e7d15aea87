"""Stores in a test's folder."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

from jackfield.secret import Secret
from jackfield_store.store import SqlitePolicyStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

Result = TypeVar("Result")

OPTION: Final = "config.store.file"
KEY: Final = Secret("00" * 32)


class Folder:
    """Makes stores of one file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "policies.db"
        self.secrets = {"config.store.key": KEY}

    def open(self) -> SqlitePolicyStore:
        """A store."""
        return SqlitePolicyStore(self.path, lambda: self.secrets, option=OPTION)

    def run(self, use: Callable[[SqlitePolicyStore], Awaitable[Result]]) -> Result:
        """What *use* gives, with a store of its own."""

        async def body() -> Result:
            store = self.open()
            try:
                return await use(store)
            finally:
                await store.close()

        return asyncio.run(body())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty one."""
    return Folder(tmp_path)
