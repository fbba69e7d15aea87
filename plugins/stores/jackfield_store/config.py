"""Options of ``store``."""

from __future__ import annotations

import msgspec

from jackfield.secret import SecretReference  # msgspec reads the annotation at run time


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.store]``."""

    file: str = "policies.db"
    """The database; relative paths start at the folder of ``plugins.toml``. It is made where it is not there, for the
    server's user only."""
    key: SecretReference = "file:store.key"
    """Where the secret is that everything is sealed with: 32 bytes in base64 or hexadecimal digits, or a passphrase of
    at least 12 characters."""
    old_key: SecretReference | None = None
    """Where the secret is that the store may still be sealed with, while a key is rotated."""

    def __post_init__(self) -> None:
        if not self.file:
            raise ValueError("file must not be empty")
