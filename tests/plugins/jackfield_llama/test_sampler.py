"""Samplers as a whole: never a crash, never a banned token, one seed one text, and what each filter does to draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import BackendFault, NothingToDraw
from jackfield.sampling import SamplingParams
from jackfield_llama.candidates import Candidates, largest
from jackfield_llama.dry import Breakers
from jackfield_llama.sampler import LlamaSampler, SamplerInput
from jackfield_llama.scores import LOGPROB_MIN, token_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

VOCABULARY: Final = 50


class _NoBreakers:
    """A vocabulary in which token 3 is a breaker by itself."""

    def find(self, texts: tuple[str, ...]) -> Breakers:
        three = np.arange(VOCABULARY) == 3
        return Breakers({}, three, three) if texts else Breakers({}, three & False, three & False)


class Rows:
    """Rows of logits, as a runner has them."""

    def __init__(self, *rows: npt.NDArray[np.float32]) -> None:
        self.rows = rows
        self.scratch = np.empty(len(rows[0]), np.float32)
        self.edited = np.empty(len(rows[0]), np.float32)
        self.breakers = _NoBreakers()

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        return self.rows[row]


def _sampler(
    rows: Rows,
    params: SamplingParams,
    *,
    history: Sequence[int] = (),
    bias: dict[int, float] | None = None,
    banned: Sequence[int] = (),
    banned_draws: int | None = None,
) -> LlamaSampler:
    wanted = SamplerInput(params, history, bias or {}, banned, banned_draws)
    return LlamaSampler(rows, wanted, lambda _: None)  # type: ignore[arg-type]  # breakers without a tokenizer


def _row(seed: int, spread: float = 3.0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, spread, VOCABULARY).astype(np.float32)


_any_params = st.builds(
    SamplingParams,
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1),
    top_k=st.integers(0, 2**31 - 1) | st.integers(0, 60),
    min_p=st.floats(0, 1),
    typical_p=st.floats(0, 1),
    top_n_sigma=st.floats(0, 100),
    xtc_probability=st.floats(0, 1),
    xtc_threshold=st.floats(0, 1),
    dynatemp_range=st.floats(0, 2),
    dynatemp_exponent=st.floats(0, 100),
    mirostat=st.sampled_from([0, 0, 1, 2]),
    mirostat_tau=st.floats(0, 100),
    mirostat_eta=st.floats(0, 1),
    repeat_penalty=st.floats(0.01, 100),
    repeat_last_n=st.integers(-1, 2**31 - 1) | st.integers(-1, 20),
    presence_penalty=st.floats(-2, 2),
    frequency_penalty=st.floats(-2, 2),
    dry_multiplier=st.floats(0, 100),
    dry_base=st.floats(1, 100),
    dry_allowed_length=st.integers(0, 2**31 - 1) | st.integers(0, 5),
    dry_penalty_last_n=st.integers(-1, 2**31 - 1) | st.integers(-1, 20),
    seed=st.integers(0, 2**32 - 2),
)


@settings(max_examples=300, deadline=None)
@given(
    params=_any_params,
    history=st.lists(st.integers(0, VOCABULARY - 1), max_size=30),
    bias=st.dictionaries(st.integers(0, VOCABULARY - 1), st.floats(-100, 100) | st.just(-math.inf), max_size=20),
    banned=st.lists(st.integers(0, VOCABULARY - 1), max_size=20),
    spread=st.sampled_from([0.0, 0.01, 1.0, 10.0, 1000.0]),
)
def test_any_legal_parameters_draw_allowed_tokens_and_the_same_again(
    params: SamplingParams, history: list[int], bias: dict[int, float], banned: list[int], spread: float
) -> None:
    """No combination crashes, warns, or draws what is banned; a second sampler draws the same."""
    rows = Rows(*(_row(seed, spread) for seed in range(3)))
    before = [row.copy() for row in rows.rows]
    forbidden = {*banned, *(token for token, value in bias.items() if value == -math.inf)}
    samplers = [_sampler(rows, params, history=history, bias=bias, banned=banned) for _ in range(2)]
    for draw in range(12):
        first, second = (sampler.sample(draw % 3) for sampler in samplers)
        assert first == second
        assert first not in forbidden
    assert all((now == then).all() for now, then in zip(rows.rows, before, strict=True))


def test_company_changes_nothing() -> None:
    """A sampler draws the same whether others draw in between or not, from rows at other places."""
    params = SamplingParams(temperature=1.2, top_k=30, presence_penalty=1.0, xtc_probability=0.5, seed=5)
    wanted = [_row(seed) for seed in range(20)]
    alone = _sampler(Rows(*wanted), params)
    texts = [alone.sample(index) for index in range(20)]
    rows = Rows(_row(99), *wanted)
    crowded, other = _sampler(rows, params), _sampler(rows, SamplingParams(mirostat=2, repeat_penalty=1.5, seed=6))
    found = []
    for index in range(20):
        other.sample(0)
        found.append(crowded.sample(index + 1))
        other.sample(index + 1)
    assert found == texts


def _shares(params: SamplingParams, row: npt.NDArray[np.float32], draws: int = 4000) -> npt.NDArray[np.float64]:
    sampler = _sampler(Rows(row), params)
    counts = np.bincount([sampler.sample(0) for _ in range(draws)], minlength=len(row))
    shares: npt.NDArray[np.float64] = counts / draws
    return shares


def _softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    weights: npt.NDArray[np.float64] = np.exp(logits.astype(np.float64) - logits.max())
    shares: npt.NDArray[np.float64] = weights / weights.sum()
    return shares


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0},
        {"top_k": 7},
        {"top_p": 0.8},
        {"min_p": 0.2},
        {"typical_p": 0.6},
        {"top_n_sigma": 1.0},
        {"xtc_probability": 1.0, "xtc_threshold": 0.05},
    ],
    ids=str,
)
def test_draws_follow_the_distribution_that_the_definition_gives(fields: dict[str, float]) -> None:
    """Chi-square of 4,000 draws against probabilities computed from the definitions in plain numpy."""
    row = _row(2, 1.2)
    shares = _softmax(row)
    order = np.argsort(-shares)
    kept = np.ones(VOCABULARY, np.bool_)
    if "top_k" in fields:
        kept[order[7:]] = False
    if "top_p" in fields:
        kept[order[1:][shares[order].cumsum()[:-1] >= 0.8]] = False
    if "min_p" in fields:
        kept = shares >= 0.2 * shares.max()
    if "typical_p" in fields:
        surprise = -np.log(shares)
        nearest = np.argsort(np.abs(surprise - (shares * surprise).sum()))
        kept[nearest[1:][shares[nearest].cumsum()[:-1] > 0.6]] = False
    if "top_n_sigma" in fields:
        kept = row >= row.max() - row.std()
    if "xtc_threshold" in fields:
        kept[order[: (shares >= 0.05).sum() - 1]] = False
    assert kept.sum() > 1
    expected = _softmax(np.where(kept, row / fields.get("temperature", 1.0), -np.inf).astype(np.float32))
    found = _shares(SamplingParams(**{"seed": 11, **fields}), row)  # type: ignore[arg-type]
    assert (found[~kept] == 0).all()
    often = expected * 4000 >= 5
    squares = ((found - expected) ** 2 / np.where(often, expected, 1))[often].sum() * 4000
    assert squares < often.sum() + 4 * math.sqrt(2 * often.sum())


def test_xtc_acts_as_often_as_its_probability() -> None:
    """At 0.3 the favourite is left out of 30 % of the draws, and comes as it would otherwise."""
    row = np.log(np.array([0.6, 0.3, 0.1], np.float32))
    found = _shares(SamplingParams(xtc_probability=0.3, xtc_threshold=0.2, seed=4), row)
    assert found[0] == pytest.approx(0.7 * 0.6, abs=0.03)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tau", [1.5, 3.0])
def test_mirostat_steers_to_its_surprise(version: int, tau: float) -> None:
    """Over many draws the mean surprise within the set it draws from comes near tau."""
    rows = [np.random.default_rng(seed).normal(0, 2.0, 5000).astype(np.float32) for seed in range(8)]
    sampler = _sampler(Rows(*rows), SamplingParams(mirostat=version, mirostat_tau=tau, seed=3))  # type: ignore[arg-type]
    surprises = []
    for draw in range(1500):
        token = sampler.sample(draw % 8)
        surprises.append(-math.log2(_softmax(rows[draw % 8])[token]))
    flat = np.mean([-(p * np.log2(p)).sum() for p in map(_softmax, rows)])
    assert np.mean(surprises[300:]) < flat - 1  # of the whole row: the set's own probabilities are higher


def test_repetition_is_penalised_from_the_prompt_on_and_presence_in_the_answer_only() -> None:
    """Greedy: token 1 leads; it is in the prompt."""
    row = np.array([0.0, 3.0, 2.5, 1.0], np.float32)
    greedy = {"temperature": 0.0, "seed": 0}
    repeat = _sampler(Rows(row), SamplingParams(repeat_penalty=1.5, **greedy), history=[1])  # type: ignore[arg-type]
    presence = _sampler(Rows(row), SamplingParams(presence_penalty=1.0, **greedy), history=[1])  # type: ignore[arg-type]
    assert repeat.sample(0) == 2
    assert [presence.sample(0) for _ in range(3)] == [1, 2, 1]


def test_frequency_counts_each_time() -> None:
    """The more often a token came, the less likely it is."""
    row = np.array([3.0, 2.0, 0.9], np.float32)
    sampler = _sampler(Rows(row), SamplingParams(temperature=0.0, frequency_penalty=0.6, seed=0))
    assert [sampler.sample(0) for _ in range(5)] == [0, 0, 1, 0, 1]


def test_dry_breaks_a_loop_and_breakers_protect() -> None:
    """After 1 2 1 2 1 the next would be 2; a breaker in between forgets what was before."""
    row = np.zeros(VOCABULARY, np.float32)
    row[2], row[7] = 5.0, 4.0
    params = SamplingParams(temperature=0.0, dry_multiplier=2.0, seed=0)
    assert _sampler(Rows(row), params, history=[1, 2, 1, 2, 1]).sample(0) == 7
    assert _sampler(Rows(row), params, history=[1, 2, 1, 2, 3, 1]).sample(0) == 2


def test_bans_hold_for_as_many_draws_as_asked() -> None:
    """The end token may come with the third draw."""
    row = np.array([5.0, 1.0, 0.0], np.float32)
    sampler = _sampler(Rows(row), SamplingParams(temperature=0.0, seed=0), banned=[0], banned_draws=2)
    assert [sampler.sample(0) for _ in range(4)] == [1, 1, 0, 0]


@pytest.mark.parametrize("fields", [{"temperature": 0.0}, {}, {"top_k": 3}, {"top_p": 0.5}, {"mirostat": 2}], ids=str)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_a_fault(fields: dict[str, float], bad: float) -> None:
    """One such logit is enough, with and without edits."""
    row = _row(1)
    row[17] = bad
    params = SamplingParams(**{"seed": 1, **fields})  # type: ignore[arg-type]
    for bias in ({}, {3: 1.0}):
        with pytest.raises(BackendFault, match="no usable logits"):
            _sampler(Rows(row), params, bias=bias).sample(0)


@pytest.mark.parametrize("fields", [{"temperature": 0.0}, {}, {"top_k": 3}, {"mirostat": 1}], ids=str)
def test_a_ban_of_everything_is_the_requests_fault(fields: dict[str, float]) -> None:
    """Nothing is drawn where nothing may be."""
    params = SamplingParams(**{"seed": 1, **fields})  # type: ignore[arg-type]
    with pytest.raises(NothingToDraw, match="leaves no token"):
        _sampler(Rows(_row(1)), params, banned=range(VOCABULARY)).sample(0)


@pytest.mark.parametrize("bias", [{}, {3: 1.0}], ids=["plain", "edited"])
def test_a_row_of_minus_infinities_is_the_models_fault(bias: dict[int, float]) -> None:
    """Whatever the request demanded: nothing could have been drawn without it either."""
    row = np.full(VOCABULARY, -np.inf, np.float32)
    with pytest.raises(BackendFault, match="no usable logits"):
        _sampler(Rows(row), SamplingParams(seed=1), bias=bias).sample(0)


def test_a_closed_sampler_draws_no_more() -> None:
    """And may be closed again; its owner is told once."""
    told: list[LlamaSampler] = []
    sampler = LlamaSampler(Rows(_row(1)), SamplerInput(SamplingParams(seed=1)), told.append)  # type: ignore[arg-type]
    sampler.close()
    sampler.close()
    with pytest.raises(BackendFault, match="closed"):
        sampler.sample(0)
    assert told == [sampler]


# --- selection and scores --------------------------------------------------------------------------------------------


@given(
    size=st.sampled_from([1, 2, 63, 64, 500, 5000, 40_000]),
    count=st.sampled_from([1, 2, 20, 60, 300, 3000, 50_000]),
    levels=st.sampled_from([1, 3, 1000]),
    seed=st.integers(0, 100),
)
@settings(max_examples=100, deadline=None)
def test_the_largest_are_those_that_a_sort_gives(size: int, count: int, levels: int, seed: int) -> None:
    """Ties included: the lower index first."""
    values = np.random.default_rng(seed).integers(0, levels, size).astype(np.float32)
    assert largest(values, count).tolist() == np.argsort(-values, kind="stable")[:count].tolist()


@pytest.mark.parametrize("size", [3, 700, 151_936])
@pytest.mark.parametrize("spread", [0.0, 1.0, 12.0])
def test_scores_are_the_logarithms_of_a_softmax(size: int, spread: float) -> None:
    """Against float64 all the way, up to the size of a real vocabulary."""
    row = np.random.default_rng(2).normal(4, spread, size).astype(np.float32)
    expected = np.log(_softmax(row))
    scores = token_scores(row, size // 2, 3, np.empty(size, np.float32))
    assert scores.logprob == pytest.approx(expected[size // 2], abs=2e-5)
    order = np.argsort(-row, kind="stable")[:3].tolist()
    assert [token for token, _ in scores.top] == order
    assert [value for _, value in scores.top] == pytest.approx(expected[order].tolist(), abs=2e-5)


def test_scores_know_no_infinity() -> None:
    """A token that the model rules out gets what OpenAI's API gives it; a broken row is a fault."""
    row = np.array([0.0, -np.inf], np.float32)
    assert token_scores(row, 1, 0, np.empty(2, np.float32)) == (LOGPROB_MIN, [])
    with pytest.raises(BackendFault):
        token_scores(np.array([0.0, np.nan], np.float32), 0, 1, np.empty(2, np.float32))


def test_candidates_forget_what_is_impossible() -> None:
    """Minus infinity goes, the count that llama.cpp would have stays."""
    candidates = Candidates.of(np.array([-np.inf, 1.0, 2.0], np.float32)).possible()
    assert candidates.ids is not None
    assert (candidates.ids.tolist(), candidates.size) == ([1, 2], 3)
