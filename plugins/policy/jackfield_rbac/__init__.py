"""``rbac``: what roles bring, as its options and the policy store say.

Only hook implementations stand here; the book of roles is imported when a gateway asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_rbac.config import RbacConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.roles import RoleBook, RoleBookFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[RbacConfig]:
    """``[config.rbac]``."""
    return RbacConfig


@hookimpl
def jackfield_roles(instance: PluginInstance) -> Mapping[str, RoleBookFactory]:
    """One book of roles, under the instance's name."""

    def make() -> RoleBook:
        from jackfield_rbac.book import Roles  # only a gateway needs it

        return Roles(instance.config(RbacConfig).roles)

    return {instance.name: make}
