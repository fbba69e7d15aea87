"""What steps cost, as learned; and how long idle prefixes stay for it."""

from __future__ import annotations

import random
from statistics import fmean
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.worker.engine.prefix.costs import StateCosts, StepCosts
from jackfield.worker.engine.prefix.residency import Meter, Rent

if TYPE_CHECKING:
    from collections.abc import Sequence


def _steps(seed: int, cell_s: float, *, noise: float = 0.0, steps: int = 600) -> StepCosts:
    """Costs learned from random steps of a machine that is known."""
    generator = random.Random(seed)
    costs = StepCosts()
    for _ in range(steps):
        decode = generator.randint(0, 16)
        prefill = generator.choice([0, 0, generator.randint(2, 400)])
        cells = generator.randint(0, 8000)
        exact = 2e-3 + 4e-4 * decode + 9e-4 * prefill + cell_s * (decode + prefill) * cells
        costs.observe(decode, prefill, cells, exact * (1 + noise * generator.uniform(-1, 1)))
    return costs


@given(st.integers(0, 1000), st.sampled_from([5e-8, 4e-7]))
@settings(max_examples=30, deadline=None)
def test_the_machine_is_learned(seed: int, cell_s: float) -> None:
    """Although measurements are off by up to a tenth."""
    costs = _steps(seed, cell_s, noise=0.1)
    assert costs.idle_cell_s == pytest.approx(cell_s, rel=0.5)
    assert costs.token_s(0) == pytest.approx(9e-4, rel=0.3)
    assert costs.step_s(8, 0) == pytest.approx(2e-3 + 8 * 4e-4, rel=0.3)


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_cells_that_cost_nothing_cost_nothing(seed: int) -> None:
    """And never less than that: a cell does not make steps shorter."""
    costs = _steps(seed, 0.0, noise=0.1)
    assert 0 <= costs.idle_cell_s < 1e-8


def _on_a_busy_machine(seed: int, cell_s: float) -> tuple[float, float]:
    """What a step and a cell are taken to cost where two steps in five take three to six times as long."""
    generator = random.Random(seed)
    costs, cells = StepCosts(), 500
    steps, prices = [], []
    for step in range(400):
        decode, prefill = generator.randint(1, 8), generator.choice([0] * 4 + [60])
        cells = min(6000, max(200, cells + generator.randint(-400, 410)))
        exact = 2e-3 + 4e-4 * decode + 2e-4 * prefill + cell_s * (decode + prefill) * cells
        disturbed = generator.uniform(3, 6) if generator.random() < 0.4 else 1.0
        costs.observe(decode, prefill, cells, exact * disturbed * (1 + 0.1 * generator.uniform(-1, 1)))
        if step >= 100:
            steps.append(costs.step_s(4, 3000))
            prices.append(costs.idle_cell_s)
    return fmean(steps), fmean(prices)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 2e-8]))
@settings(max_examples=10, deadline=None)
def test_a_busy_machine_does_not_make_steps_and_cells_dear(seed: int, cell_s: float) -> None:
    """Idle prefixes would leave for nothing. Weighed like the others, disturbed steps would make all a tenth dearer."""
    steps, prices = zip(*[_on_a_busy_machine(seed + 10_001 * each, cell_s) for each in range(48)], strict=True)
    assert fmean(steps) == pytest.approx(2e-3 + 4 * (4e-4 + 3000 * cell_s), rel=0.05)
    assert fmean(prices) == pytest.approx(cell_s, abs=6e-9)


def test_a_cell_costs_no_more_than_a_step_shared_among_all() -> None:
    """Whatever steps before took."""
    costs = _steps(1, 4e-6)
    costs.observe(8, 0, 8000, 6.4e-3)
    assert costs.idle_cell_s <= 1.01e-7


def test_another_load_is_learned_in_time() -> None:
    """What was measured long ago is forgotten."""
    costs = _steps(1, 1e-8)
    for _ in range(3000):
        costs.observe(8, 0, 4000, 0.5)
    assert costs.step_s(8, 4000) == pytest.approx(0.5, rel=0.1)


def test_before_anything_was_measured_costs_are_sane() -> None:
    """Nobody divides by them, but decisions hang on them from the first step on."""
    costs, states = StepCosts(), StateCosts()
    assert costs.prompt_token_s == 0
    assert 0 < costs.idle_cell_s < 1e-6
    assert 0 < states.restore_s(1000) < 1000 * costs.token_s(0)


