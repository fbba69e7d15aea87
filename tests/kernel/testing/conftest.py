"""Kits that are to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, is_hypothesis_test, settings

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def unshrunk(monkeypatch: pytest.MonkeyPatch) -> Callable[[type], None]:
    """Has a kit say that something is wrong without looking for the shortest example of it, until the test ends.

    Whoever writes a plugin wants that example; here it takes many seconds, and nobody reads it.
    """
    where = "_hypothesis_internal_use_settings"

    def once(kit: type) -> None:
        tests = [test for name in dir(kit) if is_hypothesis_test(test := getattr(kit, name))]
        for test in tests:
            used = settings(getattr(test, where), database=None, phases=[Phase.explicit, Phase.generate])
            monkeypatch.setattr(test, where, used)

    return once
