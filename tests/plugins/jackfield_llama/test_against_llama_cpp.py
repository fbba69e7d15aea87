"""Filters, penalties and mirostat keep what llama.cpp's own samplers keep, with the same probabilities."""

from __future__ import annotations

import ctypes
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

import jackfield
from jackfield.sampling import SamplingParams
from jackfield_llama import library as llama
from jackfield_llama.candidates import Candidates
from jackfield_llama.draw import Drawer
from jackfield_llama.dry import BreakerTable, Dry
from jackfield_llama.edits import AnswerPenalty, Bans, Bias, RepeatPenalty
from jackfield_llama.gaps import Gaps
from jackfield_llama.mirostat import Mirostat
from jackfield_llama.model import open_model
from jackfield_llama.runtime import RUNTIME
from jackfield_llama.tokenizer import LlamaTokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

api: Any = importlib.import_module("llama_cpp.llama_cpp")  # its annotations are those of older versions

DEMO: Final = Path(jackfield.__file__).parent / "models" / "demo.gguf"
SIZES: Final = (2, 60, 3000, 20_000)
"""Vocabularies on both sides of each change of method."""

UNLIKELY: Final = 1e-30
"""The C library takes smaller probabilities for 0."""

FILTERS: Final = [
    {"temperature": 0.7},
    {"top_k": 1},
    {"top_k": 40},
    {"top_k": 1900, "temperature": 1.4},
    {"top_k": 100_000},
    {"top_p": 0.9},
    {"top_p": 0.3},
    {"top_p": 0.0},
    {"top_p": 0.95, "temperature": 0.5},
    {"min_p": 0.05},
    {"min_p": 1.0},
    {"typical_p": 0.9},
    {"typical_p": 0.2, "temperature": 1.3},
    {"top_n_sigma": 1.0},
    {"top_n_sigma": 0.01},
    {"top_n_sigma": 2.5, "top_p": 0.8},
    {"xtc_probability": 1.0, "xtc_threshold": 0.1},
    {"xtc_probability": 1.0, "xtc_threshold": 0.001},
    {"xtc_probability": 1.0, "xtc_threshold": 0.5, "top_k": 30},
    {"dynatemp_range": 0.8},
    {"dynatemp_range": 0.5, "dynatemp_exponent": 2.5, "top_k": 50},
    {"dynatemp_range": 2.0, "dynatemp_exponent": 0.0, "min_p": 0.1},
    {"temperature": 0.0, "dynatemp_range": 0.7, "top_p": 0.9},
    {"dynatemp_range": 0.5, "top_n_sigma": 1.0},
    {"top_n_sigma": 1.5, "top_k": 60, "top_p": 0.9, "min_p": 0.02, "temperature": 0.8},
    {"top_k": 60, "typical_p": 0.95, "top_p": 0.9, "min_p": 0.02, "temperature": 0.8},
    {"top_k": 200, "top_p": 0.99, "xtc_probability": 1.0, "xtc_threshold": 0.02, "dynatemp_range": 0.3},
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fields", FILTERS, ids=str)
def test_filters_keep_the_same_tokens_with_the_same_probabilities(fields: dict[str, float], size: int) -> None:
    """Each filter alone and in company, over rows from nearly flat to peaked."""
    params = _params(**fields)
    # llama.cpp's float32 cannot order the surprises of a nearly flat row
    for seed, spread in enumerate((1.0, 3.0, 8.0) if params.typical_p < 1 else (0.1, 1.0, 3.0, 8.0)):
        logits = np.random.default_rng(seed).normal(1, spread, size).astype(np.float32)
        expected = _applied(_chain(params), logits)
        found = _drawn_from(params, logits)
        differing = np.flatnonzero((found > UNLIKELY) != (expected > UNLIKELY))
        assert len(differing) <= (np.count_nonzero(expected) > 100)  # the edge of a large set, by rounding
        found[differing] = expected[differing] = 0
        assert np.allclose(found, expected, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tau", [0.5, 3.0, 5.0])
def test_mirostat_keeps_the_same_tokens(version: int, tau: float) -> None:
    """The first draw's set, which ``mu = 2 tau`` decides."""
    params = _params(mirostat=version, mirostat_tau=tau, temperature=0.8)
    for seed, spread in enumerate((1.0, 3.0, 8.0)):
        logits = np.random.default_rng(seed).normal(0, spread, 3000).astype(np.float32)
        init = (
            api.llama_sampler_init_temp(0.8),
            (
                api.llama_sampler_init_mirostat(3000, 1, tau, 0.1, 100)
                if version == 1
                else api.llama_sampler_init_mirostat_v2(1, tau, 0.1)
            ),
        )
        expected = _applied(list(init), logits)
        kept = Mirostat(params, np.empty(3000, np.float32)).kept(Candidates.of(logits))
        assert kept.ids is not None
        assert set(kept.ids.tolist()) == set(np.flatnonzero(expected).tolist())


@pytest.mark.parametrize("window", [1, 5, 64, 1000, -1])
def test_repeat_penalty_is_llama_cpps(window: int) -> None:
    """Prompt and answer alike, positive logits and negative ones, as tokens leave the window."""
    random = np.random.default_rng(1)
    logits = random.normal(0, 3, 300).astype(np.float32)
    history = random.integers(0, 300, 90).tolist()
    ours = RepeatPenalty(1.3, window, history)
    theirs = api.llama_sampler_init_penalties(300, 10_000 if window < 0 else window, 1.3, 0.0, 0.0)
    for token in history:
        api.llama_sampler_accept(theirs, token)
    for token in random.integers(0, 300, 50).tolist():
        edited = logits.copy()
        ours.apply(edited)
        assert np.allclose(edited, _edited(theirs, logits), rtol=1e-5)
        ours.accept(token)
        api.llama_sampler_accept(theirs, token)
    api.llama_sampler_free(theirs)


def test_presence_and_frequency_are_llama_cpps_over_the_answer() -> None:
    """The same subtraction, counted from the first token of the answer on."""
    random = np.random.default_rng(2)
    logits = random.normal(0, 3, 100).astype(np.float32)
    ours = AnswerPenalty(0.6, -0.3)
    theirs = api.llama_sampler_init_penalties(100, 10_000, 1.0, -0.3, 0.6)
    for token in random.integers(0, 100, 400).tolist():
        ours.accept(token)
        api.llama_sampler_accept(theirs, token)
    edited = logits.copy()
    ours.apply(edited)
    assert np.allclose(edited, _edited(theirs, logits), rtol=1e-4)
    assert (edited != logits).sum() > 50
    api.llama_sampler_free(theirs)


def test_bias_and_bans_are_sums_and_minus_infinity() -> None:
    """Bias adds, a ban for two draws ends with the third."""
    logits = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    bias, bans = Bias({0: 2.5, 3: -np.inf}), Bans([1], 2)
    for draw in range(3):
        edited = logits.copy()
        bias.apply(edited)
        bans.apply(edited)
        assert edited.tolist() == [3.5, -np.inf if draw < 2 else 2.0, 3.0, -np.inf]
        bans.accept(2)


# --- dry -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vocabulary() -> Iterator[LlamaTokenizer]:
    """The demo model's vocabulary."""
    RUNTIME.start()
    params = llama.model_default_params()
    params.vocab_only = True
    model = open_model(str(DEMO), params, lambda _: None)
    yield LlamaTokenizer(model)
    llama.model_free(model)


def _repetitive(seed: int, alphabet: Sequence[int], length: int) -> list[int]:
    random = np.random.default_rng(seed)
    tokens: list[int] = []
    while len(tokens) < length:
        if len(tokens) > 8 and random.random() < 0.5:
            start = int(random.integers(0, len(tokens) - 4))
            tokens += tokens[start : start + int(random.integers(2, 20))]
        else:
            tokens.append(int(random.choice(alphabet)))
    return tokens[:length]


@pytest.mark.parametrize("count", [3, 20, 40, 200])
def test_what_may_fill_a_gap_is_llama_cpps(vocabulary: LlamaTokenizer, count: int) -> None:
    """Ends that are likely enough, beginnings that many have in common, and the end where nothing is certain."""
    params = _params(top_k=count, infill=True)
    ends = sorted(vocabulary.end_tokens)
    seen: set[str] = set()
    for seed in range(120):
        random = np.random.default_rng(seed)
        logits = random.normal(0, random.choice([0.3, 1.0, 4.0, 9.0]), vocabulary.vocabulary).astype(np.float32)
        likely = vocabulary.encode("the then there them s se set", add_bos=False, parse_special=False)
        logits[likely] += random.choice([0.0, 5.0, 12.0])
        logits[ends] += random.choice([-20.0, 0.0, 4.0])
        theirs = [api.llama_sampler_init_top_k(count), api.llama_sampler_init_infill(vocabulary._vocabulary)]
        expected = np.flatnonzero(_applied(theirs, logits) > 0)
        drawer = Drawer(params, np.empty(len(logits), np.float32), Gaps(vocabulary))
        candidates = drawer.filtered(Candidates.of(logits))
        found = Gaps(vocabulary).narrowed(candidates, logits, None, np.empty(len(logits), np.float32))
        assert found.ids is not None
        assert sorted(found.ids.tolist()) == expected.tolist()
        seen.add("end" if set(expected.tolist()) <= set(ends) else "one" if len(expected) == 1 else "several")
    assert seen >= {"end", "one"}


def test_a_gap_that_must_not_end(vocabulary: LlamaTokenizer) -> None:
    """Where the end is banned, or a form of the answer does not allow it, the likeliest text goes on."""
    gaps, size = Gaps(vocabulary), vocabulary.vocabulary
    logits = np.zeros(size, np.float32)
    logits[sorted(vocabulary.end_tokens)] = -np.inf
    logits[70] = 0.1
    found = gaps.narrowed(Candidates.of(logits), logits, None, np.empty(size, np.float32))
    assert found.ids is not None
    assert found.ids.tolist() == [70]
    ids = np.arange(60, 120)
    found = gaps.narrowed(Candidates.of(logits[60:120], ids), logits[60:120], ids, np.empty(size, np.float32))
    assert found.ids is not None
    assert found.ids.tolist() == [70]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dry_allowed_length": 0},
        {"dry_allowed_length": 4, "dry_base": 1.1},
        {"dry_penalty_last_n": 40},
        {"dry_penalty_last_n": 3},
        {"dry_base": 1.0},
        {"dry_base": 100.0, "dry_multiplier": 5.0},
        {"dry_sequence_breakers": ()},
        {"dry_sequence_breakers": ("the", "ing the", "Grüße", "s t")},
        {"dry_sequence_breakers": ("\n", ":", '"', "*", "<|im_end|>")},
    ],
    ids=str,
)
def test_dry_is_llama_cpps(vocabulary: LlamaTokenizer, fields: dict[str, float]) -> None:
    """On texts full of repetitions and breakers, as prompt and as answer, token by token."""
    params = _params(**{"dry_multiplier": 0.8, **fields})
    words = vocabulary.encode(
        'the thing: s t\n*Gr"üße testing the them ing Gr th e', add_bos=False, parse_special=False
    )
    touched = 0
    for seed, alphabet in enumerate((words, words[:4], [words[0]], range(40, 60))):
        tokens = _repetitive(seed, alphabet, 220)
        ours = Dry(params, BreakerTable(vocabulary).find(params.dry_sequence_breakers), tokens[:100])
        theirs = _dry(vocabulary, params)
        for token in tokens[:100]:
            api.llama_sampler_accept(theirs, token)
        logits = np.random.default_rng(seed).normal(0, 3, vocabulary.vocabulary).astype(np.float32)
        for token in tokens[100:]:
            edited = logits.copy()
            ours.apply(edited)
            assert np.allclose(np.maximum(edited, -1e20), np.maximum(_edited(theirs, logits), -1e20), rtol=1e-4)
            touched += int((edited != logits).sum())
            ours.accept(token)
            api.llama_sampler_accept(theirs, token)
        api.llama_sampler_free(theirs)
    assert touched > 50


