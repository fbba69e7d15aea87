"""Options that change while the server runs: a manifest with other values."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final, cast

from msgspec.structs import replace

from jackfield.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.channel.operator import NewValue
    from jackfield.manifest import Manifest
    from jackfield.ports.backend import OptionValue

LIVE: Final = "changed live"
"""Origin of values that were changed while the server runs."""

LOG_LEVEL: Final = "kernel.log_level"
"""The kernel's only setting that may change while it runs."""


def with_options(manifest: Manifest, values: Sequence[NewValue]) -> Manifest:
    """*manifest* with other *values* in plugins' tables; nobody has judged them yet.

    Raises:
        ManifestError: A key is no plugin's, or goes through a value; ``param`` is its path.
    """
    config, origins = copy.deepcopy(manifest.config), dict(manifest.origins)
    for each in values:
        key = ".".join(each.path)
        if each.path[0] != "config" or len(each.path) < _DEPTH:
            raise ManifestError(f"{key} is no option of a plugin", param=key)
        _put(config.setdefault(each.path[1], {}), each)
        origins = {path: place for path, place in origins.items() if not is_in(path, key)}
        origins[key] = LIVE
    return replace(manifest, config=config, origins=origins)


def is_in(path: str, key: str) -> bool:
    """Whether *path* is the key path *key*, or stands in it."""
    return path == key or path.startswith(f"{key}.")


_DEPTH: Final = 3
"""``config``, instance, option."""


def _put(table: dict[str, OptionValue], new: NewValue) -> None:
    inner = cast("dict[str, object]", table)
    for depth, key in enumerate(new.path[2:-1], _DEPTH):
        below = inner.setdefault(key, {})
        if not isinstance(below, dict):
            outer = ".".join(new.path[:depth])
            raise ManifestError(f"{outer} is a value, not a table", param=outer)
        inner = below
    inner[new.path[-1]] = new.value
