"""Files of certificates and keys, as users give them: what is wrong with one is said with what to do."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from jackfield.client.connection import ApiError, Connection
from jackfield.client.trust import protection
from jackfield.testing.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def apart(both: Path) -> tuple[Path, Path]:
    """Certificate and key of *both* in files of their own."""
    text = both.read_text()
    certificate, key = both.with_suffix(".crt"), both.with_suffix(".key")
    cut = text.index("-----BEGIN PRIVATE KEY")
    certificate.write_text(text[:cut])
    key.touch(0o600)
    key.write_text(text[cut:])
    return certificate, key


def refusal(certificate: Path | None, key: Path | None) -> str:
    """Why they are of no use."""
    with pytest.raises(ApiError) as refused:
        protection(None, certificate, key)
    return refused.value.message


def test_files_that_can_be_used(tmp_path: Path) -> None:
    """Together or apart; without any the usual way is taken."""
    both = Authority(tmp_path).client("ann")
    certificate, key = apart(both)
    for made in (protection(None, both, None), protection(None, certificate, key), protection(None, both, key)):
        assert made is not None
        assert made.certificate in {both, certificate}
    assert protection(None, None, None) is None
    assert certificate.stat().st_mode & 0o044
    """A certificate is no secret."""


def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path) -> None:
    """And never with any of the key."""
    authority = Authority(tmp_path)
    both = authority.client("ann")
    certificate, key = apart(both)
    _, other = apart(authority.client("bob"))
    junk = tmp_path / "junk.pem"
    junk.touch(0o600)
    junk.write_text("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n")
    assert "--cert-key needs --cert" in refusal(None, key)
    assert f"--cert: {certificate} is the certificate of another key than {other}" in refusal(certificate, other)
    assert "or --cert-key says where the key is" in refusal(junk, None)
    assert f"--cert: {certificate} must have a certificate, and {junk} its key (PEM)" in refusal(certificate, junk)
    assert "or --cert-key says where the key is" in refusal(certificate, None), "no secret is in it"
    assert "MIIE" not in refusal(junk, None) + refusal(certificate, junk)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_key_that_others_may_get_at_is_refused(mode: int, tmp_path: Path) -> None:
    """Wherever it is; what to run is said."""
    both = Authority(tmp_path).client("ann")
    certificate, key = apart(both)
    for each in (both, key):
        each.chmod(mode)
    told = rf"others may read or change it \(mode 0{mode:o}\); run: chmod 600 "
    assert re.search(f"--cert: .*{told}{re.escape(str(both))}", refusal(both, None))
    assert re.search(f"--cert-key: .*{told}{re.escape(str(key))}", refusal(certificate, key))


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(form: PrivateFormat, tmp_path: Path) -> None:
    """A command in a script would wait for ever."""
    certificate, key = apart(Authority(tmp_path).client("ann"))
    sealed = tmp_path / "sealed.key"
    sealed.touch(0o600)
    opened = load_pem_private_key(key.read_bytes(), None)
    sealed.write_bytes(opened.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"sesame")))
    assert "has a passphrase" in refusal(certificate, sealed)


class Gatekeeper:
    """Speaks TLS of one version with whoever has a certificate of *authority*; says why it refuses others."""

    def __init__(self, authority: Authority, version: ssl.TLSVersion) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(authority.server())
        self._context.load_verify_locations(authority.file)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.minimum_version = self._context.maximum_version = version
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError), self._context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(65536)
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")


@pytest.fixture(params=VERSIONS, ids=["TLS 1.2", "TLS 1.3"])
def gatekeeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Gatekeeper, Authority]]:
    """One, and who signs for it."""
    authority = Authority(tmp_path)
    keeper = Gatekeeper(authority, request.param)
    yield keeper, authority
    keeper.close()


def test_a_refusal_says_what_the_server_may_want(
    gatekeeper: tuple[Gatekeeper, Authority], tmp_path: Path, background: BackgroundLoop
) -> None:
    """Some say why, some hang up; with TLS 1.3 both may come first."""
    keeper, authority = gatekeeper

    async def ask(certificate: Path | None) -> str:
        async with (
            Connection(keeper.url, None, protection(authority.file, certificate, None)) as connection,
            connection.ask("GET", "/") as response,
        ):
            return (await response.read()).decode()

    def refused(certificate: Path | None) -> str:
        with pytest.raises(ApiError) as caught:
            background.run(ask(certificate))
        return caught.value.message

    assert background.run(ask(authority.client("ann"))) == "{}"
    assert "show one with: --cert FILE" in refused(None)
    for bad in (Authority(tmp_path, "another authority").client("eve"), authority.client("old", days=-1)):
        assert f"it may not accept the certificate in {bad}" in refused(bad)


@pytest.mark.parametrize("cause", [ConnectionResetError, BrokenPipeError])
@pytest.mark.parametrize("before", [False, True])
def test_one_that_hangs_up_while_it_is_asked_may_want_a_certificate(
    cause: type[OSError], background: BackgroundLoop, monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    """However early that is seen."""

    async def broken(*_: object, **__: object) -> None:
        if before:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        raise aiohttp.ClientOSError("broken") from cause("broken")

    async def ask() -> None:
        async with Connection("https://127.0.0.1:1") as connection, connection.ask("GET", "/"):
            raise AssertionError

    monkeypatch.setattr(aiohttp.ClientSession, "_request", broken)
    with pytest.raises(ApiError, match=r"hung up without an answer; .*--cert FILE"):
        background.run(ask())
