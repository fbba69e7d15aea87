"""Policies as they are loaded: modules, their tests, and data. From a folder, an archive or documents of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from jackfield.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable

FILES_MAX: Final = 500
FILE_MAX: Final = 1 << 20
"""Longest file, in bytes."""

BYTES_MAX: Final = 8 << 20
"""All files together."""

TEST_SUFFIX: Final = "_test.rego"
DATA_FILE: Final = "data.json"

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Bundle(msgspec.Struct, frozen=True):
    """Policies, read and not yet checked."""

    modules: Mapping[str, str]
    """File name → text."""
    tests: Mapping[str, str]
    """Those with the modules' own tests: ``*_test.rego``."""
    data: str
    """JSON: what the files ``data.json`` say, each at the path of its folder."""


def bundle_of(files: Iterable[tuple[str, bytes]]) -> Bundle:
    """The bundle that *files* are: ``*.rego`` and ``data.json``; others do not matter.

    Parameters:
        files: Name, relative and with slashes, and content.

    Raises:
        ManifestError: One cannot be read, or there is no policy among them; the message names it.
    """
    modules: dict[str, str] = {}
    tests: dict[str, str] = {}
    data: dict[str, Json] = {}
    for name, content in files:
        if wanted(name) and not name.isprintable():
            raise ManifestError(f"{name!a}: the name of a file of policies must be printable")
        base = name.rpartition("/")[2]
        if base.endswith(".rego"):
            (tests if base.endswith(TEST_SUFFIX) else modules)[name] = _text(name, content)
        elif base == DATA_FILE:
            _merge(data, _at(name, _object(name, content)), name)
        elif base in {"data.yaml", "data.yml"}:
            raise ManifestError(f"{name}: data must be JSON here: write it as {DATA_FILE}")
    if not modules:
        raise ManifestError("there is no policy: no file *.rego")
    return Bundle(modules, tests, json.dumps(data, ensure_ascii=False))


def wanted(name: str) -> bool:
    """Whether ``bundle_of`` looks at a file of that name."""
    base = name.rpartition("/")[2]
    return base.endswith(".rego") or base in {DATA_FILE, "data.yaml", "data.yml"}


class Budget:
    """Counts files and bytes while they are read."""

    def __init__(self) -> None:
        self._files = 0
        self._bytes = 0

    def take(self, name: str, size: int) -> None:
        """One more file; raises ``ManifestError`` where that is too much."""
        self._files += 1
        self._bytes += size
        if size > FILE_MAX:
            raise ManifestError(f"{name}: a file of policies has {FILE_MAX} bytes at most")
        if self._files > FILES_MAX or self._bytes > BYTES_MAX:
            raise ManifestError(f"policies have at most {FILES_MAX} files and {BYTES_MAX} bytes together")


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ManifestError(f"{name}: not UTF-8") from None
    if "\0" in text:
        raise ManifestError(f"{name}: has a NUL in it")
    return text.replace("\r\n", "\n")


def _object(name: str, content: bytes) -> dict[str, Json]:
    try:
        value: Json = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"{name}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ManifestError(f"{name}: must be a JSON object")
    return value


def _at(name: str, value: dict[str, Json]) -> dict[str, Json]:
    for folder in reversed(name.split("/")[:-1]):
        value = {folder: value}
    return value


def _merge(into: dict[str, Json], more: dict[str, Json], name: str) -> None:
    for key, value in more.items():
        known = into.get(key)
        if key not in into:
            into[key] = value
        elif isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value, name)
        else:
            raise ManifestError(f"{name}: another file gives {key} a value too")
