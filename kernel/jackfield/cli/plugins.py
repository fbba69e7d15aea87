"""``jackfield plugins``: list, info, enable, disable."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from jackfield.cli.complete import complete_plugins
from jackfield.cli.errors import warn
from jackfield.cli.options import file_option, json_option
from jackfield.cli.settings import shown_options
from jackfield.cli.tables import print_table
from jackfield.errors import JackfieldError, ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tomlkit.items import Array

    from jackfield.manifest import Manifest
    from jackfield.plugin_instance import PluginInstance
    from jackfield.plugins import Kernel


class PluginRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of ``plugins list``."""

    name: str
    """Of the instance; of the plugin where no instance is on."""
    plugin: str
    state: Literal["on", "default", "off"]
    """default: on without having been asked for, because its socket must not stay empty."""
    distribution: str
    hooks: Sequence[str] | None = None
    """None where the plugin was not loaded."""
    behind: str = ""
    """The instance listed before it whose scheduler or constraint engine is used instead of its own."""


class PluginChange(msgspec.Struct, frozen=True):
    """What ``plugins enable`` or ``plugins disable`` did."""

    name: str
    state: Literal["on", "off"]
    """From the next start."""
    file: str
    changed: bool
    """False where it was so already."""


@click.group("plugins")
def command() -> None:
    """See what is installed, and turn plugins on and off.

    \b
    Examples:
      jackfield plugins list
      jackfield plugins enable prometheus
    """  # noqa: D301  \b is click's mark against wrapping


@command.command("list")
@file_option
@json_option
def list_(file: Path | None, *, as_json: bool) -> None:
    """List all installed plugins. Plugins that are off are not imported.

    \b
    Examples:
      jackfield plugins list
      jackfield plugins list --config staging.toml --json
    """  # noqa: D301  \b is click's mark against wrapping
    rows = _rows(file)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return
    cells = [(row.name, row.plugin, _state(row), row.distribution, _hooks(row)) for row in rows]
    print_table(("NAME", "PLUGIN", "STATE", "FROM", "HOOKS"), cells)


@command.command()
@click.argument("name", shell_complete=complete_plugins)
@file_option
@json_option
def info(name: str, file: Path | None, *, as_json: bool) -> None:
    """Show one plugin: where it comes from, its hooks, its options.

    \b
    Example:
      jackfield plugins info openai
    """  # noqa: D301  \b is click's mark against wrapping
    row = next((row for row in _rows(file) if name in (row.name, row.plugin)), None)
    if row is None:
        raise _nobody_provides(name)
    options = _options(row, file) if row.state != "off" else {}
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode({**msgspec.to_builtins(row), "options": options}), indent=2))
        return
    facts = {
        "name": row.name,
        "plugin": row.plugin,
        "state": _state(row),
        "from": row.distribution,
        "hooks": _hooks(row),
    }
    for label, text in facts.items():
        click.echo(f"{label:<8}  {text}")
    for key, value in options.items():
        click.echo(f"{'option':<8}  {key} = {value}")


@command.command()
@click.argument("name", shell_complete=complete_plugins)
@file_option
@json_option
def enable(name: str, file: Path | None, *, as_json: bool) -> None:
    """Turn a plugin on: add NAME to plugins.toml.

    NAME is an installed plugin, INSTANCE=PLUGIN for a further instance of it, or the path of a .py file.

    \b
    Examples:
      jackfield plugins enable prometheus
      jackfield plugins enable ./my_plugin.py
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.manifest_edit import edit_enabled, enabled_entries
    from jackfield.manifest_layers import FILE_NAME

    target = file or Path(FILE_NAME)

    changed = name not in enabled_entries(target)
    if changed:
        edit_enabled(target, lambda listed: listed.append(name), partial(_check_use, name))
    text = f"{name} is on in {target}; it runs from the next start" if changed else f"{name} is on already"
    _tell(PluginChange(name, "on", str(target), changed), text, as_json=as_json)


@command.command()
@click.argument("name", shell_complete=complete_plugins)
@file_option
@json_option
def disable(name: str, file: Path | None, *, as_json: bool) -> None:
    """Turn a plugin off: remove NAME from plugins.toml.

    \b
    Example:
      jackfield plugins disable prometheus
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.manifest_edit import edit_enabled
    from jackfield.manifest import suggestion
    from jackfield.manifest_layers import FILE_NAME

    target = file or Path(FILE_NAME)

    def change(listed: Array) -> None:
        for entry in list(listed):
            if name in (entry, _instance_name(str(entry))):
                listed.remove(entry)
                return
        raise ManifestError(f"{target.name}: {name} is not enabled{suggestion(name, tuple(map(str, listed)))}")

    try:
        edit_enabled(target, change, lambda _: None)
    except ManifestError as error:
        if error.param != f"config.{name}":
            raise
        place = error.message.partition(": ")[0]
        raise ManifestError(
            f"{place}: remove the table [config.{name}] first: it has no meaning without {name}"
        ) from error
    text = f"{name} is off in {target}; it stops with the next start"
    _tell(PluginChange(name, "off", str(target), changed=True), text, as_json=as_json)


