"""The conformance kit of ``jackfield.ports.backend``: what every backend, runner, tokenizer and sampler must do.

A plugin's test subclasses it and says which backend loads what::

    from jackfield.testing.kits.backend import BackendKit


    class TestMyBackend(BackendKit):
        manifest = 'enabled = ["my-backend"]'
        needs = {"source": "/models/tiny.gguf"}

Nothing in it depends on what a model knows: answers are compared with each other, never with the truth.
"""

from __future__ import annotations

import math
import threading
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, cast

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jackfield.errors import BackendFault, KVExhausted, ManifestError, ModelLoadError
from jackfield.model_source import resolve_source
from jackfield.plugins import Kernel
from jackfield.ports.backend import Batch, ModelSpec, OptionValue
from jackfield.testing.kits.kit import Kit
from jackfield.types import SamplingParams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jackfield.ports.backend import Backend, PooledRunner, Runner, Sampler

SEQUENCES: Final = 4
CONTEXT: Final = 256
POOL: Final = 512

GREEDY: Final = SamplingParams(temperature=0.0, seed=0)
RANDOM: Final = SamplingParams(temperature=1.0, seed=7)

USUAL_SAMPLING: Final = (
    RANDOM,
    SamplingParams(temperature=0.7, top_p=0.9, seed=7),
    SamplingParams(temperature=1.3, top_k=40, seed=7),
    SamplingParams(temperature=1.0, min_p=0.05, seed=7),
    SamplingParams(temperature=2.0, top_k=50, top_p=0.8, min_p=0.01, seed=7),
)
"""What every backend must know."""

_kit_settings = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)


def generating(loaded: Runner | PooledRunner) -> Runner:
    """*loaded* as a model that generates.

    Raises:
        TypeError: It is a pooled one.
    """
    if "generate" not in loaded.info.tasks:
        raise TypeError(f"{loaded.info.title} does not generate")
    return cast("Runner", loaded)


PROMPTS: Final = ("Hello", "The quick brown fox jumps over the lazy dog", "1 2 3 4 5 6 7")


class ModelNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the author says of a small model that the backend can load."""

    source: str
    """As in ``[models.NAME]``: a path, or ``jackfield:demo``."""
    options: dict[str, OptionValue] = {}
    """As in ``[models.NAME.options]``."""
    prompts: tuple[str, str, str] = PROMPTS
    """Three texts of different lengths, all below 64 tokens, with clear continuations."""


class BackendKit(Kit):
    """Loading, tokens, steps and draws; the author names a small model that generates."""

    Needs = ModelNeeds

    @property
    def prompts(self) -> Sequence[str]:
        """Three texts of different lengths, all below 64 tokens, with clear continuations."""
        return self.told(ModelNeeds).prompts if self.needs else PROMPTS

    def backend(self) -> Backend:
        """The backend under test."""
        backend: Backend = self.made(Kernel.backends)()
        return backend

    def spec(self) -> ModelSpec:
        """A small model it can load; sizes are the kit's."""
        needs = self.told(ModelNeeds)
        return ModelSpec(name="kit", path=str(resolve_source(needs.source, Path(self.folder))), options=needs.options)

    @property
    def pool(self) -> int | Literal["auto"]:
        """``kv_tokens``; auto where the options give each sequence cells of its own."""
        return POOL

    def sized(self) -> ModelSpec:
        """``spec`` with ``SEQUENCES``, ``CONTEXT`` and ``pool``."""
        return msgspec.structs.replace(self.spec(), max_sequences=SEQUENCES, context=CONTEXT, kv_tokens=self.pool)

    @pytest.fixture
    def runner(self) -> Iterator[Runner]:
        """The model, loaded as ``sized``."""
        runner = generating(self.backend().load(self.sized(), lambda _fraction: None))
        yield runner
        runner.close()

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
    @_kit_settings
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
            pytest.param(SEQUENCES, 0, 0, id="sequence beyond the last"),
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

    # --- sampling ----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "params",
        [
            *USUAL_SAMPLING,
            SamplingParams(typical_p=0.8, top_n_sigma=2.0, xtc_probability=0.5, dynatemp_range=0.5, seed=7),
            SamplingParams(mirostat=1, seed=7),
            SamplingParams(mirostat=2, seed=7),
            SamplingParams(repeat_penalty=1.2, presence_penalty=0.5, frequency_penalty=0.5, seed=7),
            SamplingParams(dry_multiplier=0.8, seed=7),
        ],
        ids=["temperature", "top_p", "top_k", "min_p", "all", "rare", "mirostat 1", "mirostat 2", "penalties", "dry"],
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

    def _scored(
        self,
        runner: Runner,
        sequence: int,
        text: Sequence[int],
        chunks: Sequence[int],
        company: Sequence[tuple[int, Sequence[int]]] = (),
    ) -> list[Sequence[tuple[int, float]]]:
        """Scores after *chunks* of *text* and each token behind them, others stepping along."""
        found, position = [], 0
        for size in chunks:
            row = self._decode(runner, sequence, position, text[position : position + size])
            position += size
        found.append(self._scores(runner, row))
        batch = Batch(runner.limits.max_batch_tokens)
        for step, token in enumerate(text[position:]):
            batch.clear()
            row = batch.add(sequence, position + step, [token], wants_logits=True)
            for other, tokens in company:
                batch.add(other, len(tokens) + step, [token], wants_logits=True)
            runner.decode(batch)
            found.append(self._scores(runner, row))
        return found

    @staticmethod
    def _scores(runner: Runner, row: int) -> Sequence[tuple[int, float]]:
        return runner.scores(row, 0, 10).top

    @staticmethod
    def _favourite(runner: Runner, row: int, bias: Mapping[int, float] = MappingProxyType({})) -> int:
        sampler = runner.sampler(GREEDY, bias=bias)
        token = sampler.sample(row)
        sampler.close()
        return token

    # --- steps by hand -----------------------------------------------------------------------------------------------

    @staticmethod
    def _encode(runner: Runner, text: str) -> list[int]:
        return runner.tokenizer.encode(text, add_bos=True, parse_special=True)

    @staticmethod
    def _decode(
        runner: Runner, sequence: int, position: int, tokens: Sequence[int], *, wants_logits: bool = True
    ) -> int:
        batch = Batch(max(len(tokens), 1))
        row = batch.add(sequence, position, tokens, wants_logits=wants_logits)
        runner.decode(batch)
        return row

    def _answer(
        self, runner: Runner, sequence: int, prompt: Sequence[int], *, position: int = 0, steps: int = 6
    ) -> list[int]:
        sampler = runner.sampler(GREEDY)
        drawn: list[int] = []
        tokens = prompt
        for _ in range(steps):
            row = self._decode(runner, sequence, position, tokens)
            drawn.append(sampler.sample(row))
            position, tokens = position + len(tokens), drawn[-1:]
        sampler.close()
        return drawn

    @staticmethod
    def _answer_together(runner: Runner, prompts: Sequence[Sequence[int]], steps: int = 6) -> list[list[int]]:
        batch = Batch(runner.limits.max_batch_tokens)
        samplers: list[Sampler] = [runner.sampler(GREEDY) for _ in prompts]
        pending = [list(prompt) for prompt in prompts]
        positions = [0] * len(prompts)
        drawn: list[list[int]] = [[] for _ in prompts]
        for _ in range(steps):
            batch.clear()
            rows = [
                batch.add(sequence, positions[sequence], tokens, wants_logits=True)
                for sequence, tokens in enumerate(pending)
            ]
            runner.decode(batch)
            for sequence in reversed(range(len(prompts))):  # rows are addressed, not taken in order
                token = samplers[sequence].sample(rows[sequence])
                positions[sequence] += len(pending[sequence])
                pending[sequence] = [token]
                drawn[sequence].append(token)
        for sampler in samplers:
            sampler.close()
        return drawn

    def _fill(self, runner: Runner, sequence: int, unit: Sequence[int], length: int) -> int:
        tokens = [unit[index % len(unit)] for index in range(length)]
        step = runner.limits.max_batch_tokens
        for start in range(0, length, step):
            self._decode(runner, sequence, start, tokens[start : start + step], wants_logits=False)
        return length
