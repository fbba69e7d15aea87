"""Records go on where they were, over restarts, rotation, torn lines and full disks."""

from __future__ import annotations

import errno
import hmac
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_audit.conftest import KEY, SECRET, Book, event

from jackfield.errors import ManifestError
from jackfield.secret import Secret
from jackfield.whole_files import replace_file as replaced
from jackfield_audit import verification
from jackfield_audit.chain import START, ChainKey
from jackfield_audit.config import AuditConfig
from jackfield_audit.files import HEAD, Place, record_files, write_head
from jackfield_audit.trail import Trail

if TYPE_CHECKING:
    from pathlib import Path

DAY_S: Final = 86_400.0


def actions(book: Book) -> list[str]:
    """Of all records."""
    return [str(msgspec.json.decode(line)["action"]) for line in book.lines()]


def test_records_are_numbered_and_whole(book: Book) -> None:
    """What the process itself has to say stands between them."""
    book.filled(5)
    verdict = book.verdict()
    assert verdict.problem is None
    assert (verdict.records, verdict.first, verdict.last, verdict.files) == (7, 1, 7, 1)
    assert actions(book) == ["audit.opened", "audit.started", *["generate"] * 5]


def test_a_restart_goes_on(book: Book) -> None:
    """In the same file, under the next number."""
    book.filled(2)
    book.filled(2)
    assert book.verdict().problem is None
    assert actions(book) == [
        "audit.opened",
        "audit.started",
        "generate",
        "generate",
        "audit.started",
        *["generate"] * 2,
    ]


def test_files_and_folder_are_for_nobody_else(book: Book) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        book.filled(1)
    finally:
        os.umask(before)
    assert book.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in book.folder.iterdir()} == {0o600}


def test_a_folder_that_others_may_write_to_is_refused(book: Book) -> None:
    """They could take the record away."""
    book.folder.mkdir()
    book.folder.chmod(0o777)
    with pytest.raises(ManifestError, match="chmod 700"):
        book.trail()


@pytest.mark.parametrize("kept", [False, True])
def test_a_file_that_was_taken_away_is_written_to_no_more(book: Book, *, kept: bool) -> None:
    """Records go on in the next one, and what is missing is missing for whoever verifies."""
    trail = book.trail()
    trail.append([event(0)], durable=False)
    [first] = book.files
    if kept:
        first.rename(book.folder / "moved")
    else:
        first.unlink()
    trail.append([event(1)], durable=False)
    trail.close()
    assert actions(book) == ["audit.opened", "generate"]
    problem = book.verdict().problem
    assert problem is not None
    assert (problem.defect, problem.seq) == ("missing", 1)
    if kept:
        (book.folder / "moved").rename(first)
        assert book.verdict().problem is None


def test_only_one_process_writes(book: Book) -> None:
    """Two would tear the chain."""
    first = book.trail()
    with pytest.raises(ManifestError, match="another process"):
        book.trail()
    first.close()
    book.trail().close()


def test_a_key_must_be_long(book: Book) -> None:
    """The message says how to make one."""
    with pytest.raises(ManifestError, match="jackfield audit init"):
        ChainKey(Secret("short"))
    assert not book.folder.exists()


@given(st.text(min_size=32, max_size=200), st.binary(max_size=200), st.text(max_size=50))
def test_macs_are_hmacs(secret: str, body: bytes, text: str) -> None:
    """Of RFC 2104, as any other program computes them: with keys that are shorter than a block, and longer."""
    key = ChainKey(Secret(secret))
    assert key.mac(START, body).decode() == hmac.new(secret.encode(), START + body, "sha256").hexdigest()
    expected = hmac.new(secret.encode(), f"text\0{text}".encode(), "sha256").hexdigest()
    assert key.mark("text", text) == expected[:32]


