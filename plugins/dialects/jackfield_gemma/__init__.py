"""The dialect ``gemma``: ``<|tool_call>call:f{…}<tool_call|>`` and channels of thoughts (4), calls in JSON (2 and 3).

Google's Gemma 2, 3 and 4.
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
    from jackfield_gemma.dialect import gemma  # only a gateway needs it

    return {instance.name: gemma}
