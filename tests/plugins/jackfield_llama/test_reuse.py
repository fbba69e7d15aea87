"""Prefixes that are used again, where the kit cannot look: shared cells that move, damage, other processes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jackfield
from jackfield.errors import BackendFault, KVExhausted
from jackfield.ports.backend import Batch, ModelSpec
from jackfield.testing.kits.kit import kernel_of
from jackfield.testing.kits.loaded_model import generating

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from jackfield.ports.backend import OptionValue, Reuse
    from jackfield_llama.reusable import ReusableLlamaRunner

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
DEMO: Final = Path(jackfield.__file__).parent / "models" / "demo.gguf"
TOKENS: Final = [(7 * index + index // 5) % 250 + 3 for index in range(400)]


def load(name: str | Path, options: Mapping[str, OptionValue] | None = None, **sizes: int) -> ReusableLlamaRunner:
    """A model for three sequences of 256 tokens."""
    backend = kernel_of('enabled = ["llama-cpu"]').backends()["llama-cpu"]()
    spec = ModelSpec(
        name="m",
        path=str(name if isinstance(name, Path) else FIXTURES / f"{name}.gguf"),
        context=256,
        max_sequences=sizes.get("sequences", 3),
        kv_tokens=sizes.get("kv_tokens", "auto"),
        options={"threads": 1, **(options or {})},
    )
    return cast("ReusableLlamaRunner", generating(backend.load(spec, lambda _: None)))


def step(runner: ReusableLlamaRunner, sequence: int, start: int, tokens: Sequence[int]) -> npt.NDArray[np.float32]:
    """Logits after *tokens*."""
    batch = Batch(len(tokens))
    row = batch.add(sequence, start, tokens, wants_logits=True)
    runner.decode(batch)
    return runner.logits(row).copy()


def assert_go_on_as_computed_anew(runner: ReusableLlamaRunner, held: Sequence[Sequence[int]], *, free: int) -> None:
    """Each sequence gives for one more token what all its tokens give when the sequence *free* computes them anew."""
    for sequence, tokens in enumerate(held):
        found = step(runner, sequence, len(tokens), TOKENS[3:4])
        expected = step(runner, free, 0, [*tokens, *TOKENS[3:4]])
        runner.remove(free)
        assert np.abs(found - expected).max() < 0.1


@pytest.fixture(scope="module")
def loaded() -> Iterator[ReusableLlamaRunner]:
    """Attention, cells that sequences share."""
    runner = load("base", kv_tokens=512)
    yield runner
    runner.close()


@pytest.fixture
def runner(loaded: ReusableLlamaRunner) -> ReusableLlamaRunner:
    """It, with nothing in its memory."""
    for sequence in range(loaded.limits.max_sequences + loaded.limits.spare_sequences):
        loaded.remove(sequence)
    return loaded


# --- what each kind of memory can ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "reuse"),
    [
        ("base", {}, "ranges"),
        ("mixture", {}, "ranges"),
        ("base", {"deterministic": True}, "whole"),
        ("sliding-window", {}, "checkpoints"),
        ("sliding-window", {"deterministic": True}, "none"),
        ("recurrent", {}, "checkpoints"),
        ("hybrid-convolution", {}, "checkpoints"),
        ("hybrid-delta", {}, "checkpoints"),
    ],
)
def test_a_kind_of_memory_says_what_it_can(name: str, options: Mapping[str, OptionValue], reuse: Reuse) -> None:
    """Spare ids are there where they cost nothing but a row of logits."""
    runner = load(name, options)
    assert runner.limits.reuse == reuse
    assert runner.limits.spare_sequences == (11 if reuse == "ranges" else 0)
    assert runner.limits.max_sequences == 3
    if reuse == "none":
        step(runner, 0, 0, TOKENS[:9])
        with pytest.raises(BackendFault, match="cannot do that"):
            runner.copy(0, 1, 9)
    runner.close()


@pytest.mark.parametrize(("sequences", "reuse", "spare"), [(200, "ranges", 55), (255, "ranges", 0), (256, "whole", 0)])
def test_ids_end_at_256(sequences: int, reuse: Reuse, spare: int) -> None:
    """With all of them in use, states go in and out without one of their own, and copies are copies."""
    runner = load("base", {"batch": 1}, sequences=sequences, kv_tokens=512)
    assert (runner.limits.reuse, runner.limits.spare_sequences) == (reuse, spare)
    expected = step(runner, 0, 0, TOKENS[:40])
    step(runner, sequences - 1, 0, TOKENS[:60])
    runner.copy(sequences - 1, 1, 39)
    assert np.abs(step(runner, 1, 39, TOKENS[39:40]) - expected).max() < 0.1
    runner.close()


# --- shared cells ----------------------------------------------------------------------------------------------------


def test_a_shift_moves_nobody_else(runner: ReusableLlamaRunner) -> None:
    """llama.cpp would move the cells under all that share them."""
    step(runner, 0, 0, TOKENS[:100])
    step(runner, 2, 0, TOKENS[:100])
    expected = step(runner, 2, 100, TOKENS[100:101])
    runner.shift(2, 10, 30)
    shifted = step(runner, 2, 71, TOKENS[101:102])
    runner.copy(0, 1, 100)
    np.testing.assert_array_equal(step(runner, 1, 100, TOKENS[100:101]), expected)
    runner.shift(1, 10, 30)
    assert np.abs(step(runner, 1, 71, TOKENS[101:102]) - shifted).max() < 0.05
    np.testing.assert_array_equal(step(runner, 0, 100, TOKENS[100:101]), expected)


def test_a_shift_without_room_for_own_cells_moves_nobody(runner: ReusableLlamaRunner) -> None:
    """It fails, and the others are what they were."""
    step(runner, 0, 0, TOKENS[:200])
    runner.copy(0, 1, 200)
    for start in (0, 140):
        step(runner, 2, start, TOKENS[start : start + 140])
    with pytest.raises(KVExhausted):
        runner.shift(1, 10, 30)
    runner.remove(2)
    found = step(runner, 0, 200, TOKENS[200:201])
    step(runner, 2, 0, TOKENS[:200])
    assert np.abs(step(runner, 2, 200, TOKENS[200:201]) - found).max() < 0.05


def test_a_shifted_sequence_is_saved_when_its_keys_have_moved(runner: ReusableLlamaRunner) -> None:
    """llama.cpp moves them with the next step, and would save old keys under new positions until then."""
    step(runner, 0, 0, TOKENS[:100])
    runner.shift(0, 10, 30)
    runner.copy(0, 1, 70)
    for sequence in (0, 1):
        with pytest.raises(BackendFault, match="next step"):
            runner.save(sequence, 0, 70)
    expected = step(runner, 0, 70, TOKENS[100:101])
    state = runner.save(1, 0, 70)
    runner.remove(1)
    runner.restore(1, state, 70)
    np.testing.assert_allclose(step(runner, 1, 70, TOKENS[100:101]), expected, atol=0.05)


def test_a_range_without_room_leaves_what_is_before_it(runner: ReusableLlamaRunner) -> None:
    """The sequence goes on where it was."""
    expected = step(runner, 0, 0, TOKENS[:101])
    runner.remove(0)
    step(runner, 0, 0, TOKENS[:250])
    state = runner.save(0, 100, 250)
    runner.copy(0, 1, 100)
    step(runner, 2, 0, TOKENS[:250])
    with pytest.raises(KVExhausted, match="no room"):
        runner.restore(1, state, 110)
    assert np.abs(step(runner, 1, 100, TOKENS[100:101]) - expected).max() < 0.05


class Prefixes:
    """What sequences should hold, after any operations on them."""

    def __init__(self, runner: ReusableLlamaRunner, data: st.DataObject) -> None:
        self.runner = runner
        self.draw = data.draw
        self.held: list[list[int]] = [[] for _ in range(5)]
        self.saved: list[tuple[int, list[int], memoryview]] = []

    def play(self) -> None:
        """One operation, as far as it can be done."""
        operations = (self.compute, self.copy, self.cut, self.save, self.restore, self.remove)
        self.draw(st.sampled_from(operations))(self.draw(st.integers(0, 4)))

    def compute(self, sequence: int) -> None:
        """Some tokens more."""
        length = len(self.held[sequence])
        tokens = self.draw(st.sampled_from([TOKENS[:30], TOKENS[50:51], TOKENS[7:20]]))
        if length < 60:
            step(self.runner, sequence, length, tokens)
            self.held[sequence] += tokens

    def copy(self, source: int) -> None:
        """A beginning of another one."""
        target = self.draw(st.integers(0, 4))
        if self.held[source] and target != source:
            self.remove(target)
            length = self.draw(st.integers(1, len(self.held[source])))
            self.runner.copy(source, target, length)
            self.held[target] = self.held[source][:length]

    def cut(self, sequence: int) -> None:
        """Back to some length."""
        length = self.draw(st.integers(0, len(self.held[sequence])))
        self.runner.cut(sequence, length)
        del self.held[sequence][length:]

    def save(self, sequence: int) -> None:
        """Some range."""
        if self.held[sequence]:
            end = self.draw(st.integers(1, len(self.held[sequence])))
            start = self.draw(st.integers(0, end - 1))
            self.saved.append((start, self.held[sequence][:end], self.runner.save(sequence, start, end)))

    def restore(self, sequence: int) -> None:
        """One that was saved, behind the tokens before it, where there are any."""
        if not self.saved:
            return
        start, tokens, state = self.draw(st.sampled_from(self.saved))
        before = next((each for each in range(5) if self.held[each][:start] == tokens[:start]), None)
        if before is None or before == sequence:
            return
        self.remove(sequence)
        if start:
            self.runner.copy(before, sequence, start)
        length = self.draw(st.integers(start + 1, len(tokens)))
        self.runner.restore(sequence, state, length)
        self.held[sequence] = tokens[:length]

    def remove(self, sequence: int) -> None:
        """All of it."""
        self.runner.remove(sequence)
        self.held[sequence] = []


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_prefixes_hold_their_tokens_whatever_is_done(loaded: ReusableLlamaRunner, data: st.DataObject) -> None:
    """Copied, cut, saved, restored and computed on in any order, sharing cells: each is as if computed anew."""
    for sequence in range(6):
        loaded.remove(sequence)
    prefixes = Prefixes(loaded, data)
    for _ in range(data.draw(st.integers(1, 25))):
        prefixes.play()
    assert_go_on_as_computed_anew(loaded, prefixes.held, free=5)


def test_a_checkpoint_without_room_empties_its_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to be replaced is gone by then: others may share the cells that were to be used again."""
    runner = load("hybrid-convolution")
    expected = step(runner, 0, 0, TOKENS[:30])
    checkpoint = runner.checkpoint(0)
    step(runner, 0, 30, TOKENS[30:40])
    with monkeypatch.context() as patched:
        patched.setattr(runner.memory, "write", _without_room)
        with pytest.raises(BackendFault, match="no room") as caught:
            runner.rewind(0, checkpoint, 30)
    assert not isinstance(caught.value, KVExhausted)
    np.testing.assert_array_equal(step(runner, 0, 0, TOKENS[:30]), expected)
    runner.close()