def _dry(vocabulary: LlamaTokenizer, params: SamplingParams) -> object:
    texts = [text.encode() for text in params.dry_sequence_breakers]
    return api.llama_sampler_init_dry(
        vocabulary._vocabulary,
        params.dry_multiplier,
        params.dry_base,
        params.dry_allowed_length,
        10_000 if params.dry_penalty_last_n < 0 else params.dry_penalty_last_n,
        (ctypes.c_char_p * max(len(texts), 1))(*texts),
        len(texts),
    )


# --- the reference ---------------------------------------------------------------------------------------------------


def _params(**fields: object) -> SamplingParams:
    return SamplingParams(**{"seed": 1, **fields})  # type: ignore[arg-type]


def _chain(params: SamplingParams) -> list[object]:
    """The samplers of ``common_sampler_init`` from the truncation on."""
    return [
        api.llama_sampler_init_top_n_sigma(params.top_n_sigma),
        api.llama_sampler_init_top_k(params.top_k),
        api.llama_sampler_init_typical(params.typical_p, 0),
        api.llama_sampler_init_top_p(params.top_p, 0),
        api.llama_sampler_init_min_p(params.min_p, 0),
        api.llama_sampler_init_xtc(params.xtc_probability, params.xtc_threshold, 0, 1),
        api.llama_sampler_init_temp_ext(params.temperature, params.dynatemp_range, params.dynatemp_exponent),
        api.llama_sampler_init_dist(1),
    ]


