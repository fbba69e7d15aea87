"""The dialect ``phi``: calls in ``<|tool_call|>[…]<|/tool_call|>`` or ``functools[…]``, ``<think>``.

Microsoft's Phi-4-mini and Phi-4-reasoning.
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
    from jackfield_phi.dialect import phi  # only a gateway needs it

    return {instance.name: phi}
