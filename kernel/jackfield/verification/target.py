"""From what the user names to the plugins that are meant. Imports no plugin."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import tomli

from jackfield.errors import ManifestError
from jackfield.manifest import suggestion
from jackfield.plugin_modules import GROUP, installed_plugins
from jackfield.verification.records import Entry, Settings
from jackfield.verification.told import checked

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
    project = _table(tree, "project")
    modules = {str(name): str(value) for name, value in _table(project, "entry-points", GROUP).items()}
    if not modules:
        raise ManifestError(f'{folder.name}/pyproject.toml: no plugin: [project.entry-points."{GROUP}"] is missing')
    roots = _roots(folder, tree)
    entries = [Entry(name, name) for name in modules]
    home, settings = folder, _project_settings(folder, tuple(modules))
    if not settings:
        packages = {root / re.split("[.:]", value)[0] for root in roots for value in modules.values()}
        home, settings = _stated_in(sorted(packages), folder)
    title = f"{project.get('name', folder.name)} {project.get('version', '(sources)')}"
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in modules.items())]
    return Target(title, entries, home, settings, tuple(roots), "\n".join(lines))


def _roots(folder: Path, tree: dict[str, Any]) -> list[Path]:
    """Folders of the project *tree* that modules can be imported from: where they usually are, and where it says so."""
    build = _table(tree, "tool", "hatch", "build")
    packages = _texts(_table(build, "targets", "wheel").get("packages"))
    places = ["src", *_texts(build.get("dev-mode-dirs")), *(str(Path(package).parent) for package in packages), "."]
    return [folder / place for place in dict.fromkeys(places) if (folder / place).is_dir()]


def _installed(name: str) -> Target:
    try:
        distribution = importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return _plugin(name)
    entries = [entry for entry in distribution.entry_points if entry.group == GROUP]
    if not entries and name in installed_plugins():  # it is called like the library that it wraps
        return _plugin(name)
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


def _project_settings(folder: Path, plugins: tuple[str, ...] | None = None) -> Settings:
    file = folder / "pyproject.toml"
    if not file.is_file():
        return {}
    return checked(_table(_toml(file), "tool", "jackfield", "verify"), "pyproject.toml", plugins)


def _settings(file: Path) -> Settings:
    return checked(_toml(file), file.name) if file.is_file() else {}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomli.loads(file.read_text())
    except FileNotFoundError as error:
        raise ManifestError(f"{file.parent.name} has no {file.name}: it is not a project") from error
    except OSError as error:
        raise ManifestError(f"{file.name} cannot be read: {error.strerror}") from error
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file.name}: {error}") from error


def _table(tree: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The table at *keys*; an empty one where there is none, or something else."""
    found: object = tree
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
