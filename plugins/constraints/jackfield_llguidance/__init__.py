"""``llguidance``: structured output through the library of that name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl
from jackfield_llguidance.config import LlguidanceConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from jackfield import PluginInstance
    from jackfield.ports.constraint import ConstraintEngine, ConstraintEngineFactory
    from jackfield.ports.tokenizer import Tokenizer


@hookimpl
def jackfield_config() -> type[msgspec.Struct]:
    """Its options."""
    return LlguidanceConfig


@hookimpl
def jackfield_constraints(instance: PluginInstance) -> Mapping[str, ConstraintEngineFactory]:
    """One engine, under the instance's name."""

    def make(tokenizer: Tokenizer) -> ConstraintEngine:
        from jackfield.errors import PluginError

        try:
            from jackfield_llguidance.engine import LlguidanceEngine
        except ImportError as error:
            raise PluginError(
                f"plugin {instance.name} needs llguidance ({error}): pip install 'jackfield[llama]'"
            ) from error
        return LlguidanceEngine(tokenizer, instance.config(LlguidanceConfig))

    return {instance.name: make}
