"""The Anthropic dialect: ``/v1/messages``, ``/v1/messages/count_tokens``.

Only hook implementations stand here; the HTTP side is imported when a gateway asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_anthropic.config import AnthropicConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.frontend import Frontend, FrontendFactory, Gateway

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[AnthropicConfig]:
    """``[config.anthropic]``."""
    return AnthropicConfig


@hookimpl
def jackfield_frontends(instance: PluginInstance) -> Mapping[str, FrontendFactory]:
    """One frontend, under the instance's name."""
    config = instance.config(AnthropicConfig)

    def make(gateway: Gateway) -> Frontend:
        from jackfield_anthropic.frontend import AnthropicFrontend  # aiohttp: only a gateway needs it

        return AnthropicFrontend(gateway, config)

    return {instance.name: make}