@pytest.mark.parametrize(("mode", "flushed"), [("strict", False), ("durable", True)])
def test_the_head_is_as_durable_as_the_record(
    book: Book, monkeypatch: pytest.MonkeyPatch, mode: str, *, flushed: bool
) -> None:
    """A power cut must not leave a record whose end is on the disk, and a head that is not."""
    heads: list[bool] = []

    def replace_file(path: Path, content: bytes, *, sole: bool = False, durable: bool = True) -> None:
        heads.append(durable)
        replaced(path, content, sole=sole, durable=durable)

    monkeypatch.setattr("jackfield_audit.files.replace_file", replace_file)
    book.filled(1, msgspec.convert({"mode": mode}, AuditConfig))
    assert set(heads) == {flushed}


def test_the_chain_goes_on_over_rotation(book: Book) -> None:
    """By size and by day; each file can be verified by itself."""
    trail = book.trail(AuditConfig(rotate_bytes=4096))
    for number in range(40):
        trail.append([event(number)], durable=False)
    book.now += DAY_S
    trail.append([event(40)], durable=False)
    trail.close()
    assert len(book.files) > 3
    assert book.files[-1].name.endswith("20231115.jsonl")
    assert book.verdict().problem is None
    requests = [msgspec.json.decode(line).get("request_id") for line in book.lines()]
    assert [each for each in requests if each] == [f"req_{number}" for number in range(41)]


def test_retention_is_recorded(book: Book) -> None:
    """What it has removed is not missing; what somebody else has removed is."""
    config = AuditConfig(rotate_bytes=4096, retain_bytes=9000)
    book.filled(100, config)
    assert sum(file.stat().st_size for file in book.files) < 16_000
    verdict = book.verdict()
    assert verdict.problem is None
    assert verdict.first > 1
    book.files[0].unlink()
    problem = book.verdict().problem
    assert problem is not None
    assert (problem.defect, problem.seq) == ("missing", verdict.first)


def test_old_files_are_removed(book: Book) -> None:
    """By the time of their last record."""
    config = AuditConfig(retain_days=30)
    book.filled(1, config)
    os.utime(book.files[0], (book.now - 31 * DAY_S, book.now - 31 * DAY_S))
    book.now += DAY_S
    book.filled(1, config)
    assert len(book.files) == 1
    assert book.verdict().problem is None
    assert "audit.pruned" in actions(book)


def test_a_torn_line_is_removed_and_recorded(book: Book) -> None:
    """As a power cut leaves it."""
    book.filled(3)
    with book.files[0].open("ab") as stream:
        stream.write(b'{"v":1,"seq":6,"tim')
    book.filled(1)
    verdict = book.verdict()
    assert verdict.problem is None
    started = [msgspec.json.decode(line) for line in book.lines() if b"torn_bytes" in line]
    assert [each["details"]["torn_bytes"] for each in started] == [19]


def test_a_file_with_nothing_whole_is_begun_anew(book: Book) -> None:
    """The machine went down just after it was made."""
    book.filled(3)
    (book.folder / "audit-000000000006-20231114.jsonl").write_bytes(b'{"v":1')
    book.filled(1)
    assert book.verdict().problem is None


def test_an_end_that_was_cut_off_stays_missing(book: Book) -> None:
    """The head knows how far the record went: numbers go on there."""
    book.filled(5)
    book.rewrite(book.lines()[:-2])
    problem = book.verdict().problem
    assert problem is not None
    assert (problem.defect, problem.seq) == ("truncated", 6)
    book.filled(1)
    problem = book.verdict().problem
    assert problem is not None
    assert (problem.defect, problem.seq) == ("missing", 6)


@pytest.mark.parametrize("said", ['{"seq": 99, "mac": "0", "proof": "0"}', "{", ""])
def test_a_foreign_head_is_no_head(book: Book, said: str) -> None:
    """Whoever does not know the key cannot say how far it went, and that it is gone is said."""
    book.filled(2)
    (book.folder / HEAD).write_text(said)
    problem = book.verdict().problem
    assert problem is not None
    assert (problem.defect, problem.seq, problem.file) == ("truncated", 5, HEAD)
    book.filled(1)
    assert [b"missing, or of another key" in line for line in book.lines()] == [False] * 4 + [True, False]


