"""The OpenAI dialect: ``/v1/models``, ``/v1/chat/completions``, ``/v1/completions``.

Only hook implementations stand here; the HTTP side is imported when a gateway asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_openai.config import OpenAIConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.frontend import Frontend, FrontendFactory, Gateway

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[OpenAIConfig]:
    """``[config.openai]``."""
    return OpenAIConfig


@hookimpl
def jackfield_frontends(instance: PluginInstance) -> Mapping[str, FrontendFactory]:
    """One frontend, under the instance's name."""
    config = instance.config(OpenAIConfig)

    def make(gateway: Gateway) -> Frontend:
        from jackfield_openai.frontend import OpenAIFrontend  # aiohttp: only a gateway needs it

        return OpenAIFrontend(gateway, config)

    return {instance.name: make}
