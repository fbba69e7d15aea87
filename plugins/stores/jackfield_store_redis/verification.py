"""What ``jackfield verify store-redis`` needs: a key, and names in Redis that nobody else has."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def prepare(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Make a key in *folder*; what the plugin's options are then."""
    key = folder / "store.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32))
    return {"config": {"prefix": f"jackfield-verify-{secrets.token_hex(8)}", "key": f"file:{key}"}}
