"""Limits and budgets: requests, tokens, money and places, for whoever a rule is about.

Only hook implementations stand here; what counts is imported when a gateway asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_limits.config import LimitsConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.limiter import Limiter, LimiterFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[LimitsConfig]:
    """``[config.limits]``."""
    return LimitsConfig


@hookimpl
def jackfield_limiters(instance: PluginInstance) -> Mapping[str, LimiterFactory]:
    """One limiter, under the instance's name."""
    config = instance.config(LimitsConfig)

    def make() -> Limiter:
        from jackfield.errors import PluginError

        try:
            from jackfield_limits.limiter import made
        except ImportError as error:
            raise PluginError(
                f"plugin {instance.name} needs limits and redis ({error}): pip install 'jackfield[limits]'"
            ) from error
        return made(instance, config)

    return {instance.name: make}
