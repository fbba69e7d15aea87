"""What every ``SecretSource`` must pass.

Subclass ``SecretSourceKit`` in a test module, and say what there is to read::

    class TestConformance(SecretSourceKit):
        manifest = 'enabled = ["my-vault"]'
        needs = {"name": "kit/token", "secret": "sesame-opens-it", "missing": "kit/nothing"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
import pytest

from jackfield.errors import ManifestError
from jackfield.plugins import Kernel
from jackfield.secret import Secret
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from jackfield.ports.secret_source import SecretSource


class SecretNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to read."""

    name: str
    """Of a secret that is there."""
    secret: Secret
    """What it is."""
    missing: str
    """A name that nothing has."""


class SecretSourceKit(Kit):
    """Sources give secrets, and show them to nobody."""

    Needs: ClassVar[type[msgspec.Struct]] = SecretNeeds

    @pytest.fixture
    def source(self) -> SecretSource:
        """A source of the test's own."""
        made: SecretSource = self.made(Kernel.secrets)()
        return made

    @pytest.fixture
    def needs_of(self) -> SecretNeeds:
        """What the author says."""
        return self.told(SecretNeeds)

    def test_it_gives_the_secret(self, source: SecretSource, needs_of: SecretNeeds) -> None:
        """The same one each time."""
        assert source.read(needs_of.name) == needs_of.secret
        assert source.read(needs_of.name) == needs_of.secret

    def test_what_is_missing_is_refused(self, source: SecretSource, needs_of: SecretNeeds) -> None:
        """By name, and not with an empty secret."""
        with pytest.raises(ManifestError) as refused:
            source.read(needs_of.missing)
        assert refused.value.message

    @pytest.mark.parametrize("name", ["", "\0", "../" * 40 + "etc/shadow", "x" * 10_000, "\ud800", "a\nb"])
    def test_odd_names_are_refused(self, source: SecretSource, name: str) -> None:
        """With an error that says so, whatever the name."""
        with pytest.raises(ManifestError):
            source.read(name)

    def test_nothing_shows_it(
        self, source: SecretSource, needs_of: SecretNeeds, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Neither what it prints nor what it says of itself."""
        source.read(needs_of.name)
        shown = "".join(capfd.readouterr()) + repr(source) + repr(vars(source) if hasattr(source, "__dict__") else "")
        assert needs_of.secret.reveal() not in shown
