"""A folder with policies and cases, as it stands on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from jackfield.errors import ManifestError
from jackfield.watched_files import Signature, begin_of, settled, signature_of

if TYPE_CHECKING:
    from pathlib import Path

POLICIES: Final = ".cedar"
CASES: Final = "cases.json"

FILES_MAX: Final = 256
"""Most files that are read."""

BYTES_MAX: Final = 4 << 20
"""Longest file."""

FolderSignature: TypeAlias = tuple[tuple[str, Signature], ...]
"""What tells one state of the folder from another: its files by name."""


class Contents(NamedTuple):
    """What was read."""

    policies: Mapping[str, str]
    """By file name, in the order of the names."""
    cases: Mapping[str, bytes]
    signature: FolderSignature | None
    """None where it may change once more without looking different."""


def folder_signature(folder: Path, shown: str) -> FolderSignature:
    """How *folder* looks; raises ``ManifestError`` as ``read_folder``."""
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted((each.name, signature_of(each.stat())) for each in entries if _wanted(each.name)))
    except OSError as error:
        raise ManifestError(f"{shown}: {error.strerror or error}") from error


def read_folder(folder: Path, shown: str) -> Contents:
    """Read all of it.

    Parameters:
        folder: Where it is.
        shown: What messages call it.

    Raises:
        ManifestError: It is not there, cannot be read, or has too much in it.
    """
    signature = folder_signature(folder, shown)
    if len(signature) > FILES_MAX:
        raise ManifestError(f"{shown}: more than {FILES_MAX} files")
    unchanging = settled(*(each for _, each in signature))
    texts = {name: _read(folder / name, f"{shown}/{name}") for name, _ in signature}
    policies = {name: _decoded(text, f"{shown}/{name}") for name, text in texts.items() if name != CASES}
    return Contents(policies, {CASES: texts[CASES]} if CASES in texts else {}, signature if unchanging else None)


def _wanted(name: str) -> bool:
    return name == CASES or (name.endswith(POLICIES) and not name.startswith("."))


def _read(file: Path, shown: str) -> bytes:
    try:
        text = begin_of(file, BYTES_MAX + 1)
    except OSError as error:
        raise ManifestError(f"{shown}: {error.strerror or error}") from error
    if len(text) > BYTES_MAX:
        raise ManifestError(f"{shown}: longer than {BYTES_MAX >> 20} MiB")
    return text


def _decoded(text: bytes, shown: str) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise ManifestError(f"{shown}: byte {error.start} is not UTF-8") from error
