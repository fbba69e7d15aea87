"""The dialect ``hermes``: ``<tool_call>`` with JSON or XML parameters, ``<think>``.

Hermes, Qwen 2.5 to 3.5, and the many that were trained like them.
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
    from jackfield_hermes.dialect import hermes  # only a gateway needs it

    return {instance.name: hermes}
