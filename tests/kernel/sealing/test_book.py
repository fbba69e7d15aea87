"""What stores keep, without any store."""

from __future__ import annotations

import random
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import ManifestError, PluginError
from jackfield.ports.policy_store import DocumentName
from jackfield.sealing.book import Book, Header, Row
from jackfield.sealing.derivation import Derivation, Keys, derive, new_derivation
from jackfield.sealing.seal import OVERHEAD, BrokenSeal, Seal
from jackfield.sealing.tally import Tally
from jackfield.secret import Secret

KEY = Secret("5a" * 32)
A, B = DocumentName("limit", "a"), DocumentName("limit", "b")


def book(secret: Secret = KEY) -> Book:
    """One that has seen nothing."""
    return Book(lambda: {"config.store.key": secret})


class Paper:
    """Keeps what a book says."""

    def __init__(self, secret: Secret = KEY) -> None:
        self.book = book(secret)
        self.header = self.book.new()
        self.rows: dict[tuple[str, str], Row] = {}
        self.book.take(self.header, ())

    def write(self, documents: dict[DocumentName, bytes | None]) -> None:
        """A change."""
        stored = self.book.written(documents)
        self.header = stored.header
        self.rows |= {(row.kind, row.name): row for row in stored.rows}
        self.book.take(stored.header, stored.rows)

    def read(self, reader: Book, since: int = 0) -> dict[DocumentName, bytes | None]:
        """What *reader* makes of it."""
        after = reader.needs(self.header)
        if after is not None:
            reader.take(self.header, [row for row in self.rows.values() if row.version > after])
        return dict(reader.changes(since, [row for row in self.rows.values() if row.version > since]).documents)


def test_what_is_written_is_read_by_whoever_has_the_key() -> None:
    paper = Paper()
    paper.write({A: b"1", B: b"2"})
    paper.write({A: None})
    assert paper.read(book()) == {A: None, B: b"2"}
    assert paper.read(paper.book, 1) == {A: None}
    with pytest.raises(ManifestError, match="another key"):
        paper.read(book(Secret("00" * 32)))


def test_the_same_is_never_sealed_the_same() -> None:
    """Whoever sees the rows cannot tell whether anything has changed; sizes they can."""
    paper = Paper()
    seen = set()
    for _ in range(5):
        paper.write({A: b"the same"})
        seen.add(paper.rows["limit", "a"].sealed)
    assert len(seen) == 5
    assert {len(each) for each in seen} == {len(b"the same") + 1 + OVERHEAD}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_bit_can_be_changed(data: st.DataObject) -> None:
    """Of any row or the header."""
    paper = Paper()
    paper.write({A: b"1", B: b"2"})
    row = paper.rows["limit", "a"]
    fields = data.draw(st.sampled_from(["sealed", "head", "derivation"]))
    value = bytearray(row.sealed if fields == "sealed" else getattr(paper.header, fields))
    value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if fields == "sealed":
        paper.rows["limit", "a"] = row._replace(sealed=bytes(value))
    else:
        given = {"head": paper.header.head, "derivation": paper.header.derivation, fields: bytes(value)}
        paper.header = Header(paper.header.version, given["derivation"], given["head"])
    with pytest.raises(ManifestError):
        paper.read(book())


def test_a_check_sees_the_secrets_as_they_are_now() -> None:
    """And changes nothing of what was read."""
    secrets = {"config.store.key": KEY}
    paper, reader = Paper(), Book(lambda: secrets)
    paper.write({A: b"1"})
    assert paper.read(reader) == {A: b"1"}
    secrets["config.store.key"] = Secret("00" * 32)
    with pytest.raises(ManifestError, match=r"config\.store\.key: .* another key"):
        reader.check(paper.header)
    paper.write({A: b"2"})
    assert paper.read(reader) == {A: b"2"}
    secrets["config.store.old_key"] = KEY
    reader.check(paper.header)


