"""What every plugin that hands over ``jackfield_checks`` must pass.

Subclass ``CheckKit`` in a test module and say how the plugin is turned on::

    class TestChecks(CheckKit):
        manifest = 'enabled = ["my-plugin"]'
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.ports.check import CheckResult
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.check import CheckFactory

MESSAGE_MAX: Final = 300
"""Characters of a message: it is one line of a table."""


class CheckKit(Kit):
    """Checks have names, look without changing anything, and say what to do."""

    @pytest.fixture
    def checks(self) -> Mapping[str, CheckFactory]:
        """All checks that the manifest's plugins hand over."""
        checks = self.kernel().checks()
        assert checks, "the plugin hands over no check"
        return checks

    def test_names_say_whose_they_are(self, checks: Mapping[str, CheckFactory]) -> None:
        """A few small words that begin with the name of the instance: two instances can live side by side."""
        instances = [instance.name for instance in self.kernel().instances]
        for name in checks:
            assert re.fullmatch(r"[a-z0-9_-]+( [a-z0-9_-]+){1,3}", name), f"bad name: {name!r}"
            assert name.partition(" ")[0] in instances, f"{name!r} does not begin with an instance's name"

    def test_every_check_gives_a_result(self, checks: Mapping[str, CheckFactory]) -> None:
        """One line, with what to do where something is wrong."""
        for name, factory in checks.items():
            result = factory().run()
            assert isinstance(result, CheckResult), f"{name}: run() returned {type(result).__name__}"
            assert 0 < len(result.message) <= MESSAGE_MAX, f"{name}: a message of {len(result.message)} characters"
            assert "\n" not in result.message + result.fix, f"{name}: more than one line"

    def test_a_second_look_finds_the_same(self, checks: Mapping[str, CheckFactory]) -> None:
        """Looking changes nothing."""
        for name, factory in checks.items():
            assert factory().run().level == factory().run().level, name

    def test_nothing_is_left_running(self, checks: Mapping[str, CheckFactory]) -> None:
        """The first look may fill caches; no thread stays."""
        for factory in checks.values():
            factory().run()
        before = set(threading.enumerate())
        for factory in checks.values():
            factory().run()
        assert set(threading.enumerate()) <= before
