"""What ``jackfield verify oidc`` needs: an issuer's key in a file, and a token that was signed with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec
from joserfc import jws
from joserfc.jwk import ECKey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIFE_S: Final = 86_400
"""Longer than any test."""

_ISSUER: Final = "https://issuer.example"


def prepare(folder: Path) -> Mapping[str, Mapping[str, object]]:
    """Make both; what the plugin's options and the kits' words are then."""
    key, file, now = ECKey.generate_key("P-256", {"kid": "kit"}), folder / "jwks.json", int(time.time())
    file.write_bytes(msgspec.json.encode({"keys": [key.as_dict(private=False)]}))
    claims = {"iss": _ISSUER, "sub": "kit", "aud": "jackfield", "nbf": now, "exp": now + LIFE_S}
    token = jws.serialize_compact({"alg": "ES256", "kid": "kit"}, msgspec.json.encode(claims), key)
    issuer = {"url": _ISSUER, "audiences": ["jackfield"], "jwks_file": str(file)}
    return {"config": {"issuers": {"kit": issuer}}, "authenticator": {"credential": token}}
