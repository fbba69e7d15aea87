"""The dialect ``command-r``: ``<|START_ACTION|>``, or ``Action:`` with JSON behind it.

Command R, R+, R7B, A, and North Mini.
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
    from jackfield_command_r.dialect import command_r  # only a gateway needs it

    return {instance.name: command_r}
