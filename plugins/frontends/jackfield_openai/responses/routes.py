"""Routes and handlers of ``/v1/responses``."""

from __future__ import annotations

from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.context import RequestContext
from jackfield.errors import InternalError, InvalidRequest, JackfieldError, RecordNotFound, UnsupportedField, http
from jackfield.frontends.delivery import deliver
from jackfield.frontends.event_stream import EventStream
from jackfield.frontends.exchange import ignored_header, json_answer, read_body
from jackfield.frontends.outputs import next_output
from jackfield.frontends.users import user_mark
from jackfield.ports.frontend import Route
from jackfield.questions import Render, Rendered
from jackfield.types import PRIORITY_MAX, GenerateRequest, PromptProgress, Started
from jackfield_openai.headers import limit_headers, work_headers
from jackfield_openai.records import new_id, tenant_of
from jackfield_openai.responses import operations
from jackfield_openai.responses.answer import ResponseAnswer
from jackfield_openai.responses.background import Background
from jackfield_openai.responses.bodies import ResponseCall
from jackfield_openai.responses.decode import decode_response
from jackfield_openai.responses.generation import conversation, generate_request, generated
from jackfield_openai.responses.history import History
from jackfield_openai.responses.includes import NAMES, check_include
from jackfield_openai.responses.items import Item, read_items
from jackfield_openai.responses.listing import listed, page_of, read_page, read_start
from jackfield_openai.responses.liveness import Liveness
from jackfield_openai.responses.objects import response_object
from jackfield_openai.responses.running import ROUTE, Running
from jackfield_openai.tiers import BATCH, served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    from aiohttp import web

    from jackfield.chat import ChatPrompt
    from jackfield.ports.frontend import Gateway
    from jackfield.ports.records import RecordStore
    from jackfield.types import GenerateEvent
    from jackfield_openai.config import OpenAIConfig
    from jackfield_openai.responses.background import Run

