"""A whole trace through a scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.errors import PluginError
from jackfield.simulation.engine import SimulatedEngine
from jackfield.simulation.rules import BrokenRule
from jackfield.simulation.trace import TraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.ports.scheduler import Scheduler, StepPlan
    from jackfield.simulation.engine import Costs, Pool
    from jackfield.simulation.trace import TracedRequest

PATIENCE: Final = 1000
"""Empty plans in a row, with requests there, after which a scheduler counts as stuck."""


class Replay:
    """Plays *trace* to its end.

    Parameters:
        name: Of the scheduler, for messages.
        scheduler: A new one.
        pool: What there is room for.
        costs: What a step takes.
        trace: Oldest first.

    Raises:
        TraceError: A request can never fit into the pool.
    """

    def __init__(
        self, name: str, scheduler: Scheduler, pool: Pool, costs: Costs, trace: Sequence[TracedRequest]
    ) -> None:
        for request in trace:
            if request.tokens > pool.cells:
                raise TraceError(f"a request of {request.tokens} tokens does not fit into {pool.cells} KV tokens")
        self.engine = SimulatedEngine(pool, costs, trace)
        self.contended: dict[str, int] = {}
        """Tenant → tokens it was served while requests of several tenants waited."""
        self.requests = len(trace)
        self._name = name
        self._scheduler = scheduler

    def run(self, ended: Callable[[int], None]) -> None:
        """Play until every request has ended.

        Parameters:
            ended: Told how many more have.

        Raises:
            PluginError: The scheduler raised, broke a rule of its port, or got stuck.
        """
        engine, idle = self.engine, 0
        while not engine.idle:
            before = len(engine.finished)
            plan = self._plan()
            self._play(plan)
            idle = 0 if plan.chunks else idle + 1
            if idle > PATIENCE:
                raise PluginError(f"scheduler {self._name}: nothing was computed in {PATIENCE} steps; requests wait")
            if len(engine.finished) > before:
                ended(len(engine.finished) - before)

    def _plan(self) -> StepPlan:
        try:
            return self._scheduler.plan(self.engine.view)
        except Exception as error:
            raise PluginError(f"scheduler {self._name}: plan() raised {type(error).__name__}: {error}") from error

    def _play(self, plan: StepPlan) -> None:
        engine = self.engine
        contended = self._several_wait
        named = {chunk.id for chunk in plan.chunks}
        before = {sequence: sequence.served for sequence in (*engine.running, *engine.named(named))}
        try:
            engine.play(plan)
        except BrokenRule as error:
            raise PluginError(f"scheduler {self._name}: its plan breaks a rule: {error}") from error
        if contended:
            for sequence, served in before.items():
                self.contended[sequence.tenant] = self.contended.get(sequence.tenant, 0) + sequence.served - served

    @property
    def _several_wait(self) -> bool:
        waiting = self.engine.waiting
        return bool(waiting) and self.engine.tenants[waiting[0].tenant] < len(waiting)
