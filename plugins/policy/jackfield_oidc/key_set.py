"""JWK sets (RFC 7517): the keys of one issuer, and what they are good for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield_oidc.token import Signature

SET_MAX: Final = 262_144
"""Largest set, in bytes."""

KEYS_MAX: Final = 100
"""Most keys of a set."""

RSA_BITS: Final = (2048, 8192)
"""Shorter moduli are weak (RFC 7518, section 3.3); longer ones take a processor for what nobody needs."""

_PUBLIC: Final[Mapping[str, Sequence[str]]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
"""The members that make the public key, by type. Symmetric keys are none."""

_ALGORITHMS: Final[Mapping[tuple[str, str], Sequence[str]]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""What a key can sign, by type and curve: the key says it, never the token."""

_EDDSA: Final = "Ed25519"
"""The name that RFC 9864 gives EdDSA with this curve."""


class UnusableKeys(Exception):
    """A document is no JWK set, or has no key that could sign tokens."""


class PublicKey(NamedTuple):
    """One key that signatures can be checked with."""

    kid: str | None
    algorithms: frozenset[str]
    key: Key

    def made(self, signature: Signature) -> bool:
        """Whether *signature*, whose algorithm is one of this key's, was made with it."""
        name = _EDDSA if signature.algorithm == "EdDSA" else signature.algorithm
        try:
            return JWSRegistry.algorithms[name].verify(signature.signed, signature.value, self.key)
        except (JoseError, ValueError):
            return False


class _Jwk(msgspec.Struct, frozen=True):
    kty: str
    kid: str | None = None
    use: str | None = None
    key_ops: tuple[str, ...] | None = None
    alg: str | None = None
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class _JwkSet(msgspec.Struct, frozen=True):
    keys: tuple[msgspec.Raw, ...]


class KeySet:
    """The keys of an issuer. Immutable.

    Parameters:
        document: A JWK set.

    Raises:
        UnusableKeys: It is none, or has no key that could be used.
    """

    def __init__(self, document: bytes) -> None:
        try:
            found = msgspec.json.decode(document, type=_JwkSet).keys
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise UnusableKeys("what came is no JWK set") from None
        if len(document) > SET_MAX or len(found) > KEYS_MAX:
            raise UnusableKeys(f"the JWK set is too large: it may have {KEYS_MAX} keys and {SET_MAX:,} bytes")
        self._keys = tuple(key for each in found if (key := _key(each)) is not None)
        self._prints = frozenset((each.kid, each.key.thumbprint()) for each in self._keys)
        if not self._keys:
            raise UnusableKeys("the JWK set has no key that tokens could be signed with")

    def __len__(self) -> int:
        return len(self._keys)

    def lost_from(self, other: KeySet) -> bool:
        """Whether *other* had a key that is not here."""
        return not other._prints <= self._prints

    def candidates(self, signature: Signature) -> Sequence[PublicKey]:
        """Keys that may have made *signature*.

        Where it names none it is checked with the only one there is for its algorithm; of several none is tried.
        """
        able = [each for each in self._keys if signature.algorithm in each.algorithms]
        if signature.kid is None:
            return able if len(able) == 1 else ()
        return [each for each in able if each.kid == signature.kid]


def _key(raw: msgspec.Raw) -> PublicKey | None:
    """The key, or None where it is not for signatures, or not one of those that are known here."""
    try:
        jwk = msgspec.json.decode(raw, type=_Jwk)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if jwk.use not in {None, "sig"} or "verify" not in (jwk.key_ops or ("verify",)):
        return None
    able = _ALGORITHMS.get((jwk.kty, jwk.crv if jwk.kty != "RSA" else ""), ())
    named = "EdDSA" if jwk.alg == _EDDSA else jwk.alg
    algorithms = frozenset(name for name in able if named in {None, name})
    if not algorithms:
        return None
    try:
        key = _imported(jwk)
    except (JoseError, ValueError, TypeError, OverflowError):
        return None
    return None if key is None else PublicKey(jwk.kid, algorithms, key)


def _imported(jwk: _Jwk) -> Key | None:
    """The public key of *jwk*; what else it has, a private key for one, is left out."""
    public: dict[str, str | list[str]] = {
        "kty": jwk.kty,
        **{name: str(getattr(jwk, name)) for name in _PUBLIC[jwk.kty]},
    }
    if jwk.kty == "RSA":
        key = RSAKey.import_key(public)
        least, most = RSA_BITS
        return key if least <= key.public_key.key_size <= most else None
    return ECKey.import_key(public) if jwk.kty == "EC" else OKPKey.import_key(public)
