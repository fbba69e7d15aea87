"""Where plugins' modules come from: installed distributions and files."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError, PluginError
from jackfield.manifest import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.manifest import InstanceRef, Manifest

GROUP: Final = "jackfield.plugins"
"""Entry-point group of plugins."""

API_VERSION: Final = (0, 1)
"""Version of hooks and ports. A plugin may state ``JACKFIELD_API = (0, 1)``; the first number must be ours, and the
second at most ours."""


def installed_plugins() -> Mapping[str, Sequence[importlib.metadata.EntryPoint]]:
    """Everything installed in the group, by name; imports none of it."""
    found: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def load_module(ref: InstanceRef, manifest: Manifest) -> tuple[ModuleType, str]:
    """Import the module of the plugin that *ref* names.

    Returns:
        It, and ``"jackfield 0.1.0"`` or the name of the file it came from.

    Raises:
        ManifestError: Nobody provides the plugin, or two distributions do, or there is no such file.
        PluginError: It does not import, or speaks another API version.
    """
    module, distribution = _load_file(ref, manifest) if ref.plugin.endswith(".py") else _load_entry_point(ref, manifest)
    _check_api_version(ref, module)
    return module, distribution


def _load_entry_point(ref: InstanceRef, manifest: Manifest) -> tuple[ModuleType, str]:
    where = manifest.origin("enabled")
    entries = list(importlib.metadata.entry_points(group=GROUP, name=ref.plugin))
    if not entries:
        names = tuple(installed_plugins())
        raise ManifestError(
            f"{where}: no installed package provides the plugin {ref.plugin!r}{suggestion(ref.plugin, names)}",
            param="enabled",
        )
    owners = sorted({_distribution(entry) for entry in entries})
    if len(owners) > 1:
        raise ManifestError(
            f"{where}: the plugin {ref.plugin!r} is provided by {' and '.join(owners)}; uninstall one", param="enabled"
        )
    try:
        module = entries[0].load()
    except (Exception, SystemExit) as error:
        raise PluginError(f"plugin {ref.name} ({owners[0]}) does not import: {_cause(error)}") from error
    if not isinstance(module, ModuleType):
        raise PluginError(f"plugin {ref.name} ({owners[0]}): its entry point must name a module, not an object in it")
    return module, owners[0]


def _load_file(ref: InstanceRef, manifest: Manifest) -> tuple[ModuleType, str]:
    path = Path(ref.plugin)
    if not path.is_file():
        raise ManifestError(f"{manifest.origin('enabled')}: there is no plugin file {path.name}", param="enabled")
    spec = importlib.util.spec_from_file_location(f"jackfield_path_plugin_{ref.name.replace('-', '_')}", path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin {ref.name}: {path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise PluginError(f"plugin {ref.name} ({path.name}) does not import: {_cause(error)}") from error
    return module, path.name


def _check_api_version(ref: InstanceRef, module: ModuleType) -> None:
    wanted = getattr(module, "JACKFIELD_API", API_VERSION)
    if not (isinstance(wanted, tuple) and [type(number) for number in wanted] == [int, int]):
        raise PluginError(f"plugin {ref.name}: JACKFIELD_API must be two numbers, such as {API_VERSION}")
    if wanted[0] == API_VERSION[0] and wanted[1] <= API_VERSION[1]:
        return
    raise PluginError(
        f"plugin {ref.name} speaks API {'.'.join(map(str, wanted))}; this Jackfield speaks"
        f" {'.'.join(map(str, API_VERSION))}: upgrade the {'plugin' if wanted < API_VERSION else 'server'}"
    )


def _distribution(entry: importlib.metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
