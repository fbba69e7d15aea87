"""Routes and handlers of ``/v1/files`` and ``/v1/batches``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from jackfield.errors import (
    InsufficientScope,
    InvalidRequest,
    NoRoomLeft,
    QueueFull,
    RecordNotFound,
    UnsupportedField,
)
from jackfield.frontends.arrays import typed
from jackfield.frontends.exchange import json_answer, read_body
from jackfield.ports.frontend import Route
from jackfield.ports.records import StoreFull
from jackfield_openai.batches import operations
from jackfield_openai.batches.bodies import BatchBody
from jackfield_openai.batches.files import Files
from jackfield_openai.batches.lines import ENDPOINTS
from jackfield_openai.batches.multipart import read_form
from jackfield_openai.batches.records import Batch, BatchRecords, Kept
from jackfield_openai.records import new_id, tenant_of
from jackfield_openai.responses.listing import check_names, list_object, read_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import Gateway
    from jackfield.ports.records import RecordStore
    from jackfield_openai.batches.multipart import Part
    from jackfield_openai.batches.queue import BatchQueue

WINDOW_S: Final = 24 * 3600
OPEN_MAX: Final = 100
"""Most batches of one tenant that are not finished."""

PURPOSES: Final = ("batch", "user_data")
FILES_MAX: Final = 1000
"""Most files of one listing."""

LIVES_MIN_S: Final = 3600
LIVES_MAX_S: Final = 30 * 24 * 3600
"""OpenAI's limits of ``expires_after``."""

_FIELDS: Final = frozenset({"file", "purpose", "expires_after[anchor]", "expires_after[seconds]"})


_BODY: Final = msgspec.json.Decoder(BatchBody)


