"""``jackfield config``: show, check, schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from jackfield.cli.options import file_option, json_option, manifest_options
from jackfield.cli.settings import shown_tables
from jackfield.errors import PluginError
from jackfield.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.plugins import Kernel


@click.group("config")
def command() -> None:
    """Show and check the configuration.

    \b
    Examples:
      jackfield config show --origin
      jackfield config check
    """  # noqa: D301  \b is click's mark against wrapping


@command.command()
@manifest_options
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@json_option
def show(file: Path | None, sets: tuple[str, ...], *, origin: bool, as_json: bool) -> None:
    """Print every setting in use.

    \b
    Later layers win:
      packaged defaults < plugins.toml < JACKFIELD__SECTION__KEY < --set section.key=value

    \b
    Examples:
      jackfield config show --origin
      JACKFIELD__KERNEL__QUEUE=8 jackfield config show --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.manifest_layers import load_manifest, origin_of

    manifest = load_manifest(file, sets=sets)
    tables = shown_tables(manifest)
    if as_json:
        values = {
            f"{table}.{key}" if table else key: {"value": value, "origin": origin_of(manifest, _path(table, key))}
            for table, rows in tables.items()
            for key, value in rows.items()
        }
        click.echo(msgspec.json.format(msgspec.json.encode(values), indent=2))
        return
    for table, rows in tables.items():
        if table:
            click.echo(f"\n{click.style(_header(table), bold=True)}")
        for key, value in rows.items():
            place = click.style(f"  # {origin_of(manifest, _path(table, key))}", dim=True) if origin else ""
            click.echo(f"{_line(key, value)}{place}")


@command.command()
@manifest_options
@json_option
def check(file: Path | None, sets: tuple[str, ...], *, as_json: bool) -> None:
    """Load the manifest and every enabled plugin, check all options and make all parts, without serving.

    Plugins run in a process of their own: one that crashes or hangs is an error like any other.

    \b
    Examples:
      jackfield config check
      jackfield config check --config staging.toml --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.manifest_layers import load_manifest
    from jackfield.trial.messages import Rehearse, Rehearsed
    from jackfield.trial.run import only_word

    manifest = load_manifest(file, sets=sets)
    word = only_word(Rehearse(manifest.dump()), "loading the plugins")
    plugins = word.plugins if isinstance(word, Rehearsed) else ()
    if as_json:
        click.echo(msgspec.json.encode({"ok": True, "plugins": plugins, "models": list(manifest.models)}))
        return
    name = Path(manifest.file).name if manifest.file else "the packaged configuration"
    click.echo(f"{name} is fine: plugins {', '.join(plugins)}; models {', '.join(manifest.models)}")


@command.command()
@file_option
def schema(file: Path | None) -> None:
    """Print the JSON Schema of plugins.toml, with the options of the enabled plugins.

    \b
    Example:
      jackfield config schema > plugins.schema.json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.kernel import build_kernel
    from jackfield.manifest_layers import load_manifest

    document = _schema(build_kernel(load_manifest(file)))
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))


def _schema(kernel: Kernel) -> Mapping[str, object]:
    from jackfield.manifest import KernelConfig, ModelConfig

    structs = kernel.config_structs()
    types = [KernelConfig, ModelConfig, *structs.values()]
    try:
        schemas, components = msgspec.json.schema_components(
            types, schema_hook=_foreign_schema, ref_template="#/$defs/{name}"
        )
    except TypeError as error:
        raise PluginError(f"a plugin's option has a default that no schema can show: {error}") from error
    kernel_schema, model_schema, *options = schemas
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "plugins.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "enabled": {"type": "array", "items": {"type": "string"}},
            "kernel": kernel_schema,
            "config": {
                "type": "object",
                "additionalProperties": False,
                "properties": dict(zip(structs, options, strict=True)),
            },
            "models": {"type": "object", "additionalProperties": model_schema},
        },
        "$defs": components,
    }


def _foreign_schema(kind: type) -> dict[str, Any]:
    return {"type": "string", "writeOnly": True} if kind is Secret else {"description": "a value of any kind"}


def _path(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key


def _header(table: str) -> str:
    section, dot, name = table.partition(".")
    return f"[{section}.{_toml_key(name)}]" if dot else f"[{section}]"


def _toml_key(key: str) -> str:
    import tomlkit

    return str(tomlkit.key(key).as_string())


def _line(key: str, value: object) -> str:
    """One of a table; TOML has no word for what is not set."""
    return f"# {_toml_key(key)} is not set" if value is None else f"{_toml_key(key)} = {_toml(value)}"


def _toml(value: object) -> str:
    import tomlkit

    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        inline.update(value)
        return inline.as_string()
    return str(tomlkit.item(value).as_string())
