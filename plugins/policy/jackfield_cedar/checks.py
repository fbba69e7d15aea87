"""What ``jackfield doctor`` finds out about policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import ManifestError
from jackfield.ports.check import CheckResult

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield_cedar.config import CedarConfig


class PoliciesCheck:
    """See ``jackfield.ports.check.Check``: can the policies be used, and are there cases?

    Parameters:
        name: The plugin instance's.
        folder: Where they are.
        config: The instance's options.
    """

    def __init__(self, name: str, folder: Path, config: CedarConfig) -> None:
        self._name = name
        self._folder = folder
        self._config = config

    def run(self) -> CheckResult:
        """Read them."""
        shown = self._config.policies
        try:
            from jackfield_cedar.folder import read_folder
            from jackfield_cedar.policies import Policies
            from jackfield_cedar.schema import schema
        except ImportError:
            fix = "pip install 'jackfield[cedar]'"
            return CheckResult(level="error", message=f"plugin {self._name} needs cedarpy", fix=fix)
        try:
            contents = read_folder(self._folder, shown)
            policies = Policies(contents.policies, contents.cases, schema(self._config.actions))
        except (ManifestError, ValueError) as error:
            message = str(error) if str(error).startswith(shown) else f"{shown}: {error}"
            return CheckResult(level="error", message=message, fix="correct the policies")
        count, cases = len(policies.rules), len(policies.test())
        message = f"{shown}: {count} policies, {cases} cases"
        if not cases:
            fix = f"write {shown}/cases.json: a change that breaks a case is not taken over"
            return CheckResult(level="warn", message=message, fix=fix)
        return CheckResult(level="ok", message=message)
