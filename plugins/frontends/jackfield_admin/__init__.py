"""Routes for whoever runs the server, ``/admin/v1/*``: each needs a principal with its scope, on loopback too.

Only hook implementations stand here; the HTTP side is imported when a gateway asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.frontend import Frontend, FrontendFactory, Gateway

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_frontends(instance: PluginInstance) -> Mapping[str, FrontendFactory]:
    """One frontend, under the instance's name."""

    def make(gateway: Gateway) -> Frontend:
        from jackfield_admin.frontend import AdminFrontend  # aiohttp: only a gateway needs it

        return AdminFrontend(gateway)

    return {instance.name: make}
