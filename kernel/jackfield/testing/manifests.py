"""Manifests that tests start servers with, as the text of a ``plugins.toml``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jackfield.manifest import DEFAULT_ENABLED
from jackfield.testing import scripted
from jackfield.testing.script import TOOL_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPTED_PLUGIN: Final = Path(scripted.__file__)
"""The scripted backend; enabled by its path, as a plugin that is being written."""

DEMO_PLUGINS: Final = DEFAULT_ENABLED
"""What ``DEMO`` turns on."""

DEMO: Final = f"""\
enabled = {json.dumps(DEMO_PLUGINS)}

[models.demo]
source = "jackfield:demo"
aliases = ["default"]
"""
"""The demo model, computed by llama.cpp."""


def tool_manifest(dialect: str = "hermes", plugin: str = "") -> str:
    """A scripted model that thinks and calls as models of *dialect* do; its answers can be told in full.

    Parameters:
        dialect: Its chat dialect.
        plugin: Hands that over; empty where it has the dialect's name.
    """
    return scripted_manifest(
        {"scripted": f"dialect = {json.dumps(dialect)}"},
        plugin=f"chat_template = {json.dumps(TOOL_TEMPLATE)}",
        enabled=(plugin or dialect, "llguidance"),
    )


def scripted_manifest(
    models: Mapping[str, str] | None = None,
    *,
    kernel: str = "",
    plugin: str = "",
    enabled: tuple[str, ...] = (),
    scheduler: str = "fcfs",
) -> str:
    """A manifest whose models are played by the scripted backend.

    Parameters:
        models: Model name → further lines of its table (``max_sequences = 1``); one model named ``scripted`` if None.
        kernel: Lines of ``[kernel]``.
        plugin: Lines of ``[config.scripted]``.
        enabled: Further entries of ``enabled``.
        scheduler: The plugin that plans steps.

    Returns:
        The text of a ``plugins.toml``.
    """
    source = json.dumps(str(SCRIPTED_PLUGIN))
    entries = [f"scripted={SCRIPTED_PLUGIN}", "openai", scheduler, "prometheus", *enabled]
    tables = [f"enabled = {json.dumps(entries)}", f"[kernel]\n{kernel}", f"[config.scripted]\n{plugin}"]
    for name, lines in ({"scripted": ""} if models is None else models).items():
        tables.append(f'[models.{json.dumps(name)}]\nbackend = "scripted"\nsource = {source}\n{lines}')
    return "\n".join(tables) + "\n"