def _without_room(*_: object, **__: object) -> None:
    raise KVExhausted("there is no room")


class Checkpointed:
    """What sequences of a model that folds its tokens should hold, after any operations on them."""

    def __init__(self, runner: ReusableLlamaRunner, data: st.DataObject) -> None:
        self.runner = runner
        self.draw = data.draw
        self.held: list[list[int]] = [[], []]
        self.taken: list[tuple[list[int], memoryview]] = []
        for sequence in range(3):
            runner.remove(sequence)

    def play(self) -> None:
        """One operation, as far as it can be done."""
        operations = (self.compute, self.compute, self.rewind, self.rewind, self.copy, self.restore)
        self.draw(st.sampled_from(operations))(self.draw(st.integers(0, 1)))

    def compute(self, sequence: int) -> None:
        """Some tokens more, and a checkpoint; few kinds of tokens, so that sequences begin alike."""
        tokens = self.draw(st.sampled_from([TOKENS[:9], TOKENS[1:10]]))
        if len(self.held[sequence]) < 60:
            step(self.runner, sequence, len(self.held[sequence]), tokens)
            self.held[sequence] += tokens
            self.taken.append(([*self.held[sequence]], self.runner.checkpoint(sequence)))

    def copy(self, source: int) -> None:
        """All of the other one."""
        if self.held[source]:
            self.runner.remove(1 - source)
            self.runner.copy(source, 1 - source, len(self.held[source]))
            self.held[1 - source] = [*self.held[source]]

    def rewind(self, sequence: int) -> None:
        """To any checkpoint; one of other tokens must be refused."""
        if not self.taken:
            return
        tokens, checkpoint = self.draw(st.sampled_from(self.taken))
        if self.held[sequence][: len(tokens)] == tokens:
            self.runner.rewind(sequence, checkpoint, len(tokens))
            self.held[sequence] = [*tokens]
            return
        with pytest.raises(BackendFault):
            self.runner.rewind(sequence, checkpoint, len(tokens))
        self.held[sequence] = []

    def restore(self, sequence: int) -> None:
        """Through a saved state."""
        if self.held[sequence]:
            state = self.runner.save(sequence, 0, len(self.held[sequence]))
            self.runner.remove(sequence)
            self.runner.restore(sequence, state, len(self.held[sequence]))


