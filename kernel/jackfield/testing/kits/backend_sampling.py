"""Promises of backends about what is drawn from logits: samplers, scores, shifts, identical results.

Part of ``BackendKit``.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from jackfield.errors import BackendFault
from jackfield.ports.backend import Batch
from jackfield.sampling import SamplingParams
from jackfield.testing.kits.loaded_model import (
    CONTEXT,
    GREEDY,
    RANDOM,
    RARE_SAMPLING,
    SEQUENCES,
    USUAL_SAMPLING,
    LoadedModel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.backend import Runner


class SamplingPromises(LoadedModel):
    """Draws, scores, shifts and determinism."""

    # --- sampling ----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "params",
        [*USUAL_SAMPLING, *RARE_SAMPLING.values()],
        ids=["temperature", "top_p", "top_k", "min_p", "all", *RARE_SAMPLING],
    )
    def test_a_seed_repeats_its_draws(self, runner: Runner, params: SamplingParams) -> None:
        """Two samplers with one seed draw the same tokens from the same logits."""
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[0]))
        try:
            first, second = runner.sampler(params), runner.sampler(params)
        except BackendFault as error:  # it must not be ignored, but it may be refused
            pytest.skip(f"this runner cannot sample so: {error.message}")
        assert [first.sample(row) for _ in range(12)] == [second.sample(row) for _ in range(12)]
        first.close()
        second.close()

    @pytest.mark.parametrize(
        "params", [GREEDY, RANDOM, SamplingParams(temperature=1.0, top_k=5, seed=7)], ids=["greedy", "random", "top_k"]
    )
    def test_banned_tokens_are_never_drawn(self, runner: Runner, params: SamplingParams) -> None:
        """Not even the most likely one; a sampler without the ban still draws it from the same row."""
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[0]))
        free = runner.sampler(GREEDY)
        favourite = free.sample(row)
        bound = runner.sampler(params, banned=[favourite, *sorted(runner.tokenizer.end_tokens)])
        draws = {bound.sample(row) for _ in range(20)}
        assert favourite not in draws
        assert not draws & runner.tokenizer.end_tokens
        assert free.sample(row) == favourite
        bound.close()
        free.close()

    def test_samplers_may_outnumber_sequences(self, runner: Runner) -> None:
        """Samplers hold no slot of the runner."""
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[0]))
        samplers = [runner.sampler(RANDOM) for _ in range(4 * SEQUENCES)]
        assert len({sampler.sample(row) for sampler in samplers}) == 1
        for sampler in samplers:
            sampler.close()

    def test_bans_for_some_draws_end_with_them(self, runner: Runner) -> None:
        """As ``min_tokens`` needs them: from the third draw on the favourite may come."""
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[0]))
        favourite = self._favourite(runner, row)
        sampler = runner.sampler(GREEDY, banned=[favourite], banned_draws=2)
        draws = [sampler.sample(row) for _ in range(4)]
        sampler.close()
        assert favourite not in draws[:2]
        assert draws[2:] == [favourite, favourite]

    def test_bias_moves_tokens_up_down_and_out(self, runner: Runner) -> None:
        """100 makes any token the favourite, minus 100 lets another win, minus infinity bans; others draw as before."""
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[0]))
        favourite = self._favourite(runner, row)
        other = (favourite + 1) % runner.tokenizer.vocabulary
        assert self._favourite(runner, row, bias={other: 100.0}) == other
        assert self._favourite(runner, row, bias={favourite: -100.0}) != favourite
        bound = runner.sampler(RANDOM, bias={favourite: -math.inf})
        assert favourite not in {bound.sample(row) for _ in range(20)}
        bound.close()
        assert self._favourite(runner, row) == favourite

    @pytest.mark.parametrize(
        "wanted", [{"history": [-1]}, {"bias": {2**31 - 1: 1.0}}, {"banned": [2**31 - 1]}], ids=str
    )
    def test_tokens_outside_the_vocabulary_are_an_error_or_ignored(
        self, runner: Runner, wanted: dict[str, Sequence[int] | Mapping[int, float]]
    ) -> None:
        """A defect of an engine does not write where it must not."""
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[0]))
        with suppress(BackendFault, IndexError, KeyError):
            runner.sampler(GREEDY, **wanted).sample(row)  # type: ignore[arg-type]  # one argument or another
        self._favourite(runner, row)

    # --- scores ------------------------------------------------------------------------------------------------------

    def test_scores_are_logarithms_of_probabilities(self, runner: Runner) -> None:
        """The most likely first, none above 0, all together no more than 1; the token asked about has its own."""
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[0]))
        favourite = self._favourite(runner, row)
        scores = runner.scores(row, favourite, 20)
        tokens, values = [token for token, _ in scores.top], [value for _, value in scores.top]
        assert tokens[0] == favourite
        assert values[0] == pytest.approx(scores.logprob)
        assert len(set(tokens)) == 20
        assert values == sorted(values, reverse=True)
        assert sum(map(math.exp, values)) <= 1 + 1e-4
        seventh = runner.scores(row, tokens[7], 0)
        assert seventh.logprob == pytest.approx(values[7])
        assert not seventh.top

    def test_scores_of_all_tokens_make_one(self, runner: Runner) -> None:
        """Probabilities, not some other number that orders the same."""
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[1]))
        everything = runner.scores(row, 0, runner.tokenizer.vocabulary).top
        assert math.fsum(math.exp(value) for _, value in everything) == pytest.approx(1, abs=1e-3)

    def test_scores_do_not_see_what_samplers_do(self, runner: Runner) -> None:
        """Bias, bans and temperature concern the draw."""
        row = self._decode(runner, 0, 0, self._encode(runner, self.prompts[0]))
        favourite = self._favourite(runner, row)
        before = runner.scores(row, favourite, 5)
        sampler = runner.sampler(RANDOM, bias={favourite: -50.0}, banned=[(favourite + 1) % 100])
        sampler.sample(row)
        sampler.close()
        assert runner.scores(row, favourite, 5) == before

    def test_every_row_of_a_prompt_can_be_scored(self, runner: Runner) -> None:
        """As an echoed prompt needs it: each row as if the prompt had ended there."""
        prompt = self._encode(runner, self.prompts[1])
        single = []
        for end in (1, len(prompt) // 2, len(prompt)):
            single.append(self._scores(runner, self._decode(runner, 0, 0, prompt[:end])))
            runner.remove(0)
        batch = Batch(len(prompt))
        batch.add(1, 0, prompt, wants_logits=True, every=True)
        runner.decode(batch)
        for end, expected in zip((1, len(prompt) // 2, len(prompt)), single, strict=True):
            found = self._scores(runner, end - 1)
            assert found[0][1] == pytest.approx(expected[0][1], abs=0.2)

    def test_a_row_without_logits_has_no_scores(self, runner: Runner) -> None:
        """Nor has a row that was not in the step, nor a token that does not exist."""
        prompt = self._encode(runner, self.prompts[0])
        row = self._decode(runner, 0, 0, prompt[:-1], wants_logits=False) if len(prompt) > 1 else 0
        for absent in (row, -1, 10_000):
            with pytest.raises(BackendFault):
                runner.scores(absent, 0, 1)

    # --- shifts ------------------------------------------------------------------------------------------------------

    def test_a_shifted_sequence_goes_on_at_its_new_length(self, runner: Runner) -> None:
        """Where the runner can: room for as many tokens as were dropped, beside a sequence that stays as it was."""
        prompt, other = self._encode(runner, self.prompts[1]), self._encode(runner, self.prompts[2])
        if not runner.limits.can_shift:
            pytest.skip("this runner cannot shift")
        self._decode(runner, 1, 0, other)
        filled = self._fill(runner, 0, prompt, CONTEXT)
        runner.shift(0, 3, 100)
        with pytest.raises(BackendFault):
            self._decode(runner, 0, filled, prompt[:1])
        self._decode(runner, 0, filled - 100, prompt[:1])
        expected = self._answer(runner, 2, [*other, *prompt[:1]])
        assert self._answer(runner, 1, prompt[:1], position=len(other)) == expected

    def test_a_shift_of_what_is_not_there_is_an_error_not_a_crash(self, runner: Runner) -> None:
        """And so is one where the runner said that it cannot."""
        length = len(self._encode(runner, self.prompts[1]))
        self._decode(runner, 0, 0, self._encode(runner, self.prompts[1]))
        for keep, discard in ((0, length + 1), (length, 1), (-1, 1)) if runner.limits.can_shift else ((0, 1),):
            with pytest.raises(BackendFault):
                runner.shift(0, keep, discard)

    # --- determinism -------------------------------------------------------------------------------------------------

    def test_where_it_is_promised_results_are_identical(self, runner: Runner) -> None:
        """Not close, the same: alone, in chunks of any size, in company, after another used the slot, computed anew."""
        if not runner.limits.deterministic:
            pytest.skip("this runner does not promise it")
        text = [token for prompt in self.prompts for token in self._encode(runner, prompt)][:60]
        split = len(text) - 5
        expected = self._scored(runner, 0, text, [split])
        runner.remove(0)
        for sequence, chunks in ((1, [1, split - 1]), (0, [split - 1, 1]), (SEQUENCES - 1, [2] * (split // 2))):
            assert self._scored(runner, sequence, text, chunks)[-4:] == expected[-4:]
            runner.remove(sequence)
        company = [(sequence, text[sequence : 10 * sequence]) for sequence in (1, 2, 3)]
        for sequence, tokens in company:
            self._decode(runner, sequence, 0, tokens)
        assert self._scored(runner, 0, text, [split], company) == expected
        runner.remove(0)
        anew = self._scores(runner, self._decode(runner, 0, 0, text[:-2]))
        assert anew == expected[-3]
