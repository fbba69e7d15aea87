"""Dialects of families whose calls differ in little but their marks, each by its own name.

Apertus, Apriel, Functionary 3.1, GigaChat 3.1, Hunyuan 3, Kimi K2, LFM2, MiniCPM 5, MiniMax M1 and M2, Nemotron Nano 2,
Seed-OSS.
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
def jackfield_dialects(instance: PluginInstance) -> Mapping[str, DialectFactory]:  # noqa: ARG001 -- the families have names of their own
    """One dialect for each family, under the family's name."""
    from jackfield_families.dialect import factories  # only a gateway needs it

    return factories()
