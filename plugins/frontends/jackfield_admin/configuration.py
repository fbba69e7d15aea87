"""The configuration: what is in force, and changes of what may change while the server runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.frontends.exchange import json_answer
from jackfield.ports.frontend import Route
from jackfield.ports.identity import CONFIG_READ, CONFIG_WRITE
from jackfield_admin import operations
from jackfield_admin.bodies import body, query, switch
from jackfield_admin.records import Configuration, ConfigurationChange, ConfigurationChanged, NoBody
from jackfield_admin.trail import note, of_whole_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.ports.operating import SettingsChanged, SettingValue


SHOWN: Final = 200
"""Characters of a value that the log repeats."""


class ConfigurationRoutes:
    """What concerns the configuration. Event loop thread.

    Parameters:
        gateway: Knows what is in force.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Sequence[Route]:
        """The paths."""
        return (
            Route("GET", "/admin/v1/config", self.config, CONFIG_READ, operations.CONFIG),
            Route("PATCH", "/admin/v1/config", self.change, CONFIG_WRITE, operations.CHANGE_CONFIG),
            Route("POST", "/admin/v1/config/reload", self.reload, CONFIG_WRITE, operations.RELOAD),
        )

    async def config(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/config``."""
        of_whole_server(context)
        query(request)
        return json_answer(msgspec.json.encode(Configuration(dict(self._gateway.operator.settings()))))

    async def change(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``PATCH /admin/v1/config``."""
        of_whole_server(context)
        dry_run = switch(query(request, "dry_run"), "dry_run")
        wanted = (await body(request, ConfigurationChange)).settings
        would = await self._gateway.operator.change(wanted, dry_run=True)
        if dry_run or not would.changes:
            return _answer(would, dry_run=dry_run)
        # before it is done: what is logged may be less afterwards
        note(context, "settings changed", settings={each.key: _shown(each.after) for each in would.changes})
        return _answer(await self._gateway.operator.change(wanted, dry_run=False), dry_run=False)

    async def reload(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/config/reload``."""
        of_whole_server(context)
        query(request)
        await body(request, NoBody, optional=True)
        note(context, "manifest read again")
        return _answer(await self._gateway.operator.reload(), dry_run=False)


def _shown(value: SettingValue) -> str:
    """As much of *value* as a line of the log has room for."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _answer(changed: SettingsChanged, *, dry_run: bool) -> web.Response:
    answer = ConfigurationChanged(
        dry_run=dry_run,
        changes=list(changed.changes),
        workers=list(changed.workers),
        restart=list(changed.restart),
    )
    return json_answer(msgspec.json.encode(answer))
