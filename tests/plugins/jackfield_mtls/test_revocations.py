"""What was revoked is refused at once, and nobody is let in where that cannot be told."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from jackfield import watched_files
from jackfield.errors import (
    AuthenticatorFailed,
    CredentialExpired,
    CredentialRevoked,
    ManifestError,
    PluginError,
    Unauthenticated,
)
from jackfield.ports.identity import ClientCertificate, Credential, Principal
from jackfield.secret import Secret
from jackfield.testing.authority import Authority
from jackfield_mtls import revocations
from jackfield_mtls.authenticator import CertificateAuthenticator
from jackfield_mtls.config import RuleOptions
from jackfield_mtls.revocations import FILE_MAX, read

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_000_000.0
RULES = {"one": RuleOptions(anybody=True)}


class Judge:
    """An authenticator with its own time; files are looked at each time."""

    def __init__(self, *files: Path) -> None:
        self.now = NOW
        self._own = CertificateAuthenticator(RULES, files, lambda: self.now)

    def ask(self, serial: str = "0A0B", expires: float = NOW + 1) -> Principal | None:
        """Who has this certificate."""
        shown = ClientCertificate(subject=f"CN={serial}", serial=serial, expires=expires)
        return asyncio.run(self._own.authenticate(Credential("certificate", Secret("ab" * 32), shown)))

    def review(self, principal: Principal) -> Principal:
        """What it may by now."""
        return asyncio.run(self._own.review(principal))

    @property
    def troubles(self) -> list[str]:
        """What is wrong."""
        return list(self._own.troubles)


@pytest.fixture(autouse=True)
def at_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a quarter of a second."""
    monkeypatch.setattr(revocations, "LOOK_S", 0.0)


def test_a_certificate_that_has_expired_on_its_connection(tmp_path: Path) -> None:
    """TLS has looked at its begin only."""
    judge = Judge()
    assert judge.ask() is not None
    judge.now += 1
    with pytest.raises(CredentialExpired) as refused:
        judge.ask()
    assert refused.value.fingerprint


def test_serials_in_a_text(tmp_path: Path) -> None:
    """In any of the ways that people and tools write them."""
    file = tmp_path / "revoked.txt"
    file.write_text("# gone\n\n0x0A0b # ann\n0c:0d\n")
    judge = Judge(file)
    for serial in ("a0b", "0A0B", "C0D"):
        with pytest.raises(CredentialRevoked):
            judge.ask(serial)
    assert judge.ask("0C") is not None
    with pytest.raises(CredentialRevoked):
        judge.ask("")


@pytest.mark.parametrize("binary", [False, True], ids=["PEM", "DER"])
def test_lists_of_authorities(tmp_path: Path, *, binary: bool) -> None:
    """As they publish them; who is put there later is refused then, and who is taken away is good again."""
    authority = Authority(tmp_path)
    other = tmp_path / "more.txt"
    other.write_text("ff\n")

    def publish(*serials: int) -> Path:
        file = authority.revocations(*serials)
        if binary:
            file.write_bytes(x509.load_pem_x509_crl(file.read_bytes()).public_bytes(Encoding.DER))
        return file

    judge = Judge(publish(), other)
    found = judge.ask()
    assert found is not None
    publish(0x0A0B, 7)
    with pytest.raises(CredentialRevoked):
        judge.ask()
    with pytest.raises(CredentialRevoked):
        judge.review(found)
    with pytest.raises(CredentialRevoked):
        judge.ask("ff")
    publish(7)
    assert judge.ask() == found
    assert judge.review(found) == found


def test_a_list_that_is_not_renewed_is_warned_of(tmp_path: Path) -> None:
    """It says itself until when it counts."""
    judge = Judge(Authority(tmp_path).revocations(1))
    assert judge.troubles == []
    judge.now = 32_503_680_000.0
    assert "another list" in judge.troubles[0]


def test_nobody_is_let_in_while_a_list_cannot_be_read(tmp_path: Path) -> None:
    """Until it can."""
    file = tmp_path / "revoked.txt"
    file.write_text("01\n")
    judge = Judge(file)
    assert judge.ask() is not None
    for break_it in (file.unlink, lambda: file.write_text("no number\n"), lambda: file.write_bytes(b"\x30\x82\xff")):
        break_it()
        with pytest.raises(AuthenticatorFailed):
            judge.ask()
        assert judge.troubles
    file.write_text("0a0b\n")
    with pytest.raises(CredentialRevoked):
        judge.ask()
    file.write_text("01\n")
    assert judge.ask() is not None
    assert judge.troubles == []


def test_what_one_list_says_counts_though_another_one_was_broken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the broken one is then just as it was: a link that leads back to the old file."""
    monkeypatch.setattr(watched_files, "SETTLED_NS", -(10**18))  # so that only other signatures are read
    changed, link, good, broken = (tmp_path / name for name in ("changed.txt", "link.txt", "good.txt", "broken.txt"))
    changed.write_text("01\n")
    good.write_text("02\n")
    broken.write_text("no number\n")
    link.symlink_to(good)
    judge = Judge(changed, link)
    changed.write_text("01\n0a0b\n")
    link.unlink()
    link.symlink_to(broken)
    with pytest.raises(AuthenticatorFailed):
        judge.ask()
    link.unlink()
    link.symlink_to(good)
    with pytest.raises(CredentialRevoked):
        judge.ask()


@pytest.mark.parametrize(
    "content",
    [b"-----BEGIN X509 CRL-----\nno\n", b"\xff\xfe", b"12 34\n", b"-" * 100, b"0x\n", b"1" * 100],
)
def test_lists_that_cannot_be_used(tmp_path: Path, content: bytes) -> None:
    """Are refused by name at the start."""
    file = tmp_path / "revoked.txt"
    file.write_bytes(content)
    with pytest.raises(ManifestError, match=r"revoked\.txt"):
        read(file)


@pytest.mark.parametrize("device", ["/dev/zero", "pipe"])
def test_what_is_no_file(tmp_path: Path, device: str) -> None:
    """Is no list, and nobody waits for its end."""
    file = tmp_path / "revoked.txt"
    if device == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to(device)
    with pytest.raises(ManifestError, match="cannot be read"):
        read(file)


def test_lists_without_end(tmp_path: Path) -> None:
    """Are not read."""
    file = tmp_path / "revoked.txt"
    file.touch()
    os.truncate(file, FILE_MAX + 1)
    with pytest.raises(ManifestError, match="too large"):
        read(file)


def test_without_the_package_it_is_said_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only lists of authorities need it."""
    file = Authority(tmp_path).revocations(1)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(PluginError, match=r"jackfield\[mtls\]"):
        Judge(file)
    plain = tmp_path / "revoked.txt"
    plain.write_text("01\n")
    assert Judge(plain).ask() is not None


def test_work_whose_rule_is_gone_is_nobodys() -> None:
    """As is what never came from here."""
    judge = Judge()
    found = judge.ask()
    assert found is not None
    assert judge.review(found) == found
    for own in ("two:CN=0A0B", "one:", "one", "CN=0A0B"):
        with pytest.raises(Unauthenticated):
            judge.review(msgspec.structs.replace(found, id=own))
