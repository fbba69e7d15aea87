"""The dialect ``glm``: calls with ``<arg_key>`` and ``<arg_value>`` in ``<tool_call>``, ``<think>``.

GLM 4.5 to 4.7, and the families that were trained like them: Ling, Laguna, Spark.
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
    from jackfield_glm.dialect import glm  # only a gateway needs it

    return {instance.name: glm}
