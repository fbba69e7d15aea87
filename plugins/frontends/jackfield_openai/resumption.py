"""``/v1/streams/{id}``: streams that a client takes up again where its connection broke."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import InvalidRequest, JackfieldError
from jackfield.frontends.event_stream import EventStream
from jackfield.frontends.exchange import json_answer
from jackfield.ports.frontend import Route
from jackfield_openai import operations
from jackfield_openai.headers import work_headers
from jackfield_openai.recordings import Recordings
from jackfield_openai.serving import fail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiohttp import web

    from jackfield.context import RequestContext
    from jackfield_openai.config import OpenAIConfig
    from jackfield_openai.recordings import Recording

STREAM_HEADER: Final = "x-jackfield-stream"
"""Where a stream can be taken up again."""

_NUMBER_DIGITS: Final = 15


class Resumption:
    """Records streams, and serves the rest of those that broke. Event loop thread.

    Parameters:
        config: ``[config.openai]``.
    """

    def __init__(self, config: OpenAIConfig) -> None:
        self._keepalive_s = config.keepalive_s
        self._recordings = Recordings(config.resume_s, config.resume_streams, config.resume_bytes)

    def routes(self) -> Sequence[Route]:
        """The paths of streams."""
        return (
            Route("GET", "/v1/streams/{id}", self.resume, scope="generate", operation=operations.RESUME),
            Route("DELETE", "/v1/streams/{id}", self.cancel, scope="generate", operation=operations.CANCEL),
        )

    async def serve(
        self,
        request: web.Request,
        context: RequestContext,
        headers: Mapping[str, str],
        produce: Callable[[Recording, RequestContext], Awaitable[None]],
        keepalive_s: float,
    ) -> web.StreamResponse | None:
        """Stream what *produce* writes down in a task of its own, which goes on for a while when the client leaves.

        Parameters:
            request: What is answered.
            context: Its; *produce* gets one that outlives it.
            headers: Of the answer.
            produce: Fills the recording.
            keepalive_s: Seconds of silence before a comment.

        Returns:
            The answer; None where there are as many recordings as there may be, and this one has to do without.
        """
        own = context.detached()
        recording = self._recordings.begin(own, lambda recording: produce(recording, own))
        if recording is None:
            return None
        where = {**headers, STREAM_HEADER: f"/v1/streams/{recording.id}"}
        try:
            sink = EventStream(request, where, keepalive_s, partial(work_headers, context))
            return await self._follow(context, recording, 0, sink)
        finally:
            context.learn(own)

    async def resume(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/streams/{id}``: what follows the last event that the client has."""
        recording = self._recordings.find(request.match_info["id"], context.principal)
        last = _last_seen(request)
        recording.check(last)
        sink = EventStream(request, {}, self._keepalive_s, partial(work_headers, context))
        return await self._follow(context, recording, last, sink)

    async def cancel(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``DELETE /v1/streams/{id}``: nobody wants the rest."""
        recording = self._recordings.find(request.match_info["id"], context.principal)
        self._recordings.drop(recording)
        return json_answer(msgspec.json.encode({"id": recording.id, "object": "stream", "deleted": True}))

    async def _follow(
        self,
        context: RequestContext,
        recording: Recording,
        last: int,
        sink: EventStream,
    ) -> web.StreamResponse:
        async with sink, aclosing(self._recordings.follow(recording, last)) as events:
            try:
                async for piece in events:
                    await sink.send(piece)
            except JackfieldError as error:
                await fail(sink, error, context)
            await sink.begin()
            await sink.response.write_eof()
            return sink.response


def _last_seen(request: web.Request) -> int:
    """Number of the last event that the client has; 0 where it has none."""
    given = request.query.get("after") or request.headers.get("Last-Event-ID") or "0"
    if not (given.isascii() and given.isdigit() and len(given) <= _NUMBER_DIGITS):
        raise InvalidRequest("after must be the id of an event", param="after")
    return int(given)
