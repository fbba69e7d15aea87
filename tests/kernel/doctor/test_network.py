"""What doctor says of how connections to the API are protected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.doctor import network
from jackfield.errors import ManifestError
from jackfield.manifest_layers import load_manifest
from jackfield.testing.authority import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.manifest import Manifest

TLS = '[kernel.tls]\ncertificate = "server.pem"\n'


def manifest(folder: Path, text: str) -> Manifest:
    """Of a file that says *text*."""
    file = folder / "plugins.toml"
    file.write_text(text)
    return load_manifest(file, environ={})


@pytest.mark.parametrize(
    ("kernel", "level", "message"),
    [
        ("", "ok", "this machine only"),
        ('listen = "0.0.0.0:80"', "warn", "without TLS"),
        ('listen = "0.0.0.0:80"\ntrusted_proxies = ["10.0.0.0/8"]', "ok", "left to the proxies"),
    ],
)
def test_without_tls(tmp_path: Path, kernel: str, level: str, message: str) -> None:
    """Only what others can read on the way is warned of."""
    found = network.tls(manifest(tmp_path, f"[kernel]\n{kernel}\n"))
    assert (found.level, bool(found.fix)) == (level, level != "ok")
    assert message in found.message


def test_certificates_are_looked_at(tmp_path: Path) -> None:
    """Whether they can be used, and for how long."""
    wanted = manifest(tmp_path, TLS)
    with pytest.raises(ManifestError, match="No such file"):
        network.tls(wanted)
    authority = Authority(tmp_path)
    authority.server()
    assert network.tls(wanted).level == "ok"
    authority.server(days=10.5)
    assert (network.tls(wanted).level, network.tls(wanted).message[-15:]) == ("warn", "ends in 10 days")
    authority.server().chmod(0o644)
    with pytest.raises(ManifestError, match="chmod 600"):
        network.tls(wanted)