def test_restoring_has_a_fixed_part() -> None:
    """So that small states are not taken for cheap."""
    states = StateCosts()
    for tokens in (10, 1000, 200, 4000, 16, 900) * 8:
        states.restored(tokens, 1e-3 + 3e-6 * tokens)
    assert states.restore_s(0) == pytest.approx(1e-3, rel=0.1)
    assert states.restore_token_s == pytest.approx(3e-6, rel=0.1)


class Device:
    """Plays one prefix of *cells* through gaps between its uses, in steps of one row, and counts what that costs."""

    def __init__(self, cells: int, cell_s: float, price_s: float) -> None:
        self.cells = cells
        self.cell_s = cell_s
        self.price_s = price_s

    def ours(self, gaps: Sequence[int]) -> float:
        """As the engine decides."""
        meter = Meter()
        rent = Rent(meter)
        cost, there = 0.0, True
        for gap in gaps:
            for _ in range(gap):
                if there:
                    meter.step(self.cell_s)
                    cost += self.cells * self.cell_s
                    there = not rent.due(self.cells, self.price_s)
            cost += 0.0 if there else self.price_s
            there = True
            rent.used()
        return cost

    def keeping(self, gaps: Sequence[int]) -> float:
        """It always stays."""
        return sum(gaps) * self.cells * self.cell_s

    def moving(self, gaps: Sequence[int]) -> float:
        """It always leaves at once."""
        return len(gaps) * self.price_s

    def clairvoyant(self, gaps: Sequence[int]) -> float:
        """As one decides who knows when it is used next."""
        return sum(min(gap * self.cells * self.cell_s, self.price_s) for gap in gaps)


@given(
    gaps=st.lists(st.integers(0, 400), min_size=1, max_size=40),
    cells=st.integers(1, 4000),
    cell_s=st.sampled_from([1e-9, 1e-8, 1e-7, 1e-6]),
    restore_s=st.sampled_from([1e-6, 1e-5, 1e-4]),
)
@settings(max_examples=300, deadline=None)
def test_nobody_pays_more_than_twice(gaps: list[int], cells: int, cell_s: float, restore_s: float) -> None:
    """What one pays who knows the future, but for the last step before it leaves."""
    device = Device(cells, cell_s, restore_s * cells)
    steps_over = len(gaps) * cells * cell_s
    assert device.ours(gaps) <= 2 * device.clairvoyant(gaps) + steps_over + 1e-12


def test_where_staying_is_right_it_stays() -> None:
    """Used again and again, at once."""
    device = Device(1000, 1e-8, 2e-3)
    gaps = [20] * 200
    assert device.ours(gaps) == pytest.approx(device.keeping(gaps))
    assert device.keeping(gaps) < device.moving(gaps)


def test_where_leaving_is_right_it_leaves() -> None:
    """Hardly ever used: it pays the price once more, and no rent for the rest of the time."""
    device = Device(1000, 2e-8, 2e-3)
    gaps = [100_000] * 3
    assert device.moving(gaps) < device.keeping(gaps) / 500
    assert device.ours(gaps) <= 2.1 * device.moving(gaps)


def test_while_nothing_is_computed_nothing_is_due() -> None:
    """An engine at rest keeps what it has."""
    meter = Meter()
    rent = Rent(meter)
    meter.step(0.0)
    assert not rent.due(4000, 1e-9)
    meter.step(4e-6)
    assert rent.due(4000, 1e-9)


def test_prompt_tokens_cost_what_they_took() -> None:
    """Answers that pay dearly for each cell, in calls of their own, do not make prompts look cheap."""
    costs = StepCosts()
    assert costs.prompt_token_s == 0
    for cells in range(100, 1_100, 2):
        costs.observe(8, 0, cells, 0.025 + 8 * 0.004 + 8 * cells * 3e-6)
        if cells % 100 == 0:
            costs.observe(0, 128, cells, 0.025 + 128 * 0.0037 + 128 * cells * 1.5e-7)
    assert costs.prompt_token_s == pytest.approx(0.025 / 128 + 0.0037 + 1_000 * 1.5e-7, rel=0.02)
    assert costs.idle_cell_s == pytest.approx(3e-6, rel=0.1)
    assert costs.token_s(1_000) == pytest.approx(0.0037 + 1_000 * 1.5e-7, rel=0.1)
    assert costs.idle_s(2, 0) == 2 * costs.idle_cell_s
    assert costs.idle_s(0, 128) < costs.idle_s(128, 0) / 5
