"""What ``jackfield verify kv-disk`` needs: a folder that nobody else uses, and a small bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def prepare(folder: Path) -> Mapping[str, Mapping[str, str | int]]:
    """The plugin's options, with a folder below *folder*."""
    return {"config": {"path": str(folder / "kv"), "limit": 2_000_000}}
