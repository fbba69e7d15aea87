"""``guardrails``: checks of what goes into models and comes out of them, by rules of ``plugins.toml``.

Only hook implementations stand here; what judges is imported when a gateway makes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield.errors import ManifestError
from jackfield_guardrails.config import GuardrailsConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.guardrail import Asking, Guardrail, GuardrailFactory
    from jackfield_guardrails.rules import AnyRule

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_config() -> type[GuardrailsConfig]:
    """``[config.guardrails]``."""
    return GuardrailsConfig


@hookimpl
def jackfield_guardrails(instance: PluginInstance) -> Mapping[str, GuardrailFactory]:
    """A guardrail for each rule, under the rule's name, in the order of the table."""
    from jackfield_guardrails.placeholders import Placeholders

    in_force = instance.config(GuardrailsConfig).in_force()
    placeholders = Placeholders()

    def factory(name: str, rule: AnyRule) -> GuardrailFactory:
        def make(asking: Asking) -> Guardrail:
            try:
                from jackfield_guardrails.building import Builder  # needs re2, and only a gateway needs it
            except ImportError as error:
                raise ManifestError(
                    f"plugin {instance.name} needs google-re2 ({error}): pip install 'jackfield[guardrails]'"
                ) from error
            return Builder(instance, placeholders).guardrail(name, in_force, rule, asking)

        return make

    return {name: factory(name, rule) for name, rule in in_force.items()}
