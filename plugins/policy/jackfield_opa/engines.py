"""From options to an engine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from jackfield.errors import PluginError
from jackfield_opa.failure import FailurePolicy

if TYPE_CHECKING:
    from jackfield import PluginInstance
    from jackfield.ports.policy import PolicyEngine
    from jackfield_opa.config import OpaConfig


def engine(instance: PluginInstance, config: OpaConfig) -> PolicyEngine:
    """The engine that *config* asks for.

    Raises:
        ManifestError: Its policies, certificates or token cannot be used.
        PluginError: What it needs is not installed.
    """
    failure = FailurePolicy(instance.name, config.fail)
    if config.mode == "server":
        from jackfield_opa.server import ServerEngine

        reference = config.token
        token = (lambda: instance.secret(reference)) if reference is not None else None
        return ServerEngine(instance.name, config, instance.path(config.ca) if config.ca else None, token, failure)
    if find_spec("regopy") is None:
        raise PluginError("Rego is evaluated by regopy, which is not installed: pip install jackfield[opa]")
    from jackfield_opa.embedded import EmbeddedEngine
    from jackfield_opa.governed import GovernedEngine
    from jackfield_opa.sources import PolicySource

    kind = GovernedEngine if config.store else EmbeddedEngine
    return kind(instance.name, config, PolicySource(instance.path(config.policies), config.policies), failure)
