"""What ``jackfield verify keys`` needs: a key file that only its owner may read, with one key in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield_keys.edit import Grant, KeyFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def prepare(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Make that file in *folder*; what the plugin's options and the kits' words are then."""
    file = folder / "keys.toml"
    key, _ = KeyFile(file, file.name).create(Grant("kit", "", ("generate",), None, None))
    return {"config": {"file": str(file)}, "authenticator": {"credential": key}, "issuer": {}}
