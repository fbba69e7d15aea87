"""Options of ``[config.cedar]``."""

from __future__ import annotations

import msgspec

from jackfield.ports.identity import SCOPE


class CedarConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the policies are."""

    policies: str = "policies/cedar"
    """Folder with policies (`*.cedar`) and the cases that they must decide (`cases.json`); followed while the server
    runs. Relative paths start at the folder of `plugins.toml`."""
    store: bool = False
    """Documents of the policy store (kind `cedar`) replace `policies` as soon as there are some."""
    actions: tuple[str, ...] = ()
    """Scopes of other plugins' routes, besides the server's own: policies may name no others."""

    def __post_init__(self) -> None:
        if not self.policies:
            raise ValueError("policies must not be empty")
        for action in self.actions:
            if not SCOPE.match(action):
                raise ValueError(f"actions: {action[:64]!r} is not a scope")
