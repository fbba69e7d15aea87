"""Promises of backends about masks: what a grammar forbids is never drawn, however draws are made otherwise.

Part of ``BackendKit``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from jackfield.errors import BackendFault, NothingToDraw
from jackfield.testing.kits.loaded_model import GREEDY, RANDOM, RARE_SAMPLING, USUAL_SAMPLING, LoadedModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from jackfield.ports.backend import Runner, Sampler
    from jackfield.sampling import SamplingParams

DRAWS: Final = 20


class MaskPromises(LoadedModel):
    """What ``Sampler.sample`` does with a mask."""

    @pytest.mark.parametrize(
        "params",
        [GREEDY, *USUAL_SAMPLING, *RARE_SAMPLING.values()],
        ids=["greedy", "temperature", "top_p", "top_k", "min_p", "all", *RARE_SAMPLING],
    )
    def test_only_what_a_mask_allows_is_drawn(self, runner: Runner, params: SamplingParams) -> None:
        """One token, a few unlikely ones, all but the favourite; also with a bias and a ban beside it."""
        row, favourite = self._row_and_favourite(runner)
        vocabulary = runner.tokenizer.vocabulary
        unlikely = [token for token, _ in runner.scores(row, 0, vocabulary).top[-3:]]
        for allowed in (unlikely[:1], unlikely, [token for token in range(vocabulary) if token != favourite]):
            try:
                sampler = runner.sampler(params, history=[favourite], bias={allowed[0]: 2.0}, banned=[favourite])
            except BackendFault as error:  # it must not be ignored, but it may be refused
                pytest.skip(f"this runner cannot sample so: {error.message}")
            mask = _mask(runner, allowed)
            assert {sampler.sample(row, mask) for _ in range(DRAWS)} <= set(allowed)
            sampler.close()

    def test_a_mask_that_allows_all_changes_no_draw(self, runner: Runner) -> None:
        """And neither does one that was used before: the draw after it is free again."""
        row, favourite = self._row_and_favourite(runner)
        everything = _mask(runner, range(runner.tokenizer.vocabulary))
        for params in (GREEDY, RANDOM):
            free, masked = runner.sampler(params), runner.sampler(params)
            assert self._draws(masked, row, everything) == self._draws(free, row)
            masked.close()
            free.close()
        sampler = runner.sampler(GREEDY)
        other = (favourite + 1) % runner.tokenizer.vocabulary
        assert [sampler.sample(row, _mask(runner, [other])), sampler.sample(row)] == [other, favourite]
        sampler.close()

    def test_the_likeliest_of_the_allowed_tokens_wins(self, runner: Runner) -> None:
        """A greedy draw under a mask is the best of what is left, by the scores; many allowed or few."""
        row, _ = self._row_and_favourite(runner)
        vocabulary = runner.tokenizer.vocabulary
        for allowed in (range(5, vocabulary, 37), range(1, vocabulary, 2), range(vocabulary // 2)):
            best = max(allowed, key=lambda token: (runner.scores(row, token, 0).logprob, -token))
            sampler = runner.sampler(GREEDY)
            assert sampler.sample(row, _mask(runner, allowed)) == best
            sampler.close()

    def test_the_last_token_of_the_vocabulary_can_be_allowed_alone(self, runner: Runner) -> None:
        """Masks end in the middle of a word where the vocabulary does."""
        row, _ = self._row_and_favourite(runner)
        last = runner.tokenizer.vocabulary - 1
        sampler = runner.sampler(RANDOM)
        assert sampler.sample(row, _mask(runner, [last])) == last
        sampler.close()

    @pytest.mark.parametrize("params", [GREEDY, RANDOM], ids=["greedy", "random"])
    def test_where_nothing_is_left_the_request_is_at_fault(self, runner: Runner, params: SamplingParams) -> None:
        """An empty mask, and one whose tokens are banned or biased away: a 4xx; the sampler can be used again."""
        row, favourite = self._row_and_favourite(runner)
        one = _mask(runner, [favourite])
        cases = (
            (runner.sampler(params), _mask(runner, [])),
            (runner.sampler(params, banned=[favourite]), one),
            (runner.sampler(params, bias={favourite: -math.inf}), one),
        )
        for sampler, mask in cases:
            with pytest.raises(NothingToDraw):
                sampler.sample(row, mask)
            sampler.sample(row)
            sampler.close()

    def test_bans_of_everything_leave_nothing_to_draw(self, runner: Runner) -> None:
        """Without a mask too."""
        row, _ = self._row_and_favourite(runner)
        sampler = runner.sampler(RANDOM, banned=range(runner.tokenizer.vocabulary))
        with pytest.raises(NothingToDraw):
            sampler.sample(row)
        sampler.close()

    def _row_and_favourite(self, runner: Runner) -> tuple[int, int]:
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[0]))
        return row, self._favourite(runner, row)

    @staticmethod
    def _draws(sampler: Sampler, row: int, mask: npt.NDArray[np.uint32] | None = None) -> list[int]:
        return [sampler.sample(row, mask) for _ in range(DRAWS)]


def _mask(runner: Runner, allowed: Iterable[int]) -> npt.NDArray[np.uint32]:
    """A mask as ``Matcher.mask`` writes it."""
    bits = np.zeros(-(-runner.tokenizer.vocabulary // 32) * 32, np.uint8)
    bits[list(allowed)] = 1
    return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)
