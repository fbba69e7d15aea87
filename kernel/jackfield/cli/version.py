"""``jackfield version``."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Mapping
from typing import Final

import click
import msgspec

from jackfield.cli.options import json_option
from jackfield.cli.tables import print_facts

_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9._-]+")


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """All parts."""

    jackfield: str
    api: str
    """Of plugins."""
    python: str
    platform: str
    plugins: Mapping[str, str]
    """Entry-point name → distribution and version."""
    libraries: Mapping[str, str]
    """Distributions that Jackfield or an extra of it needs, as far as they are installed."""


@click.command("version")
@json_option
def command(*, as_json: bool) -> None:
    """Print the versions of Jackfield, its plugin API, Python, installed plugins and libraries.

    \b
    Examples:
      jackfield version
      jackfield version --json
    """  # noqa: D301  \b is click's mark against wrapping
    found = _versions()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    click.echo(f"jackfield {found.jackfield} (plugin API {found.api})")
    print_facts(
        [
            ("python", found.python),
            ("platform", found.platform),
            *((f"plugin {name}", owner) for name, owner in found.plugins.items()),
            *found.libraries.items(),
        ]
    )


def _versions() -> Versions:
    from jackfield import API_VERSION, __version__
    from jackfield.plugin_modules import installed_plugins

    plugins = {
        name: ", ".join(sorted({f"{entry.dist.name} {entry.dist.version}" for entry in entries if entry.dist}))
        for name, entries in sorted(installed_plugins().items())
    }
    return Versions(
        jackfield=__version__,
        api=".".join(map(str, API_VERSION)),
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        plugins=plugins,
        libraries=_libraries(),
    )


def _libraries() -> Mapping[str, str]:
    """Versions of what our own metadata names; extras that are not installed are left out."""
    lines = importlib.metadata.requires("jackfield") or []
    names = {found.group() for line in lines if (found := _REQUIREMENT.match(line))}
    versions: dict[str, str] = {}
    for name in sorted(names):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
