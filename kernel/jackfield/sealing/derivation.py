"""Keys from secrets: random ones as they are, passphrases through Argon2id."""

from __future__ import annotations

import base64
import binascii
import os
import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from jackfield.errors import ManifestError, PluginError

if TYPE_CHECKING:
    from jackfield.secret import Secret

KEY_BYTES: Final = 32
SALT_BYTES: Final = 16

PASSPHRASE_MIN: Final = 12
"""Fewer characters are guessed, whatever is done to them."""

MEMORY_MAX_KIB: Final = 1 << 20
PASSES_MAX: Final = 16
LANES_MAX: Final = 16
"""What a file may ask for: somebody may have written other figures into it."""

_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]{64}\Z")
_INFO: Final = b"jackfield sealing 1"


class Derivation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How keys are made of a secret. It is stored beside what is sealed, and is no secret itself.

    Argon2id's figures are RFC 9106's second recommended option (section 4).
    """

    kind: Literal["key", "argon2id"]
    salt: bytes
    memory_kib: int = 64 << 10
    passes: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        if len(self.salt) != SALT_BYTES:
            raise ValueError(f"salt must have {SALT_BYTES} bytes")
        lanes_fit = 1 <= self.lanes <= LANES_MAX
        if not (lanes_fit and 1 <= self.passes <= PASSES_MAX and 8 * self.lanes <= self.memory_kib <= MEMORY_MAX_KIB):
            raise ValueError("nobody would make a key so")


class Keys(NamedTuple):
    """What is derived."""

    sealing: bytes
    """For AES-256-GCM."""
    counting: bytes
    """For HMAC-SHA256 over what there is."""


def new_derivation(secret: Secret) -> Derivation:
    """A derivation that fits *secret*, with a fresh salt.

    Raises:
        ManifestError: It is too short to be a passphrase.
    """
    if _key_in(secret) is not None:
        return Derivation(kind="key", salt=os.urandom(SALT_BYTES))
    if len(_text(secret)) < PASSPHRASE_MIN:
        raise ManifestError(
            f"it is too short: a key is {KEY_BYTES} bytes in base64 or hexadecimal digits (openssl rand -base64"
            f" {KEY_BYTES}), a passphrase has at least {PASSPHRASE_MIN} characters"
        )
    return Derivation(kind="argon2id", salt=os.urandom(SALT_BYTES))


def derive(secret: Secret, derivation: Derivation) -> Keys | None:
    """The keys that *derivation* makes of *secret*; None where it is for another kind of secret.

    A passphrase takes 0.15 s and 64 MiB. Any thread.

    Raises:
        PluginError: The package ``cryptography`` is missing.
    """
    given = _key_in(secret)
    if (given is not None) != (derivation.kind == "key"):
        return None
    root = given if given is not None else _stretched(_text(secret), derivation)
    expanded = _expanded(root, derivation.salt)
    return Keys(expanded[:KEY_BYTES], expanded[KEY_BYTES:])


def _text(secret: Secret) -> str:
    return secret.reveal().strip()


def _key_in(secret: Secret) -> bytes | None:
    """The bytes of a key that was written in base64 or hexadecimal digits; None of any other text."""
    text = _text(secret)
    if _HEXADECIMAL.match(text):
        return bytes.fromhex(text)
    try:
        found = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) == KEY_BYTES else None


def _stretched(passphrase: str, derivation: Derivation) -> bytes:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
    except ImportError as error:
        raise missing() from error
    try:
        stretching = Argon2id(
            salt=derivation.salt,
            length=KEY_BYTES,
            iterations=derivation.passes,
            lanes=derivation.lanes,
            memory_cost=derivation.memory_kib,
        )
    except UnsupportedAlgorithm as error:
        raise PluginError("passphrases need OpenSSL 3.2; give a key instead: openssl rand -base64 32") from error
    return stretching.derive(passphrase.encode())


def _expanded(root: bytes, salt: bytes) -> bytes:
    try:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ImportError as error:
        raise missing() from error
    return HKDF(algorithm=SHA256(), length=2 * KEY_BYTES, salt=salt, info=_INFO).derive(root)


def missing() -> PluginError:
    """What is raised where the package ``cryptography`` is not installed."""
    return PluginError("sealing needs the package cryptography: pip install jackfield[store]")
