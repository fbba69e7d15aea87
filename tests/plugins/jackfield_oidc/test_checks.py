"""What ``jackfield doctor`` says of issuers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jackfield.testing.oidc_issuer import IssuerProcess
from jackfield_oidc.checks import IssuersCheck
from jackfield_oidc.config import OidcConfig

if TYPE_CHECKING:
    from tests.plugins.jackfield_oidc.conftest import Judges

    from jackfield.ports.check import CheckResult

HTTP = {"schemes": ["http"], "private_hosts": ["127.0.0.1"]}


def run(judges: Judges, options: dict[str, Any] | None = None, **config: Any) -> CheckResult:
    return IssuersCheck("oidc", judges.config(options, **config), lambda text: judges.folder / text).run()


def test_keys_that_are_there(judges: Judges) -> None:
    result = run(judges)
    assert (result.level, result.message) == ("ok", "keys of corp")


def test_an_issuer_that_answers_and_one_that_has_gone(judges: Judges) -> None:
    with IssuerProcess() as issuer:
        options = {"url": issuer.url, "jwks_file": "", "outbound": HTTP}
        assert run(judges, options).level == "ok"
    result = run(judges, options)
    assert result.level == "error"
    assert "corp: " in result.message
    assert "cannot be asked" in result.message


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"jwks_file": "missing.json"}, "missing.json cannot be read"),
        ({"jwks_file": "/dev/zero"}, "zero cannot be read"),
        ({"jwks_file": "", "url": "http://a.example"}, "URLs must begin with https"),
    ],
)
def test_issuers_that_cannot_be_used(judges: Judges, options: dict[str, Any], why: str) -> None:
    assert why in run(judges, options).message


def test_other_things_that_are_missing(judges: Judges) -> None:
    assert "missing.toml" in run(judges, revocations="missing.toml").message
    assert IssuersCheck("staff", OidcConfig(), lambda text: judges.folder / text).run().message == "no issuer"
