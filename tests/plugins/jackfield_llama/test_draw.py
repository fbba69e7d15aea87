"""The numpy draws: the sets are llama.cpp's, the frequencies are the probabilities'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jackfield.errors import BackendFault
from jackfield.sampling import SamplingParams
from jackfield_llama.draw import Drawer


def _drawer(size: int, *, top_p: float = 1.0, min_p: float = 0.0, temperature: float = 1.0, seed: int = 1) -> Drawer:
    params = SamplingParams(top_p=top_p, min_p=min_p, temperature=temperature, seed=seed)
    return Drawer(params, np.empty(size, np.float32))


def _nucleus(logits: np.ndarray[tuple[int], np.dtype[np.float32]], top_p: float) -> set[int]:
    """The definition: sort, add up, stop at top_p; tokens as likely as the last one belong to it."""
    weights = np.exp(logits.astype(np.float64) - logits.max())
    order = np.argsort(-weights, kind="stable")
    sums = np.cumsum(weights[order])
    last = min(int(np.searchsorted(sums, top_p * sums[-1])), len(order) - 1)
    return set(np.flatnonzero(weights >= weights[order[last]] * (1 - 1e-6)).tolist())


@given(
    logits=hnp.arrays(np.float32, st.integers(1, 300), elements=st.floats(-20, 20, width=16)),
    top_p=st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99]),
)
def test_a_draw_is_from_the_nucleus(logits: np.ndarray[tuple[int], np.dtype[np.float32]], top_p: float) -> None:
    """Whatever the distribution, drawn tokens are in the set that the definition gives, or tie with its edge."""
    drawer = _drawer(len(logits), top_p=top_p)
    allowed = _nucleus(logits, min(top_p + 1e-4, 1.0))
    assert {drawer.draw(logits) for _ in range(20)} <= allowed


@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0, 6.0])
def test_a_large_vocabulary_has_the_same_nucleus(spread: float) -> None:
    """Narrowing the band by bisection changes the speed, not the set: draws from 50,000 tokens cover it and no more."""
    logits = np.random.default_rng(3).normal(0, spread, 50_000).astype(np.float32)
    drawer = _drawer(len(logits), top_p=0.5)
    drawn = {drawer.draw(logits) for _ in range(300)}
    allowed = _nucleus(logits, 0.5001)
    assert drawn <= allowed
    assert len(drawn) > min(len(allowed), 300) * 0.3


@pytest.mark.parametrize("size", [4, 4096, 4097, 20_000])
def test_frequencies_are_the_probabilities(size: int) -> None:
    """Over both ways of picking, four tokens far apart get what softmax gives them."""
    chances = np.array([0.5, 0.3, 0.15, 0.05])
    places = np.linspace(0, size - 1, 4).astype(int)
    logits = np.full(size, -60, np.float32)
    logits[places] = np.log(chances)
    drawer = _drawer(size)
    draws = np.array([drawer.draw(logits) for _ in range(4000)])
    found = np.array([(draws == place).mean() for place in places])
    assert found == pytest.approx(chances, abs=0.03)  # about four standard deviations


def test_temperature_sharpens_and_flattens() -> None:
    """Half the temperature squares the odds, twice the temperature takes their root."""
    logits = np.log(np.array([0.8, 0.2], np.float32))
    for temperature, expected in ((0.5, 16 / 17), (2.0, 2 / 3)):
        drawer = _drawer(2, temperature=temperature)
        assert np.mean([drawer.draw(logits) == 0 for _ in range(3000)]) == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("temperature", [1e-300, 1e-9, 1e-3])
def test_a_tiny_temperature_is_greedy(temperature: float) -> None:
    """No overflow, no warning: the most likely token."""
    logits = np.array([1.0, 3.0, 2.9, -50.0], np.float32)
    assert {_drawer(4, temperature=temperature, seed=seed).draw(logits) for seed in range(20)} == {1}


def test_min_p_is_relative_to_the_most_likely_token() -> None:
    """A token with 9 % of the best one's probability falls to min_p 0.1, one with 11 % stays; with top_p as well."""
    logits = np.log(np.array([1.0, 0.11, 0.09], np.float32))
    for top_p in (1.0, 0.999):
        drawer = _drawer(3, min_p=0.1, top_p=top_p)
        assert {drawer.draw(logits) for _ in range(300)} == {0, 1}


def test_banned_tokens_have_no_weight() -> None:
    """Minus infinity is never drawn, wherever it stands."""
    logits = np.zeros(6000, np.float32)
    logits[:5990] = -np.inf
    drawer = _drawer(6000)
    assert all(drawer.draw(logits) >= 5990 for _ in range(100))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_a_fault(bad: float) -> None:
    """A broken model fails its request instead of drawing nonsense."""
    with pytest.raises(BackendFault, match="no usable logits"):
        _drawer(3).draw(np.full(3, bad, np.float32))
