"""A whole measurement: calibration, then level after level."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from jackfield.bench.driver import Driver, Goal, Level, Outcome, words_per_token
from jackfield.bench.summary import Summary, summarise
from jackfield.bench.workload import LoadKind, Workload
from jackfield.client.api import ApiClient
from jackfield.client.connection import ApiError

if TYPE_CHECKING:
    from jackfield.client.connection import Protection


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured."""

    url: str
    model: str | None
    """None takes the server's first one."""
    levels: tuple[Level, ...]
    goal: Goal
    load: LoadKind
    input_tokens: int
    output_tokens: int
    ignore_eos: bool
    seed: int


class Progress(Protocol):
    """Is told how a measurement goes on. Event loop thread."""

    def begin(self, level: Level) -> None:
        """A level begins."""
        ...

    def noted(self) -> None:
        """A request of it has ended."""
        ...


class LevelResult(NamedTuple):
    """One level's figures, and what they were made from."""

    summary: Summary
    outcomes: Sequence[Outcome]


class Session:
    """Carries a plan out. Results stay readable when it is interrupted.

    Parameters:
        plan: What to measure.
        key: API key, or None.
        progress: Told how it goes on.
        tls: What is trusted, and what is shown; None goes by the system's authorities, and shows nothing.
    """

    def __init__(self, plan: Plan, key: str | None, progress: Progress, tls: Protection | None = None) -> None:
        self._plan = plan
        self._key = key
        self._tls = tls
        self._progress = progress
        self._done: list[LevelResult] = []
        self._level: Level | None = None
        self._began = 0.0
        self._driver: Driver | None = None
        self.model = plan.model or ""
        """Name of the model that is measured, once known."""

    async def run(self) -> None:
        """Measure all levels.

        Raises:
            ApiError: The server cannot be measured at all; single failures are counted instead.
        """
        plan = self._plan
        async with ApiClient(plan.url, self._key, self._tls) as client:
            self.model = self.model or await _first_model(client)
            words = await words_per_token(client, self.model, lambda count: self._workload(count, 1.0))
            driver = Driver(client, self.model, ignore_eos=plan.ignore_eos, noted=self._progress.noted, seed=plan.seed)
            await driver.run(Level(concurrency=1), self._workload(plan.input_tokens, words), _ONE)
            _refuse_failed_start(driver.outcomes)
            self._driver = driver
            for level in plan.levels:
                self._level, self._began = level, time.monotonic()
                self._progress.begin(level)
                duration = await driver.run(level, self._workload(plan.input_tokens, words), plan.goal)
                self._finish(duration)

    def results(self) -> list[LevelResult]:
        """Of all levels so far; the one that was interrupted has what it came to."""
        if self._driver is not None and self._level is not None and self._driver.outcomes:
            self._finish(time.monotonic() - self._began)
        return self._done

    def _finish(self, duration_s: float) -> None:
        if self._driver is None or self._level is None:
            return
        outcomes = self._driver.outcomes
        self._done.append(LevelResult(summarise(self._level, outcomes, duration_s), outcomes))
        self._level = None

    def _workload(self, input_tokens: int, words: float) -> Workload:
        plan = self._plan
        return Workload(
            plan.load,
            input_tokens=input_tokens,
            output_tokens=plan.output_tokens,
            words_per_token=words,
            seed=plan.seed,
        )


_ONE = Goal(requests=1, duration_s=None)


async def _first_model(client: ApiClient) -> str:
    models = await client.models()
    if not models:
        raise ApiError("the server has no model that this key may use")
    return models[0]


def _refuse_failed_start(outcomes: Sequence[Outcome]) -> None:
    """Without one good request there is nothing to measure: say why instead of counting failures."""
    error = outcomes[0].error
    if error is None:
        return
    hint = "; the server may not know ignore_eos: try --honour-eos" if error == "unknown_parameter" else ""
    raise ApiError(f"the server refuses the requests of this measurement ({error}){hint}")
