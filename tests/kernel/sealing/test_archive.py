"""Archives of policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import Conflict, ManifestError
from jackfield.ports.policy_store import CONTENT_MAX, DocumentName
from jackfield.sealing import archive_file
from jackfield.sealing.archive import is_sealed, read_archive, write_archive
from jackfield.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

KEY = Secret("5a" * 32)
DOCUMENTS = {DocumentName("limit", "a"): b'{"a":  1}', DocumentName("role", "b/c"): b"[null]"}

_names = st.builds(DocumentName, st.just("limit"), st.text("aB0:/@._-", max_size=40).map("n{}".format))
_contents = (st.none() | st.text(max_size=20) | st.integers(-(2**53), 2**53)).map(msgspec.json.encode)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(_names, _contents, max_size=5), st.sampled_from([None, KEY]))
def test_what_is_in_it_comes_out_byte_for_byte(documents: dict[DocumentName, bytes], passphrase: Secret | None) -> None:
    """Sealed or not."""
    data = write_archive(7, documents, passphrase)
    assert is_sealed(data) == (passphrase is not None)
    assert read_archive(data, passphrase) == documents


def test_a_sealed_one_says_nothing() -> None:
    """To whoever has another passphrase, or none; and nobody changes it."""
    passphrase = Secret("a passphrase of words")
    data = write_archive(1, DOCUMENTS, passphrase)
    assert b"limit" not in data
    assert read_archive(data, passphrase) == DOCUMENTS
    for wrong in (Secret("another passphrase"), KEY):
        with pytest.raises(ManifestError, match="another one, or the archive was changed"):
            read_archive(data, wrong)
    with pytest.raises(ManifestError, match="--passphrase"):
        read_archive(data, None)
    for changed in (data[:-1], data + b"\0", data[:40] + b"\xc1" + data[41:]):
        with pytest.raises(ManifestError):
            read_archive(changed, passphrase)
    with pytest.raises(ManifestError, match="too short"):
        write_archive(1, DOCUMENTS, Secret("short"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"[]",
        b'{"format": "other", "version": 1, "documents": []}',
        b'{"format": "jackfield-policies-1", "version": 1, "documents": [], "more": 1}',
        b'{"version": 1, "documents": [{"kind": "Limit", "name": "a", "content": 1}]}',
        b'{"version": 1, "documents": [{"kind": "limit", "name": "", "content": 1}]}',
        b'{"version": 1, "documents": [{"kind": "limit", "name": "a"}]}',
        b'{"version": 1, "documents": [{"kind": "limit", "name": "a", "content": "%b"}]}' % (b"x" * CONTENT_MAX),
        b'{"version": 1, "documents": [%b]}' % b",".join([b'{"kind": "limit", "name": "a", "content": 1}'] * 2),
        b'{"version": 1, "documents": ' + b"[" * 100_000,
        b"jackfield-policies-sealed-1\n",
    ],
    ids=range(12),
)
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        read_archive(data, KEY)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    """Never with anything but one error."""
    for begin in (b"", b"jackfield-policies-sealed-1\n"):
        with pytest.raises(ManifestError):
            read_archive(begin + data, KEY)


def test_files_are_their_owners_and_not_replaced_by_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left beside them."""
    file = tmp_path / "a"
    archive_file.write_file(file, b"1", replace=False)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict, match="--force"):
        archive_file.write_file(file, b"2", replace=False)
    assert file.read_bytes() == b"1"
    archive_file.write_file(file, b"2", replace=True)
    assert file.read_bytes() == b"2"
    assert list(tmp_path.iterdir()) == [file]
    monkeypatch.setattr(archive_file, "BYTES_MAX", 0)
    with pytest.raises(ManifestError, match="too large"):
        archive_file.read_file(file)
