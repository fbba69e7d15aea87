"""Secrets that were rotated: objects of plugins are told to read them again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from jackfield.errors import JackfieldError
from jackfield.logs import traceback_of
from jackfield.ports.reloading import DEADLINE_S, Reloading

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Told:
    """One object, and what has come of the last time; implements ``Condition``."""

    def __init__(self, name: str, own: Reloading) -> None:
        self.name = name
        self._own = own
        self.troubles: Sequence[str] = ()

    async def reload(self) -> None:
        """Have it reload; a failure is its own."""
        log = structlog.get_logger("jackfield.gateway")
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._own.reload()
        except JackfieldError as error:
            why = error.message
            log.error("secrets cannot be taken up", plugin=self.name, reason=why)  # noqa: TRY400 -- it says all
        except Exception as error:  # noqa: BLE001 -- foreign code; the others are told all the same
            why = f"no end within {DEADLINE_S:g} s" if isinstance(error, TimeoutError) else type(error).__name__
            trace = traceback_of(error)
            log.error("secrets cannot be taken up", plugin=self.name, reason=why, traceback=trace)  # noqa: TRY400
        else:
            self.troubles = ()
            return
        self.troubles = (f"its secrets stay as they were: {why}",)


class Reloads:
    """All objects that can reload. Event loop thread.

    Parameters:
        objects: What plugins have supplied, by their names.
    """

    def __init__(self, objects: Sequence[tuple[str, object]]) -> None:
        self._told = [_Told(name, each) for name, each in objects if isinstance(each, Reloading)]
        self._turn = asyncio.Lock()

    @property
    def objects(self) -> Sequence[tuple[str, object]]:
        """What is wrong with each, as a ``Condition`` by its name."""
        return [(each.name, each) for each in self._told]

    async def run(self) -> None:
        """Have all of them reload, at the same time; whoever comes meanwhile has it done once more."""
        async with self._turn:
            await asyncio.gather(*(each.reload() for each in self._told))
