"""From what the user names to the plugins that are meant. Imports no plugin."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import tomli

from jackfield.errors import ManifestError
from jackfield.manifest import suggestion
from jackfield.plugin_modules import GROUP, installed_plugins
from jackfield.verification.records import Entry, Settings

SETTINGS_FILE: Final = "verify.toml"
"""What the author says, beside a plugin's module; a project may have it in ``[tool.jackfield.verify]`` instead."""

_NOT_NAME: Final = re.compile(r"[^a-z0-9_-]+")


class Target(NamedTuple):
    """What is verified."""

    title: str
    """``jackfield-sample 1.0``, for people."""
    entries: list[Entry]
    folder: Path
    """Where relative paths start."""
    settings: Settings
    roots: tuple[Path, ...] = ()
    """Where a project's modules are, if it is taken from its sources."""
    metadata: str = ""
    """Text of the ``entry_points.txt`` of such a project."""


def find_target(text: str) -> Target:
    """What *text* names: a ``.py`` file, a project's folder, a distribution or a plugin.

    Raises:
        ManifestError: Nothing has that name, or it has no plugin.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        return _project(path.absolute())
    if text.endswith(".py"):
        if not path.is_file():
            raise ManifestError(f"there is no file {path}")
        return _file(path.absolute())
    return _installed(text)


def _file(path: Path) -> Target:
    name = _NOT_NAME.sub("-", path.stem.lower()).lstrip("-_0123456789") or "plugin"
    settings = _settings(path.parent / SETTINGS_FILE) | _project_settings(path.parent)
    return Target(path.name, [Entry(name, str(path))], path.parent, settings)


def _project(folder: Path) -> Target:
    tree = _toml(folder / "pyproject.toml")
    project = tree.get("project", {})
    entries = project.get("entry-points", {}).get(GROUP, {})
    if not entries:
        raise ManifestError(f'{folder.name}/pyproject.toml: no plugin: [project.entry-points."{GROUP}"] is missing')
    build = tree.get("tool", {}).get("hatch", {}).get("build", {})
    packages = build.get("targets", {}).get("wheel", {}).get("packages", [])
    places = ["src", *build.get("dev-mode-dirs", []), *(str(Path(package).parent) for package in packages), "."]
    roots = [folder / place for place in dict.fromkeys(places) if (folder / place).is_dir()]
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in entries.items())]
    title = f"{project.get('name', folder.name)} {project.get('version', '(sources)')}"
    stated = _project_settings(folder)
    if stated:
        return Target(title, [Entry(name, name) for name in entries], folder, stated, tuple(roots), "\n".join(lines))
    packages = {root / str(value).partition(".")[0].partition(":")[0] for root in roots for value in entries.values()}
    home, settings = _stated_in(sorted(packages), folder)
    return Target(title, [Entry(name, name) for name in entries], home, settings, tuple(roots), "\n".join(lines))


def _installed(name: str) -> Target:
    try:
        distribution = importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return _plugin(name)
    entries = [entry for entry in distribution.entry_points if entry.group == GROUP]
    if not entries:
        raise ManifestError(f"the distribution {name} has no entry points in the group {GROUP}")
    folder, settings = _stated_in(sorted({place for entry in entries for place in _places(entry)}), Path.cwd())
    title = f"{distribution.name} {distribution.version}"
    return Target(title, [Entry(entry.name, entry.name) for entry in entries], folder, settings)


def _plugin(name: str) -> Target:
    plugins = installed_plugins()
    if name not in plugins:
        raise ManifestError(
            f"no file, project folder, installed distribution or plugin is called {name!r}"
            f"{suggestion(name, tuple(plugins))}"
        )
    entry = plugins[name][0]
    owner = f" of {entry.dist.name} {entry.dist.version}" if entry.dist else ""
    folder, settings = _stated_in(_places(entry), Path.cwd())
    return Target(f"{name}{owner}", [Entry(name, name)], folder, settings)


def _places(entry: importlib.metadata.EntryPoint) -> list[Path]:
    """The folder of an entry point's package; to find it, nothing of it is imported."""
    spec = importlib.util.find_spec(entry.module.partition(".")[0])
    return [Path(place) for place in (spec.submodule_search_locations if spec is not None else None) or ()]


def _stated_in(packages: list[Path], otherwise: Path) -> tuple[Path, Settings]:
    """What stands beside modules, and the folder that its paths start at: the first one that says something."""
    homes = [package for package in packages if (package / SETTINGS_FILE).is_file()]
    settings: Settings = {}
    for home in homes:
        settings |= _settings(home / SETTINGS_FILE)
    return (homes[0] if homes else otherwise), settings


def _project_settings(folder: Path) -> Settings:
    file = folder / "pyproject.toml"
    if not file.is_file():
        return {}
    return _checked(_toml(file).get("tool", {}).get("jackfield", {}).get("verify", {}), "pyproject.toml")


def _settings(file: Path) -> Settings:
    return _checked(_toml(file), file.name) if file.is_file() else {}


def _checked(tree: object, file: str) -> Settings:
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise ManifestError(f"{file}: what a kit is told stands in tables PLUGIN.TABLE: {error}") from error


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomli.loads(file.read_text())
    except FileNotFoundError as error:
        raise ManifestError(f"{file.parent.name} has no {file.name}: it is not a project") from error
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file.name}: {error}") from error


def with_options(settings: Settings, options: tuple[str, ...]) -> Settings:
    """*settings* with what the command line says: ``PLUGIN.TABLE.KEY=VALUE``, the value as TOML or as it stands.

    Raises:
        ManifestError: An option is not of that form.
    """
    for option in options:
        key, equals, text = option.partition("=")
        parts = key.strip().split(".", 2)
        if not equals or len(parts) != 3 or not all(parts):  # noqa: PLR2004 - plugin, table and key
            raise ManifestError(f"--option {option.partition('=')[0]}: must be PLUGIN.TABLE.KEY=VALUE")
        try:
            value = tomli.loads(f"value = {text}")["value"]
        except tomli.TOMLDecodeError:
            value = text
        plugin, table, name = parts
        tables = settings.get(plugin, {})
        settings = {**settings, plugin: {**tables, table: {**tables.get(table, {}), name: value}}}
    return settings
