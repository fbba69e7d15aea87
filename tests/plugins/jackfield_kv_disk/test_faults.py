"""``kv-disk`` on disks that fail, and beside others who touch its files."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield import state_file
from jackfield.errors import ManifestError
from jackfield.testing.kits.kv_store_history import key, state
from jackfield_kv_disk.store import RETRY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugins.jackfield_kv_disk.conftest import Stores

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda data: data[:1],
    "cut in the header": lambda data: data[:40],
    "cut in the state": lambda data: data[:-5000],
    "one byte short": lambda data: data[:-1],
    "one byte more": lambda data: data + b"\0",
    "another magic": lambda data: b"X" + data[1:],
    "another version": lambda data: data[:8] + b"\x63" + data[9:],
    "a flipped bit in the header": lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
    "a flipped bit in the state": lambda data: data[:-5000] + bytes([data[-5000] ^ 128]) + data[-4999:],
    "a flipped bit in the last digest": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "a huge header": lambda data: data[:12] + b"\xff\xff\xff\xff" + data[16:],
    "a huge state": lambda data: data[:16] + b"\xff" * 8 + data[24:],
    "zeros, as after a power failure": lambda data: bytes(len(data)),
    "something else": lambda _: b"#!/bin/sh\necho hello\n",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
@pytest.mark.parametrize("when", ["while it is closed", "while it is open"])
def test_damaged_files_are_dropped_and_counted(stores: Stores, damage: Callable[[bytes], bytes], when: str) -> None:
    """Never given back, whatever became of them; the others are."""
    store, _ = stores.open()
    assert store.put(key((1,)), state(1, 20_000))
    [bad] = stores.files()
    assert store.put(key((2,)), state(2, 20_000))
    if when == "while it is closed":
        store.close()
    bad.write_bytes(damage(bad.read_bytes()))
    if when == "while it is closed":
        store, _ = stores.open()
    assert store.get(key((1,))) is None
    assert store.get(key((2,))) == state(2, 20_000)
    usage = store.usage()
    assert (usage.entries, usage.dropped, usage.error) == (1, 1, "")
    assert usage.troubles == {"corrupt": 1}
    assert not bad.exists()
    assert store.put(key((1,)), state(3, 20_000))
    assert store.get(key((1,))) == state(3, 20_000)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), cut=st.booleans())
def test_no_change_of_a_file_goes_unseen(stores: Stores, at: int, bit: int, *, cut: bool) -> None:
    """Any bit, any length."""
    store, _ = stores.open()
    assert store.put(key((1,)), state(1, 3000))
    [file] = stores.files()
    data = bytearray(file.read_bytes())
    at %= len(data)
    data[at] ^= 1 << bit
    file.write_bytes(data[:at] if cut else data)
    assert store.get(key((1,))) is None
    assert store.usage().dropped == 1
    store.close()


def test_the_file_of_another_key_is_not_taken_for_this_one(stores: Stores) -> None:
    """Also where somebody copied it there, digests and all."""
    store, _ = stores.open()
    assert store.put(key((1,), scope=1), state(1, 5000))
    [mine] = stores.files()
    assert store.put(key((1,), scope=2), state(2, 5000))
    [other] = [file for file in stores.files() if file != mine]
    mine.write_bytes(other.read_bytes())
    assert store.get(key((1,), scope=1)) is None
    mine.write_bytes(other.read_bytes())
    store.close()
    store, held = stores.open()
    assert list(held) == [key((1,), scope=2)]
    assert store.usage().dropped == 1


def test_a_file_that_is_gone_is_counted(stores: Stores) -> None:
    """Somebody cleaned up."""
    store, _ = stores.open()
    assert store.put(key(), state(1, 5000))
    stores.files()[0].unlink()
    assert store.get(key()) is None
    usage = store.usage()
    assert (usage.entries, usage.used_bytes, usage.dropped) == (0, 0, 1)
    assert usage.troubles == {"missing": 1}


def test_what_is_no_file_holds_nothing_up(stores: Stores) -> None:
    """A pipe, a link or a folder under the name of a state."""
    store, _ = stores.open()
    for number in (1, 2, 3):
        assert store.put(key((number,)), state(number, 5000))
    pipe, link, folder = stores.files()
    for file in (pipe, link, folder):
        file.unlink()
    os.mkfifo(pipe)
    link.symlink_to("/etc/passwd")
    folder.mkdir()
    assert [store.get(key((number,))) for number in (1, 2, 3)] == [None, None, None]
    assert store.usage().entries == 0
    store.close()
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    store, held = stores.open()
    assert not held


def test_foreign_files_stay(stores: Stores) -> None:
    """Only what the store wrote is removed, also from folders of other layouts."""
    store, _ = stores.open()
    assert store.put(key(), state(1, 5000))
    here = stores.files()[0].parent
    notes = [here / "notes.txt", here.parent / "notes.txt", here.parent / "old" / "notes.txt"]
    for note in notes:
        note.parent.mkdir(exist_ok=True)
        note.write_text("mine")
    store.clear()
    store.close()
    other, _ = stores.open(layout="other")
    other.clear()
    other.close()
    assert [note.read_text() for note in notes] == ["mine"] * 3


def _failing(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    def fail(*_arguments: object, **_options: object) -> object:
        raise OSError(number, os.strerror(number), "/secret/path/of/the/host")

    monkeypatch.setattr(os, name, fail)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT, errno.EACCES])
@pytest.mark.parametrize("call", ["write", "open", "utime"])
def test_what_cannot_be_written_is_not_kept(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    """It costs the state and nothing else; when it can be done again, all is well."""
    store, _ = stores.open()
    assert store.put(key((1,)), state(1, 5000))
    with monkeypatch.context() as patch:
        _failing(patch, call, number)
        assert not store.put(key((2,)), state(2, 15_000))
        usage = store.usage()
        assert os.strerror(number) in usage.error
        assert "/secret" not in usage.error
        assert usage.dropped == 1
        assert usage.troubles == {"disk_full" if number in (errno.ENOSPC, errno.EDQUOT) else "write_failed": 1}
    assert store.get(key((2,))) is None
    assert store.get(key((1,))) == state(1, 5000)
    assert stores.files("*.tmp") == []
    assert store.put(key((2,)), state(2, 5000))
    assert store.usage().error == ""


def test_a_disk_that_fills_up_in_the_middle_of_a_state(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is left."""
    store, _ = stores.open()
    write, left = os.write, [3000]

    def short(descriptor: int, data: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "")
        count = write(descriptor, data[: left[0]])
        left[0] -= count
        return count

    monkeypatch.setattr(os, "write", short)
    assert not store.put(key(), state(1, 5000))
    assert stores.files("*") == []
    assert store.usage().used_bytes == 0
    left[0] = 10**9
    assert store.put(key(), state(1, 5000))
    assert store.get(key()) == state(1, 5000)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_does_not_keep_old_states_for_ever(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Where others have filled it, what was used longest ago makes room for what is new."""
    store, _ = stores.open()
    write = os.write

    def write_while_there_is_room(descriptor: int, data: memoryview) -> int:
        files = [*stores.files("*.kv"), *stores.files("*.tmp")]
        if sum(file.stat().st_size for file in files) + len(data) > 40_000:
            raise OSError(number, "")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_while_there_is_room)
    for each in range(3):
        assert store.put(key((each,)), state(each, 12_000))
    assert store.get(key((0,))) is not None
    assert store.put(key((3,)), state(3, 12_000))
    assert [each for each in range(4) if store.get(key((each,))) is not None] == [0, 2, 3]
    assert (store.usage().dropped, store.usage().error) == (0, "")
    assert not store.put(key((4,)), state(4, 60_000))  # more than all that it has on the disk
    assert store.usage().entries == 3
    assert os.strerror(number) in store.usage().error


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EMFILE])
def test_what_cannot_be_read_is_not_there(stores: Stores, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The trouble is told until a state can be read again."""
    store, _ = stores.open()
    assert store.put(key((1,)), state(1, 5000))
    assert store.put(key((2,)), state(2, 5000))
    with monkeypatch.context() as patch:
        _failing(patch, "open", number)
        assert store.get(key((1,))) is None
    usage = store.usage()
    assert os.strerror(number) in usage.error
    assert "/secret" not in usage.error
    assert usage.dropped == 1
    assert usage.troubles == {"read_failed": 1}
    assert store.get(key((2,))) == state(2, 5000)
    assert store.usage().error == ""


def test_files_that_cannot_be_removed_count_as_used(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound holds for what is on the disk; what was dropped is not given back all the same."""
    store, _ = stores.open(limit=100_000)
    assert store.put(key((1,)), state(1, 60_000))
    before = store.usage().used_bytes

    def fail(*_arguments: object, **_options: object) -> object:
        raise PermissionError(errno.EACCES, "")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        store.drop(key((1,)))
        assert store.get(key((1,))) is None
        assert store.usage().entries == 0
        assert store.usage().used_bytes == before
        assert not store.put(key((2,)), state(2, 60_000))
        assert "cannot be removed" in store.usage().error
        assert store.usage().troubles == {"remove_failed": 1}
    assert store.put(key((1,)), state(3, 30_000)), "its own name can be written over"
    assert store.get(key((1,))) == state(3, 30_000)
    assert store.usage().used_bytes < before


@pytest.mark.parametrize("removed", ["all of it", "the model's part"])
def test_a_folder_that_is_removed_is_made_again(stores: Stores, removed: str) -> None:
    """Somebody emptied the cache folder while the server ran."""
    store, _ = stores.open()
    assert store.put(key((1,)), state(1, 5000))
    shutil.rmtree(stores.base if removed == "all of it" else stores.files()[0].parent.parent)
    assert store.put(key((2,)), state(2, 5000))
    assert store.get(key((1,))) is None
    assert store.get(key((2,))) == state(2, 5000)
    usage = store.usage()
    assert (usage.entries, usage.dropped, usage.error) == (1, 1, "")
    assert usage.troubles == {"folder_lost": 1}


def test_a_folder_that_cannot_be_made_again(stores: Stores) -> None:
    """It is told; when the obstacle is gone, the store goes on."""
    store, _ = stores.open()
    assert store.put(key((1,)), state(1, 5000))
    shutil.rmtree(stores.base)
    stores.base.write_text("a file")
    assert not store.put(key((2,)), state(2, 5000))
    usage = store.usage()
    assert usage.error.startswith("its folder ")
    assert str(stores.base) not in usage.error
    assert usage.troubles == {"folder_lost": 1, "folder_unusable": 1}
    stores.base.unlink()
    assert not store.put(key((2,)), state(2, 5000)), "it is not tried for with every state"
    stores.now += RETRY_S
    assert store.put(key((2,)), state(2, 5000))
    assert store.usage().error == ""


def test_two_workers_never_share_a_folder(stores: Stores) -> None:
    """The second one has no store, says so, and takes over when the first has ended."""
    first, _ = stores.open()
    assert first.put(key((1,)), state(1, 5000))
    second, held = stores.open()
    assert not held
    assert not second.put(key((2,)), state(2, 5000))
    assert second.get(key((1,))) is None
    second.drop(key((1,)))
    second.clear()
    assert "another worker" in second.usage().error
    assert second.usage().troubles == {"folder_taken": 1}
    assert first.get(key((1,))) == state(1, 5000)
    first.close()
    stores.now += RETRY_S
    assert second.put(key((2,)), state(2, 5000))
    assert second.get(key((1,))) == state(1, 5000)
    assert second.usage().error == ""
    assert second.refresh() == [key((1,))]
    assert second.refresh() == []


def test_a_folder_that_was_given_free_is_taken(stores: Stores) -> None:
    """Also where nothing is to be written; it is tried for now and then, and what is in it is told."""
    first, _ = stores.open()
    second, _ = stores.open()
    for number in (1, 2, 3):
        assert first.put(key((number,)), state(number, 5000))
    assert first.get(key((1,))) is not None
    stores.now += RETRY_S
    assert second.refresh() == []
    first.close()
    assert second.refresh() == [], "it is not tried for each time"
    stores.now += RETRY_S
    assert second.refresh() == [key((2,)), key((3,)), key((1,))]
    assert second.get(key((2,))) == state(2, 5000)
    assert second.usage().troubles == {"folder_taken": 2}


def test_models_share_a_folder(stores: Stores) -> None:
    """Each has its own part and its own bound."""
    one, _ = stores.open(model="one")
    two, _ = stores.open(model="two")
    assert one.put(key(), state(1, 5000))
    assert two.get(key()) is None
    assert two.put(key(), state(2, 5000))
    assert one.get(key()) == state(1, 5000)


@pytest.mark.parametrize("where", ["a file", "entered by others", "below a file"])
def test_a_folder_that_cannot_be_used_is_refused(stores: Stores, where: str) -> None:
    """At the start, by the option's name, without the path."""
    if where == "entered by others":
        stores.base.mkdir()
        stores.base.chmod(0o750)
    else:
        stores.base.write_text("a file")
        if where == "below a file":
            stores.base = stores.base / "deep"
    with pytest.raises(ManifestError) as refused:
        stores.open()
    assert refused.value.param == "config.kv-disk.path"
    assert refused.value.message.startswith("config.kv-disk.path: the folder ")
    assert str(stores.base) not in refused.value.message
    assert (where == "a file") == ("is not a folder" in refused.value.message)


def test_the_folder_of_another_user_is_refused(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns it could put states there."""
    stores.base.mkdir(mode=0o700)
    monkeypatch.setattr("jackfield_kv_disk.folder.os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ManifestError, match="belongs to another user"):
        stores.open()


def test_a_start_takes_bounded_time(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has not come to in time is removed, the oldest first."""
    store, _ = stores.open()
    for number in range(10):
        assert store.put(key((number,)), state(number, 100))
    store.close()
    read_key = state_file.read_key

    def slow(path: Path, layout: str, size: int) -> object:
        stores.now += 1.0
        return read_key(path, layout, size)

    monkeypatch.setattr(state_file, "read_key", slow)
    store, held = stores.open()
    assert [each.tokens for each in held] == [key((number,)).tokens for number in (6, 7, 8, 9)]
    assert len(stores.files()) == store.usage().entries == 4
    assert store.usage().troubles == {"scan_too_long": 6}
