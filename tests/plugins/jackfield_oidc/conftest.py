"""Keys of an issuer, tokens that it signs and that others forge, and an authenticator that has its keys from a file."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from jackfield.ports.identity import Credential
from jackfield.secret import Secret, read
from jackfield_oidc import revocation_file
from jackfield_oidc.authenticator import OidcAuthenticator
from jackfield_oidc.config import OidcConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from joserfc.jwk import Key

    from jackfield.ports.identity import Principal

ISSUER: Final = "https://issuer.example"
NOW: Final = time.time()


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Keys, and what is signed with them."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {
            "RS256": RSAKey.generate_key(2048, {"kid": "rsa"}),
            "ES256": ECKey.generate_key("P-256", {"kid": "ec"}),
            "ES384": ECKey.generate_key("P-384", {"kid": "ec3"}),
            "ES512": ECKey.generate_key("P-521", {"kid": "ec5"}),
            "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
        }
        self.keys["RS384"] = self.keys["RS512"] = self.keys["RS256"]

    @property
    def jwks(self) -> bytes:
        """The public keys."""
        keys = {id(key): key.as_dict(private=False) for key in self.keys.values()}
        return msgspec.json.encode({"keys": list(keys.values())})

    @staticmethod
    def claims(**changed: Any) -> dict[str, Any]:
        """Good ones but for those *changed*; None leaves one out."""
        usual = {"iss": ISSUER, "sub": "alice", "aud": "jackfield", "exp": NOW + 600, "nbf": NOW, "iat": NOW}
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def sign(self, algorithm: str = "RS256", header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token."""
        return self.sign_text(json.dumps(self.claims(**claims)), algorithm, header)

    def sign_claims(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        """The same with claims of any name."""
        return self.sign_text(json.dumps(self.claims() | dict(claims)), header=header)

    def sign_text(self, payload: str, algorithm: str = "RS256", header: Mapping[str, Any] | None = None) -> str:
        """The same with any payload."""
        key = self.keys[algorithm]
        usual: dict[str, Any] = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
        named = {name: value for name, value in (usual | dict(header or {})).items() if value is not None}
        return self.sign_parts(json.dumps(named), payload, algorithm)

    def sign_parts(self, header: str, payload: str, algorithm: str = "RS256") -> str:
        """The same with any header."""
        signed = f"{b64(header.encode())}.{b64(payload.encode())}"
        name = "Ed25519" if algorithm == "EdDSA" else algorithm
        return f"{signed}.{b64(jws.JWSRegistry.algorithms[name].sign(signed.encode(), self.keys[algorithm]))}"


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Keys take a while to make."""
    return Issuer()


@pytest.fixture(scope="session")
def stranger() -> Issuer:
    """Somebody else, who says the same."""
    return Issuer()


class Judges:
    """Makes authenticators, and asks them."""

    def __init__(self, issuer: Issuer, folder: Path) -> None:
        self.folder = folder
        (folder / "jwks.json").write_bytes(issuer.jwks)

    def config(self, options: Mapping[str, Any] | None = None, **config: Any) -> OidcConfig:
        """One issuer, whose keys are in a file."""
        table = {"url": ISSUER, "audiences": ["jackfield"], "jwks_file": "jwks.json", **(options or {})}
        return msgspec.convert({"issuers": {"corp": table}, **config}, OidcConfig, dec_hook=read)

    def make(
        self, options: Mapping[str, Any] | None = None, clock: Any = time.time, **config: Any
    ) -> OidcAuthenticator:
        """An authenticator."""
        return OidcAuthenticator("oidc", self.config(options, **config), lambda text: self.folder / text, clock)

    @staticmethod
    def ask(judge: OidcAuthenticator, token: str) -> Principal | None:
        """What it says of *token*."""
        return asyncio.run(judge.authenticate(Credential("bearer", Secret(token))))

    def somebody(self, judge: OidcAuthenticator, token: str) -> Principal:
        """Who *token* is."""
        found = self.ask(judge, token)
        assert found is not None
        return found


@pytest.fixture
def judges(issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judges:
    """Their files are in a folder of the test; revocations are looked at before every answer."""
    monkeypatch.setattr(revocation_file, "LOOK_S", 0.0)
    return Judges(issuer, tmp_path)


@pytest.fixture(scope="module")
def lasting(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Judges:
    """For many examples of one test."""
    return Judges(issuer, tmp_path_factory.mktemp("lasting"))
