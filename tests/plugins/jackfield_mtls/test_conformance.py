"""The kits of the hooks that the plugin implements (``jackfield_authenticators``, ``jackfield_config``)."""

from __future__ import annotations

from typing import ClassVar

from jackfield.testing.kits.authenticator import AuthenticatorKit
from jackfield.testing.kits.config import ConfigKit

ENABLED = """
enabled = ["mtls"]
[config.mtls.rules.kit]
names = ["URI:spiffe://example.org/ns/*/sa/*"]
id = "name"
"""


class TestAuthenticator(AuthenticatorKit):
    """One rule."""

    manifest = ENABLED
    needs: ClassVar = {
        "credential": "5" * 64,
        "certificate": {
            "subject": "O=Example",
            "names": ["DNS:mail.example.org", "URI:spiffe://example.org/ns/post/sa/mail"],
            "serial": "0a",
            "expires": 4_102_444_800.0,
        },
    }


class TestOptions(ConfigKit):
    """Its options."""

    manifest = ENABLED
    name = "mtls"
