"""Every setting in use, as it may be shown: secrets are three stars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.cli.errors import warn
from jackfield.errors import JackfieldError
from jackfield.secret import HIDDEN, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.manifest import Manifest, ModelConfig
    from jackfield.plugin_instance import PluginInstance
    from jackfield.plugins import Kernel


def shown_tables(manifest: Manifest) -> Mapping[str, Mapping[str, object]]:
    """All values by table, in the order of a manifest; plugins' defaults included where the plugins load.

    Where they do not, nobody knows which of their options are secrets: all texts among them are hidden.
    """
    enabled = [ref.name if ref.name == ref.plugin else f"{ref.name}={ref.plugin}" for ref in manifest.enabled]
    tables: dict[str, Mapping[str, object]] = {"": {"enabled": enabled}, "kernel": msgspec.to_builtins(manifest.kernel)}
    kernel = _kernel(manifest)
    if kernel is None:
        tables |= {f"config.{name}": _hidden_table(table) for name, table in manifest.config.items()}
    else:
        tables |= {f"config.{each.name}": shown for each in kernel.instances if (shown := shown_options(kernel, each))}
    for name, model in manifest.models.items():
        tables[f"models.{name}"] = {
            **msgspec.to_builtins(model, enc_hook=show),
            "options": _model_options(kernel, name, model),
        }
    return tables


def shown_options(kernel: Kernel, instance: PluginInstance) -> Mapping[str, object]:
    """The options of *instance*, defaults included; empty where it takes none."""
    struct = kernel.config_structs().get(instance.name)
    options: Mapping[str, object] = (
        {} if struct is None else msgspec.to_builtins(instance.config(struct), enc_hook=show)
    )
    return options


def _kernel(manifest: Manifest) -> Kernel | None:
    from jackfield.cli.kernel import build_kernel

    try:
        return build_kernel(manifest)
    except JackfieldError as error:
        warn(f"options that plugins would add are missing: {error.message}")
        return None


def _model_options(kernel: Kernel | None, name: str, model: ModelConfig) -> Mapping[str, object]:
    """Those that the manifest gives, as the backend's plugin understands them."""
    try:
        owner = kernel.backend_owners().get(model.backend) if kernel is not None else None
        struct = kernel.config_structs().get(owner.name) if kernel is not None and owner is not None else None
        if owner is None or struct is None:
            return _hidden_table(model.options)
        options = msgspec.to_builtins(owner.config(struct, model.options, key=f"models.{name}.options"), enc_hook=show)
    except JackfieldError:
        return _hidden_table(model.options)
    return {key: options[key] for key in model.options}


def _hidden_table(table: Mapping[str, object]) -> Mapping[str, object]:
    return {key: _hidden(value) for key, value in table.items()}


def _hidden(value: object) -> object:
    """*value* without its texts: numbers and switches are no secrets."""
    if isinstance(value, dict):
        return _hidden_table(value)
    if isinstance(value, list):
        return [_hidden(each) for each in value]
    return HIDDEN if isinstance(value, str) else value
