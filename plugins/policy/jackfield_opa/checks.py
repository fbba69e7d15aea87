"""What ``jackfield doctor`` finds out about policies in Rego."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jackfield.errors import JackfieldError
from jackfield.ports.check import CheckResult
from jackfield_opa.canned import CANNED
from jackfield_opa.engines import engine

if TYPE_CHECKING:
    from jackfield import PluginInstance
    from jackfield_opa.config import OpaConfig


class PoliciesCheck:
    """See ``jackfield.ports.check.Check``: can the policies be used, and does somebody answer?

    Parameters:
        instance: The plugin.
        config: Its options.
    """

    def __init__(self, instance: PluginInstance, config: OpaConfig) -> None:
        self._instance = instance
        self._config = config

    def run(self) -> CheckResult:
        """Make the engine as a gateway does, and ask it something."""
        try:
            asyncio.run(self._ask())
        except JackfieldError as error:
            fix = "correct the policies" if self._config.mode == "embedded" else "start OPA, or correct url"
            return CheckResult(level="error", message=error.message, fix=fix)
        if self._config.fail == "open":
            fix = f'set config.{self._instance.name}.fail to "closed"'
            return CheckResult(level="warn", message="what cannot be decided is allowed", fix=fix)
        where = self._config.policies if self._config.mode == "embedded" else self._config.url
        return CheckResult(level="ok", message=f"{where} decides")

    async def _ask(self) -> None:
        made = engine(self._instance, self._config)
        try:
            await made.decide(next(iter(CANNED.values())))
        finally:
            await made.close()
