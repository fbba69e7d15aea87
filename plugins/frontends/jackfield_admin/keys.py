"""Keys: list, make, revoke, rotate."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from jackfield.errors import InvalidRequest, NotEnabled
from jackfield.frontends.exchange import sliced_answer
from jackfield.ports.frontend import Route
from jackfield.ports.identity import ADMIN, ALL, SCOPES, USUAL_SCOPES
from jackfield.ports.key_issuer import KeyGrant
from jackfield_admin import operations
from jackfield_admin.bodies import body, query, switch
from jackfield_admin.delegation import may_grant, may_replace, may_take
from jackfield_admin.key_records import KeyCreation, MadeKey, RevokedKeys, Rotation
from jackfield_admin.trail import note, of_whole_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.ports.key_issuer import IssuedKey, KeyIssuer, NewKey

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
        """The paths, all of scope ``admin``."""
        return (
            Route("GET", "/admin/v1/keys", self.keys, ADMIN, operations.KEYS),
            Route("POST", "/admin/v1/keys", self.create, ADMIN, operations.CREATE_KEY),
            Route("DELETE", "/admin/v1/keys/{key}", self.revoke, ADMIN, operations.REVOKE_KEY),
            Route("POST", "/admin/v1/keys/{key}/rotate", self.rotate, ADMIN, operations.ROTATE_KEY),
        )

    async def keys(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/keys``."""
        of_whole_server(context)
        name, issuer = self._issuer(query(request, "issuer"))
        slices = _listing(name, list(self._gateway.key_issuers), await issuer.issued())
        return await sliced_answer(request, slices, {})

    async def create(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/keys``."""
        caller = of_whole_server(context)
        name, issuer = self._issuer(query(request, "issuer"))
        wanted = await body(request, KeyCreation)
        scopes = USUAL_SCOPES if wanted.scopes is None else _distinct(wanted.scopes)
        may_grant(caller, scopes, wanted.priority)
        grant = KeyGrant(
            name=wanted.name,
            scopes=scopes,
            owner=wanted.owner,
            models=None if wanted.models is None else _distinct(wanted.models),
            priority=wanted.priority,
            expires=_ahead(wanted.expires),
        )
        made = await issuer.issue(grant)
        note(context, "key created", issuer=name, **_shown(made.issued))
        return _made(made, _unknown(scopes))

    async def revoke(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``DELETE /admin/v1/keys/{key}``."""
        of_whole_server(context)
        given = query(request, "issuer", "last_admin")
        name, issuer = self._issuer(given)
        judge = may_take(last=switch(given, "last_admin"))
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
