"""Changes of ``enabled`` in ``plugins.toml`` that keep everything else, comments included."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import tomlkit
from tomlkit.items import Array

from jackfield.errors import ManifestError
from jackfield.manifest import DEFAULT_ENABLED
from jackfield.manifest_layers import load_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.manifest import Manifest


def edit_enabled(file: Path, change: Callable[[Array], None], check: Callable[[Manifest], object]) -> None:
    """Apply *change* to the list, and replace *file* in one step if the result is usable.

    Parameters:
        file: The manifest; it is made, with the packaged list, if it is not there.
        change: Changes the list in place.
        check: Raises if the changed manifest cannot be used. Layers above the file are left out of it.

    Raises:
        ManifestError: The changed manifest cannot be used, or *file* cannot be read or written; nothing has changed.
    """
    if file.exists():
        load_manifest(file, environ={})
    document = tomlkit.parse(file.read_text(encoding="utf-8")) if file.exists() else tomlkit.document()
    listed = document.get("enabled")
    if not isinstance(listed, Array):
        listed = tomlkit.array()
        listed.extend(DEFAULT_ENABLED)
        document["enabled"] = listed
    change(listed)
    _replace(file, tomlkit.dumps(document), check)


def enabled_entries(file: Path) -> list[str]:
    """The entries of ``enabled`` as *file* has them; the packaged list where it says nothing or is not there."""
    if not file.exists():
        return list(DEFAULT_ENABLED)
    load_manifest(file, environ={})
    return [str(entry) for entry in tomlkit.parse(file.read_text(encoding="utf-8")).get("enabled", DEFAULT_ENABLED)]


def _replace(file: Path, text: str, check: Callable[[Manifest], object]) -> None:
    """Write next to *file*, so that paths in it mean the same, check that, and move it over."""
    target = file.resolve()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise ManifestError(f"{file}: cannot be written: {error.strerror}") from error
    candidate = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), target.stat().st_mode if target.exists() else 0o644)
        try:
            check(load_manifest(candidate, environ={}))
        except ManifestError as error:
            raise ManifestError(error.message.replace(candidate.name, file.name), param=error.param) from error
        candidate.replace(target)
    finally:
        candidate.unlink(missing_ok=True)