@pytest.fixture(scope="module", params=["sliding-window", "recurrent", "hybrid-convolution", "hybrid-delta"])
def folding(request: pytest.FixtureRequest) -> Iterator[ReusableLlamaRunner]:
    """States and windows."""
    runner = load(request.param)
    yield runner
    runner.close()


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_sequence_goes_back_only_to_what_it_was(folding: ReusableLlamaRunner, data: st.DataObject) -> None:
    """Whatever checkpoints there are: those of other tokens are refused, and behind all others it goes on as it did."""
    sequences = Checkpointed(folding, data)
    for _ in range(data.draw(st.integers(5, 20))):
        sequences.play()
    assert_go_on_as_computed_anew(folding, sequences.held, free=2)


# --- damage ----------------------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_damaged_states_are_refused_and_nobody_else_notices(loaded: ReusableLlamaRunner, data: st.DataObject) -> None:
    """Bits flipped, bytes lost, bytes of something else."""
    for sequence in range(3):
        loaded.remove(sequence)
    expected = step(loaded, 0, 0, TOKENS[:60])
    state = bytearray(loaded.save(0, 20, 60))
    loaded.copy(0, 1, 20)
    kind = data.draw(st.sampled_from(["flip", "cut", "fill"]))
    place = data.draw(st.integers(0, len(state) - 1))
    if kind == "flip":
        state[place] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del state[place:]
    else:
        filled = data.draw(st.binary(min_size=1, max_size=40))
        before = bytes(state)
        state[place : place + len(filled)] = filled
        if bytes(state[: len(before)]) == before:
            return
    with pytest.raises(BackendFault):
        loaded.restore(1, memoryview(state), 50)
    np.testing.assert_array_equal(step(loaded, 1, 0, TOKENS[:60]), expected)
    loaded.cut(0, 59)
    assert np.abs(step(loaded, 0, 59, TOKENS[59:60]) - expected).max() < 0.05


