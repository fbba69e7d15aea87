"""The conformance kit of ``PooledRunner``: what every model that embeds, reranks or classifies must do.

A plugin's test subclasses it and says which backend loads what::

    from jackfield.testing.kits.pooled_backend import PooledBackendKit


    class TestMyEmbeddings(PooledBackendKit):
        manifest = 'enabled = ["my-backend"]'
        needs = {"source": "/models/tiny-embedding.gguf"}

What is said of all models, such as errors of loading, is in ``kits.backend``. Nothing here depends on what a model
knows: results are compared with each other, never with the truth.
"""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jackfield.errors import BackendFault
from jackfield.model_source import resolve_source
from jackfield.plugins import Kernel
from jackfield.ports.backend import Batch, ModelSpec, OptionValue
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from jackfield.ports.backend import Backend, Runner
    from jackfield.ports.pooled import PooledRunner

SEQUENCES: Final = 4
CONTEXT: Final = 128

TEXTS: Final = ("Hello", "The cat sat on the mat", "1 2 3 4 5 6 7 8 9", "Is it what it was?")
"""As many as ``SEQUENCES``."""

_kit_settings = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)


def pooling(loaded: Runner | PooledRunner) -> PooledRunner:
    """*loaded* as a model that reads whole inputs.

    Raises:
        TypeError: It is one that generates.
    """
    if "generate" in loaded.info.tasks:
        raise TypeError(f"{loaded.info.title} generates")
    return cast("PooledRunner", loaded)


class PooledModelNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the author says of a small model that the backend can load."""

    source: str
    """As in ``[models.NAME]``: a path."""
    options: dict[str, OptionValue] = {}
    """As in ``[models.NAME.options]``."""
    tolerance: float = 1e-3
    """By how much company may change a number of a result."""


class PooledBackendKit(Kit):
    """Whole inputs in, results out; the author names a small model that embeds, reranks or classifies."""

    Needs = PooledModelNeeds

    def backend(self) -> Backend:
        """The backend under test."""
        backend: Backend = self.made(Kernel.backends)()
        return backend

    def spec(self) -> ModelSpec:
        """A small model it can load; sizes are the kit's."""
        needs = self.told(PooledModelNeeds)
        path = resolve_source(needs.source, Path(self.folder))
        return ModelSpec(name="kit", path=str(path), options=needs.options)

    @pytest.fixture
    def runner(self) -> Iterator[PooledRunner]:
        """The model, loaded with ``SEQUENCES`` and ``CONTEXT``."""
        spec = msgspec.structs.replace(self.spec(), max_sequences=SEQUENCES, context=CONTEXT)
        runner = pooling(self.backend().load(spec, lambda _fraction: None))
        yield runner
        runner.close()

    # --- what it is --------------------------------------------------------------------------------------------------

    def test_it_says_what_it_is_good_for(self, runner: PooledRunner) -> None:
        """One or more tasks, none of them generation; labels where it classifies."""
        info = runner.info
        assert set(info.tasks) & {"embed", "rerank", "classify"}
        assert bool(info.labels) == ("classify" in info.tasks)
        assert len(set(info.labels)) == len(info.labels)
        assert info.embedding_size > 0
        assert info.vocabulary == runner.tokenizer.vocabulary

    def test_inspection_agrees_with_what_is_loaded(self, runner: PooledRunner) -> None:
        """A listing says the same without loading it."""
        seen = self.backend().inspect(self.spec())
        assert (seen.tasks, seen.labels) == (runner.info.tasks, runner.info.labels)
        assert (seen.architecture, seen.embedding_size) == (runner.info.architecture, runner.info.embedding_size)

    def test_limits_are_usable_and_what_was_asked_for(self, runner: PooledRunner) -> None:
        """The longest input fits a call."""
        limits = runner.limits
        assert limits.context == CONTEXT
        assert limits.max_sequences == SEQUENCES
        assert limits.max_batch_tokens >= CONTEXT

    # --- tokens ------------------------------------------------------------------------------------------------------

    @given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
    @example(text="")
    @example(text="\0 a NUL \0")
    @example(text="Grüße, 世界 🎛️ e\u0301")
    @example(text="[SEP] </s> <|im_end|>")
    @example(text="a" * 5000)
    @_kit_settings
    def test_any_text_has_tokens_of_the_vocabulary(self, runner: PooledRunner, text: str) -> None:
        """A whole input has at least the tokens of its text."""
        tokenizer = runner.tokenizer
        bare, whole = (tokenizer.encode(text, add_bos=add_bos, parse_special=False) for add_bos in (False, True))
        assert all(0 <= token < tokenizer.vocabulary for token in whole)
        assert len(whole) >= len(bare)

    def test_a_lone_surrogate_is_tokenised_as_something(self, runner: PooledRunner) -> None:
        """Half a character from a client's JSON is replaced, not an error."""
        assert runner.tokenizer.encode("a\ud800b", add_bos=True, parse_special=False)
        if "rerank" in runner.info.tasks:
            assert runner.pair("a\ud800b", "\udc00")

    def test_a_pair_has_an_order(self, runner: PooledRunner) -> None:
        """A query is not a document."""
        if "rerank" not in runner.info.tasks:
            pytest.skip("is no reranker")
        query, document = TEXTS[:2]
        assert runner.pair(query, document) != runner.pair(document, query)
        assert runner.pair(query, document) == runner.pair(query, document)

    # --- results -----------------------------------------------------------------------------------------------------

    def test_a_result_has_the_shape_of_its_task(self, runner: PooledRunner) -> None:
        """A vector, a score, or probabilities of the labels."""
        info, [result] = runner.info, self._results(runner, TEXTS[:1])
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
        if "embed" in info.tasks:
            assert result.shape == (info.embedding_size,)
        elif "rerank" in info.tasks:
            assert result.shape == (1,)
        else:
            assert result.shape == (len(info.labels),)
            assert float(result.sum()) == pytest.approx(1, abs=1e-3)
            assert float(result.min()) >= 0

    def test_a_result_repeats(self, runner: PooledRunner) -> None:
        """The same call gives the same numbers, whatever was computed in between."""
        texts = self._crowd(runner)
        first = self._results(runner, texts)
        self._results(runner, texts[::-1])
        for before, after in zip(first, self._results(runner, texts), strict=True):
            np.testing.assert_array_equal(before, after)

    def test_inputs_of_one_call_do_not_see_each_other(self, runner: PooledRunner) -> None:
        """Each gets what it gets alone, in any order and under any sequence id."""
        alone = [self._results(runner, [text])[0] for text in TEXTS]
        assert not all(np.array_equal(first, second) for first, second in itertools.pairwise(alone))
        texts = self._crowd(runner)
        together = self._results(runner, texts)
        backwards = self._results(runner, texts, order=range(len(texts))[::-1])
        for each, crowded, moved in zip(alone[-len(texts) :], together, backwards, strict=True):
            self._close(each, crowded)
            self._close(each, moved)

    def test_nothing_stays_for_the_next_call(self, runner: PooledRunner) -> None:
        """A short input after a long one, in the same sequence, gets what it gets first."""
        short, long = self._tokens(runner, TEXTS[0]), self._tokens(runner, TEXTS[1])
        first = self._pool(runner, {0: short})[0]
        self._pool(runner, {0: long})
        self._close(first, self._pool(runner, {0: short})[0])

    def test_a_result_is_a_copy(self, runner: PooledRunner) -> None:
        """The next call does not change it under its reader."""
        kept = self._results(runner, TEXTS[:1])[0]
        seen = kept.copy()
        self._results(runner, TEXTS[1:2])
        np.testing.assert_array_equal(kept, seen)

    def test_the_longest_input_is_computed(self, runner: PooledRunner) -> None:
        """As ``limits.context`` says."""
        result = self._pool(runner, {0: self._filled(runner, runner.limits.context)})[0]
        assert np.isfinite(result).all()

    def test_tokens_are_made_while_a_call_computes(self, runner: PooledRunner) -> None:
        """The intake thread tokenises during a call and gets the same tokens."""
        expected = [self._tokens(runner, text) for text in TEXTS]
        found: list[list[list[int]]] = []
        done = threading.Event()

        def intake() -> None:
            while not done.is_set():
                found.append([self._tokens(runner, text) for text in TEXTS])

        thread = threading.Thread(target=intake)
        thread.start()
        try:
            for _ in range(4):
                self._pool(runner, {0: self._filled(runner, runner.limits.context)})
        finally:
            done.set()
            thread.join()
        assert all(tokens == expected for tokens in found)

    # --- what must be refused, and not end the process ---------------------------------------------------------------

    @pytest.mark.parametrize("sequence", [0, 1, -1, SEQUENCES, 10**6])
    def test_a_sequence_that_was_not_in_the_call_has_no_result(self, runner: PooledRunner, sequence: int) -> None:
        """Neither before the first call nor after one without it."""
        with pytest.raises(BackendFault):
            runner.pooled(sequence)
        self._pool(runner, {2: self._tokens(runner, TEXTS[0])})
        with pytest.raises(BackendFault):
            runner.pooled(sequence)

    @pytest.mark.parametrize(
        "rows",
        [
            pytest.param([], id="no rows"),
            pytest.param([(0, 1, 0)], id="does not begin at 0"),
            pytest.param([(0, 0, 0), (0, 2, 0)], id="gap"),
            pytest.param([(0, 0, 0), (0, 0, 0)], id="position twice"),
            pytest.param([(0, 1, 0), (0, 0, 0)], id="backwards"),
            pytest.param([(0, -1, 0)], id="negative position"),
            pytest.param([(SEQUENCES, 0, 0)], id="sequence beyond the last"),
            pytest.param([(-1, 0, 0)], id="negative sequence"),
            pytest.param([(10**6, 0, 0)], id="absurd sequence"),
            pytest.param([(0, 0, -1)], id="negative token"),
            pytest.param([(0, 0, 2**31 - 1)], id="token outside the vocabulary"),
            pytest.param([(0, 0, 0), (1, 1, 0)], id="second input is not whole"),
        ],
    )
    def test_an_illegal_call_is_an_error_not_a_crash(
        self, runner: PooledRunner, rows: Sequence[tuple[int, int, int]]
    ) -> None:
        """A defect of an engine fails its call; the next one is computed, and nothing is left of the failed one."""
        expected = self._results(runner, TEXTS[:1])[0]
        batch = Batch(runner.limits.max_batch_tokens)
        for sequence, position, token in rows:
            batch.add(sequence, position, [token], wants_logits=True)
        with pytest.raises(BackendFault):
            runner.pool(batch)
        with pytest.raises(BackendFault):
            runner.pooled(0)
        self._close(self._results(runner, TEXTS[:1])[0], expected)

    def test_an_input_that_is_too_long_is_an_error_not_a_crash(self, runner: PooledRunner) -> None:
        """Positions a model has not learned abort some libraries."""
        expected = self._results(runner, TEXTS[:1])[0]
        tokens = self._filled(runner, runner.limits.context + 1)
        with pytest.raises(BackendFault):
            self._pool(runner, {0: tokens})
        self._close(self._results(runner, TEXTS[:1])[0], expected)

    def test_too_many_rows_are_an_error_not_a_crash(self, runner: PooledRunner) -> None:
        """A call beyond the runner's limit is refused before it reaches a library that would abort."""
        half = self._filled(runner, runner.limits.max_batch_tokens // 2 + 1)
        with pytest.raises(BackendFault):
            self._pool(runner, {0: half, 1: half})

    def test_a_batch_object_is_read_anew_each_call(self, runner: PooledRunner) -> None:
        """Engines keep one batch and rewrite it; another batch object in between is no trouble."""
        batches = [Batch(runner.limits.max_batch_tokens) for _ in range(2)]
        results = []
        for call in range(4):
            batch = batches[call % 2]
            batch.clear()
            batch.add(0, 0, self._tokens(runner, TEXTS[call // 2 * 3]), wants_logits=True, every=True)
            runner.pool(batch)
            results.append(runner.pooled(0))
        self._close(results[0], results[1])
        self._close(results[2], results[3])
        assert not np.array_equal(results[0], results[2])

    # --- calls by hand -----------------------------------------------------------------------------------------------

    @staticmethod
    def _tokens(runner: PooledRunner, text: str) -> list[int]:
        """One whole input."""
        if "rerank" in runner.info.tasks:
            return runner.pair(TEXTS[-1], text)
        return runner.tokenizer.encode(text, add_bos=True, parse_special=False)

    def _crowd(self, runner: PooledRunner) -> Sequence[str]:
        """The last of ``TEXTS``, as many as fit one call."""
        for first in range(len(TEXTS) - 1):
            if sum(len(self._tokens(runner, text)) for text in TEXTS[first:]) <= runner.limits.max_batch_tokens:
                return TEXTS[first:]
        pytest.skip("a call has room for one input only")

    def _filled(self, runner: PooledRunner, length: int) -> list[int]:
        """So many tokens of text."""
        unit = self._tokens(runner, TEXTS[1])
        return [unit[index % len(unit)] for index in range(length)]

    @staticmethod
    def _pool(runner: PooledRunner, inputs: Mapping[int, Sequence[int]]) -> dict[int, npt.NDArray[np.float32]]:
        batch = Batch(max(runner.limits.max_batch_tokens, sum(map(len, inputs.values()))))
        for sequence, tokens in inputs.items():
            batch.add(sequence, 0, tokens, wants_logits=True, every=True)
        runner.pool(batch)
        return {sequence: runner.pooled(sequence) for sequence in inputs}

    def _results(
        self, runner: PooledRunner, texts: Sequence[str], *, order: Sequence[int] | None = None
    ) -> list[npt.NDArray[np.float32]]:
        """Results of one call, as *texts* are; *order* gives the place and the sequence id of each."""
        places = list(range(len(texts))) if order is None else order
        inputs = {place: self._tokens(runner, text) for place, text in sorted(zip(places, texts, strict=True))}
        found = self._pool(runner, inputs)
        return [found[place] for place in places]

    def _close(self, first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> None:
        tolerance = self.told(PooledModelNeeds).tolerance
        np.testing.assert_allclose(first, second, rtol=tolerance, atol=tolerance)
