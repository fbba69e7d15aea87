"""Keys: list, show, make, change, block, rotate, revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from jackfield.errors import InvalidRequest, KeyNotFound, NotEnabled
from jackfield.frontends.exchange import sliced_answer
from jackfield.ports.frontend import Route
from jackfield.ports.identity import ALL, KEYS_READ, KEYS_WRITE, SCOPES, USUAL_SCOPES
from jackfield.ports.key_issuer import KeyChange, KeyGrant
from jackfield_admin import operations
from jackfield_admin.bodies import body, query, switch
from jackfield_admin.delegation import is_within, may_change, may_grant, may_replace, may_take
from jackfield_admin.key_records import KeyCreation, KeysCalled, KeyUpdate, MadeKey, RevokedKeys, Rotation
from jackfield_admin.records import NoBody
from jackfield_admin.trail import note, of_whole_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.ports.identity import Principal
    from jackfield.ports.key_issuer import IssuedKey, Judge, KeyIssuer, NewKey

SLICE: Final = 500
"""Keys that are encoded at a time: one or two milliseconds."""


class KeyRoutes:
    """What concerns keys. Event loop thread.

    Parameters:
        gateway: Knows whose keys can be changed.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Sequence[Route]:
        """The paths."""
        one = "/admin/v1/keys/{key}"
        return (
            Route("GET", "/admin/v1/keys", self.keys, KEYS_READ, operations.KEYS),
            Route("POST", "/admin/v1/keys", self.create, KEYS_WRITE, operations.CREATE_KEY),
            Route("GET", one, self.show, KEYS_READ, operations.KEY),
            Route("PATCH", one, self.update, KEYS_WRITE, operations.CHANGE_KEY),
            Route("DELETE", one, self.revoke, KEYS_WRITE, operations.REVOKE_KEY),
            Route("POST", f"{one}/block", self.block, KEYS_WRITE, operations.BLOCK_KEY),
            Route("POST", f"{one}/unblock", self.unblock, KEYS_WRITE, operations.UNBLOCK_KEY),
            Route("POST", f"{one}/rotate", self.rotate, KEYS_WRITE, operations.ROTATE_KEY),
        )

    async def keys(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/keys``."""
        caller = of_whole_server(context)
        name, issuer = self._issuer(query(request, "issuer"))
        keys = await issuer.issued()
        if caller.tenant_name:
            keys = [key for key in keys if is_within(caller, key)]
        return await sliced_answer(request, _listing(name, list(self._gateway.key_issuers), keys), {})

    async def show(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/keys/{key}``."""
        caller = of_whole_server(context)
        name, issuer = self._issuer(query(request, "issuer"))
        which = request.match_info["key"]
        keys = [
            key
            for key in await issuer.issued()
            if which in (key.name, key.fingerprint, key.prefix) and is_within(caller, key)
        ]
        if not keys:
            raise KeyNotFound("there is no such key, neither by name nor by fingerprint nor by prefix", param="key")
        return _json(KeysCalled(issuer=name, keys=keys))

    async def create(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/keys``."""
        caller = of_whole_server(context)
        name, issuer = self._issuer(query(request, "issuer"))
        grant = _grant(await body(request, KeyCreation), caller)
        may_grant(caller, grant)
        made = await issuer.issue(grant)
        note(context, "key created", issuer=name, **_shown(made.issued))
        return _made(made, _unknown(grant.scopes))

    async def update(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``PATCH /admin/v1/keys/{key}``."""
        query(request, "issuer", "last_admin")
        change = _change(await body(request, KeyUpdate))
        if change == KeyChange():
            raise InvalidRequest("nothing is to be changed")
        return await self._changed(request, context, change, "key changed")

    async def block(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/keys/{key}/block``."""
        given = query(request, "issuer", "last_admin")
        await body(request, NoBody, optional=True)
        judge = may_take(of_whole_server(context), last=switch(given, "last_admin"))
        return await self._changed(request, context, KeyChange(blocked=True), "key blocked", judge)

    async def unblock(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/keys/{key}/unblock``."""
        query(request, "issuer")
        await body(request, NoBody, optional=True)
        return await self._changed(request, context, KeyChange(blocked=False), "key unblocked")

    async def revoke(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``DELETE /admin/v1/keys/{key}``."""
        caller = of_whole_server(context)
        given = query(request, "issuer", "last_admin")
        name, issuer = self._issuer(given)
        judge = may_take(caller, last=switch(given, "last_admin"))
        revoked = await issuer.revoke(request.match_info["key"], judge)
        for each in revoked:
            note(context, "key revoked", issuer=name, **_shown(each))
        return _json(RevokedKeys(revoked=list(revoked)))

    async def rotate(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/keys/{key}/rotate``."""
        caller = of_whole_server(context)
        name, issuer = self._issuer(query(request, "issuer"))
        wanted = await body(request, Rotation, optional=True)
        made = await issuer.rotate(
            request.match_info["key"],
            may_replace(caller),
            grace_s=wanted.grace_s,
            expires=_ahead(wanted.expires),
        )
        old = made.replaced.fingerprint if made.replaced is not None else None
        note(context, "key rotated", issuer=name, replaced=old, grace_s=wanted.grace_s, **_shown(made.issued))
        return _made(made, [])

    async def _changed(
        self, request: web.Request, context: RequestContext, change: KeyChange, action: str, judge: Judge | None = None
    ) -> web.Response:
        """Make *change* of the keys that the URL names; without *judge* of keys that can do no more than the caller."""
        caller = of_whole_server(context)
        name, issuer = self._issuer(request.query)
        judge = judge or may_change(caller, change, last=switch(request.query, "last_admin"))
        changed = await issuer.change(request.match_info["key"], change, judge)
        for each in changed:
            note(context, action, issuer=name, **_shown(each))
        return _json(KeysCalled(issuer=name, keys=list(changed)))

    def _issuer(self, given: Mapping[str, str]) -> tuple[str, KeyIssuer]:
        """The one that the URL names; the first one listed where it names none."""
        issuers = self._gateway.key_issuers
        if not issuers:
            raise NotEnabled(
                "no enabled plugin has keys that can be managed here; enable one that has, such as keys, and restart"
            )
        name = given.get("issuer", next(iter(issuers)))
        if name not in issuers:
            raise InvalidRequest(f"there is no such issuer; there is {', '.join(issuers)}", param="issuer")
        return name, issuers[name]


def _grant(wanted: KeyCreation, caller: Principal) -> KeyGrant:
    """What a new key is for, with what goes without saying."""
    scopes = wanted.scopes
    if scopes is None:
        scopes = () if wanted.roles else USUAL_SCOPES
    return KeyGrant(
        name=wanted.name,
        scopes=_distinct(scopes),
        owner=wanted.owner,
        user=wanted.user,
        team=wanted.team,
        tenant=caller.tenant_name if wanted.tenant is None else wanted.tenant,
        roles=_distinct(wanted.roles),
        tags=_distinct(wanted.tags),
        models=None if wanted.models is None else _distinct(wanted.models),
        priority=wanted.priority,
        expires=_ahead(wanted.expires),
    )


def _change(wanted: KeyUpdate) -> KeyChange:
    """What is to be different, each thing in a list once."""
    told: dict[str, Any] = {
        name: _distinct(value) if isinstance(value, tuple) else value
        for name, value in msgspec.structs.asdict(wanted).items()
        if value is not msgspec.UNSET
    }
    if "expires" in told:
        told["expires"] = _ahead(told["expires"])
    return KeyChange(**told)


def _listing(issuer: str, issuers: Sequence[str], keys: Sequence[IssuedKey]) -> Iterator[bytes]:
    """``Keys``, piece by piece."""
    head = msgspec.json.encode({"issuer": issuer, "issuers": issuers, "keys": []}).removesuffix(b"]}")
    for start in range(0, len(keys), SLICE):
        yield head + msgspec.json.encode(keys[start : start + SLICE])[1:-1]
        head = b","
    yield head.removeprefix(b",") + b"]}"


def _made(made: NewKey, warnings: list[str]) -> web.Response:
    answer = MadeKey(key=made.key.reveal(), issued=made.issued, replaced=made.replaced, warnings=warnings)
    return _json(answer, HTTPStatus.CREATED)


def _ahead(moment: datetime | None) -> datetime | None:
    """*moment* in whole seconds of UTC, which must lie ahead."""
    if moment is None:
        return None
    try:
        moment = moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError as error:
        raise InvalidRequest("expires lies beyond all dates", param="expires") from error
    if moment <= datetime.now(UTC):
        raise InvalidRequest("expires must lie ahead", param="expires")
    return moment


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _unknown(scopes: Sequence[str]) -> list[str]:
    return [f"no route of Jackfield's own needs the scope {each}" for each in scopes if each not in {*SCOPES, ALL}]


def _shown(key: IssuedKey) -> dict[str, object]:
    """What the log says of a key."""
    return {"name": key.name, "fingerprint": key.fingerprint, "scopes": list(key.scopes), "models": key.models}


def _json(answer: msgspec.Struct, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json", status=status)
