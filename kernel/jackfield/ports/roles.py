"""Roles: what a caller may by its roles.

``jackfield_roles`` hands over factories of ``RoleBook``. An authenticator says which roles a principal has; the
books say what scopes and models they bring, besides those that the principal's credential has itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    from jackfield.ports.identity import Principal


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """What roles bring."""

    scopes: frozenset[str] = frozenset()
    models: frozenset[str] | None = frozenset()
    """Names or aliases of models; None is all. A principal without models of its own may use these."""


class RoleBook(Protocol):
    """Knows roles."""

    def grants(self, principal: Principal) -> Grants:
        """What *principal*'s roles bring it; a role that nobody knows brings nothing.

        Process and thread: gateway, event loop thread. Deadline: 1 ms; slower calls are counted, and logged by name at
        most once a minute. Failure policy: closed; the request is refused with 503.
        """
        ...


RoleBookFactory: TypeAlias = Callable[[], RoleBook]
"""What ``jackfield_roles`` hands over; raises ``ManifestError`` or ``PluginError`` to refuse the start."""