def test_a_passphrase_that_was_refused_is_not_stretched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one is, and the same one for another header."""
    stretched: list[str] = []

    def counted(secret: Secret, derivation: Derivation) -> Keys | None:
        stretched.append(secret.reveal())
        return derive(secret, derivation)

    monkeypatch.setattr("jackfield.sealing.book.derive", counted)
    good, wrong, other = (Secret(f"a passphrase of words {each}") for each in ("one", "two", "three"))
    papers = [Paper(good), Paper(good)]
    secrets = {"config.store.key": wrong}
    reader = Book(lambda: secrets)
    stretched.clear()

    def refused(header: Header) -> None:
        with pytest.raises(ManifestError, match="another key"):
            reader.take(header, ())

    for _ in range(3):
        refused(papers[0].header)
    assert stretched == [wrong.reveal()]
    refused(papers[1].header)
    secrets["config.store.key"] = other
    refused(papers[1].header)
    assert stretched == [wrong.reveal(), wrong.reveal(), other.reveal()]
    secrets["config.store.key"] = good
    reader.take(papers[1].header, ())


def test_one_row_cannot_be_put_back() -> None:
    """With a correct seal, as it was once."""
    paper = Paper()
    paper.write({A: b"old"})
    old = dict(paper.rows)
    paper.write({A: b"new"})
    paper.rows = old
    with pytest.raises(ManifestError, match="somebody else"):
        paper.read(book())


def test_nothing_goes_back_for_whoever_has_seen_it() -> None:
    """Also after something that made no sense came in between."""
    paper = Paper()
    old = paper.header
    paper.write({A: b"1"})
    reader = book()
    paper.read(reader)
    for header in (paper.header._replace(head=b"x" * 60), old):
        with pytest.raises(ManifestError):
            reader.take(header, ())
    with pytest.raises(ManifestError, match="gone back from version 1 to 0"):
        reader.take(old, ())
    with pytest.raises(ManifestError, match="gone back from version 5 to 1"):
        reader.changes(5, ())
    assert paper.read(reader) == {A: b"1"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("00" * 32, "key"),
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "key"),
        (" " + "Ab" * 32 + "\n", "key"),
        ("_-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "key"),
        ("correct horse battery", "argon2id"),
        ("00" * 31, "argon2id"),
    ],
)
def test_what_is_a_key_and_what_a_passphrase(text: str, kind: str) -> None:
    """Both make the same keys again, and others with another salt."""
    derivation = new_derivation(Secret(text))
    assert derivation.kind == kind
    keys = derive(Secret(text), derivation)
    assert keys is not None
    assert keys == derive(Secret(text), derivation)
    assert keys.sealing != keys.counting
    other = msgspec.structs.replace(derivation, salt=b"0" * 16)
    assert derive(Secret(text), other) != keys
    assert derive(Secret("a passphrase of words" if kind == "key" else "00" * 32), derivation) is None


@pytest.mark.parametrize(
    "wrong",
    [{"salt": b""}, {"memory_kib": 1 << 31}, {"memory_kib": 1}, {"passes": 0}, {"passes": 10_000}, {"lanes": 0}],
)
def test_nobody_is_made_to_compute_for_ever(wrong: dict[str, object]) -> None:
    """The figures stand where somebody may have written others."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "argon2id", "salt": b"0" * 16} | wrong, Derivation)


def test_values_are_sealed_as_something() -> None:
    """And opened as nothing else."""
    keys = derive(KEY, new_derivation(KEY))
    assert keys is not None
    seal = Seal(keys)
    sealed = seal.seal(b"value", "a", 1)
    assert seal.open(sealed, "a", 1) == b"value"
    for about in (("a", 2), ("a", "1"), ("a1",), ()):
        with pytest.raises(BrokenSeal):
            seal.open(sealed, *about)
    with pytest.raises(BrokenSeal):
        seal.open(b"", "a", 1)


def test_a_tally_depends_on_what_there_is_and_not_on_how_it_came() -> None:
    """It is the same whatever the order; ``after`` tells it beforehand."""
    names = [DocumentName("limit", f"n{number}") for number in range(20)]
    one, other = Tally(b"k" * 32), Tally(b"k" * 32)
    pairs = [(name, number) for number, name in enumerate(names)]
    one.count(pairs)
    random.Random(1).shuffle(pairs)
    for pair in pairs:
        other.count([pair])
    assert one.total == other.total
    assert len(one) == 20
    before = one.after(names[:3], 99)
    one.count((name, 99) for name in names[:3])
    assert one.total == before != other.total


def test_a_header_that_is_no_header() -> None:
    """Is said to be damaged."""
    with pytest.raises(ManifestError, match="damaged"):
        book().take(Header(0, b"\xc1", b""), ())


@pytest.mark.parametrize(
    ("module", "secret"),
    [
        ("cryptography.hazmat.primitives.kdf.hkdf", KEY),
        ("cryptography.hazmat.primitives.ciphers.aead", KEY),
        ("cryptography.hazmat.primitives.kdf.argon2", Secret("correct horse battery")),
    ],
)
def test_a_missing_package_says_what_to_install(module: str, secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginError, match=r"pip install jackfield\[store\]"):
        book(secret).new()