_GONE: Final = {"code": "server_error", "message": "the server that ran this response has ended"}


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A response that is to be made."""

    call: ResponseCall
    given: tuple[Item, ...]
    """The items that the request brought."""
    request: GenerateRequest
    history: History | None
    """Where it is kept; None keeps it nowhere."""
    tier: str
    """Which service tier it is served in."""


class Responses:
    """The handlers.

    Parameters:
        gateway: What serves the requests.
        config: ``[config.openai]``.
    """

    def __init__(self, gateway: Gateway, config: OpenAIConfig) -> None:
        self._gateway = gateway
        self._config = config
        self._background = Background()

    def routes(self) -> Sequence[Route]:
        """The paths."""
        made = "/v1/responses/{id}"
        return (
            Route("POST", "/v1/responses", self.create, scope="generate", operation=operations.CREATE),
            Route("POST", "/v1/responses/input_tokens", self.count, scope="generate", operation=operations.COUNT),
            Route("GET", made, self.retrieve, scope="generate", operation=operations.RETRIEVE),
            Route("DELETE", made, self.delete, scope="generate", operation=operations.DELETE),
            Route("POST", f"{made}/cancel", self.cancel, scope="generate", operation=operations.CANCEL),
            Route(
                "GET",
                f"{made}/input_items",
                self.input_items,
                scope="generate",
                operation=operations.ITEMS,
            ),
        )

    async def close(self) -> None:
        """End what runs in the background; it is kept as failed."""
        await self._background.close()

    async def create(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/responses``."""
        call = decode_response(await read_body(request), self._config.unknown_fields)
        work = await self._work(call, context)
        context.user = user_mark(call.body.safety_identifier or call.body.user or "")
        headers = ignored_header(call.ignored)
        context.whole = not call.body.stream
        if call.body.background:
            run = await self._start(work, context)
            if call.body.stream:
                return await self._follow(request, context, run, -1, headers)
            return json_answer(msgspec.json.encode(run.answer.response), headers)
        with in_own_words():
            return await self._answered(request, work, context, headers)

    async def _answered(
        self, request: web.Request, work: Work, context: RequestContext, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        call = work.call
        async with aclosing(self._events(work, context)) as events:
            if not call.body.stream:
                return json_answer(await self._whole(work, events, context), {**headers, **work_headers(context)})
            late = partial(work_headers, context)
            async with EventStream(request, headers, self._config.keepalive_s, late) as stream:
                await self._stream(stream, work, events, context)
                await stream.response.write_eof()
                return stream.response

    async def answered(self, body: bytes, context: RequestContext) -> bytes:
        """The whole answer to *body*, which nobody waits for; it waits for everybody else's.

        Raises:
            JackfieldError: As over HTTP.
        """
        call = decode_response(body, self._config.unknown_fields)
        for name, value in (("stream", call.body.stream), ("background", call.body.background)):
            if value:
                raise UnsupportedField(f"{name}: a line of a batch is answered as a whole", param=name)
        context.user = user_mark(call.body.safety_identifier or call.body.user or "")
        context.whole = True
        work = await self._work(call, context)
        last = msgspec.structs.replace(work.request, priority=PRIORITY_MAX)
        work = msgspec.structs.replace(work, request=last, tier=BATCH)
        with in_own_words():
            return await self._made(work, context)

    async def _made(self, work: Work, context: RequestContext) -> bytes:
        async with aclosing(self._events(work, context)) as events:
            return await self._whole(work, events, context)

    async def count(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/responses/input_tokens``: how long the same request's input is."""
        call = decode_response(await read_body(request), self._config.unknown_fields)
        _, prompt = await self._prompt(call, context)
        with in_own_words():
            reply = await self._gateway.ask(context, Render(model=call.model, prompt=prompt))
        if not isinstance(reply, Rendered):
            raise InternalError("a worker answered another question")
        return json_answer(
            msgspec.json.encode({"object": "response.input_tokens", "input_tokens": reply.tokens}),
            {**ignored_header(call.ignored), **limit_headers(context.standings)},
        )

    async def retrieve(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/responses/{id}``: as it is now, or its events."""
        stream, after = read_start(request.query)
        check_include(request.query)
        run = self._background.find(tenant_of(context), request.match_info["id"])
        if stream:
            if run is None:
                raise InvalidRequest("only responses that run in the background can be followed", param="stream")
            return await self._follow(request, context, run, after, {})
        if run is not None:
            return json_answer(run.response(context.principal))
        return json_answer(msgspec.json.encode(await self._kept(request, context)))

    async def delete(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``DELETE /v1/responses/{id}``; one that runs ends."""
        response_id, tenant = request.match_info["id"], tenant_of(context)
        run = self._background.find(tenant, response_id)
        if run is not None:
            await run.cancel()
        await self._history(context).delete(response_id)
        self._background.forget(tenant, response_id)
        gone = {"id": response_id, "object": "response", "deleted": True}
        return json_answer(msgspec.json.encode(gone))

    async def cancel(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``POST /v1/responses/{id}/cancel``: end one that runs in the background."""
        run = self._background.find(tenant_of(context), request.match_info["id"])
        if run is not None and not run.answer.ended:
            await run.cancel()
        kept = await self._kept(request, context)
        if bytes(kept["background"]) != b"true":
            raise InvalidRequest("only responses that run in the background can be cancelled", param="response_id")
        if _runs(kept):
            await self._liveness(context).ask_end(request.match_info["id"])
        return json_answer(msgspec.json.encode(kept))

    async def input_items(self, request: web.Request, context: RequestContext) -> web.StreamResponse:
        """``GET /v1/responses/{id}/input_items``: what its request brought."""
        page = read_page(request.query, known=NAMES)
        check_include(request.query)
        kept = await self._history(context).find(request.match_info["id"])
        return json_answer(page_of([listed(item) for item in kept.input], page))

    async def _kept(self, request: web.Request, context: RequestContext) -> dict[str, msgspec.Raw]:
        kept = await self._history(context).find(request.match_info["id"])
        if _runs(kept.response) and not await self._liveness(context).beats(request.match_info["id"]):
            # the process that ran it was killed; nobody will end it
            gone = {"status": msgspec.Raw(b'"failed"'), "error": msgspec.Raw(msgspec.json.encode(_GONE))}
            return {**kept.response, **gone}
        return kept.response

    # --- making one ---------------------------------------------------------------------------------------------------

    def _records(self) -> RecordStore:
        records = self._gateway.records
        if records is None:
            raise RecordNotFound("this server keeps no responses: no record store is enabled", param="response_id")
        return records

    def _history(self, context: RequestContext) -> History:
        return History(self._records(), context)

    def _liveness(self, context: RequestContext) -> Liveness:
        return Liveness(self._records(), tenant_of(context))

    async def _work(self, call: ResponseCall, context: RequestContext) -> Work:
        keeps = self._gateway.records is not None
        if not keeps and call.body.store:
            raise UnsupportedField("store: this server keeps nothing: no record store is enabled", param="store")
        stored = keeps and call.body.store is not False
        if call.body.background and not stored:
            raise UnsupportedField("background needs responses to be stored", param="background")
        given, prompt = await self._prompt(call, context)
        priority, tier = served(call.body.service_tier or "default", context.principal)
        return Work(
            call=call,
            given=given,
            request=generate_request(call, prompt, call.body.priority if priority is None else priority),
            tier=tier,
            history=self._history(context) if stored else None,
        )

    async def _prompt(self, call: ResponseCall, context: RequestContext) -> tuple[tuple[Item, ...], ChatPrompt]:
        before: list[Item] = []
        previous = call.body.previous_response_id
        if previous is not None:
            if self._gateway.records is None:
                raise UnsupportedField(
                    "previous_response_id: this server keeps nothing: no record store is enabled",
                    param="previous_response_id",
                )
            before = await self._history(context).conversation(previous)
        given = read_items(call.input, before, new_id)
        return given, conversation(call, [*before, *given])

    def _events(self, work: Work, context: RequestContext) -> AsyncGenerator[GenerateEvent, None]:
        shorten = work.call.body.truncation == "auto"
        return generated(self._gateway, context, work.request, shorten=shorten)

    def _answer(self, work: Work, context: RequestContext) -> ResponseAnswer:
        model = context.model or work.request.model
        response = response_object(work.call, model, stored=work.history is not None, tier=work.tier)
        return ResponseAnswer(response, logprobs=work.call.logprobs is not None)

    async def _whole(self, work: Work, events: AsyncGenerator[GenerateEvent, None], context: RequestContext) -> bytes:
        output = await next_output(events)
        answer = self._answer(work, context)
        answer.event(output)
        while not answer.ended:
            answer.event(await next_output(events))
        await self._keep(work, answer)
        return msgspec.json.encode(answer.response)

    async def _stream(
        self,
        stream: EventStream,
        work: Work,
        events: AsyncGenerator[GenerateEvent, None],
        context: RequestContext,
    ) -> None:
        answer: ResponseAnswer | None = None

        def said(event: GenerateEvent) -> bytes:
            nonlocal answer
            if isinstance(event, Started | PromptProgress):
                return b""  # a refusal can still be a status
            if answer is not None:
                return answer.event(event)
            answer = self._answer(work, context)
            return answer.opening() + answer.event(event)

        try:
            await deliver(events, stream, said)
            if answer is None or not answer.ended:
                raise InternalError("generation ended without a result")
            await self._keep(work, answer)
            await stream.send(answer.closing())
        except JackfieldError as error:
            if not stream.begun:
                raise
            # the status is out: one event that says so, and none that would make the answer look whole
            context.code = http(error).code
            begun = answer is not None
            answer = answer or self._answer(work, context)
            failed = answer.failed(error)
            with suppress(JackfieldError):
                await self._keep(work, answer, judged=begun or not self._gateway.guarded)
            await stream.send(failed)

    async def _keep(self, work: Work, answer: ResponseAnswer, *, judged: bool = True) -> None:
        if work.history is not None:
            await work.history.keep(answer.response, work.given, judged=judged)

    # --- in the background --------------------------------------------------------------------------------------------

    async def _start(self, work: Work, context: RequestContext) -> Run:
        own = RequestContext(context.request_id, ROUTE, context.client)
        own.principal, own.fingerprint, own.user = context.principal, context.fingerprint, context.user
        history, liveness = self._history(own), self._liveness(context)
        answer = self._answer(work, context)
        self._background.check_room()
        answer.response["status"] = "queued"
        judged = not self._gateway.guarded
        await history.keep(answer.response, work.given, judged=judged)
        await liveness.beat(str(answer.response["id"]))
        running = Running(
            self._gateway,
            own,
            answer,
            lambda: self._events(work, own),
            lambda judged: history.keep(answer.response, work.given, new=False, judged=judged),
            liveness,
        )
        return self._background.start(own, answer, running.make, judged=judged)

    async def _follow(
        self, request: web.Request, context: RequestContext, run: Run, after: int, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        async with (
            aclosing(run.follow(after, context.principal)) as events,
            EventStream(request, headers, self._config.keepalive_s) as stream,
        ):
            async for data in events:
                await stream.send(data)
            if not stream.begun:
                await stream.send(b"")
            await stream.response.write_eof()
            return stream.response


@contextmanager
def in_own_words() -> Iterator[None]:
    """Other routes have ``messages`` where these have ``input``."""
    try:
        yield
    except JackfieldError as error:
        if error.param == "messages":
            error.param = "input"
        raise


def _runs(response: Mapping[str, msgspec.Raw]) -> bool:
    return bytes(response["status"]) in {b'"queued"', b'"in_progress"'}
