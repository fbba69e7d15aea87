"""Models of every kind pass the kit: experts, sliding windows, states instead of cells, both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import pytest

from jackfield.ports.backend import Batch, ModelSpec
from jackfield.testing.kits.backend import BackendKit
from jackfield.testing.kits.kit import kernel_of
from jackfield.testing.kits.loaded_model import generating

if TYPE_CHECKING:
    from jackfield.manifest import Table
    from jackfield.ports.backend import Runner, TokenScores

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
LLAMA: Final = 'enabled = ["llama-cpu"]\n[config.llama-cpu]\nthreads = 1\n'


def _file(name: str) -> str:
    return str(FIXTURES / f"{name}.gguf")


@pytest.mark.parametrize(
    "name", ["base", "mixture", "sliding-window", "recurrent", "hybrid-convolution", "hybrid-delta"]
)
def test_the_first_step_is_as_any_other(name: str) -> None:
    """Warming up computes all experts of a mixture; nothing of it stays for a first request of one token."""
    backend = kernel_of(LLAMA).backends()["llama-cpu"]()
    spec = ModelSpec(name=name, path=_file(name), max_sequences=2)
    runner = generating(backend.load(spec, lambda _fraction: None))
    first = _likely(runner, [5])
    runner.remove(0)
    _likely(runner, [5, 6, 7])
    runner.remove(0)
    assert _likely(runner, [5]) == first
    runner.close()


def _likely(runner: Runner, tokens: list[int]) -> TokenScores:
    batch = Batch(len(tokens))
    row = batch.add(0, 0, tokens, wants_logits=True)
    runner.decode(batch)
    return runner.scores(row, 0, 5)


class TestBase(BackendKit):
    """Attention to everything, weights at random."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("base")}


class TestMixture(BackendKit):
    """Four experts, two of them for each token."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("mixture")}


class TestSlidingWindow(BackendKit):
    """Layers that forget what is 32 tokens back."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("sliding-window")}


class TestConvolution(BackendKit):
    """Short convolutions and attention in turn."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("hybrid-convolution")}


class TestDeltaNet(BackendKit):
    """States, attention and experts."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("hybrid-delta")}


class TestRecurrent(BackendKit):
    """States only."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("recurrent")}

    def test_a_full_pool_changes_nothing_and_removing_makes_room(self, runner: Runner) -> None:
        """A state has the same size for any length: the pool never runs out before the sequences do."""
        prompt = self._encode(runner, self.prompts[1])
        self._fill(runner, 0, prompt, runner.limits.kv_tokens)
        crowded = self._answer(runner, 1, prompt)
        runner.remove(0)
        runner.remove(1)
        assert self._answer(runner, 0, prompt) == crowded

    def test_without_room_nothing_is_restored(self, runner: Runner) -> None:
        """There is always room for one state more."""
        pytest.skip("the pool never runs out before the sequences do")
