"""``kv-memory``: what is its own beside the port's promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield import build_kernel
from jackfield.errors import ManifestError
from jackfield.machine import Machine
from jackfield.manifest import DEFAULT_ENABLED, InstanceRef, KernelConfig, Manifest
from jackfield.testing.kits.kv_store_history import key, state
from jackfield_kv_memory.arena import BLOCK_BYTES, Arena
from jackfield_kv_memory.config import LIMIT_MIN
from jackfield_kv_memory.limit import AUTO_MAX, UNKNOWN, auto_limit
from jackfield_kv_memory.store import KEPT_BUFFER_MAX, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.backend import OptionValue


@pytest.fixture
def store() -> MemoryStore:
    """Of two megabytes."""
    made = MemoryStore(2_000_000)
    made.open("layout")
    return made


def test_the_next_read_uses_the_same_memory(store: MemoryStore) -> None:
    """Once nobody looks at the state that was given back before."""
    assert store.put(key((1,)), state(1, 100_000))
    assert store.put(key((2,)), state(2, 50_000))
    first = store.get(key((1,)))
    second = store.get(key((2,)))
    assert first is not None
    assert second is not None
    assert second.obj is not first.obj, "somebody still looks at the first one"
    part, kept = first[:10], second.obj
    del first, second
    assert bytes(part) == bytes(state(1, 100_000)[:10])
    third = store.get(key((2,)))
    assert third is not None
    assert third.obj is kept
    assert third == state(2, 50_000)


def test_an_empty_state_read_while_another_is_looked_at(store: MemoryStore) -> None:
    """Each read gets what it asked for, the next one too."""
    store.put(key((1,)), memoryview(b"full"))
    store.put(key((2,)), memoryview(b""))
    held = store.get(key((1,)))
    found = [store.get(key((number,))) for number in (2, 2, 1)]
    assert [each.tobytes() for each in (*found, held) if each is not None] == [b"", b"", b"full", b"full"]


def test_what_is_given_back_cannot_be_written_to(store: MemoryStore) -> None:
    """It is memory that others use afterwards."""
    assert store.put(key(), state(1, 100))
    found = store.get(key())
    assert found is not None
    assert found.readonly


def test_large_buffers_are_not_kept() -> None:
    """A state of a large model, read once, holds no memory for ever."""
    store = MemoryStore(200_000_000)
    store.open("layout")
    size = KEPT_BUFFER_MAX + 1
    assert store.put(key(), memoryview(bytes(size)))
    found = store.get(key())
    assert found is not None
    assert found.nbytes == size
    assert len(store._buffer) == 1
    store.close()


def test_keys_count_too() -> None:
    """A key of a long prompt is larger than many a checkpoint."""
    store = MemoryStore(LIMIT_MIN)
    store.open("layout")
    for number in range(100):
        store.put(key((number,) * 50_000), state(number, 10))
        assert store.usage().used_bytes >= store.usage().entries * 200_000
    assert 1 <= store.usage().entries <= LIMIT_MIN // 200_000


def test_blocks_are_used_again_in_any_order() -> None:
    """States in blocks that lie anywhere are whole; the arena never takes more than its bound and one segment."""
    arena = Arena(64 * BLOCK_BYTES)
    held = {number: arena.write(state(number, 5 * BLOCK_BYTES - 7)) for number in range(12)}
    for turn in range(200):
        number = turn * 7 % 12
        arena.free(held.pop(number))
        held[number] = arena.write(state(number, 5 * BLOCK_BYTES - 7))
        blocks = [block for each in held.values() for block in each]
        assert len(set(blocks)) == len(blocks)
        assert max(blocks) < 64
    for number, each in held.items():
        found = memoryview(bytearray(5 * BLOCK_BYTES - 7))
        arena.read(each, found)
        assert found == state(number, 5 * BLOCK_BYTES - 7)


def _machine(folder: Path, free: int) -> Machine:
    (folder / "proc").mkdir()
    (folder / "proc" / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {free // 1024} kB\n")
    return Machine(folder)


@pytest.mark.parametrize(("free", "limit"), [(0, LIMIT_MIN), (1 << 30, 1 << 27), (1 << 50, AUTO_MAX)])
def test_the_bound_by_what_is_free(tmp_path: Path, free: int, limit: int) -> None:
    """An eighth, within reason."""
    assert auto_limit(_machine(tmp_path, free)) == limit


def test_the_bound_where_nobody_knows(tmp_path: Path) -> None:
    """Something modest."""
    assert auto_limit(Machine(tmp_path)) == UNKNOWN


@pytest.mark.parametrize("plugin", ["kv-memory", "kv-disk"])
@pytest.mark.parametrize("limit", [0, -1, LIMIT_MIN - 1, "all", 1.5])
def test_bounds_that_make_no_sense_are_refused(plugin: str, limit: OptionValue) -> None:
    """By the key's name."""
    manifest = Manifest(
        enabled=(InstanceRef(plugin, plugin),), kernel=KernelConfig(), config={plugin: {"limit": limit}}
    )
    with pytest.raises(ManifestError, match=f"config.{plugin}"):
        build_kernel(manifest)


def test_it_is_on_by_default() -> None:
    """``jackfield_kv_stores`` gives every model a store of its own, bounded."""
    assert "kv-memory" in DEFAULT_ENABLED
    manifest = Manifest(enabled=(InstanceRef("kv-memory", "kv-memory"),), kernel=KernelConfig())
    stores = build_kernel(manifest).kv_stores()
    assert list(stores) == ["kv-memory"]
    one, other = (stores["kv-memory"](model) for model in ("one", "other"))
    one.open("layout")
    other.open("layout")
    assert not one.blocking
    assert 0 < one.usage().limit_bytes <= AUTO_MAX
    assert one.put(key(), state(1, 100))
    assert other.get(key()) is None