def _array(logits: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.void], Any]:
    records = np.zeros(len(logits), [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
    records["id"] = np.arange(len(logits))
    records["logit"] = logits
    data = ctypes.cast(records.ctypes.data, api.llama_token_data_p)
    return records, api.llama_token_data_array(data, len(logits), -1, False)


def _applied(samplers: list[object], logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Probabilities by token id after *samplers*, which are freed; 0 for tokens that are gone."""
    records, array = _array(logits)
    for sampler in samplers:
        api.llama_sampler_apply(sampler, ctypes.byref(array))
        api.llama_sampler_free(sampler)
    start = (
        (ctypes.cast(array.data, ctypes.c_void_p).value or 0) - records.ctypes.data
    ) // records.itemsize  # xtc moves the pointer
    left = records[start : start + array.size]
    shares = np.zeros(len(logits))
    shares[left["id"]] = left["p"]
    return shares


def _edited(sampler: object, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    records, array = _array(logits)
    api.llama_sampler_apply(sampler, ctypes.byref(array))
    edited: npt.NDArray[np.float32] = records["logit"]
    return edited


def _drawn_from(params: SamplingParams, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    buffer = np.empty(len(logits), np.float32)
    drawer = Drawer(params, buffer)
    candidates = drawer.filtered(Candidates.of(logits))
    temperature = drawer.temperature(candidates)
    ids = np.arange(len(logits)) if candidates.ids is None else candidates.ids
    shares = np.zeros(len(logits))
    if temperature == 0:
        shares[ids[candidates.logits.argmax()]] = 1
    else:
        shares[ids] = candidates.weights(buffer, np.float32(1 / temperature))
    total: float = shares.sum()
    return shares / total
