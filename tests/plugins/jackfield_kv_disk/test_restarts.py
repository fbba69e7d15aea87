"""``kv-disk`` from one worker to the next, however the first one ended."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.kv_store_history import key, state
from jackfield_kv_disk.config import LIMIT_MIN
from jackfield_kv_disk.limit import AUTO_MAX, auto_limit

if TYPE_CHECKING:
    from tests.plugins.jackfield_kv_disk.conftest import Stores

WORKER = """
import itertools, os, pathlib, signal, sys
from jackfield.testing.kits.kv_store_history import key, state
from jackfield import state_file
from jackfield_kv_disk.store import DiskStore

folder, where = sys.argv[1:3]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

store = DiskStore(pathlib.Path(folder), "demo", 400_000, option="path")
list(store.open("demo, f16, llama.cpp 1"))
for number in range(5):
    assert store.put(key((number,)), state(number, 20_000))
if where == "rename":
    pathlib.Path.rename = die
elif where == "write":
    write = os.write
    state_file.os.write = lambda fd, data: (write(fd, data[:100]), die())
elif where == "digest":
    write, left = os.write, [2]
    def later(fd, data):
        left[0] -= 1
        return write(fd, data) if left[0] >= 0 else die()
    state_file.os.write = later
elif where == "unlink":
    pathlib.Path.unlink = die
    store.drop(key((0,)))
print("begun", flush=True)
for number in itertools.count(5):
    store.put(key((number % 40,)), state(number % 40, 20_000 + 100 * (number % 40)))
"""


def _is_whole(stores: Stores) -> int:
    """Everything that survived is what was put; returns how many that are."""
    store, held = stores.open(limit=400_000)
    assert stores.files("*.tmp") == []
    assert len(held) == store.usage().entries == len(stores.files())
    assert store.usage().used_bytes <= 400_000
    assert store.usage().dropped == 0
    for each in held:
        number = int.from_bytes(each.tokens, "little")
        found = store.get(each)
        assert found in [state(number, 20_000), state(number, 20_000 + 100 * number)]
    store.close()
    return len(held)


@pytest.mark.parametrize("where", ["rename", "write", "digest"])
def test_killed_while_it_writes(stores: Stores, where: str) -> None:
    """What was complete is there, what was not is gone."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(stores.base), where], check=False, capture_output=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(stores.files("*.tmp")) == 1
    assert _is_whole(stores) == 5


def test_killed_before_it_removes(stores: Stores) -> None:
    """What was to be dropped may be there again: it still is what it was."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(stores.base), "unlink"], check=False, capture_output=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert _is_whole(stores) == 5


def test_killed_at_any_moment(stores: Stores) -> None:
    """Ten times, somewhere among puts and evictions; each begins with what the one before has left."""
    moments = random.Random(5)
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", WORKER, str(stores.base), "nowhere"], stdout=subprocess.PIPE
        ) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"begun\n"
            with pytest.raises(subprocess.TimeoutExpired):
                worker.wait(moments.uniform(0.0, 0.1))
            worker.kill()
        assert _is_whole(stores) >= 5


def test_the_order_of_use_survives(stores: Stores) -> None:
    """Also where the times are nearly the same: the least recently used is still the first to go."""
    store, _ = stores.open(limit=100_000)
    for number in range(4):
        assert store.put(key((number,)), state(number, 20_000))
    store.get(key((0,)))
    store.close()
    store, held = stores.open(limit=100_000)
    assert list(held) == [key((number,)) for number in (1, 2, 3, 0)]
    assert store.put(key((9,)), state(9, 20_000))
    assert store.get(key((1,))) is None
    assert store.get(key((0,))) == state(0, 20_000)


def test_a_clock_that_was_wrong_puts_nothing_out_of_reach(stores: Stores) -> None:
    """Files from the future go like others once they are the least recently used."""
    store, _ = stores.open(limit=100_000)
    assert store.put(key((1,)), state(1, 20_000))
    os.utime(stores.files()[0], (2**33, 2**33))
    store.close()
    store, _ = stores.open(limit=100_000)
    for number in range(2, 10):
        assert store.put(key((number,)), state(number, 20_000))
    assert store.get(key((1,))) is None


def test_a_smaller_bound_holds_from_the_start(stores: Stores) -> None:
    """The least recently used go."""
    store, _ = stores.open(limit=200_000)
    for number in range(6):
        assert store.put(key((number,)), state(number, 20_000))
    store.close()
    store, held = stores.open(limit=80_000)
    assert list(held) == [key((number,)) for number in (3, 4, 5)]
    assert sum(file.stat().st_blocks * 512 for file in stores.files()) <= store.usage().used_bytes <= 80_000


def test_used_bytes_are_those_on_the_disk(stores: Stores) -> None:
    """Whole blocks, header and digests included, for states of any size."""
    store, _ = stores.open()
    for number, size in enumerate((0, 1, 3999, 4096, 50_000)):
        assert store.put(key((number,)), state(number, size))
    used = store.usage().used_bytes
    assert used == sum(-(-file.stat().st_size // 4096) * 4096 for file in stores.files())
    store.close()
    store, _ = stores.open()
    assert store.usage().used_bytes == used


def test_nobody_else_may_read_it(stores: Stores) -> None:
    """Folders 0700, files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        store, _ = stores.open(model="some/model")
        assert store.put(key(), state(1, 100))
    finally:
        os.umask(before)
    for path in [stores.base, *stores.base.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_no_token_and_no_tenant_is_in_a_name(stores: Stores) -> None:
    """Names are digests; only the model's name can be read."""
    store, _ = stores.open(model="../etc/passwd of org/model:q4")
    assert store.put(key(tuple(range(100)), scope=7), state(1, 100))
    [file] = stores.files()
    home = file.parent.parent
    assert home.parent == stores.base
    assert home.name.rpartition("-")[0] == "_etc_passwd_of_org_model_q4"
    assert set(file.stem) <= set("0123456789abcdef")


def test_ten_thousand_files_are_found_again(stores: Stores) -> None:
    """The most there may be; one more, and the least recently used goes."""
    store, _ = stores.open(limit=100_000_000)
    content = state(0, 100)
    for number in range(10_001):
        assert store.put(key((number,)), content)
    store.close()
    store, held = stores.open(limit=100_000_000)
    assert len(held) == store.usage().entries == 10_000
    assert held[-1] == key((10_000,))
    assert held[0] == key((1,))
    assert store.get(held[0]) == content


@pytest.mark.parametrize(("free", "limit"), [(0, LIMIT_MIN), (10 * LIMIT_MIN + 10, LIMIT_MIN + 1), (1 << 50, AUTO_MAX)])
def test_the_bound_by_what_is_free(free: int, limit: int) -> None:
    """A tenth, within reason."""
    assert auto_limit(free) == limit


def test_an_automatic_bound_does_not_shrink_with_its_own_files(stores: Stores) -> None:
    """They count as free."""
    store, _ = stores.open(limit="auto")
    limit = store.usage().limit_bytes
    assert limit >= LIMIT_MIN
    assert store.put(key(), state(1, 1_000_000))
    store.close()
    again, held = stores.open(limit="auto")
    assert len(held) == 1
    assert again.usage().limit_bytes >= LIMIT_MIN
