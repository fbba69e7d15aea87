"""The dialect ``json-tools``: any model whatever; the answer is held to JSON that has calls or content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield import PluginInstance
    from jackfield.ports.dialect import DialectFactory

JACKFIELD_API = (0, 1)


@hookimpl
def jackfield_dialects(instance: PluginInstance) -> Mapping[str, DialectFactory]:
    """One dialect, under the instance's name."""
    from jackfield_json_tools.dialect import json_tools  # only a gateway needs it

    return {instance.name: json_tools}
