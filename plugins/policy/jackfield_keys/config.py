"""Options of ``[config.keys]``."""

from __future__ import annotations

from typing import Literal

import msgspec


class KeysConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the keys are."""

    file: str = "keys.toml"
    """The key file; relative paths start at the folder of ``plugins.toml``. ``jackfield keys`` writes it."""
    storage: Literal["auto", "file", "store"] = "auto"
    """Where keys are kept: in the file, or in the enabled policy store, which all gateways of it share. ``auto`` is the
    store where one is enabled."""

    def __post_init__(self) -> None:
        if not self.file:
            raise ValueError("file must not be empty")