class Batches:
    """The handlers, and the queue behind them.

    Parameters:
        gateway: What serves the lines.
        queue: What works on batches.
    """

    def __init__(self, gateway: Gateway, queue: BatchQueue) -> None:
        self._gateway = gateway
        self._queue = queue

    def routes(self) -> Sequence[Route]:
        """The paths."""
        return (
            Route("POST", "/v1/files", self.upload, scope="generate", operation=operations.UPLOAD),
            Route("GET", "/v1/files", self.list_files, scope="generate", operation=operations.LIST_FILES),
            Route("GET", "/v1/files/{id}", self.retrieve_file, scope="generate", operation=operations.SHOW_FILE),
            Route("GET", "/v1/files/{id}/content", self.content, scope="generate", operation=operations.CONTENT),
            Route("DELETE", "/v1/files/{id}", self.delete_file, scope="generate", operation=operations.DELETE_FILE),
            Route("POST", "/v1/batches", self.create, scope="generate", operation=operations.CREATE),
            Route("GET", "/v1/batches", self.list_batches, scope="generate", operation=operations.LIST_BATCHES),
            Route("GET", "/v1/batches/{id}", self.retrieve, scope="generate", operation=operations.SHOW_BATCH),
            Route("POST", "/v1/batches/{id}/cancel", self.cancel, scope="generate", operation=operations.CANCEL),
        )

    # --- files --------------------------------------------------------------------------------------------------------

    async def upload(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/files``: a form with ``file`` and ``purpose``."""
        files = self._files(context)
        form = read_form(await request.read(), request.headers.get("Content-Type", ""))
        for name in form.keys() - _FIELDS:
            raise UnsupportedField("the form has a field that is not known", param=name[:64])
        purpose = _text(form, "purpose")
        if purpose not in PURPOSES:
            raise UnsupportedField(f"purpose must be one of {', '.join(PURPOSES)}", param="purpose")
        if "file" not in form:
            raise InvalidRequest("file is required", param="file")
        part = form["file"]
        made = await files.add(part.content, part.filename or "file", purpose, lives_s=_lives(form))
        return json_answer(msgspec.json.encode(made))

    async def list_files(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/files``."""
        query = dict(request.query)
        purpose = query.pop("purpose", None)
        page = read_page(query, most=FILES_MAX)
        found = await self._files(context).page(
            purpose=purpose, after=page.after, limit=page.limit + 1, newest_first=page.newest_first
        )
        shown = found[: page.limit]
        return json_answer(list_object(shown, [file.id for file in shown], more=len(found) > page.limit))

    async def retrieve_file(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/files/{id}``."""
        return json_answer(msgspec.json.encode(await self._files(context).find(request.match_info["id"])))

    async def content(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/files/{id}/content``: its bytes, for nobody to render."""
        content = await self._files(context).content(request.match_info["id"])
        headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=content, content_type="application/octet-stream", headers=headers)

    async def delete_file(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``DELETE /v1/files/{id}``."""
        file_id = request.match_info["id"]
        await self._files(context).delete(file_id)
        return json_answer(msgspec.json.encode({"id": file_id, "object": "file", "deleted": True}))

    # --- batches ------------------------------------------------------------------------------------------------------

    async def create(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/batches``."""
        batches = self._batches(context)
        body = typed(_BODY, await read_body(request))
        await self._check(body, context)
        if await batches.open() >= OPEN_MAX:
            raise QueueFull(f"{OPEN_MAX} of your batches are not finished; wait, or cancel some")
        now = int(time.time())
        lives_s = body.output_expires_after.seconds if body.output_expires_after is not None else None
        batch = Batch(
            id=new_id("batch_"),
            endpoint=body.endpoint,
            input_file_id=body.input_file_id,
            created_at=now,
            expires_at=now + WINDOW_S,
            metadata=body.metadata,
        )
        try:
            await batches.create(Kept(batch=batch, principal=context.principal, output_lives_s=lives_s))
        except StoreFull as error:
            raise NoRoomLeft(f"there is no room for this batch: {error}") from error
        self._queue.wake()
        return json_answer(msgspec.json.encode(batch))

    async def list_batches(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/batches``: newest first."""
        check_names(request.query, {"limit", "after"})
        page = read_page(request.query)
        found = await self._batches(context).page(page.after, page.limit + 1)
        shown = found[: page.limit]
        return json_answer(list_object(shown, [batch.id for batch in shown], more=len(found) > page.limit))

    async def retrieve(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/batches/{id}``."""
        kept = await self._batches(context).find(request.match_info["id"])
        return json_answer(msgspec.json.encode(kept.batch))

    async def cancel(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/batches/{id}/cancel``: lines that are being computed are finished, no other begins."""
        batches = self._batches(context)
        kept = await batches.find(request.match_info["id"])
        if kept.batch.ended:
            raise InvalidRequest(f"the batch is {kept.batch.status} already", param="batch_id")
        await batches.cancel(kept.batch.id)
        self._queue.wake()
        return json_answer(msgspec.json.encode((await batches.find(kept.batch.id)).batch))

    async def _check(self, body: BatchBody, context: RequestContext) -> None:
        if body.endpoint not in ENDPOINTS:
            raise UnsupportedField(f"endpoint must be one of {', '.join(ENDPOINTS)}", param="endpoint")
        scope = ENDPOINTS[body.endpoint]
        if context.principal is not None and not context.principal.may(scope):
            raise InsufficientScope(f"this key lacks the scope {scope}", param="endpoint")
        if body.completion_window != "24h":
            raise UnsupportedField("completion_window must be 24h", param="completion_window")
        try:
            file = await self._files(context).find(body.input_file_id)
        except RecordNotFound as error:
            raise InvalidRequest("the input file is not there", param="input_file_id") from error
        if file.purpose != "batch":
            raise InvalidRequest("the input file has another purpose than batch", param="input_file_id")

    def _files(self, context: RequestContext) -> Files:
        return Files(self._records(), tenant_of(context))

    def _batches(self, context: RequestContext) -> BatchRecords:
        return BatchRecords(self._records(), tenant_of(context))

    def _records(self) -> RecordStore:
        if self._gateway.records is None:
            raise UnsupportedField("this server keeps nothing: no record store is enabled")
        return self._gateway.records


def _text(form: Mapping[str, Part], name: str) -> str:
    if name not in form:
        raise InvalidRequest(f"{name} is required", param=name)
    return form[name].content.decode(errors="replace")


def _lives(form: Mapping[str, Part]) -> int | None:
    anchor, seconds = "expires_after[anchor]", "expires_after[seconds]"
    if anchor not in form and seconds not in form:
        return None
    if _text(form, anchor) != "created_at":
        raise InvalidRequest(f"{anchor} must be created_at", param=anchor)
    text = _text(form, seconds)
    lives = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(LIVES_MAX_S)) + 1 else 0
    if not LIVES_MIN_S <= lives <= LIVES_MAX_S:
        raise InvalidRequest(f"{seconds} must be between {LIVES_MIN_S} and {LIVES_MAX_S}", param=seconds)
    return lives
