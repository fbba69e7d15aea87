"""A small model, loaded the way every backend kit wants it, and steps of an engine done by hand."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, cast

import msgspec
import pytest
from hypothesis import HealthCheck, settings

from jackfield.model_source import resolve_source
from jackfield.plugins import Kernel
from jackfield.ports.backend import Batch, ModelSpec, OptionValue
from jackfield.sampling import SamplingParams
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jackfield.ports.backend import Backend, Runner, Sampler
    from jackfield.ports.pooled import PooledRunner

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

RARE_SAMPLING: Final = {
    "rare": SamplingParams(typical_p=0.8, top_n_sigma=2.0, xtc_probability=0.5, dynatemp_range=0.5, seed=7),
    "mirostat 1": SamplingParams(mirostat=1, seed=7),
    "mirostat 2": SamplingParams(mirostat=2, seed=7),
    "penalties": SamplingParams(repeat_penalty=1.2, presence_penalty=0.5, frequency_penalty=0.5, seed=7),
    "dry": SamplingParams(dry_multiplier=0.8, seed=7),
}
"""What a backend may refuse."""

KIT_SETTINGS = settings(
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
    kv_tokens: int | Literal["auto"] = POOL
    """Cells of the pool; auto where the options give each sequence cells of its own."""


class LoadedModel(Kit):
    """The author names a small model that generates."""

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
        """``kv_tokens``."""
        return self.told(ModelNeeds).kv_tokens if self.needs else POOL

    def sized(self) -> ModelSpec:
        """``spec`` with ``SEQUENCES``, ``CONTEXT`` and ``pool``."""
        return msgspec.structs.replace(self.spec(), max_sequences=SEQUENCES, context=CONTEXT, kv_tokens=self.pool)

    @pytest.fixture
    def runner(self) -> Iterator[Runner]:
        """The model, loaded as ``sized``."""
        runner = generating(self.backend().load(self.sized(), lambda _fraction: None))
        yield runner
        runner.close()

    def _scored(
        self,
        runner: Runner,
        sequence: int,
        text: Sequence[int],
        chunks: Sequence[int],
        company: Sequence[tuple[int, Sequence[int]]] = (),
    ) -> list[Sequence[tuple[int, float]]]:
        """Scores after *chunks* of *text* and each token behind them, others stepping along."""
        found, position, row = [], 0, 0
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
