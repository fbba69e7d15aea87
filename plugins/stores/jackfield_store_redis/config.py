"""Options of ``store-redis``."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from jackfield.secret import SecretReference  # msgspec reads the annotation at run time

_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_SCHEMES: Final = ("redis", "rediss", "unix")


class RedisStoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.store-redis]``."""

    url: str = "redis://127.0.0.1:6379/0"
    """The server and its database: ``redis://HOST:PORT/0``, with TLS ``rediss://HOST:PORT/0``, or
    ``unix:///run/redis.sock``. Neither name nor password stand in it."""
    username: str = ""
    """Of Redis's ACL; empty is its default user."""
    password: SecretReference | None = None
    """Where the password is that Redis wants."""
    ca_file: str = ""
    """Certificates (PEM) of the authorities that may have signed Redis's; empty goes by the system's. Relative paths
    start at the folder of ``plugins.toml``."""
    prefix: str = "jackfield"
    """What the names of our keys in Redis begin with; servers that share policies share it."""
    connections: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    """Most connections of one gateway."""
    key: SecretReference = "file:store.key"
    """Where the secret is that everything is sealed with: 32 bytes in base64 or hexadecimal digits, or a passphrase of
    at least 12 characters."""
    old_key: SecretReference | None = None
    """Where the secret is that the store may still be sealed with, while a key is rotated."""

    def __post_init__(self) -> None:
        if not _PREFIX.match(self.prefix):
            raise ValueError("prefix must be letters, digits and _ . : - (at most 64)")
        parts = urlsplit(self.url)
        if parts.scheme not in _SCHEMES:
            raise ValueError("url must begin with redis://, rediss:// or unix://")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url must have neither name nor password; they are options of their own")
        if parts.query:
            raise ValueError("url must have nothing after a question mark")
        if self.ca_file and parts.scheme != "rediss":
            raise ValueError("ca_file is for url = rediss://…")
