"""Both plugins pass the kits of their ports; these are the tests that ``jackfield verify`` runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import jackfield_sample
from jackfield.testing.kits.authenticator import AuthenticatorKit
from jackfield.testing.kits.backend import BackendKit
from jackfield.testing.kits.config import ConfigKit

PACKAGE = Path(jackfield_sample.__file__).parent
TOKEN = "kit-token-of-alice"


class TestNgram(BackendKit):
    """The backend."""

    manifest = 'enabled = ["ngram"]'
    needs = {"source": "proverbs.txt", "prompts": ["Every cl", "The early bird ", "Where there is a w"]}
    folder = str(PACKAGE)


class TestStaticTokens(AuthenticatorKit):
    """The authenticator."""

    manifest = f"""
        enabled = ["static-tokens"]
        [config.static-tokens]
        digests = {{ alice = "{hashlib.sha256(TOKEN.encode()).hexdigest()}" }}
    """
    needs = {"credential": TOKEN}


class TestOptions(ConfigKit):
    """The options of both."""

    manifest = 'enabled = ["ngram", "static-tokens"]'
