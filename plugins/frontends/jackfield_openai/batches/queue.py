"""The queue: one batch after the other, several lines at a time, going on where a killed gateway stopped."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from jackfield.context import RequestContext
from jackfield.errors import JackfieldError, NoRoomLeft, RecordNotFound, http
from jackfield.ports.records import StoreFull
from jackfield_openai.batches import records as kinds
from jackfield_openai.batches.files import Files
from jackfield_openai.batches.lines import answered, read_line
from jackfield_openai.batches.records import BatchRecords, Counts, Kept, Line
from jackfield_openai.errors import error_body
from jackfield_openai.responses.objects import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.frontend import Gateway
    from jackfield.ports.records import RecordStore
    from jackfield_openai.batches.lines import LineRequest
    from jackfield_openai.config import OpenAIConfig

AT_ONCE: Final = 4
"""Lines that are computed at once."""

LINES_MAX: Final = 10_000
"""Most lines of one batch."""

LEASE_S: Final = 15.0
"""How long a batch of a gateway that was killed waits for another one."""

POLL_S: Final = 5.0
"""Between two looks for batches that another gateway has left."""

TRIES: Final = 8
"""How often a line is tried that might succeed later."""

_WAIT_MAX_S: Final = 60.0
_OPEN_SEEN: Final = 1000
_ERRORS_SHOWN: Final = 20
_LINES_A_TURN: Final = 100
"""Lines that are read before others have their turn on the event loop."""


class Lost(Exception):
    """The lease is over: another gateway may work on the batch."""


class BatchQueue:
    """Works on everybody's batches. Gateway's event loop.

    Parameters:
        gateway: What serves the lines.
        config: ``[config.openai]``.
        lease_s: See ``LEASE_S``.
        wait_s: Seconds before a line is tried again, at first; each time twice as long.
    """

    def __init__(
        self, gateway: Gateway, config: OpenAIConfig, *, lease_s: float = LEASE_S, wait_s: float = 0.5
    ) -> None:
        self._gateway = gateway
        self._config = config
        self._lease_s = lease_s
        self._wait_s = wait_s
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            if self._gateway.records is not None:
                with suppress(JackfieldError):  # the kernel has logged that its store failed
                    await self._all(self._gateway.records)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(POLL_S, self._lease_s))

    async def _all(self, store: RecordStore) -> None:
        for mark in await store.find(kinds.OPEN, None, limit=_OPEN_SEEN):
            batches = BatchRecords(store, mark.tenant)
            if await batches.take(mark.parent, self._lease_s):
                work = BatchWork(self._gateway, self._config, batches, Files(store, mark.tenant), self._wait_s)
                await self._one(work, batches, mark.parent)

    async def _one(self, work: BatchWork, batches: BatchRecords, batch_id: str) -> None:
        working = asyncio.ensure_future(work.run(batch_id))
        renewing = asyncio.ensure_future(self._renew(batches, batch_id))
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, renewing):
                task.cancel()
            done = await asyncio.gather(working, renewing, return_exceptions=True)
            if not isinstance(done[1], Lost):
                with suppress(JackfieldError):
                    await batches.leave(batch_id)
        if isinstance(done[0], Exception) and not isinstance(done[0], JackfieldError):
            structlog.get_logger("jackfield.openai").error("a batch failed", error=type(done[0]).__name__)

    async def _renew(self, batches: BatchRecords, batch_id: str) -> None:
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._lease_s / 4)
            late = time.monotonic() - renewed > self._lease_s
            if late or not await batches.renew(batch_id, self._lease_s):
                raise Lost
            renewed = time.monotonic()


class BatchWork:
    """The work on one batch.

    Parameters:
        gateway: What serves the lines.
        config: ``[config.openai]``.
        batches: Its tenant's.
        files: Its tenant's.
        wait_s: As in ``BatchQueue``.
    """

    def __init__(
        self, gateway: Gateway, config: OpenAIConfig, batches: BatchRecords, files: Files, wait_s: float
    ) -> None:
        self._gateway = gateway
        self._config = config
        self._batches = batches
        self._files = files
        self._wait_s = wait_s

    async def run(self, batch_id: str) -> None:
        """Work until it is finished, or cancelled from outside."""
        try:
            kept = await self._batches.find(batch_id)
        except RecordNotFound:
            return
        try:
            lines = await self._lines(kept)
            if lines is not None:
                await self._finish(await self._compute(kept, lines), lines)
        except (StoreFull, NoRoomLeft) as error:
            await self._fail(kept, [_problem("store_full", str(error), None)])

    async def _lines(self, kept: Kept) -> Sequence[LineRequest] | None:
        """What is asked; None where it cannot be, which the batch then says."""
        try:
            content = await self._files.content(kept.batch.input_file_id)
        except RecordNotFound:
            await self._fail(kept, [_problem("file_not_found", "the input file is gone", None)])
            return None
        lines: list[LineRequest] = []
        problems: list[Mapping[str, object]] = []
        for number, data in enumerate(content.splitlines(), 1):
            if number % _LINES_A_TURN == 0:
                await asyncio.sleep(0)
            if not data.strip():
                continue
            try:
                lines.append(read_line(data, kept.batch.endpoint))
            except JackfieldError as error:
                problems.append(_problem("invalid_json_line", error.message, number))
        if len({line.custom_id for line in lines}) < len(lines):
            problems.append(_problem("duplicate_custom_id", "two lines have one custom_id", None))
        if not 0 < len(lines) <= LINES_MAX:
            problems.append(_problem("invalid_file", f"a batch must have 1 to {LINES_MAX} lines", None))
        if problems:
            await self._fail(kept, problems[:_ERRORS_SHOWN])
            return None
        return lines

    async def _compute(self, kept: Kept, lines: Sequence[LineRequest]) -> Kept:
        """Answer the lines that have no answer yet, as long as nobody ends it and its time is not over."""
        done = dict(await self._batches.lines(kept.batch.id))
        now = int(time.time())
        kept = _with(kept, status="in_progress", in_progress_at=kept.batch.in_progress_at or now)
        progress = _Progress(self._batches, kept, done, len(lines))
        await progress.tell()
        waiting = iter([(number, line) for number, line in enumerate(lines) if number not in done])

        async def serve() -> None:
            for number, line in waiting:
                if await progress.over():
                    return
                await progress.add(number, await self._answer(kept, number, line))

        tasks = [asyncio.ensure_future(serve()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return progress.kept

    async def _answer(self, kept: Kept, number: int, line: LineRequest) -> Line:
        request_id = f"{kept.batch.id}.{number}"
        tries = 0
        while True:
            context = RequestContext(request_id, kept.batch.endpoint, "batch")
            context.principal = kept.principal
            try:
                body = await answered(self._gateway, self._config, context, line)
                return Line(ok=True, text=_line_text(line, request_id, 200, body))
            except JackfieldError as error:
                tries += 1
                if not http(error).retriable or tries >= TRIES:
                    return Line(ok=False, text=_line_text(line, request_id, http(error).status, error_body(error)))
                await asyncio.sleep(min(max(self._wait_s * 2**tries, error.retry_after or 0.0), _WAIT_MAX_S))

    async def _finish(self, kept: Kept, lines: Sequence[LineRequest]) -> None:
        """Write what there is to files."""
        batch_id = kept.batch.id
        done = await self._batches.lines(batch_id)
        cancelled = await self._batches.cancelled(batch_id)
        kept = _with(kept, status="finalizing", finalizing_at=int(time.time()))
        await self._batches.keep(kept)
        missing = [line for number, line in enumerate(lines) if number not in done]
        good = [done[number].text for number in sorted(done) if done[number].ok]
        bad = [done[number].text for number in sorted(done) if not done[number].ok]
        bad += [_missing_text(line, cancelled=cancelled is not None) for line in missing]
        output = await self._file(good, f"{batch_id}_output.jsonl")
        errors = await self._file(bad, f"{batch_id}_error.jsonl")
        ended = "completed" if not missing else "expired" if cancelled is None else "cancelled"
        kept = _with(kept, status=ended, output_file_id=output, error_file_id=errors, cancelling_at=cancelled)
        await self._batches.keep(_with(kept, **{f"{ended}_at": int(time.time())}))
        await self._batches.drop_lines(batch_id, list(done))

    async def _file(self, lines: Sequence[str], name: str) -> str | None:
        if not lines:
            return None
        content = "".join(f"{line}\n" for line in lines).encode()
        return (await self._files.add(content, name, "batch_output")).id

    async def _fail(self, kept: Kept, problems: Sequence[Mapping[str, object]]) -> None:
        errors = {"object": "list", "data": problems}
        raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in errors.items()}
        await self._batches.keep(_with(kept, status="failed", failed_at=int(time.time()), errors=raw))


class _Progress:
    """What is finished of a batch, and whether it is to go on."""

    def __init__(self, batches: BatchRecords, kept: Kept, done: dict[int, Line], total: int) -> None:
        self._batches = batches
        self.kept = kept
        self._done = done
        self._total = total

    async def add(self, number: int, line: Line) -> None:
        """A line is finished."""
        await self._batches.add_line(self.kept.batch.id, number, line)
        self._done[number] = line
        await self.tell()

    async def tell(self) -> None:
        """Let clients see how far it is."""
        completed = sum(line.ok for line in self._done.values())
        counts = Counts(self._total, completed, len(self._done) - completed)
        self.kept = _with(self.kept, request_counts=counts)
        await self._batches.keep(self.kept)

    async def over(self) -> bool:
        """Whether somebody has ended it, or its time is over."""
        if time.time() >= self.kept.batch.expires_at:
            return True
        return await self._batches.cancelled(self.kept.batch.id) is not None


def _with(kept: Kept, **fields: object) -> Kept:
    return msgspec.structs.replace(kept, batch=msgspec.structs.replace(kept.batch, **fields))


def _problem(code: str, message: str, line: int | None) -> Mapping[str, object]:
    return {"code": code, "message": message, "param": None, "line": line}


def _line_text(line: LineRequest, request_id: str, status: int, body: bytes) -> str:
    response = {"status_code": status, "request_id": request_id, "body": msgspec.Raw(body)}
    whole = {"id": new_id("batch_req_"), "custom_id": line.custom_id, "response": response, "error": None}
    return msgspec.json.encode(whole).decode()


def _missing_text(line: LineRequest, *, cancelled: bool) -> str:
    code = "batch_cancelled" if cancelled else "batch_expired"
    error = {"code": code, "message": "this line was not computed before the batch ended"}
    whole = {"id": new_id("batch_req_"), "custom_id": line.custom_id, "response": None, "error": error}
    return msgspec.json.encode(whole).decode()
