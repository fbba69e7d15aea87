"""The rules of ``StepPlan``, each by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.scheduling import find

if TYPE_CHECKING:
    from jackfield.ports.scheduler import SchedulerView, SequenceView, StepPlan


class BrokenRule(AssertionError):
    """A plan broke a rule of ``StepPlan``."""


def check_plan(view: SchedulerView, plan: StepPlan) -> None:
    """Hold *plan* against every rule of ``StepPlan``.

    Raises:
        BrokenRule: Which rule, and the numbers.
    """
    running = {sequence.id: sequence for sequence in view.running}
    found = (find(view.waiting, chunk.id) for chunk in plan.chunks)
    known = running | {sequence.id: sequence for sequence in found if sequence is not None}
    ids = [chunk.id for chunk in plan.chunks]
    _rule(len(set(ids)) == len(ids), f"two chunks of one sequence: {ids}")
    _rule(set(ids) <= known.keys(), f"a chunk of a sequence that is not there: {sorted(set(ids) - known.keys())}")
    _rule(len(set(plan.preempt)) == len(plan.preempt), f"preempted twice: {plan.preempt}")
    _rule(set(plan.preempt) <= running.keys(), f"preempts what does not run: {plan.preempt}")
    _rule(not set(plan.preempt) & set(ids), f"preempts and computes: {sorted(set(plan.preempt) & set(ids))}")
    for chunk in plan.chunks:
        pending = known[chunk.id].pending
        _rule(1 <= chunk.tokens <= pending, f"{chunk.tokens} tokens of {chunk.id}, which has {pending} pending")
    _check_budgets(view, plan, running, known)


def _check_budgets(
    view: SchedulerView, plan: StepPlan, running: dict[int, SequenceView], known: dict[int, SequenceView]
) -> None:
    total = sum(chunk.tokens for chunk in plan.chunks)
    starting = [known[chunk.id] for chunk in plan.chunks if chunk.id not in running]
    taken = sum(sequence.cells for sequence in starting)
    cells = view.free_tokens + sum(running[id_].cells for id_ in plan.preempt)
    slots = view.free_slots + len(plan.preempt)
    _rule(total <= view.max_tokens, f"{total} tokens in a step of {view.max_tokens}")
    _rule(total + taken <= cells, f"{total} tokens and {taken} cells of those that start into {cells} free cells")
    _rule(len(starting) <= slots, f"{len(starting)} new sequences into {slots} free slots")


def _rule(kept: object, broken: str) -> None:
    if not kept:
        raise BrokenRule(broken)
