"""What marks hooks and their implementations."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import pluggy

PROJECT: Final = "jackfield"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

ProcessKind: TypeAlias = Literal["gateway", "worker"]
"""The processes that have a life cycle. The supervisor loads no plugin."""