def test_a_record_may_be_verified_while_it_is_written(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes meanwhile is not missing, nor is a line changed of which half is there."""
    trail = book.trail()
    trail.append([event(0)], durable=False)

    def later(folder: Path) -> object:
        found = record_files(folder)
        with book.files[0].open("ab") as stream:
            stream.write(b'{"v":1,"seq":4')
        write_head(book.folder, KEY, Place(99, b"0" * 64))
        return found

    monkeypatch.setattr(verification, "record_files", later)
    assert book.verdict().problem is None
    trail.close()


def test_what_is_no_record_is_not_written_to(book: Book) -> None:
    """Nobody knows where it would go on."""
    book.filled(1)
    with book.files[0].open("ab") as stream:
        stream.write(b"something else\n")
    with pytest.raises(ManifestError, match="audit verify"):
        book.trail()


def test_a_full_disk_leaves_whole_lines(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was half written is taken back, and written once there is room."""
    trail = book.trail()
    trail.append([event(0)], durable=False)
    real, room = os.write, 100

    def full(descriptor: int, data: memoryview) -> int:
        if len(data) <= room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:room])

    monkeypatch.setattr("jackfield_audit.trail.os.write", full)
    with pytest.raises(OSError, match="No space"):
        trail.append([event(1), event(2)], durable=False)
    monkeypatch.setattr("jackfield_audit.trail.os.write", real)
    trail.append([event(3)], durable=True)
    trail.close()
    assert book.verdict().problem is None
    assert [each for each in (msgspec.json.decode(line).get("request_id") for line in book.lines()) if each] == [
        "req_0",
        "req_3",
    ]


def test_a_full_disk_at_the_beginning_of_a_file(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there and empty; its first record comes later."""
    trail = book.trail(AuditConfig(rotate_bytes=4096))
    while len(book.files) < 2 and len(book.lines()) < 100:
        trail.append([event(0)], durable=False)
        if book.files[0].stat().st_size >= 4096:
            break
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("jackfield_audit.trail.os.write", full)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            trail.append([event(1)], durable=False)
    monkeypatch.setattr("jackfield_audit.trail.os.write", real)
    trail.append([event(2)], durable=False)
    trail.close()
    assert len(book.files) == 2
    assert book.verdict().problem is None
    assert b"audit.opened" in book.files[1].read_bytes().splitlines()[0], "else nobody can verify it by itself"


WRITES: Final = """
import os, signal, sys
from pathlib import Path
from jackfield.secret import Secret
from jackfield_audit.chain import START, ChainKey
from jackfield_audit.config import AuditConfig
from jackfield_audit.trail import Trail
from jackfield.ports.audit import AuditEvent
trail = Trail(Path(sys.argv[1]), ChainKey(Secret(sys.argv[2])), AuditConfig())
for number in range(50):
    event = AuditEvent(kind="request", action="generate", outcome="ok", time=1.0, request_id=f"req_{number}")
    trail.append([event], durable=False)
    print(number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_survives_kill_9(book: Book) -> None:
    """Every record whose ``append`` had returned is there, and the chain is whole."""
    ended = subprocess.run(
        [sys.executable, "-c", WRITES, str(book.folder), SECRET.reveal()], capture_output=True, check=False, timeout=60
    )
    assert ended.returncode == -9, ended.stderr
    assert ended.stdout.split()[-1] == b"49"
    assert len([line for line in book.lines() if b"req_" in line]) == 50
    assert book.verdict().problem is None
    Trail(book.folder, KEY, AuditConfig()).close()


def test_another_key_goes_on_with_the_record(book: Book) -> None:
    """Verifying then needs both."""
    book.filled(2)
    other = ChainKey(Secret("another key of the tests' own record"))
    trail = book.trail(key=other)
    trail.append([event()], durable=False)
    trail.close()
    assert book.verdict(KEY, other).problem is None
    problem = book.verdict(KEY).problem
    assert problem is not None
    assert problem.defect == "unknown key"
