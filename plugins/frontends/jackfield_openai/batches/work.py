"""The work on one batch: read its lines, have them answered, write files."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.context import RequestContext
from jackfield.errors import (
    DeadlineExceeded,
    InsufficientScope,
    JackfieldError,
    NoRoomLeft,
    Overloaded,
    RecordNotFound,
    StoreUnavailable,
    WorkerDied,
    http,
)
from jackfield.ports.records import StoreFull
from jackfield_openai.batches.lines import ENDPOINTS
from jackfield_openai.batches.places import Places, Room
from jackfield_openai.batches.progress import Progress, changed
from jackfield_openai.batches.records import Line
from jackfield_openai.batches.texts import line_text, missing_text, problem, read_lines
from jackfield_openai.errors import error_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.frontend import Gateway
    from jackfield.ports.identity import Principal
    from jackfield_openai.batches.answerer import Answerer
    from jackfield_openai.batches.files import Files
    from jackfield_openai.batches.lines import LineRequest
    from jackfield_openai.batches.records import BatchRecords, Kept

TRIES: Final = 4
"""How often a line is tried whose worker dies, or that fails in another way that may pass. One that only finds the
server too busy waits until its batch expires: that is what batches are for."""

CANCEL_S: Final = 600.0
"""How long lines that are being computed have when somebody ends the batch."""

LOOK_S: Final = 5.0
"""Between two looks whether somebody has."""

_WAIT_MAX_S: Final = 60.0
_DOUBLINGS: Final = 7


class _Attempt:
    """A line that waits for its answer, and what has come of it so far."""

    def __init__(self, number: int, line: LineRequest) -> None:
        self.number = number
        self.line = line
        self.waits = 0
        self.tries = 0
        self.deaths = 0
        """Of workers, while it was computed."""
        self.least_s = 0.0
        """How long it is to wait before the next try."""

    def failed(self, error: JackfieldError) -> None:
        """It may succeed later."""
        self.waits += 1
        self.tries += not isinstance(error, Overloaded)
        self.deaths += isinstance(error, WorkerDied)
        self.least_s = error.retry_after or 0.0


class _Waiting:
    """Lines that nobody has taken yet.

    Parameters:
        places: Where they are computed.
    """

    def __init__(self, places: Places) -> None:
        self.room = Room(places)
        self.lines: deque[_Attempt] = deque()
        self.none_left = asyncio.Event()
        """Set once nobody is to take any more."""

    def take(self) -> _Attempt | None:
        """The next one."""
        return self.lines.popleft() if self.lines else None


class BatchWork:
    """The work on one batch. Gateway's event loop.

    Parameters:
        gateway: Says who may still have lines answered.
        answerer: Answers them.
        batches: Its tenant's.
        files: Its tenant's.
        places: Where lines are computed.
        wait_s: Seconds before a line is tried again, at first; each time twice as long.
    """

    def __init__(
        self,
        gateway: Gateway,
        answerer: Answerer,
        batches: BatchRecords,
        files: Files,
        places: Places,
        wait_s: float,
    ) -> None:
        self._gateway = gateway
        self._answerer = answerer
        self._batches = batches
        self._files = files
        self._places = places
        self._wait_s = wait_s
        self._paused = False

    def pause(self) -> None:
        """Finish the lines that are being computed, and leave the rest for another turn."""
        self._paused = True

    async def run(self, batch_id: str) -> None:
        """Work until it is finished or paused, or cancelled from outside."""
        try:
            kept = await self._batches.find(batch_id)
        except RecordNotFound:
            await self._batches.close(batch_id)
            return
        # one that has ended was left by a gateway that was killed before it could clean up
        if kept.batch.ended or await self._worked(kept):
            await self._batches.close(batch_id)

    async def _worked(self, kept: Kept) -> bool:
        """Answer the lines and write the files; False where it was paused before that."""
        progress = Progress(self._batches, kept)
        lines, problems = await self._lines(kept)
        if not problems:
            try:
                await self._compute(progress, lines)
            except StoreFull as error:
                progress.refusal = NoRoomLeft(f"there is no room for the answers: {error}")
            if self._paused and len(progress.done) < len(lines) and not await progress.over():
                return False
            problems = progress.problems()
        missing = [line for number, line in enumerate(lines) if number not in progress.done]
        try:
            await self._finish(progress, missing, problems)
        except NoRoomLeft as error:
            await self._batches.keep(_failed(progress.kept, [*problems, problem(http(error).code, error.message)]))
        return True

    async def _lines(self, kept: Kept) -> tuple[Sequence[LineRequest], Sequence[Mapping[str, object]]]:
        """What is asked, and what is wrong with it."""
        try:
            content = await self._files.content(kept.batch.input_file_id)
        except RecordNotFound:
            return (), [problem("file_not_found", "the input file is gone")]
        return await read_lines(content, kept.batch.endpoint)

    async def _compute(self, progress: Progress, lines: Sequence[LineRequest]) -> None:
        """Answer the lines that have no answer yet, until it is over or paused."""
        await progress.begin(len(lines))
        waiting = _Waiting(self._places)
        waiting.lines.extend(_Attempt(number, line) for number, line in enumerate(lines) if number not in progress.done)
        tasks = [asyncio.ensure_future(self._serve(progress, waiting)) for _ in range(self._places.count)]
        watching = asyncio.ensure_future(self._watch(progress, tasks))
        try:
            await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            own = asyncio.current_task()
            if own is not None and own.cancelling():
                raise
        finally:
            for task in (*tasks, watching):
                task.cancel()
            await asyncio.gather(*tasks, watching, return_exceptions=True)

    async def _watch(self, progress: Progress, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Cut lines off that take too long to finish once it is over."""
        while not await progress.over():  # noqa: ASYNC110 -- another gateway may be told
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(CANCEL_S)
        for task in tasks:
            task.cancel()

    async def _serve(self, progress: Progress, waiting: _Waiting) -> None:
        """Answer lines one after the other, until none is left or it is over or paused."""
        attempt: _Attempt | None = None
        while not await self._stops(progress):
            # no line is taken before there is a place: one that waits for it would keep the line from others
            async with waiting.room.place(asyncio.Event() if attempt is not None else waiting.none_left) as given:
                attempt = attempt or (waiting.take() if given else None)
                if attempt is None:
                    break
                answer = await self._tried(progress, attempt)
            if answer is not None:
                await self._kept(progress, attempt.number, answer)
                attempt = None
            else:
                await self._wait(progress, attempt)
        waiting.none_left.set()

    async def _stops(self, progress: Progress) -> bool:
        return self._paused or await progress.over()

    async def _tried(self, progress: Progress, attempt: _Attempt) -> Line | None:
        """What came of a line; None where that may pass, or where it is over."""
        try:
            async with self._places.suspects if attempt.deaths else nullcontext():
                return await self._answered(progress, attempt)
        except JackfieldError as error:
            attempt.failed(error)
            return None

    async def _answered(self, progress: Progress, attempt: _Attempt) -> Line | None:
        """Raises what may pass, where it is not the last try."""
        kept = progress.kept
        principal = await self._may(progress)
        if progress.refusal is not None:
            return None
        context = RequestContext(f"{kept.batch.id}.{attempt.number}", f"batch {kept.batch.endpoint}", "batch")
        context.principal = principal
        context.deadline = time.monotonic() + kept.batch.expires_at - time.time()
        try:
            body = await self._answerer.answered(context, attempt.line)
            if context.masking is not None:  # what is in a file is kept
                body = context.masking.hidden_json(body)
            status, ok = 200, True
        except JackfieldError as error:
            if isinstance(error, DeadlineExceeded) and await progress.over():
                return None
            if isinstance(error, Overloaded) or (http(error).retriable and attempt.tries + 1 < TRIES):
                raise
            body, status, ok = error_body(error), http(error).status, False
        self._gateway.account(context, status)
        return Line(ok=ok, text=line_text(attempt.line, context.request_id, status, body))

    async def _may(self, progress: Progress) -> Principal | None:
        """Whoever has asked for the batch, as it may by now; ``progress.refusal`` says why it may nothing."""
        scope = ENDPOINTS[progress.kept.batch.endpoint]
        try:
            principal = await self._gateway.review(progress.kept.principal)
            if principal is not None and not principal.may(scope):
                raise InsufficientScope(f"this key lacks the scope {scope}")
            return principal
        except JackfieldError as error:
            if http(error).retriable:
                raise
            progress.refusal = error
            return None

    async def _wait(self, progress: Progress, attempt: _Attempt) -> None:
        """Wait longer each time, but not when it is over."""
        left = min(max(self._wait_s * 2 ** min(attempt.waits, _DOUBLINGS), attempt.least_s), _WAIT_MAX_S)
        while left > 0 and not await self._stops(progress):
            await asyncio.sleep(min(left, LOOK_S))
            left -= LOOK_S

    async def _kept(self, progress: Progress, number: int, line: Line) -> None:
        """Keep an answer; a store that fails for a moment does not cost it."""
        for waits in range(_DOUBLINGS):
            try:
                await progress.add(number, line)
                return
            except StoreUnavailable:
                await asyncio.sleep(self._wait_s * 2**waits)
        await progress.add(number, line)

    async def _finish(
        self, progress: Progress, missing: Sequence[LineRequest], problems: Sequence[Mapping[str, object]]
    ) -> None:
        """Write what there is to files, and say how it ended."""
        batch_id = progress.kept.batch.id
        cancelled = await self._batches.cancelled(batch_id)
        kept = changed(progress.kept, status="finalizing", finalizing_at=int(time.time()), cancelling_at=cancelled)
        await self._batches.keep(kept)
        lines = {number: line async for number, line in self._batches.lines(batch_id)}
        code, message = progress.reason(cancelled=cancelled is not None)
        good = [lines[number].text for number in sorted(lines) if lines[number].ok]
        bad = [lines[number].text for number in sorted(lines) if not lines[number].ok]
        bad += [missing_text(line, code, message) for line in missing]
        files = {
            "output_file_id": await self._file(kept, good, "output"),
            "error_file_id": await self._file(kept, bad, "error"),
        }
        if problems:
            await self._batches.keep(_failed(changed(kept, **files), problems))
            return
        ended = "completed" if not missing else "expired" if cancelled is None else "cancelled"
        await self._batches.keep(changed(kept, status=ended, **files, **{f"{ended}_at": int(time.time())}))

    async def _file(self, kept: Kept, lines: Sequence[str], what: str) -> str | None:
        """Write a file; one that a killed gateway has written already is replaced."""
        if not lines:
            return None
        content = await asyncio.to_thread(lambda: "".join(f"{line}\n" for line in lines).encode())
        name = f"{kept.batch.id}_{what}.jsonl"
        file_id = "file-" + hashlib.sha256(name.encode()).hexdigest()[:48]
        made = await self._files.add(content, name, "batch_output", lives_s=kept.output_lives_s, file_id=file_id)
        return made.id


def _failed(kept: Kept, problems: Sequence[Mapping[str, object]]) -> Kept:
    errors = {"object": msgspec.Raw(b'"list"'), "data": msgspec.Raw(msgspec.json.encode(problems))}
    return changed(kept, status="failed", failed_at=int(time.time()), errors=errors)