def test_a_state_of_another_layout_is_refused_by_llama_cpp(runner: ReusableLlamaRunner) -> None:
    """Should a store mix them up: other rows, other values, other streams, tokens missing."""
    step(runner, 0, 0, TOKENS[:30])
    mine = runner.save(0, 0, 30)
    others: list[Mapping[str, OptionValue]] = [{"kv_type": "f32"}, {"flash_attention": False}, {"deterministic": True}]
    for options in others:
        other = load("base", options)
        step(other, 0, 0, TOKENS[:30])
        theirs = other.save(0, 0, 30)
        for one, state in ((runner, theirs), (other, mine)):
            with pytest.raises(BackendFault, match=r"does not take|does not have its tokens"):
                one.restore(1, state, 30)
            step(one, 1, 0, TOKENS[:30])
            one.remove(1)
        other.close()


# --- deterministic ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exact() -> Iterator[ReusableLlamaRunner]:
    """Cells of each sequence's own, results that depend on nothing else."""
    runner = load(DEMO, {"deterministic": True})
    yield runner
    runner.close()


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_deterministic_results_stay_the_same_to_the_bit(exact: ReusableLlamaRunner, data: st.DataObject) -> None:
    """However a sequence came to its tokens: copied, cut, saved and restored, in any order, and computed on."""
    for sequence in range(3):
        exact.remove(sequence)
    held, at = 0, 0
    for _ in range(data.draw(st.integers(1, 8))):
        kind = data.draw(st.sampled_from(["compute", "copy", "cut", "restore"]))
        if kind == "compute" or held < 2:
            count = data.draw(st.sampled_from([1, 2, 13, 40]))
            if held + count > 200:
                break
            step(exact, at, held, TOKENS[held : held + count])
            held += count
            continue
        length = data.draw(st.integers(1, held))
        other = (at + 1) % 3
        exact.remove(other)
        if kind == "copy":
            exact.copy(at, other, length)
            at = other
        elif kind == "restore":
            exact.restore(other, exact.save(at, 0, held), length)
            at = other
        else:
            exact.cut(at, length)
        held = length
    found = step(exact, at, held, TOKENS[held : held + 1])
    exact.remove(at)
    np.testing.assert_array_equal(step(exact, at, 0, TOKENS[: held + 1]), found)


_CHILD: Final = """
import hashlib, sys
sys.path.insert(0, {folder!r})
from test_reuse import DEMO, TOKENS, load, step
runner = load(DEMO, {{"deterministic": True}})
runner.restore(2, memoryview(open({file!r}, "rb").read()), 90)
print(runner.limits.state_layout, hashlib.sha256(step(runner, 2, 90, TOKENS[90:91]).tobytes()).hexdigest())
"""


def test_a_state_gives_the_same_bits_in_another_process(exact: ReusableLlamaRunner, tmp_path: Path) -> None:
    """As after a restart, from a file."""
    exact.remove(0)
    step(exact, 0, 0, TOKENS[:120])
    file = tmp_path / "state"
    file.write_bytes(exact.save(0, 0, 120))
    exact.cut(0, 90)
    expected = hashlib.sha256(step(exact, 0, 90, TOKENS[90:91]).tobytes()).hexdigest()
    child = _CHILD.format(folder=str(Path(__file__).parent), file=str(file))
    found = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout.split() == [exact.limits.state_layout, expected]
