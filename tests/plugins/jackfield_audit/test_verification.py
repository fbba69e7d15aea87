"""Whatever is changed, removed, inserted or moved, the first such record is named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_audit.conftest import KEY, Book, event

from jackfield.errors import ManifestError
from jackfield.secret import Secret
from jackfield_audit import verification
from jackfield_audit.chain import START, ChainKey, seal, taken_apart
from jackfield_audit.config import AuditConfig
from jackfield_audit.files import Place, write_head

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 12
"""Records of the book, the process's own two included."""


Folders: TypeAlias = pytest.TempPathFactory


@pytest.fixture(scope="module")
def whole(tmp_path_factory: Folders) -> list[bytes]:
    """Lines of a whole record."""
    book = Book(tmp_path_factory.mktemp("book") / "audit")
    book.filled(COUNT - 2)
    return book.lines()


def judged(folder: Path, lines: list[bytes]) -> tuple[str, int]:
    """The defect of a record that says *lines*, and its number; the head says that there were ``COUNT``."""
    folder.mkdir(exist_ok=True)
    write_head(folder, KEY, Place(COUNT, START))
    (folder / "audit-000000000001-20231114.jsonl").write_bytes(b"".join(lines))
    problem = Book(folder).verdict().problem
    return ("", 0) if problem is None else (problem.defect, problem.seq)


@given(place=st.integers(0, COUNT - 1), data=st.data())
def test_any_changed_byte_is_found(
    tmp_path_factory: Folders, whole: list[bytes], place: int, data: st.DataObject
) -> None:
    """In any record, at any place, to anything."""
    line = whole[place]
    at = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[at]))
    changed = line[:at] + bytes((byte,)) + line[at + 1 :]
    lines = [*whole[:place], changed, *whole[place + 1 :]]
    defect, seq = judged(tmp_path_factory.getbasetemp() / "bytes", lines)
    assert defect
    if defect != "malformed" and re.search(rb'"seq":%d,' % (place + 1), changed):
        assert seq == place + 1


@pytest.mark.parametrize("place", range(1, COUNT - 1))
def test_a_removed_record_is_missing(tmp_path: Path, whole: list[bytes], place: int) -> None:
    """By its number."""
    assert judged(tmp_path, whole[:place] + whole[place + 1 :]) == ("missing", place + 1)


def test_the_first_record_is_missing_too(tmp_path: Path, whole: list[bytes]) -> None:
    """Without it nobody knows what comes before the second."""
    assert judged(tmp_path, whole[1:])[0] in ("changed", "missing")


@pytest.mark.parametrize("place", range(1, COUNT - 1))
def test_a_record_that_stands_twice_is_found(tmp_path: Path, whole: list[bytes], place: int) -> None:
    """Also right behind itself."""
    assert judged(tmp_path, [*whole[: place + 1], whole[place], *whole[place + 1 :]])[0] in ("changed", "repeated")


@given(order=st.permutations(range(COUNT)))
def test_any_other_order_is_found(tmp_path_factory: Folders, whole: list[bytes], order: list[int]) -> None:
    """Only the one they were written in is whole."""
    defect, _ = judged(tmp_path_factory.getbasetemp() / "order", [whole[place] for place in order])
    assert bool(defect) == (order != sorted(order))


def test_an_invented_record_is_found(tmp_path: Path, whole: list[bytes]) -> None:
    """Nobody without the key can make its MAC."""
    body = whole[-1].replace(b'"ok"', b'"denied"')
    sealed = taken_apart(body.strip())
    assert sealed is not None
    assert judged(tmp_path, [*whole[:-1], seal(sealed.body, START)]) == ("changed", COUNT)


@pytest.mark.parametrize("junk", [b"\n", b"{}\n", b"[]\n", b"\xff\n", b'{"seq":"x"}\n'])
def test_what_is_no_record_is_malformed(tmp_path: Path, whole: list[bytes], junk: bytes) -> None:
    """Rather than left out."""
    assert judged(tmp_path, [*whole, junk]) == ("malformed", COUNT + 1)


