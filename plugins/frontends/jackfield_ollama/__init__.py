"""The Ollama dialect: ``/api/chat``, ``/api/generate``, ``/api/embed`` and the routes about models.

Only hook implementations stand here; the HTTP side is imported when a gateway asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_ollama.config import OllamaConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.frontend import Frontend, FrontendFactory, Gateway

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[OllamaConfig]:
    """``[config.ollama]``."""
    return OllamaConfig


@hookimpl
def jackfield_frontends(instance: PluginInstance) -> Mapping[str, FrontendFactory]:
    """One frontend, under the instance's name."""
    config = instance.config(OllamaConfig)

    def make(gateway: Gateway) -> Frontend:
        from jackfield_ollama.frontend import OllamaFrontend  # aiohttp: only a gateway needs it

        return OllamaFrontend(gateway, config)

    return {instance.name: make}
