"""The life cycles of requests and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.lifecycle import (
    REQUEST,
    WORKER,
    IllegalTransition,
    LifeCycle,
    RequestEvent,
    RequestState,
    WorkerEvent,
    WorkerState,
    diagram,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

AnyTable: TypeAlias = "Mapping[StrEnum, Mapping[StrEnum, StrEnum]]"

TABLES: Final[Mapping[str, tuple[AnyTable, type[StrEnum], type[StrEnum]]]] = {
    "request": (cast("AnyTable", REQUEST), RequestState, RequestEvent),
    "worker": (cast("AnyTable", WORKER), WorkerState, WorkerEvent),
}
FIRST: Final[Mapping[str, StrEnum]] = {"request": RequestState.PREPARING, "worker": WorkerState.WAITING}
TABLE = pytest.mark.parametrize("name", TABLES)
EDGES = [
    (name, state, event, successor)
    for name, (table, _, _) in TABLES.items()
    for state, edges in table.items()
    for event, successor in edges.items()
]


def table_of(name: str) -> AnyTable:
    """The table called *name*."""
    return TABLES[name][0]


@TABLE
def test_every_state_has_a_row(name: str) -> None:
    """A state without a row would raise KeyError in production."""
    assert set(table_of(name)) == set(TABLES[name][1])


@TABLE
def test_every_event_can_happen(name: str) -> None:
    """An event no state allows is dead."""
    fired = {event for edges in table_of(name).values() for event in edges}
    assert fired == set(TABLES[name][2])


@TABLE
def test_every_state_can_be_reached(name: str) -> None:
    """From the first state."""
    table = table_of(name)
    reached: set[StrEnum] = {FIRST[name]}
    frontier = list(reached)
    while frontier:
        successors = set(table[frontier.pop()].values()) - reached
        reached |= successors
        frontier += successors
    assert reached == set(table)


@TABLE
def test_an_end_can_be_reached_from_everywhere(name: str) -> None:
    """Nothing lives for ever."""
    table = table_of(name)
    ending = {state for state, edges in table.items() if not edges}
    assert ending
    while True:
        more = {state for state, edges in table.items() if set(edges.values()) & ending} - ending
        if not more:
            break
        ending |= more
    assert ending == set(table)


@pytest.mark.parametrize(("name", "state", "event", "successor"), EDGES)
def test_every_edge(name: str, state: StrEnum, event: StrEnum, successor: StrEnum) -> None:
    """``fire`` goes where the table says."""
    cycle = LifeCycle(table_of(name), state)
    assert cycle.allows(event)
    assert cycle.fire(event) is successor
    assert cycle.state is successor


@TABLE
def test_every_other_pair_is_refused(name: str) -> None:
    """And leaves the state as it was."""
    table = table_of(name)
    for state, edges in table.items():
        for event in set(TABLES[name][2]) - set(edges):
            cycle = LifeCycle(table, state)
            assert not cycle.allows(event)
            with pytest.raises(IllegalTransition, match=f"{event} is not possible in state {state}"):
                cycle.fire(event)
            assert cycle.state is state


@given(events=st.lists(st.sampled_from(RequestEvent)))
def test_no_request_leaves_a_final_state(events: list[RequestEvent]) -> None:
    """Whatever is fired in whatever order: one end, and it stays."""
    cycle = LifeCycle(REQUEST, RequestState.PREPARING)
    ends = 0
    for event in events:
        was_final = cycle.final
        if cycle.allows(event):
            cycle.fire(event)
            assert not was_final
            ends += cycle.final
    assert ends <= 1


@given(events=st.lists(st.sampled_from(WorkerEvent)))
def test_a_worker_that_was_stopped_never_serves_again(events: list[WorkerEvent]) -> None:
    """STOP is obeyed from every state."""
    cycle = LifeCycle(WORKER, WorkerState.STARTING)
    stopped = False
    for event in events:
        if not cycle.allows(event):
            continue
        cycle.fire(event)
        stopped = stopped or event is WorkerEvent.STOP
        if stopped:
            assert cycle.state in {WorkerState.STOPPING, WorkerState.STOPPED}


@pytest.mark.parametrize("state", [state for state in RequestState if REQUEST[state]])
def test_a_request_can_always_be_cancelled_and_can_always_fail(state: RequestState) -> None:
    """A client may leave, and a worker may die, at any moment."""
    assert REQUEST[state][RequestEvent.CANCEL] is RequestState.CANCELLED
    assert REQUEST[state][RequestEvent.FAIL] is RequestState.FAILED


@TABLE
def test_the_diagram_has_every_edge(name: str) -> None:
    """It is what the docs show."""
    lines = diagram(table_of(name)).splitlines()
    assert lines[0] == "stateDiagram-v2"
    drawn = {line.strip() for line in lines[1:]}
    edges = {f"{state} --> {successor}: {event}" for table, state, event, successor in EDGES if table == name}
    ends = {f"{state} --> [*]" for state, edges in table_of(name).items() if not edges}
    assert drawn == edges | ends
