"""What ``jackfield doctor`` finds out about issuers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError
from jackfield.ports.check import CheckResult
from jackfield_oidc.key_set import UnusableKeys
from jackfield_oidc.key_source import source
from jackfield_oidc.revocations import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield_oidc.config import IssuerOptions, OidcConfig

WAIT_S: Final = 10.0
"""For all issuers together."""

_MESSAGE_MAX: Final = 250


class IssuersCheck:
    """See ``jackfield.ports.check.Check``: are there keys, and can the list of revocations be read?

    Parameters:
        name: Of the instance.
        config: Its options.
        path: Where files are.
    """

    def __init__(self, name: str, config: OidcConfig, path: Callable[[str], Path]) -> None:
        self._name = name
        self._config = config
        self._path = path

    def run(self) -> CheckResult:
        """Fetch all keys once."""
        if not self._config.issuers:
            fix = f"name an issuer in plugins.toml: [config.{self._name}.issuers.NAME] with url and audiences"
            return CheckResult(level="error", message="no issuer", fix=fix)
        try:
            if self._config.revocations:
                read(self._path(self._config.revocations))
        except ManifestError as error:
            return CheckResult(level="error", message=error.message[:_MESSAGE_MAX], fix="correct the file")
        found = asyncio.run(self._all())
        bad = [f"{name}: {fault}" for name, fault in found.items() if fault]
        if bad:
            fix = "see that the issuer can be reached from here, and its table's url and outbound in plugins.toml"
            return CheckResult(level="error", message="; ".join(bad)[:_MESSAGE_MAX], fix=fix)
        return CheckResult(level="ok", message=f"keys of {', '.join(found)}"[:_MESSAGE_MAX])

    async def _all(self) -> dict[str, str]:
        """What is wrong with each issuer; empty where nothing is."""
        issuers = self._config.issuers
        faults = await asyncio.gather(*(self._one(each) for each in issuers.values()))
        return dict(zip(issuers, faults, strict=True))

    async def _one(self, options: IssuerOptions) -> str:
        try:
            keys = source(options, self._path)
        except ManifestError as error:
            return error.message
        try:
            async with asyncio.timeout(WAIT_S):
                await keys.fetch()
        except UnusableKeys as error:
            return str(error)
        except TimeoutError:
            return f"no answer within {WAIT_S:g} s"
        finally:
            await keys.close()
        return ""
