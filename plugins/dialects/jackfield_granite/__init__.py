"""The dialect ``granite``: a list of calls behind ``<|tool_call|>`` (3.x), or each in ``<tool_call>`` (4.x).

IBM's Granite 3.0 to 4.1, with the thoughts of 3.2 and 3.3.
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
    from jackfield_granite.dialect import granite  # only a gateway needs it

    return {instance.name: granite}
