"""Policies in Cedar, evaluated in this process.

Only hook implementations stand here; what evaluates is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_cedar.config import CedarConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.check import Check, CheckFactory
    from jackfield.ports.policy import PolicyEngine, PolicyEngineFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[CedarConfig]:
    """``[config.cedar]``."""
    return CedarConfig


@hookimpl
def jackfield_policies(instance: PluginInstance) -> Mapping[str, PolicyEngineFactory]:
    """One engine under the instance's name."""
    config = instance.config(CedarConfig)

    def make() -> PolicyEngine:
        from jackfield.errors import PluginError

        try:
            from jackfield_cedar.engine import engine  # only a gateway needs it
        except ImportError as error:
            raise PluginError(f"plugin {instance.name} needs cedarpy ({error}): pip install 'jackfield[cedar]'") from (
                error
            )
        return engine(instance.name, instance.path(config.policies), config)

    return {instance.name: make}


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the policies can be used."""
    config = instance.config(CedarConfig)

    def make() -> Check:
        from jackfield_cedar.checks import PoliciesCheck

        return PoliciesCheck(instance.name, instance.path(config.policies), config)

    return {f"{instance.name} policies": make}
