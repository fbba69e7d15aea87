"""``rediss://``: TLS in front of a real Redis."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.plugins.jackfield_store_redis.conftest import KEY, OPTION, Place

from jackfield.errors import StoreUnavailable
from jackfield_store_redis.config import RedisStoreConfig
from jackfield_store_redis.connection import Connection
from jackfield_store_redis.store import RedisPolicyStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOST = "localhost"


def certificate(folder: Path, host: str) -> Path:
    """One of its own authority for *host*, with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@asynccontextmanager
async def encrypted(socket: str, pem: Path) -> AsyncIterator[int]:
    """The port where TLS leads to the Redis at *socket*."""
    open_ends: set[asyncio.StreamWriter] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_behind = await asyncio.open_unix_connection(socket)
        open_ends.update((writer, to_behind))
        await asyncio.gather(carry(reader, to_behind), carry(behind, writer), return_exceptions=True)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_ends:
            writer.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize("wrong", ["", "authority", "name"])
def test_a_certificate_is_believed_from_whom_and_for_what_it_was_made(place: Place, tmp_path: Path, wrong: str) -> None:
    """An unknown authority and another host's name are refused before anything is said."""
    shown = certificate(tmp_path, "elsewhere.example" if wrong == "name" else HOST)
    trusted = certificate(tmp_path, "other.example") if wrong == "authority" else shown

    async def scenario() -> int:
        async with encrypted(str(place.server.socket), shown) as port:
            config = RedisStoreConfig(
                url=f"rediss://{HOST}:{port}/0", prefix=place.prefix, ca_file=str(trusted), connections=1
            )
            store = RedisPolicyStore(
                Connection(config, None, trusted, option=OPTION), lambda: {"config.store-redis.key": KEY}
            )
            try:
                return (await store.since(0)).version
            finally:
                await store.close()

    if not wrong:
        assert asyncio.run(scenario()) == 0
        return
    with pytest.raises(StoreUnavailable, match="does not answer"):
        asyncio.run(scenario())
