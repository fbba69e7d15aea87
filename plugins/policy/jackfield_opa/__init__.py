"""Policies in Rego: asked of an OPA server, or evaluated in processes of our own.

Only hook implementations stand here; what evaluates is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_opa.config import OpaConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.check import Check, CheckFactory
    from jackfield.ports.policy import PolicyEngine, PolicyEngineFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[OpaConfig]:
    """``[config.opa]``."""
    return OpaConfig


@hookimpl
def jackfield_policies(instance: PluginInstance) -> Mapping[str, PolicyEngineFactory]:
    """One engine under the instance's name."""
    config = instance.config(OpaConfig)

    def make() -> PolicyEngine:
        from jackfield_opa.engines import engine  # only a gateway needs it

        return engine(instance, config)

    return {instance.name: make}


@hookimpl
def jackfield_checks(instance: PluginInstance) -> Mapping[str, CheckFactory]:
    """Whether the policies can be used, or OPA answers."""
    config = instance.config(OpaConfig)

    def make() -> Check:
        from jackfield_opa.checks import PoliciesCheck

        return PoliciesCheck(instance, config)

    return {f"{instance.name} policies": make}
