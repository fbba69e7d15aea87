"""llama-server's own routes: ``/completion``, ``/infill``, ``/tokenize``, ``/rerank``, ``/props``, ``/slots``, ….

Only hook implementations stand here; the HTTP side is imported when a gateway asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_llamacpp.config import LlamaCppConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.frontend import Frontend, FrontendFactory, Gateway

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[LlamaCppConfig]:
    """``[config.llamacpp]``."""
    return LlamaCppConfig


@hookimpl
def jackfield_frontends(instance: PluginInstance) -> Mapping[str, FrontendFactory]:
    """One frontend, under the instance's name."""
    config = instance.config(LlamaCppConfig)

    def make(gateway: Gateway) -> Frontend:
        from jackfield_llamacpp.frontend import LlamaCppFrontend  # aiohttp: only a gateway needs it

        return LlamaCppFrontend(gateway, config)

    return {instance.name: make}
