"""Secrets that were rotated: whoever can is told, each failure is its own, and is shown until it is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jackfield.errors import ManifestError
from jackfield.gateway import reloads
from jackfield.gateway.conditions import Conditions
from jackfield.gateway.reloads import Reloads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest


class Vault:
    """Has a secret."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.times = 0
        self.inside = 0
        self.most = 0

    async def reload(self) -> None:
        """Count, and tell how many are at it."""
        self.times += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1
        if self.error is not None:
            raise self.error


class Hanging:
    """Never ends."""

    async def reload(self) -> None:
        """For ever."""
        await asyncio.Event().wait()


def troubles(reloading: Reloads) -> Mapping[str, Sequence[str]]:
    """As ``/readyz`` shows them."""
    return Conditions(reloading.objects, dict).troubles()


def test_all_are_told_and_each_failure_is_its_own() -> None:
    """In the plugin's words where it has some; the next time that succeeds ends it."""
    good, bad, broken = Vault(), Vault(ManifestError("file:opa.token: no such file")), Vault(KeyError("sesame"))
    reloading = Reloads([("audit", good), ("opa", bad), ("other", broken), ("keys", object())])
    asyncio.run(reloading.run())
    assert troubles(reloading) == {
        "opa": ["its secrets stay as they were: file:opa.token: no such file"],
        "other": ["its secrets stay as they were: KeyError"],
    }
    bad.error = None
    asyncio.run(reloading.run())
    assert list(troubles(reloading)) == ["other"]
    assert (good.times, bad.times, broken.times) == (2, 2, 2)


def test_whoever_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and said."""
    monkeypatch.setattr(reloads, "DEADLINE_S", 0.01)
    good = Vault()
    reloading = Reloads([("hanging", Hanging()), ("audit", good)])
    asyncio.run(reloading.run())
    assert troubles(reloading) == {"hanging": ["its secrets stay as they were: no end within 0.01 s"]}
    assert good.times == 1


def test_nobody_reloads_twice_at_a_time() -> None:
    """Two signals in a row are two times, one after the other."""
    vault = Vault()

    async def scenario() -> None:
        reloading = Reloads([("audit", vault)])
        await asyncio.gather(reloading.run(), reloading.run(), reloading.run())

    asyncio.run(scenario())
    assert (vault.times, vault.most) == (3, 1)
