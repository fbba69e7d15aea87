"""What a key looks like."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.ports.identity import fingerprint
from jackfield_keys.decode import parse
from jackfield_keys.key import digest_of, is_whole, new_key
from jackfield_keys.records import KeyRecord


def test_keys_are_whole_and_differ() -> None:
    """43 digits to base 62 hold 256 bits."""
    keys = {new_key() for _ in range(200)}
    assert len(keys) == 200
    for key in keys:
        assert re.fullmatch(r"jf_[0-9A-Za-z]{49}", key)
        assert is_whole(key)


@given(st.integers(0, 51), st.sampled_from("0aZ_- é"))
def test_a_mistyped_key_is_not_whole(position: int, letter: str) -> None:
    """Any one character changed is noticed; two swapped neighbours as well."""
    key = new_key()
    changed = key[:position] + letter + key[position + 1 :]
    assert is_whole(changed) == (changed == key)
    swapped = key[:position] + key[position : position + 2][::-1] + key[position + 2 :]
    assert is_whole(swapped) == (swapped == key)


@pytest.mark.parametrize("text", ["", "jf_", "jf_" + "0" * 48, "jf_" + "0" * 50, "JF_" + "0" * 49, "jf_" + "٠" * 49])
def test_what_is_no_key(text: str) -> None:
    """Wrong length, wrong letters."""
    assert not is_whole(text)


@given(st.text())
def test_no_text_is_a_key(text: str) -> None:
    """And none is an error."""
    assert not is_whole(text)


def test_the_fingerprint_is_the_kernels() -> None:
    """One key has one fingerprint, wherever it is shown."""
    key = new_key()
    assert digest_of(key) == hashlib.sha256(key.encode()).digest()
    digest = f'digest = "sha256:{digest_of(key).hex()}"'
    text = f'version = 1\n[[keys]]\nname = "a"\nscopes = ["x"]\ncreated = 2026-01-01T00:00:00Z\n{digest}'
    [record] = parse(text, "keys.toml")
    assert isinstance(record, KeyRecord)
    assert record.fingerprint == fingerprint(key)
    assert record.digest_bytes == digest_of(key)
