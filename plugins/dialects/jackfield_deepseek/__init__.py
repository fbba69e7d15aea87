"""The dialect ``deepseek``: ``<｜tool▁calls▁begin｜>``, parameters between ``｜DSML｜`` tags, ``<think>``.

DeepSeek V3, R1 and its distillates, V3.1, V3.2, V4.
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
    from jackfield_deepseek.dialect import deepseek  # only a gateway needs it

    return {instance.name: deepseek}
