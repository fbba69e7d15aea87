"""What authors tell the kits: tables by plugin, from their files, from the command line and from their functions."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any, Final

import msgspec
import tomli

from jackfield.errors import ManifestError, PluginError
from jackfield.manifest import suggestion
from jackfield.testing.kits import KITS, OWN_TABLES
from jackfield.verification.records import Settings, Tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TABLES: Final = tuple(sorted(OWN_TABLES.union(kit.table for kit in KITS if kit.table is not None)))
"""Names that a plugin's tables can have."""


def checked(tree: object, where: str, plugins: Sequence[str] | None = None) -> Settings:
    """*tree* as tables by plugin.

    Parameters:
        tree: What was read.
        where: For messages: the file.
        plugins: Names that may appear; None where the file may be about others, too.

    Raises:
        ManifestError: It has another shape, or names a plugin or a table that there is not.
    """
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise ManifestError(f"{where}: what a kit is told stands in tables PLUGIN.TABLE: {error}") from error
    for plugin, tables in settings.items():
        if plugins is not None and plugin not in plugins:
            raise ManifestError(f"{where}: there is no plugin {plugin}{suggestion(plugin, tuple(plugins))}")
        _check_tables(plugin, tables, where)
    return settings


def with_options(settings: Settings, options: Sequence[str], plugins: Sequence[str]) -> Settings:
    """*settings* with what the command line says: ``PLUGIN.TABLE.KEY=VALUE``, the value as TOML or as it stands.

    Raises:
        ManifestError: An option is not of that form, or names a plugin or a table that there is not.
    """
    for option in options:
        key, equals, text = option.partition("=")
        parts = key.strip().split(".", 2)
        if not equals or len(parts) != 3 or not all(parts):  # noqa: PLR2004 - plugin, table and key
            raise ManifestError(f"--option {key}: must be PLUGIN.TABLE.KEY=VALUE")
        try:
            value = tomli.loads(f"value = {text}")["value"]
        except tomli.TOMLDecodeError:
            value = text
        plugin, table, name = parts
        change = checked({plugin: {table: {name: value}}}, f"--option {key}", plugins)
        settings = {**settings, plugin: _laid_over(settings.get(plugin, {}), change[plugin])}
    return settings


def prepared(tables: Tables, plugin: str, folder: Path) -> Tables:
    """*tables* of *plugin*, and over them what the function makes that ``[PLUGIN.prepare]`` names.

    Parameters:
        tables: What stands in files.
        plugin: Whose tables they are.
        folder: Empty; the function may write there.

    Raises:
        PluginError: There is no such function, or what it returns are no tables.
    """
    named = tables["prepare"]
    name = named.get("function")
    if not isinstance(name, str) or ":" not in name or len(named) > 1:
        raise PluginError('prepare: must be function = "module:name" and nothing else')
    try:
        function: Any = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise PluginError(f"prepare: there is no {name}: {error}") from error
    try:
        made = msgspec.convert(function(folder), Tables)
        _check_tables(plugin, made, f"what {name} returned")
    except msgspec.ValidationError as error:
        raise PluginError(f"prepare: {name} must return tables: {error}") from error
    return _laid_over(tables, made)


def _laid_over(tables: Tables, changes: Tables) -> Tables:
    return {**tables, **{table: {**tables.get(table, {}), **values} for table, values in changes.items()}}


def _check_tables(plugin: str, tables: Tables, where: str) -> None:
    for table in tables:
        if table not in TABLES:
            raise ManifestError(f"{where}: there is no table {plugin}.{table}{suggestion(table, TABLES)}")
