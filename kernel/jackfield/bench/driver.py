"""Makes the requests of a measurement and takes the times."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from jackfield.client.api import AnswerEnd, AnswerText, ChatRequest, ChatTurn
from jackfield.client.connection import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.bench.workload import Shot, Workload
    from jackfield.client.api import ApiClient

IN_FLIGHT_MAX: Final = 2048
"""Requests that may run at once when arrivals do not wait for answers: more than a test machine has sockets for."""


class Outcome(NamedTuple):
    """What became of one request. Seconds."""

    began: float
    """Since the measurement's start."""
    duration_s: float
    ttft_s: float | None
    """To the first text; None where none came."""
    gaps_s: tuple[float, ...]
    """Between texts."""
    prompt_tokens: int
    completion_tokens: int
    error: str | None
    """``error.code``, or a short description; None where it succeeded."""
    cached_tokens: int = 0
    """Of the prompt's, as the server says."""


class Level(msgspec.Struct, frozen=True):
    """How hard the server is pressed: by clients that wait for their answers, or by arrivals that do not."""

    concurrency: int | None = None
    """Clients at once."""
    rate: float | None = None
    """Mean arrivals a second."""

    @property
    def title(self) -> str:
        """For a table."""
        return f"{self.concurrency} at once" if self.rate is None else f"{self.rate:g}/s"


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """When a level ends: whichever is reached first."""

    requests: int | None
    duration_s: float | None


class Driver:
    """Runs levels against one server.

    Parameters:
        client: Open.
        model: Its name.
        ignore_eos: Whether answers run to their full length; a server that cannot refuses the request.
        noted: Told of every outcome, for progress.
        seed: Of arrivals and sampling.

    Event loop thread.
    """

    def __init__(
        self, client: ApiClient, model: str, *, ignore_eos: bool, noted: Callable[[], None], seed: int = 0
    ) -> None:
        self._client = client
        self._model = model
        self._ignore_eos = ignore_eos or None
        self._noted = noted
        self._seed = seed
        self.outcomes: list[Outcome] = []
        """Of the present level, as they end; to be read also after an interruption."""

    async def run(self, level: Level, workload: Workload, goal: Goal) -> float:
        """Press the server as *level* says until *goal*; requests that run then are waited for.

        Returns:
            How long it took, in seconds. The results are in ``outcomes``.
        """
        self.outcomes = []
        began = time.monotonic()
        shots = _Shots(workload, goal, began)
        if level.rate is not None:
            await self._arrivals(shots, level.rate, began)
        else:
            async with asyncio.TaskGroup() as clients:
                for _ in range(level.concurrency or 1):
                    clients.create_task(self._client_loop(shots, began))
        return time.monotonic() - began

    async def _client_loop(self, shots: _Shots, began: float) -> None:
        while (shot := shots.take()) is not None:
            await self._fire(shot, began)

    async def _arrivals(self, shots: _Shots, rate: float, began: float) -> None:
        """Poisson arrivals: what many independent users are, and what a queue has to stand."""
        gaps = random.Random(self._seed)  # noqa: S311 - must repeat for a seed
        due, running = began, 0

        async def one(shot: Shot) -> None:
            nonlocal running
            running += 1
            try:
                await self._fire(shot, began)
            finally:
                running -= 1

        async with asyncio.TaskGroup() as requests:
            while (shot := shots.take()) is not None:
                await asyncio.sleep(due - time.monotonic())
                if running < IN_FLIGHT_MAX:
                    requests.create_task(one(shot))
                else:
                    self._note(Outcome(due - began, 0.0, None, (), 0, 0, "not_sent"))
                due += gaps.expovariate(rate)

    async def _fire(self, shot: Shot, began: float) -> None:
        request = ChatRequest(
            model=self._model,
            messages=(ChatTurn("user", shot.prompt),),
            max_tokens=shot.output_tokens,
            seed=self._seed,
            ignore_eos=self._ignore_eos,
        )
        start = last = time.monotonic()
        ttft, gaps, error = None, [], None
        tokens = (0, 0, 0)
        try:
            async with aclosing(self._client.chat(request)) as events:
                async for event in events:
                    if isinstance(event, AnswerText):
                        now = time.monotonic()
                        if ttft is None:
                            ttft = now - start
                        else:
                            gaps.append(now - last)
                        last = now
                    elif event.usage is not None:
                        used = event.usage
                        tokens = (used.prompt_tokens, used.completion_tokens, used.cached_tokens)
        except ApiError as failure:
            error = failure.code or (f"http_{failure.status}" if failure.status else failure.message)
        end = time.monotonic()
        prompt, completion, cached = tokens
        self._note(Outcome(start - began, end - start, ttft, tuple(gaps), prompt, completion, error, cached))

    def _note(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._noted()


class _Shots:
    """Hands out requests until the goal is reached."""

    def __init__(self, workload: Workload, goal: Goal, began: float) -> None:
        self._workload = workload
        self._left = goal.requests
        self._end = None if goal.duration_s is None else began + goal.duration_s

    def take(self) -> Shot | None:
        if self._left == 0 or (self._end is not None and time.monotonic() >= self._end):
            return None
        if self._left is not None:
            self._left -= 1
        return self._workload.next()


CALIBRATION_WORDS: Final = (64, 192)
"""Two prompts, so that what the chat template adds falls out of the difference."""


async def words_per_token(client: ApiClient, model: str, workload: Callable[[int], Workload]) -> float:
    """Measure how many words of a workload make a token of this model.

    Parameters:
        client: Open.
        model: Its name.
        workload: Makes a workload of so many words a prompt.

    Raises:
        ApiError: The server refuses the request, or does not say how many tokens a prompt has.
    """
    counts: list[int] = []
    for words in CALIBRATION_WORDS:
        shot = workload(words).next()
        request = ChatRequest(model=model, messages=(ChatTurn("user", shot.prompt),), max_tokens=1)
        async with aclosing(client.chat(request)) as events:
            ends = [event async for event in events if isinstance(event, AnswerEnd)]
        counts += [end.usage.prompt_tokens for end in ends if end.usage is not None]
    if len(counts) < len(CALIBRATION_WORDS) or counts[1] <= counts[0]:
        raise ApiError("the server does not say how many tokens a prompt has, so its length cannot be chosen")
    return (CALIBRATION_WORDS[1] - CALIBRATION_WORDS[0]) / (counts[1] - counts[0])
