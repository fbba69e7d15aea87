"""Commands that ask a server that lets nobody in without a certificate."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import pytest

from jackfield.testing.authority import Authority
from jackfield.testing.command import run_command
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop

TLS = """
[kernel.tls]
certificate = "server.pem"
client_ca = "test-authority.pem"
client_certificates = "required"
[config.mtls.rules.staff]
subject = "CN=*,OU=staff"
"""
COMMANDS = [
    "chat hello",
    "bench --requests 1 --concurrency 1 --input-tokens 4 --output-tokens 4",
    "cache warm scripted --prompt hello",
]


class Guarded:
    """A server that demands certificates."""

    def __init__(self, folder: Path, background: BackgroundLoop) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.authority.server()
        self.ann = self.authority.client("ann", unit="staff")
        own = ssl.create_default_context(cafile=self.authority.file)
        own.load_cert_chain(self.ann)
        self.server = InProcessServer(scripted_manifest(enabled=("mtls",)) + TLS, folder, background, own)

    def run(self, command: str, *, url: str | None = None) -> tuple[int, str]:
        """Exit code and output of a command that asks it."""
        address = f"--url {url or self.server.target.url}"
        done = run_command(f"{command} {address}", self.folder)
        return done.code, done.output


@pytest.fixture
def guarded(tmp_path: Path, background: BackgroundLoop) -> Iterator[Guarded]:
    """Its model plays scripts."""
    made = Guarded(tmp_path, background)
    yield made
    made.server.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_certificate_lets_a_command_in(command: str, guarded: Guarded) -> None:
    """Without one the command says how it is given."""
    trusted = f"{command} --ca {guarded.authority.file}"
    code, output = guarded.run(f"{trusted} --cert {guarded.ann}")
    assert code == 0, output
    code, output = guarded.run(trusted)
    assert code == 1, output
    assert "show one with: --cert FILE" in output


def test_certificate_and_key_may_be_two_files_and_come_from_the_environment(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is typed counts before the environment."""
    text = guarded.ann.read_text()
    cut = text.index("-----BEGIN PRIVATE KEY")
    certificate, key = guarded.folder / "ann.crt", guarded.folder / "ann.key"
    key.touch(0o600)
    key.write_text(text[cut:])
    certificate.write_text(text[:cut])
    asked = "chat --json --max-tokens 20 hello"
    files = f"--ca {guarded.authority.file} --cert {certificate} --cert-key {key}"
    code, output = guarded.run(f"{asked} {files}")
    assert code == 0, output
    assert json.loads(output)["content"] == "hello"
    for name, value in (("CA", guarded.authority.file), ("CERT", certificate), ("CERT_KEY", key)):
        monkeypatch.setenv(f"JACKFIELD_{name}", str(value))
    code, output = guarded.run(asked)
    assert code == 0, output
    key.chmod(0o640)
    code, output = guarded.run(asked)
    assert code == 2, output
    assert "run: chmod 600" in output
    monkeypatch.setenv("JACKFIELD_CERT", str(guarded.folder / "gone.pem"))
    code, output = guarded.run(asked)
    assert code == 2, output
    assert "gone.pem" in output


def test_a_certificate_that_would_not_be_shown_is_refused(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment it is for whatever server wants one."""
    code, output = guarded.run(f"chat hello --cert {guarded.ann}", url="http://127.0.0.1:1")
    assert code == 2, output
    assert "only https:// servers are shown a certificate" in output
    code, output = guarded.run(f"bench http://127.0.0.1:1 --cert {guarded.ann}", url="http://127.0.0.1:2")
    assert code == 2, output
    assert "given twice" in output
    monkeypatch.setenv("JACKFIELD_CERT", str(guarded.ann))
    code, output = guarded.run("chat hello", url="http://127.0.0.1:1")
    assert code == 1, output
    assert "no server answers" in output
