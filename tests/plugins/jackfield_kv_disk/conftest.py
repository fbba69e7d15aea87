"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import pytest

from jackfield.ports.kv_store import StateKey
from jackfield_kv_disk.store import DiskStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Literal

LAYOUT = "demo, f16, llama.cpp 1"


class Opened(NamedTuple):
    """A store, and what it held when it was opened."""

    store: DiskStore
    held: Sequence[StateKey]


class Stores:
    """Opens stores below one folder, and closes them in the end.

    Parameters:
        base: The folder of all models; not there yet.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.now = 1000.0
        """What their clock says."""
        self._made: list[DiskStore] = []

    def open(self, *, model: str = "demo", limit: int | Literal["auto"] = 2_000_000, layout: str = LAYOUT) -> Opened:
        """As a worker does at its start."""
        store = DiskStore(self.base, model, limit, option="config.kv-disk.path", clock=lambda: self.now)
        self._made.append(store)
        return Opened(store, list(store.open(layout)))

    def files(self, pattern: str = "*.kv") -> list[Path]:
        """Files of states, of all models and layouts."""
        return sorted(self.base.glob(f"*/*/{pattern}"))

    def close(self) -> None:
        """Close all."""
        for store in self._made:
            store.close()


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    """In a folder of this test's own."""
    made = Stores(tmp_path / "kv")
    yield made
    made.close()
