"""``ngram``: the plugin. The model is imported when a worker asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.backend import Backend, BackendFactory

JACKFIELD_API = (0, 1)


class NgramConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.ngram]``."""

    order: int = 6
    """Bytes that are looked back at, 1 to 16."""

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 16:
            raise ValueError("order must be between 1 and 16")


@hookimpl
def jackfield_config() -> type[NgramConfig]:
    """Its options."""
    return NgramConfig


@hookimpl
def jackfield_backends(instance: PluginInstance) -> Mapping[str, BackendFactory]:
    """One backend, under the instance's name."""

    def make() -> Backend:
        from jackfield_sample.ngram_backend import NgramBackend  # numpy: only a worker needs it

        return NgramBackend(lambda spec: instance.config(NgramConfig, spec.options, key=f"models.{spec.name}.options"))

    return {instance.name: make}
