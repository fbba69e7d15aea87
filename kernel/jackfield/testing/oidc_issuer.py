"""An OpenID Connect issuer in a process of its own, with keys that nobody else has, for tests of authenticators.

Run as ``python -m jackfield.testing.oidc_issuer '{"bearer": "…", "tls": "FOLDER"}'`` it serves its discovery document
and its keys on loopback, and obeys lines of JSON on standard input, each answered with a line; at the end of its input
it ends. ``IssuerProcess`` is the other side of that. Needs joserfc and cryptography, the extra ``oidc``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

import msgspec

if TYPE_CHECKING:
    from types import TracebackType

    from aiohttp import web
    from joserfc.jwk import Key

    from jackfield.testing.client import JsonValue

LIFE_S: Final = 600
"""How long its tokens are good, where nobody asks for something else."""

AUTHORITY: Final = "ca.pem"
"""The file, in the folder ``tls``, with the authority that its certificate is signed by."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How it is set up."""

    issuer: str = ""
    """Its `iss`; empty: its address."""
    bearer: str = ""
    """The token that it gives its keys for; empty: to everybody."""
    tls: str = ""
    """Folder for certificates that it makes; empty: it speaks HTTP."""
    port: int = 0
    """Where it listens; 0 is any free port."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A line of its input."""

    do: Literal["sign", "rotate", "answer", "count"]
    claims: dict[str, object] = {}
    """sign: what the token claims, besides what all do; None leaves a claim out."""
    header: dict[str, object] = {}
    """sign: what its header has besides."""
    algorithm: str = "RS256"
    keep: bool = True
    """rotate: whether the keys there were are good any longer."""
    status: int = 0
    """answer: with this status from now on; 0 is as ever."""


class IssuerProcess:
    """A running issuer. One thread.

    Parameters:
        setting: How it is set up.
    """

    def __init__(self, setting: Setting | None = None) -> None:
        command = [sys.executable, "-I", "-m", __name__, msgspec.json.encode(setting or Setting()).decode()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = str(self._line())

    def sign(
        self,
        claims: dict[str, object] | None = None,
        *,
        algorithm: str = "RS256",
        header: dict[str, object] | None = None,
    ) -> str:
        """A token; its claims are good ones but for *claims*."""
        return str(self._obeys(Order(do="sign", claims=claims or {}, header=header or {}, algorithm=algorithm)))

    def rotate(self, *, keep: bool = True) -> None:
        """Sign with new keys from now on; the old ones are good as long as it is told to *keep* them."""
        self._obeys(Order(do="rotate", keep=keep))

    def answer(self, status: int) -> None:
        """Answer everybody with *status*; 0 is as ever."""
        self._obeys(Order(do="answer", status=status))

    @property
    def fetches(self) -> int:
        """How often its keys were asked for."""
        return int(str(self._obeys(Order(do="count"))))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _obeys(self, order: Order) -> JsonValue:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> JsonValue:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the issuer has ended"
        value: JsonValue = msgspec.json.decode(line)
        return value


class _Issuer:
    """The process's own side."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._generation = 0
        self._keys: dict[str, Key] = {}
        """Those that it signs with, by algorithm."""
        self._published: list[Key] = []
        self._status = 0
        self._fetches = 0
        self.url = ""
        self._rotate(keep=False)

    def obey(self, order: Order) -> JsonValue:
        """Do what *order* says; the answer."""
        if order.do == "sign":
            return self._sign(order)
        if order.do == "rotate":
            self._rotate(keep=order.keep)
        elif order.do == "answer":
            self._status = order.status
        return self._fetches

    async def discovery(self, request: web.Request) -> web.StreamResponse:
        """The document at its well-known place."""
        issuer = self._setting.issuer or self.url
        return self._answer(request, {"issuer": issuer, "jwks_uri": f"{self.url}/openid/v1/jwks"})

    async def keys(self, request: web.Request) -> web.StreamResponse:
        """Its public keys."""
        self._fetches += 1
        return self._answer(request, {"keys": [key.as_dict(private=False) for key in self._published]})

    def _answer(self, request: web.Request, body: object) -> web.StreamResponse:
        from aiohttp import web

        wanted = f"Bearer {self._setting.bearer}"
        status = 401 if self._setting.bearer and request.headers.get("Authorization") != wanted else self._status
        return web.Response(status=status or 200, body=msgspec.json.encode(body), content_type="application/json")

    def _rotate(self, *, keep: bool) -> None:
        from joserfc.jwk import ECKey, OKPKey, RSAKey

        self._generation += 1
        number = self._generation
        self._keys = {
            "RS256": RSAKey.generate_key(2048, {"use": "sig", "kid": f"rsa-{number}"}),
            "ES256": ECKey.generate_key("P-256", {"use": "sig", "kid": f"ec-{number}"}),
            "EdDSA": OKPKey.generate_key("Ed25519", {"use": "sig", "kid": f"ed-{number}"}),
        }
        self._published = [*self._keys.values(), *(self._published if keep else ())]

    def _sign(self, order: Order) -> str:
        from joserfc import jws

        now, key = int(time.time()), self._keys[order.algorithm]
        usual = {
            "iss": self._setting.issuer or self.url,
            "sub": "alice",
            "aud": "jackfield",
            "iat": now,
            "nbf": now,
            "exp": now + LIFE_S,
        }
        claims = {name: value for name, value in (usual | order.claims).items() if value is not None}
        header = {"typ": "JWT", "alg": order.algorithm, "kid": key.kid, **order.header}
        registry = jws.JWSRegistry(algorithms=[order.algorithm], strict_check_header=False)
        return jws.serialize_compact(header, msgspec.json.encode(claims), key, registry=registry)


async def _serve(setting: Setting) -> None:
    from aiohttp import web

    issuer = _Issuer(setting)
    application = web.Application()
    application.router.add_get("/.well-known/openid-configuration", issuer.discovery)
    application.router.add_get("/openid/v1/jwks", issuer.keys)
    runner = web.AppRunner(application)
    await runner.setup()
    tls = _tls(Path(setting.tls)) if setting.tls else None
    await web.TCPSite(runner, "127.0.0.1", setting.port, ssl_context=tls, reuse_address=True).start()
    issuer.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    _say(issuer.url)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        _say(issuer.obey(msgspec.json.decode(line, type=Order)))


def _say(value: JsonValue) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def _tls(folder: Path) -> ssl.SSLContext:
    """A certificate for loopback, by an authority that stands in *folder*."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now, key = dt.datetime.now(dt.UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(addresses, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / AUTHORITY).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / AUTHORITY, folder / "key.pem")
    return context


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asyncio.run(_serve(msgspec.json.decode(sys.argv[1], type=Setting)))
