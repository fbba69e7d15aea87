"""A record for the kits, made anew each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEY: Final = "kit " * 16


def prepare(folder: Path) -> Mapping[str, object]:
    """A key in *folder*, and options that have the record there; copies go where nobody is."""
    key = folder / "audit.key"
    key.write_text(_KEY)
    key.chmod(0o600)
    address = f"unix:{folder / 'nobody'}"
    return {"config": {"folder": str(folder / "audit"), "key": f"file:{key}", "syslog": {"address": address}}}