def test_the_last_number_and_mac_can_be_kept_elsewhere(book: Book) -> None:
    """They are in the verdict."""
    book.filled(3)
    verdict = book.verdict()
    last = taken_apart(book.lines()[-1].strip())
    assert last is not None
    assert (verdict.last, verdict.mac.encode()) == (5, last.mac)


def test_progress_is_told_in_steps_and_adds_up(
    tmp_path: Path, whole: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar that is drawn for each line takes longer than to verify it."""
    step = 3 * len(whole[0])
    monkeypatch.setattr(verification, "PROGRESS_BYTES", step)
    told: list[int] = []
    (tmp_path / "audit-000000000001-20270131.jsonl").write_bytes(b"".join(whole))
    verification.Verification(tmp_path, [KEY], told.append).run()
    assert sum(told) == sum(map(len, whole))
    assert all(each >= step for each in told[:-1])
    assert len(told) < len(whole) / 2


def test_a_folder_that_is_not_there(book: Book) -> None:
    """Is not a whole record."""
    with pytest.raises(ManifestError, match="cannot be read"):
        book.verdict()


@given(st.binary(max_size=200))
def test_any_line_can_be_taken_apart(line: bytes) -> None:
    """Or is none; nothing is raised."""
    taken = taken_apart(line)
    assert taken is None or seal(taken.body, taken.mac).strip() == line


def test_bodies_are_json(book: Book) -> None:
    """With the MAC and without it."""
    trail = book.trail()
    trail.append([event(1, name="\x00\n\u202e", details={"a": 'x"}\n{'})], durable=False)
    trail.close()
    for line in book.lines():
        sealed = taken_apart(line.strip())
        assert sealed is not None
        assert msgspec.json.decode(line)["mac"] == sealed.mac.decode()
        assert "mac" not in msgspec.json.decode(sealed.body)
    assert KEY.name in book.lines()[0].decode()


def test_a_record_goes_on_under_another_key(tmp_path: Path) -> None:
    """The last record under the one before says which it is; whoever verifies needs both."""
    book, other = Book(tmp_path / "audit"), ChainKey(Secret("another key of the tests' own record"))
    config = AuditConfig(redact=("details",))
    trail = book.trail(config)
    trail.append([event(1)], durable=False)
    trail.rekey(other)
    trail.rekey(other)
    trail.append([event(2)], durable=False)
    trail.close()
    lines = book.lines()
    assert [line.count(b"audit.rekeyed") for line in lines] == [0, 0, 0, 1, 0]
    for keys in ((KEY, other), (other, KEY)):
        verdict = book.verdict(*keys)
        assert (verdict.problem, verdict.records) == (None, 5)
    for key, seq in ((KEY, 4), (other, 1)):
        problem = book.verdict(key).problem
        assert problem is not None
        assert (problem.defect, problem.seq) == ("unknown key", seq)
    book.rewrite([*lines[:3], *lines[4:]])
    problem = book.verdict(KEY, other).problem
    assert problem is not None
    assert (problem.defect, problem.seq) == ("missing", 4)
    book.rewrite(lines[:4])
    problem = book.verdict(KEY, other).problem
    assert problem is not None
    assert problem.defect == "truncated"


def test_nobody_can_announce_a_key_without_the_one_before(tmp_path: Path) -> None:
    """Whoever has only the next one cannot write what stood before it."""
    book, other = Book(tmp_path / "audit"), ChainKey(Secret("another key of the tests' own record"))
    book.filled(2)
    lines = book.lines()
    last = taken_apart(lines[-1].rstrip(b"\n"))
    assert last is not None
    body = b'{"v":1,"seq":5,"kind":"audit","action":"audit.rekeyed","details":{"key":"%s"}}' % other.name.encode()
    book.rewrite([*lines, seal(body, other.mac(last.mac, body))])
    problem = book.verdict(KEY, other).problem
    assert problem is not None
    assert (problem.defect, problem.seq) == ("changed", 5)
