"""Kits that are to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, is_hypothesis_test, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WHERE = "_hypothesis_internal_use_settings"


def _once(used: settings) -> settings:
    return settings(used, database=None, derandomize=True, phases=[Phase.explicit, Phase.generate])


@pytest.fixture
def unshrunk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type], None]]:
    """Has a kit say that something is wrong, the same each time, and without looking for the shortest example of it.

    Whoever writes a plugin wants that example; here it takes many seconds, and nobody reads it.
    """

    def once(kit: type) -> None:
        for test in [test for name in dir(kit) if is_hypothesis_test(test := getattr(kit, name))]:
            monkeypatch.setattr(test, _WHERE, _once(getattr(test, _WHERE)))

    before = settings.get_current_profile_name()
    # for what kits make while they run
    settings.register_profile("unshrunk", _once(settings.get_profile(before)))
    settings.load_profile("unshrunk")
    yield once
    settings.load_profile(before)
