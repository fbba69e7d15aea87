"""Policy documents: what plugins go by that have rules in the policy store. Keys have routes of their own."""

from __future__ import annotations

import base64
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import BodyTooLarge, Conflict, InvalidRequest, NotEnabled, PolicyDenied, RecordNotFound
from jackfield.frontends.exchange import json_answer, read_body
from jackfield.ports.frontend import Route
from jackfield.ports.identity import ADMIN, POLICY_READ, POLICY_WRITE
from jackfield.ports.policy_store import CONTENT_MAX, DocumentName
from jackfield_admin import document_operations as operations
from jackfield_admin.bodies import body, query
from jackfield_admin.document_records import DocumentChanges, DocumentEntry, DocumentList, DocumentWritten
from jackfield_admin.trail import note, of_whole_server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.ports.identity import Principal
    from jackfield.ports.policy_store import Change, DocumentsRead, PolicyDocuments

KEYS: Final = "key"
"""Documents of keys are neither shown nor written here."""

ROLES: Final = "role"
"""Whoever writes them says what others may, and could say that they themselves may everything."""

LOGGED: Final = 20
"""Documents of a change that a line of the log names."""

_PATH: Final = "/admin/v1/policy/documents"


class DocumentRoutes:
    """What concerns policy documents. Event loop thread.

    Parameters:
        gateway: Has the documents.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Sequence[Route]:
        """The paths, of scope ``policy:read`` or ``policy:write``."""
        one = f"{_PATH}/{{kind}}/{{name:.+}}"
        return (
            Route("GET", _PATH, self.list_all, POLICY_READ, operations.LIST),
            Route("GET", f"{_PATH}/{{kind}}", self.list_kind, POLICY_READ, operations.LIST_KIND),
            Route("POST", _PATH, self.change, POLICY_WRITE, operations.CHANGE),
            Route("GET", one, self.show, POLICY_READ, operations.SHOW),
            Route("PUT", one, self.write, POLICY_WRITE, operations.WRITE),
            Route("DELETE", one, self.delete, POLICY_WRITE, operations.DELETE),
        )

    async def list_all(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/policy/documents``."""
        of_whole_server(context)
        query(request)
        read = await self._documents.read()
        return self._listed(read, [kind for kind in read.documents if kind != KEYS])

    async def list_kind(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/policy/documents/{kind}``."""
        of_whole_server(context)
        query(request)
        kind = _shown(request.match_info["kind"])
        return self._listed(await self._documents.read(), [kind])

    async def show(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /admin/v1/policy/documents/{kind}/{name}``."""
        of_whole_server(context)
        query(request)
        name = _named(request)
        content = _content(await self._documents.read(), name)
        if content is None:
            raise _missing(name)
        return json_answer(content, {"ETag": _etag(content)})

    async def write(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``PUT /admin/v1/policy/documents/{kind}/{name}``."""
        caller = of_whole_server(context)
        query(request)
        name = _named(request)
        self._writable(caller, [name.kind])
        content = await read_body(request)
        if len(content) > CONTENT_MAX:
            raise BodyTooLarge(f"a document has at most {CONTENT_MAX} bytes")

        def change(read: DocumentsRead) -> Mapping[DocumentName, bytes | None]:
            there = _content(read, name)
            _match(request, None if there is None else _etag(there))
            return {name: content}

        return await self._changed(context, change, {name: content}, {"ETag": _etag(content)})

    async def delete(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``DELETE /admin/v1/policy/documents/{kind}/{name}``."""
        caller = of_whole_server(context)
        query(request)
        name = _named(request)
        _may_write(caller, [name.kind])

        def change(read: DocumentsRead) -> Mapping[DocumentName, bytes | None]:
            there = _content(read, name)
            if there is None:
                raise _missing(name)
            _match(request, _etag(there))
            return {name: None}

        return await self._changed(context, change, {name: None}, {})

    async def change(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /admin/v1/policy/documents``."""
        caller = of_whole_server(context)
        query(request)
        wanted = _wanted(await body(request, DocumentChanges))
        self._writable(caller, [name.kind for name, content in wanted.items() if content is not None])
        _may_write(caller, [name.kind for name in wanted])

        def change(read: DocumentsRead) -> Mapping[DocumentName, bytes | None]:
            _match(request, _version_tag(read.version))
            return wanted

        return await self._changed(context, change, wanted, None)

    @property
    def _documents(self) -> PolicyDocuments:
        documents = self._gateway.documents
        if documents is None:
            raise NotEnabled(
                "no enabled plugin keeps policies in a store; enable one that does, such as store, and restart"
            )
        return documents

    def _listed(self, read: DocumentsRead, kinds: Sequence[str]) -> web.Response:
        rows = [
            DocumentEntry(kind=kind, name=name, bytes=len(content), etag=_etag(content))
            for kind in sorted(kinds)
            for name, content in sorted(read.documents.get(kind, {}).items())
        ]
        known = [kind for kind in self._documents.kinds if kind != KEYS]
        answer = DocumentList(version=read.version, kinds=known, documents=rows)
        return json_answer(msgspec.json.encode(answer), {"ETag": _version_tag(read.version)})

    def _writable(self, caller: Principal, kinds: Sequence[str]) -> None:
        """Check that *caller* may write documents of *kinds*, and that somebody would go by them."""
        _may_write(caller, kinds)
        known = self._documents.kinds
        for kind in kinds:
            if kind not in known:
                there = ", ".join(each for each in known if each != KEYS) or "none"
                raise InvalidRequest(
                    f"no enabled plugin goes by documents of that kind; there is {there}", param="kind"
                )

    async def _changed(
        self,
        context: RequestContext,
        change: Change,
        wanted: Mapping[DocumentName, bytes | None],
        headers: Mapping[str, str] | None,
    ) -> web.Response:
        """Make a change to *wanted*, and say what it was; without *headers* the etag is the store's."""
        before = await self._documents.read()

        def told(read: DocumentsRead) -> Mapping[DocumentName, bytes | None]:
            nonlocal before
            before = read
            return change(read)

        after = await self._documents.change(told)
        different = [name for name, content in wanted.items() if _content(before, name) != content]
        deleted = sum(wanted[name] is None for name in different)
        note(
            context,
            "policies changed",
            version=after.version,
            documents=[f"{name.kind}/{name.name}" for name in different[:LOGGED]],
            count=len(different),
        )
        done = DocumentWritten(version=after.version, written=len(different) - deleted, deleted=deleted)
        sent = {"ETag": _version_tag(after.version)} if headers is None else headers
        return json_answer(msgspec.json.encode(done), sent)


def _shown(kind: str) -> str:
    if kind == KEYS:
        raise PolicyDenied("keys have routes of their own: /admin/v1/keys", param="kind")
    return kind


def _may_write(caller: Principal, kinds: Sequence[str]) -> None:
    for kind in kinds:
        if _shown(kind) == ROLES and not caller.may(ADMIN):
            raise PolicyDenied("roles say what callers may: to write them takes the scope admin", param="kind")


def _named(request: web.Request) -> DocumentName:
    return DocumentName(_shown(request.match_info["kind"]), request.match_info["name"])


def _wanted(given: DocumentChanges) -> Mapping[DocumentName, bytes | None]:
    wanted: dict[DocumentName, bytes | None] = {}
    for number, each in enumerate(given.changes):
        name = DocumentName(each.kind, each.name)
        if name in wanted:
            raise InvalidRequest(f"{each.kind} {each.name} is there twice", param=f"changes[{number}].name")
        content = bytes(each.content).strip()
        wanted[name] = None if content == b"null" else content
    return wanted


def _content(read: DocumentsRead, name: DocumentName) -> bytes | None:
    return read.documents.get(name.kind, {}).get(name.name)


def _missing(name: DocumentName) -> RecordNotFound:
    return RecordNotFound(f"there is no document {name.kind} {name.name}", param="name")


def _etag(content: bytes) -> str:
    """A strong one (RFC 9110, 8.8.3): of what is sent, byte for byte."""
    digest = hashlib.sha256(content).digest()[:15]
    return f'"{base64.urlsafe_b64encode(digest).decode()}"'


def _version_tag(version: int) -> str:
    return f'"v{version}"'


def _match(request: web.Request, etag: str | None) -> None:
    """Check what *request* says of the thing that it changes, which has *etag* now; None where it is not there.

    Raises:
        Conflict: It is another one by now, or it is not there, or is; status 412.
        InvalidRequest: A condition that there is not.
    """
    wanted = request.headers.getall("If-Match", [])
    tags = [each.strip() for line in wanted for each in line.split(",")]
    if tags and (etag is None or not {"*", etag} & set(tags)):
        raise _conflict("If-Match")
    unwanted = request.headers.get("If-None-Match")
    if unwanted not in {None, "*"}:
        raise InvalidRequest("If-None-Match may be * only", param="If-None-Match")
    if unwanted is not None and etag is not None:
        raise _conflict("If-None-Match")


def _conflict(header: str) -> Conflict:
    error = Conflict(f"the document is not what {header} says it is: look again", param=header)
    error.status = HTTPStatus.PRECONDITION_FAILED
    return error
