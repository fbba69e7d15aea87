"""Options of ``[config.rbac]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from jackfield.ports.identity import SCOPE

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,63}\Z")
"""What roles may be called."""

ROLES_MAX: Final = 1000
"""More roles than that are people."""

LIST_MAX: Final = 1000
"""Most scopes, and most models, of one role."""

TEXT_MAX: Final = 200
"""Longest name of a model, in characters."""

ALL_MODELS: Final = "*"


class Role(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one role brings, besides what a credential has itself."""

    scopes: tuple[str, ...] = ()
    """Which routes it opens: ``generate``, ``models:read``, ``keys:write``, …; ``*`` is all."""
    models: tuple[str, ...] = ()
    """Names or aliases of models; ``*`` is all."""

    def __post_init__(self) -> None:
        if not all(map(SCOPE.match, self.scopes)):
            raise ValueError("scopes must be a list of words such as generate or models:read")
        for model in self.models:
            if not 0 < len(model) <= TEXT_MAX or not model.isprintable():
                raise ValueError(f"models must be printable texts of at most {TEXT_MAX} characters")
        if max(len(self.scopes), len(self.models)) > LIST_MAX:
            raise ValueError(f"a role has at most {LIST_MAX} scopes and {LIST_MAX} models")


class RbacConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which roles there are."""

    roles: Mapping[str, Role] = {}
    """What each role brings, by its name: its ``scopes``, and its ``models``. Documents of the kind ``role`` in the
    policy store are roles too, and replace those of the same name."""

    def __post_init__(self) -> None:
        if len(self.roles) > ROLES_MAX:
            raise ValueError(f"there are more than {ROLES_MAX} roles")
        for name in self.roles:
            if not NAME.match(name):
                raise ValueError(f"roles: {name!r} must be letters, digits and . _ : @ / - (at most 64)")
