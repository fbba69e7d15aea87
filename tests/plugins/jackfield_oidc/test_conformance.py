"""The kits of the hooks that the plugin implements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jackfield.testing.kits.authenticator import AuthenticatorKit
from jackfield.testing.kits.check import CheckKit
from jackfield.testing.kits.config import ConfigKit

if TYPE_CHECKING:
    from tests.plugins.jackfield_oidc.conftest import Issuer, Judges

    from jackfield.ports.identity import AuthenticatorFactory


class TestAuthenticator(AuthenticatorKit):
    """One issuer, whose keys are in a file."""

    @pytest.fixture
    def credential(self, issuer: Issuer) -> str:
        """A token of it."""
        return issuer.sign()

    @pytest.fixture
    def make_authenticator(self, lasting: Judges) -> AuthenticatorFactory:
        """As the plugin makes it."""
        return lasting.make


class TestOptions(ConfigKit):
    """Its options."""

    manifest = 'enabled = ["oidc"]'
    name = "oidc"


class TestChecks(CheckKit):
    """Without an issuer, which is what they say then."""

    manifest = 'enabled = ["oidc"]'
