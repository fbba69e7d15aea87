"""Masks: few tokens or many, the same ones are left, and the same draws made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import BackendFault
from jackfield.sampling import SamplingParams
from jackfield_llama import masks
from jackfield_llama.masks import few_ids, forbid
from jackfield_llama.sampler import LlamaSampler, SamplerInput

if TYPE_CHECKING:
    import numpy.typing as npt


class Row:
    """One row of logits, as a runner has it."""

    breakers = None

    def __init__(self, logits: npt.NDArray[np.float32]) -> None:
        self.row = logits
        self.scratch = np.empty_like(logits)
        self.edited = np.empty_like(logits)

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        assert row == 0
        return self.row


def _mask(allowed: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
    bits = np.zeros(-(-len(allowed) // 32) * 32, np.bool_)
    bits[: len(allowed)] = allowed
    return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)


@given(
    vocabulary=st.sampled_from([1, 7, 31, 32, 33, 50, 2048, 9001, 20_000]),
    share=st.sampled_from([0.0, 0.001, 0.5, 0.999, 1.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=200, deadline=None)
def test_both_ways_leave_what_the_bits_say(vocabulary: int, share: float, seed: int) -> None:
    """Also where a vocabulary ends in the middle of a byte, and with logits changed in place."""
    generator = np.random.default_rng(seed)
    allowed = generator.random(vocabulary) < share
    logits = generator.standard_normal(vocabulary).astype(np.float32)
    mask = _mask(allowed)
    ids = few_ids(mask, vocabulary)
    assert ids is None or ids.tolist() == allowed.nonzero()[0].tolist()
    expected = np.where(allowed, logits, -np.inf)
    out = np.empty_like(logits)
    forbid(mask, logits, np.empty_like(logits), out)
    assert (out == expected).all()
    forbid(mask, logits, np.empty_like(logits), logits)
    assert (logits == expected).all()


def test_bits_past_the_vocabulary_are_not_tokens() -> None:
    """A mask with all its bits set allows the tokens there are."""
    mask = np.full(2, 2**32 - 1, np.uint32)
    assert few_ids(mask, 40).tolist() == list(range(40))  # type: ignore[union-attr]  # few
    logits = np.zeros(40, np.float32)
    forbid(mask, logits, np.empty_like(logits), logits)
    assert not logits.any()


@pytest.mark.parametrize("mask", [np.zeros(3, np.uint32), np.zeros(1, np.uint32), np.zeros(2, np.int64)], ids=repr)
def test_a_mask_for_another_vocabulary_is_a_fault(mask: npt.NDArray[np.uint32]) -> None:
    """Of another length, or not of words."""
    with pytest.raises(BackendFault, match="does not fit"):
        few_ids(mask, 50)


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.0},
        {"temperature": 1.3},
        {"top_k": 40},
        {"top_p": 0.9},
        {"min_p": 0.05},
        {"top_n_sigma": 1.0},
        {"typical_p": 0.7},
        {"xtc_probability": 0.9, "xtc_threshold": 0.01},
        {"dynatemp_range": 0.5},
        {"mirostat": 1},
        {"mirostat": 2},
        {"presence_penalty": 1.0, "repeat_penalty": 1.2},
    ],
    ids=str,
)
def test_few_and_many_are_drawn_from_alike(fields: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Which way is faster does not decide what is drawn; mirostat and dynatemp count the same tokens."""
    generator = np.random.default_rng(5)
    logits = (3 * generator.standard_normal(6000)).astype(np.float32)
    mask = _mask(generator.random(6000) < 0.1)
    drawn = []
    for few in (0, len(mask)):
        monkeypatch.setattr(masks, "_FEW_WORDS", few)
        params = SamplingParams(**{"seed": 3, **fields})  # type: ignore[arg-type]
        sampler = LlamaSampler(Row(logits), SamplerInput(params, bias={9: 1.0}), lambda _: None)  # type: ignore[arg-type]
        drawn.append([sampler.sample(0, mask) for _ in range(60)])
    assert drawn[0] == drawn[1]
    assert all(mask[token // 32] >> (token % 32) & 1 for token in drawn[0])
