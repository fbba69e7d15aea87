"""The dialect ``mistral``: ``[TOOL_CALLS]`` with JSON or names, ``[THINK]``.

Mistral 7B v0.3 and Nemo, Mistral Small and Medium, Devstral, Magistral, Ministral.
"""

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
    from jackfield_mistral.dialect import mistral  # only a gateway needs it

    return {instance.name: mistral}
