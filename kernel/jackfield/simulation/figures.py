"""What a replay came to, for each class of requests: those of one tenant and priority."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from jackfield.bench.summary import Spread, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.simulation.replay import Replay
    from jackfield.simulation.sequence import SimulatedSequence


class ClassFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of the requests of one tenant and priority."""

    tenant: str
    priority: int
    requests: int
    preemptions: int
    """How often one of them lost its slot."""
    ttft_ms: Spread | None
    """From arrival to the first token."""
    itl_ms: Spread | None
    """Inter-token latency: between two tokens of one answer, over all answers."""
    e2e_ms: Spread | None
    """From arrival to the last token."""

    @property
    def title(self) -> str:
        """For a table."""
        return f"{self.tenant or '-'} {self.priority:+d}" if self.priority else self.tenant or "-"


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one scheduler."""

    scheduler: str
    simulated_s: float
    steps: int
    tokens_per_s: float
    """Answers' tokens over the whole time."""
    shares: dict[str, float]
    """Tenant → its part of all tokens that were computed for the first time or drawn while requests of several tenants
    waited."""
    classes: list[ClassFigures]


def figures_of(name: str, replay: Replay) -> Figures:
    """The figures of a *replay* that has ended; *name* is its scheduler's."""
    engine = replay.engine
    total = sum(replay.contended.values())
    return Figures(
        scheduler=name,
        simulated_s=engine.now,
        steps=engine.steps,
        tokens_per_s=sum(sequence.generated for sequence in engine.finished) / max(engine.now, 1e-9),
        shares={tenant: tokens / total for tenant, tokens in sorted(replay.contended.items()) if total},
        classes=[_class_figures(*key, members) for key, members in sorted(classes_of(replay).items())],
    )


def classes_of(replay: Replay) -> dict[tuple[str, int], list[SimulatedSequence]]:
    """The finished requests, by tenant and priority."""
    classes: dict[tuple[str, int], list[SimulatedSequence]] = {}
    for sequence in replay.engine.finished:
        classes.setdefault((sequence.tenant, sequence.priority), []).append(sequence)
    return classes


def _class_figures(tenant: str, priority: int, members: Sequence[SimulatedSequence]) -> ClassFigures:
    return ClassFigures(
        tenant=tenant,
        priority=priority,
        requests=len(members),
        preemptions=sum(sequence.preemptions for sequence in members),
        ttft_ms=spread([sequence.ttft_s for sequence in members]),
        itl_ms=spread([gap for sequence in members for gap in sequence.gaps_s]),
        e2e_ms=spread([sequence.e2e_s for sequence in members]),
    )