def _check_use(name: str, manifest: Manifest) -> None:
    """Raise if *manifest* cannot be used; warn if the plugin *name*, which is new in it, will not be."""
    from jackfield.cli.kernel import build_kernel

    before = build_kernel(manifest).behind().get(_instance_name(name))
    if before is not None:
        warn(f"{before} is listed before {name} and used instead of it: jackfield plugins disable {before}")


def _instance_name(entry: str) -> str:
    """What ``plugins list`` calls an entry of ``enabled``: ``mine`` for ``mine=other`` and for ``./mine.py``."""
    name, equals, _ = entry.partition("=")
    return Path(name).stem if name.endswith(".py") and not equals else name


def _tell(change: PluginChange, text: str, *, as_json: bool) -> None:
    click.echo(msgspec.json.encode(change).decode() if as_json else text)


def _rows(file: Path | None) -> list[PluginRow]:
    from jackfield.cli.kernel import build_kernel
    from jackfield.manifest_layers import load_manifest

    manifest = load_manifest(file)
    try:
        kernel = build_kernel(manifest)
    except JackfieldError as error:
        warn(f"hooks are not shown: {error.message}")
        rows = _unloaded_rows(manifest)
    else:
        behind = kernel.behind()
        rows = [_loaded_row(kernel, instance, behind.get(instance.name, "")) for instance in kernel.instances]
    return rows + _off_rows({row.plugin for row in rows})


def _loaded_row(kernel: Kernel, instance: PluginInstance, behind: str) -> PluginRow:
    return PluginRow(
        name=instance.name,
        plugin=instance.plugin,
        state="default" if instance.defaulted else "on",
        distribution=instance.distribution,
        hooks=kernel.hooks_of(instance),
        behind=behind,
    )


def _unloaded_rows(manifest: Manifest) -> list[PluginRow]:
    owners = _owners()
    return [
        PluginRow(name=ref.name, plugin=ref.plugin, state="on", distribution=owners.get(ref.plugin, "?"))
        for ref in manifest.enabled
    ]


def _off_rows(on: set[str]) -> list[PluginRow]:
    return [
        PluginRow(name=name, plugin=name, state="off", distribution=owner)
        for name, owner in sorted(_owners().items())
        if name not in on
    ]


def _owners() -> Mapping[str, str]:
    """Entry-point name → the distributions that provide it."""
    from jackfield.plugin_modules import installed_plugins

    return {
        name: ", ".join(sorted({f"{entry.dist.name} {entry.dist.version}" for entry in entries if entry.dist}))
        for name, entries in installed_plugins().items()
    }


def _options(row: PluginRow, file: Path | None) -> Mapping[str, object]:
    from jackfield.cli.kernel import build_kernel
    from jackfield.manifest_layers import load_manifest

    kernel = build_kernel(load_manifest(file))
    return shown_options(kernel, next(instance for instance in kernel.instances if instance.name == row.name))


def _nobody_provides(name: str) -> ManifestError:
    from jackfield.manifest import suggestion

    return ManifestError(f"no installed package provides the plugin {name!r}{suggestion(name, tuple(_owners()))}")


def _state(row: PluginRow) -> str:
    return f"{row.state}, behind {row.behind}" if row.behind else row.state


def _hooks(row: PluginRow) -> str:
    if row.hooks is None:
        return "not loaded"
    return ", ".join(hook.removeprefix("jackfield_") for hook in row.hooks)
