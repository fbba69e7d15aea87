"""Options of ``[config.keys]``."""

from __future__ import annotations

import msgspec


class KeysConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the keys are."""

    file: str = "keys.toml"
    """The key file; relative paths start at the folder of ``plugins.toml``. ``jackfield keys`` writes it."""

    def __post_init__(self) -> None:
        if not self.file:
            raise ValueError("file must not be empty")
