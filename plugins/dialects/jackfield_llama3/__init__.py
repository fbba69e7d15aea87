"""The dialect ``llama3``: calls as JSON with ``parameters``, or as Python's, behind ``<|python_tag|>`` or without it.

Llama 3.1 to 3.3, and Llama 4.
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
    from jackfield_llama3.dialect import llama3  # only a gateway needs it

    return {instance.name: llama3}
