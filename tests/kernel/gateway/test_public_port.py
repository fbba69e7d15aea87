"""What a start says of a port that others can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.kernel.gateway.test_identity import Judge, by, somebody

from jackfield.gateway import public_port
from jackfield.manifest import KernelConfig
from jackfield.testing.authority import Authority
from jackfield.transport import TLSConfig

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.gateway.conftest import Serve


@pytest.mark.parametrize(
    ("local", "proxies", "protected", "warned"),
    [
        (False, (), False, True),
        (True, (), False, False),
        (False, ("10.0.0.0/8",), False, False),
        (False, (), True, False),
    ],
)
def test_who_can_be_read_on_the_way_is_warned(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    local: bool,  # noqa: FBT001 -- as above
    proxies: tuple[str, ...],
    protected: bool,  # noqa: FBT001 -- as above
    warned: bool,  # noqa: FBT001 -- as above
) -> None:
    """Beyond this machine, without TLS, and without a proxy that may have it."""
    monkeypatch.setattr(public_port, "is_local", lambda _: local)
    tls = TLSConfig(certificate=str(Authority(tmp_path).server())) if protected else None
    kernel = KernelConfig(trusted_proxies=proxies, tls=tls)
    with capture_logs() as lines:
        serve(kernel=kernel, authenticators=by(Judge(somebody())))
    assert any("without TLS" in line["event"] for line in lines) == warned
