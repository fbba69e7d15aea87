"""The conformance kit of ``jackfield.ports.backend``: what every backend, runner, tokenizer and sampler must do.

A plugin's test subclasses it and says which backend loads what::

    from jackfield.testing.kits.backend import BackendKit


    class TestMyBackend(BackendKit):
        manifest = 'enabled = ["my-backend"]'
        needs = {"source": "/models/tiny.gguf"}

Nothing in it depends on what a model knows: answers are compared with each other, never with the truth.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jackfield.errors import BackendFault, KVExhausted, ManifestError, ModelLoadError
from jackfield.ports.backend import Batch
from jackfield.testing.kits.backend_masks import MaskPromises
from jackfield.testing.kits.backend_reuse import ReusePromises
from jackfield.testing.kits.backend_sampling import SamplingPromises
from jackfield.testing.kits.loaded_model import CONTEXT, GREEDY, KIT_SETTINGS, POOL, SEQUENCES

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.backend import Runner

BEYOND: Final = 1_000
"""Stands for the first sequence that a runner does not have."""


class BackendKit(SamplingPromises, MaskPromises, ReusePromises):
    """Loading, tokens, steps and draws; the author names a small model that generates."""

    # --- loading -----------------------------------------------------------------------------------------------------

    def test_loading_reports_rising_progress_up_to_1(self) -> None:
        """Progress starts somewhere, rises, ends at 1 and does not flood the channel."""
        fractions: list[float] = []
        self.backend().load(self.spec(), fractions.append).close()
        assert fractions == sorted(fractions)
        assert fractions[0] >= 0
        assert fractions[-1] == 1
        assert len(fractions) <= 110

    def test_a_missing_file_is_named_without_its_folder(self, tmp_path: Path) -> None:
        """The error names the file, not where it should be."""
        missing = tmp_path / "not-there.gguf"
        with pytest.raises(ModelLoadError, match="not-there") as caught:
            self.backend().load(msgspec.structs.replace(self.spec(), path=str(missing)), lambda _fraction: None)
        assert str(tmp_path) not in caught.value.message

    def test_an_unknown_option_is_refused_by_its_key_path(self) -> None:
        """A misspelt option of a model is a start-up error that says where it stands."""
        spec = msgspec.structs.replace(self.spec(), options={**self.spec().options, "no_such_option": 1})
        with pytest.raises(ManifestError) as caught:
            self.backend().load(spec, lambda _fraction: None)
        assert caught.value.param == f"models.{spec.name}.options.no_such_option"

    def test_limits_are_usable_and_at_least_what_was_asked_for(self, runner: Runner) -> None:
        """An engine can run all sequences in one step, and one request fits the pool."""
        limits = runner.limits
        assert limits.context == CONTEXT
        assert limits.max_sequences == SEQUENCES
        assert limits.kv_tokens >= POOL
        assert limits.max_batch_tokens >= SEQUENCES

    def test_the_model_describes_itself(self, runner: Runner) -> None:
        """Listings have something to show."""
        info = runner.info
        assert info.architecture
        assert info.title
        assert info.description
        assert info.vocabulary == runner.tokenizer.vocabulary

    def test_it_says_whether_it_fills_gaps(self, runner: Runner) -> None:
        """And has tokens for that, which its vocabulary has."""
        infill = runner.tokenizer.infill
        assert runner.info.can_infill is (infill is not None)
        if infill is not None:
            tokens = [token for token in msgspec.structs.astuple(infill) if token is not None]
            assert len(set(tokens)) == len(tokens)
            assert all(0 <= token < runner.tokenizer.vocabulary for token in tokens)

    def test_inspection_agrees_with_loading(self, runner: Runner) -> None:
        """What is shown before a model is loaded is what it turns out to be, its memory included."""
        assert self.backend().inspect(self.sized()) == runner.info

    def test_inspection_refuses_what_loading_refuses(self, tmp_path: Path) -> None:
        """A file that is not there, and an option that does not exist."""
        with pytest.raises(ModelLoadError, match="not-there"):
            self.backend().inspect(msgspec.structs.replace(self.spec(), path=str(tmp_path / "not-there.gguf")))
        spec = msgspec.structs.replace(self.spec(), options={**self.spec().options, "no_such_option": 1})
        with pytest.raises(ManifestError) as caught:
            self.backend().inspect(spec)
        assert caught.value.param == f"models.{spec.name}.options.no_such_option"

    # --- tokenizer ---------------------------------------------------------------------------------------------------

    @given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
    @example(text="")
    @example(text="\0 a NUL \0")
    @example(text="Grüße, 世界 🎛️ e\u0301")
    @example(text="<|im_end|></s><eos>")
    @example(text="a" * 5000)
    @KIT_SETTINGS
    def test_pieces_give_the_text_back(self, runner: Runner, text: str) -> None:
        """Text that is no markup survives the way to tokens and back, but for one leading space some models add."""
        tokenizer = runner.tokenizer
        tokens = tokenizer.encode(text, add_bos=False, parse_special=False)
        assert all(0 <= token < tokenizer.vocabulary for token in tokens)
        assert b"".join(map(tokenizer.piece, tokens)) in (text.encode(), b" " + text.encode())

    def test_a_lone_surrogate_is_tokenised_as_something(self, runner: Runner) -> None:
        """Half a character from a client's JSON is replaced, not an error."""
        assert runner.tokenizer.encode("a\ud800b", add_bos=True, parse_special=True)

    def test_every_token_has_a_piece(self, runner: Runner) -> None:
        """All ids of the vocabulary can be rendered."""
        tokenizer = runner.tokenizer
        step = max(1, tokenizer.vocabulary // 5000)
        assert all(isinstance(tokenizer.piece(token), bytes) for token in range(0, tokenizer.vocabulary, step))

    def test_every_token_has_a_name(self, runner: Runner) -> None:
        """Its piece, and for control tokens, which stand for no text, something to show in a list."""
        tokenizer = runner.tokenizer
        step = max(1, tokenizer.vocabulary // 5000)
        for token in range(0, tokenizer.vocabulary, step):
            assert tokenizer.name(token) == tokenizer.piece(token) or not tokenizer.piece(token)
        assert all(tokenizer.name(token) for token in tokenizer.end_tokens)

    def test_end_tokens_are_in_the_vocabulary(self, runner: Runner) -> None:
        """Generation can end, and the engine can ban these ids."""
        tokenizer = runner.tokenizer
        assert tokenizer.end_tokens
        assert all(0 <= token < tokenizer.vocabulary for token in tokenizer.end_tokens)

    def test_encoding_goes_on_while_the_engine_decodes(self, runner: Runner) -> None:
        """The intake thread tokenises during decode steps and gets the same tokens."""
        expected = [self._encode(runner, text) for text in self.prompts]
        found: list[list[list[int]]] = []
        done = threading.Event()

        def intake() -> None:
            while not done.is_set():
                found.append([self._encode(runner, text) for text in self.prompts])

        thread = threading.Thread(target=intake)
        thread.start()
        try:
            self._answer(runner, 0, expected[0], steps=8)
        finally:
            done.set()
            thread.join()
        assert all(tokens == expected for tokens in found)

    # --- decoding ----------------------------------------------------------------------------------------------------

    def test_the_most_likely_answer_repeats(self, runner: Runner) -> None:
        """Temperature 0 gives the same tokens again, in another sequence too."""
        prompt = self._encode(runner, self.prompts[0])
        first = self._answer(runner, 0, prompt)
        runner.remove(0)
        assert self._answer(runner, SEQUENCES - 1, prompt) == first

    def test_a_crowd_gets_the_answers_of_each_alone(self, runner: Runner) -> None:
        """Sequences computed in common steps do not see each other, and each row has its own logits."""
        prompts = [self._encode(runner, text) for text in self.prompts]
        alone = []
        for prompt in prompts:
            alone.append(self._answer(runner, 0, prompt))
            runner.remove(0)
        assert self._answer_together(runner, prompts) == alone

    def test_a_prompt_in_chunks_gives_the_same_answer(self, runner: Runner) -> None:
        """How a prompt is cut into steps makes no difference."""
        prompt = self._encode(runner, self.prompts[1])
        whole = self._answer(runner, 0, prompt)
        cut = len(prompt) // 2
        self._decode(runner, 1, 0, prompt[:cut], wants_logits=False)
        assert self._answer(runner, 1, prompt[cut:], position=cut) == whole

    def test_a_full_pool_changes_nothing_and_removing_makes_room(self, runner: Runner) -> None:
        """``KVExhausted`` leaves the state as it was; the cells of a removed sequence can be used again."""
        if self.pool == "auto":
            pytest.skip("each sequence has cells of its own")
        prompt = self._encode(runner, self.prompts[1])
        filled = self._fill(runner, 0, prompt, runner.limits.kv_tokens - len(prompt) + 1)
        with pytest.raises(KVExhausted):
            self._decode(runner, 1, 0, prompt)
        self._decode(runner, 0, filled, prompt[:1])
        runner.remove(0)
        crowded = self._answer(runner, 1, prompt)
        runner.remove(1)
        assert self._answer(runner, 0, prompt) == crowded

    def test_removing_what_holds_nothing_is_fine(self, runner: Runner) -> None:
        """An engine may clean up twice."""
        runner.remove(0)
        runner.remove(0)
        self._answer(runner, 0, self._encode(runner, self.prompts[0]))

    @pytest.mark.parametrize(
        ("sequence", "position", "token"),
        [
            pytest.param(BEYOND, 0, 0, id="sequence beyond the last"),
            pytest.param(-1, 0, 0, id="negative sequence"),
            pytest.param(1_000_000, 0, 0, id="absurd sequence"),
            pytest.param(1, 1, 0, id="start beyond the end"),
            pytest.param(0, 0, 0, id="position held already"),
            pytest.param(1, -1, 0, id="negative position"),
            pytest.param(1, 0, -1, id="negative token"),
            pytest.param(1, 0, 2**31 - 1, id="token outside the vocabulary"),
        ],
    )
    def test_an_illegal_row_is_an_error_not_a_crash(
        self, runner: Runner, sequence: int, position: int, token: int
    ) -> None:
        """A defect of an engine fails its step; the process and the other sequences live."""
        prompt = self._encode(runner, self.prompts[0])
        self._decode(runner, 0, 0, prompt)
        if sequence == BEYOND:
            sequence = runner.limits.max_sequences + runner.limits.spare_sequences
        with pytest.raises(BackendFault):
            self._decode(runner, sequence, position, [token])
        runner.remove(0)
        runner.remove(1)
        self._answer(runner, 1, prompt)

    def test_too_many_rows_are_an_error_not_a_crash(self, runner: Runner) -> None:
        """A batch beyond the runner's limit is refused before it reaches a library that would abort."""
        rows = runner.limits.max_batch_tokens + 1
        batch = Batch(rows)
        batch.add(0, 0, [0] * rows, wants_logits=True)
        with pytest.raises(BackendFault):
            runner.decode(batch)

    def test_a_batch_object_is_read_anew_each_step(self, runner: Runner) -> None:
        """Engines keep one batch and rewrite it; another batch object in between is no trouble."""
        prompt = self._encode(runner, self.prompts[0])
        expected = self._answer(runner, 0, prompt, steps=3)
        batches = [Batch(runner.limits.max_batch_tokens) for _ in range(2)]
        sampler = runner.sampler(GREEDY)
        tokens, position, drawn = prompt, 0, []
        for step in range(3):
            batch = batches[step % 2]
            batch.clear()
            row = batch.add(1, position, tokens, wants_logits=True)
            runner.decode(batch)
            drawn.append(sampler.sample(row))
            position, tokens = position + len(tokens), drawn[-1:]
        sampler.close()
        assert drawn == expected
