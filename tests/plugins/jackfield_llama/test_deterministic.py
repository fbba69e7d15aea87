"""``deterministic = true``: the logits of a sequence depend on nothing but the sequence, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

import jackfield
from jackfield.errors import BackendFault, ManifestError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import Batch, ModelSpec
from jackfield.sampling import SamplingParams
from jackfield.testing.kits.loaded_model import generating

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from jackfield.ports.backend import OptionValue, Runner

DEMO: Final = Path(jackfield.__file__).parent / "models" / "demo.gguf"
FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
FILES: Final = [DEMO, *(FIXTURES / f"{name}.gguf" for name in ("base", "mixture", "sliding-window"))]
"""Eight-bit and half-precision weights, experts, and a sliding window."""

SEQUENCES: Final = 8
PROMPT: Final = 150
ANSWER: Final = 10

Rows = list["npt.NDArray[np.float32]"]


def _load(path: Path, options: Mapping[str, OptionValue] | None = None, **sizes: int) -> Runner:
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    wanted: dict[str, int] = {"context": 512, "max_sequences": SEQUENCES, **sizes}
    spec = ModelSpec(
        name="m",
        path=str(path),
        context=wanted["context"],
        max_sequences=wanted["max_sequences"],
        kv_tokens=wanted.get("kv_tokens", "auto"),
        options={"deterministic": True, "threads": 1, **(options or {})},
    )
    return generating(kernel.backends()["llama-cpu"]().load(spec, lambda _: None))


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    """Each file in turn."""
    found: Path = request.param
    return found


@pytest.fixture(scope="module")
def runner(path: Path) -> Iterator[Runner]:
    """It, loaded for eight sequences."""
    loaded = _load(path)
    yield loaded
    loaded.close()


class Text:
    """A sequence of given tokens, the last ``ANSWER`` of which come one by one."""

    def __init__(self, runner: Runner, sequence: int, *, seed: int = 0, prompt: int = PROMPT) -> None:
        random = np.random.default_rng(seed)
        self._runner = runner
        self.sequence = sequence
        self.tokens: list[int] = random.integers(0, runner.tokenizer.vocabulary, prompt + 60).tolist()
        self.prompt = prompt
        self.done = 0

    def take(self, count: int) -> tuple[int, int, list[int]]:
        """The next *count* tokens, as a part of a step."""
        start, self.done = self.done, self.done + count
        return self.sequence, start, self.tokens[start : self.done]

    def forget(self) -> None:
        """Free its cells."""
        self._runner.remove(self.sequence)
        self.done = 0


def _step(runner: Runner, parts: Sequence[tuple[int, int, list[int]]]) -> Rows:
    """One step; the logits of each part's last row."""
    batch = Batch(runner.limits.max_batch_tokens)
    rows = [batch.add(*part, wants_logits=True) for part in parts]
    runner.decode(batch)
    return [_row(runner, row) for row in rows]


def _row(runner: Runner, row: int) -> npt.NDArray[np.float32]:
    logits: npt.NDArray[np.float32] = runner.logits(row)  # type: ignore[attr-defined]  # what tests may see of llama's
    return logits.copy()


def _continue(runner: Runner, text: Text, company: Sequence[Text] = ()) -> Rows:
    rows = []
    for _ in range(ANSWER):
        parts = sorted((text, *company), key=lambda each: each.sequence)
        found = _step(runner, [each.take(1) for each in parts])
        rows.append(found[parts.index(text)])
    return rows


def _alone(runner: Runner, sequence: int = 0, chunks: Sequence[int] = (PROMPT,)) -> Rows:
    text = Text(runner, sequence)
    last: Rows = []
    for size in chunks:
        last = _step(runner, [text.take(size)])
    rows = [*last, *_continue(runner, text)]
    text.forget()
    return rows


@pytest.fixture(scope="module")
def expected(runner: Runner) -> Rows:
    """The logits after prompt and each token of the answer, computed alone in sequence 0."""
    return _alone(runner)


def _identical(found: Rows, expected: Rows) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_it_is_what_was_asked_for(runner: Runner) -> None:
    """Each sequence has its context; the engine is told."""
    limits = runner.limits
    assert limits.deterministic
    assert (limits.context, limits.max_sequences) == (512, SEQUENCES)
    assert limits.kv_tokens >= SEQUENCES * 512


@pytest.mark.parametrize("chunks", [[1] * PROMPT, [2] * 75, [149, 1], [1, 149], [64, 64, 22], [37, 100, 13]], ids=str)
def test_chunks_make_no_difference(runner: Runner, expected: Rows, chunks: list[int]) -> None:
    """Whatever the cuts, rows of one token included."""
    assert _identical(_alone(runner, 3, chunks), expected)


@pytest.mark.parametrize("sequence", [1, 7])
def test_the_slot_makes_no_difference(runner: Runner, expected: Rows, sequence: int) -> None:
    """Nor whatever used it before."""
    before = Text(runner, sequence, seed=9, prompt=300)
    _step(runner, [before.take(300)])
    _continue(runner, before)
    before.forget()
    assert _identical(_alone(runner, sequence), expected)


def test_a_crowd_makes_no_difference(runner: Runner, expected: Rows) -> None:
    """Seven others of mixed lengths, their prompts before and after, their tokens in the same steps."""
    company = [
        Text(runner, sequence, seed=sequence, prompt=length)
        for sequence, length in ((0, 1), (1, 400), (2, 2), (3, 30), (4, 255), (6, 256), (7, 120))
    ]
    for each in company[:4]:
        _step(runner, [each.take(each.prompt)])
    text = Text(runner, 5)
    rows = _step(runner, [text.take(100)])
    _continue(runner, company[0], company[1:4])
    rows = _step(runner, [text.take(50)])
    for each in company[4:]:
        _step(runner, [each.take(each.prompt)])
    rows += _continue(runner, text, company)
    text.forget()
    for each in company:
        each.forget()
    assert _identical(rows, expected)


def test_preemption_and_recomputation_make_no_difference(runner: Runner, expected: Rows) -> None:
    """Prompt and half the answer, computed anew as one prompt in another slot."""
    text = Text(runner, 2)
    rows = _step(runner, [text.take(PROMPT)])
    rows += [row for _ in range(5) for row in _step(runner, [text.take(1)])]
    text.forget()
    text.sequence = 6
    assert np.array_equal(_step(runner, [text.take(PROMPT + 5)])[0], expected[5])
    rows += [row for _ in range(5) for row in _step(runner, [text.take(1)])]
    text.forget()
    assert _identical(rows, expected)


def test_prompts_and_tokens_in_one_step_make_no_difference(runner: Runner, expected: Rows) -> None:
    """An engine that mixes them gets the same; every row has its logits."""
    others = [Text(runner, 0, seed=1, prompt=40), Text(runner, 1, seed=2, prompt=7)]
    for each in others:
        _step(runner, [each.take(each.prompt)])
    text, third = Text(runner, 4), Text(runner, 3, seed=3, prompt=80)
    found = _step(runner, [others[0].take(1), text.take(PROMPT), others[1].take(1), third.take(80)])
    assert np.array_equal(found[1], expected[0])
    assert not any(np.array_equal(found[1], found[place]) for place in (0, 2, 3))
    for each in (text, third, *others):
        each.forget()


def test_logits_of_every_row_are_those_of_the_steps(runner: Runner, expected: Rows) -> None:
    """As log probabilities of an echoed prompt need them."""
    text = Text(runner, 0)
    batch = Batch(runner.limits.max_batch_tokens)
    sequence, start, tokens = text.take(PROMPT + 4)
    batch.add(sequence, start, tokens, wants_logits=True, every=True)
    runner.decode(batch)
    rows = [_row(runner, PROMPT - 1 + index) for index in range(5)]
    text.forget()
    assert _identical(rows, expected[:5])


def test_threads_make_no_difference(path: Path, expected: Rows) -> None:
    """Two give what one gives, in a model loaded anew for fewer sequences."""
    loaded = _load(path, {"threads": 2}, max_sequences=2)
    rows = _alone(loaded, 1)
    loaded.close()
    assert _identical(rows, expected)


def test_a_sequence_may_fill_its_context(runner: Runner) -> None:
    """The last token has its cell, and the copy beside it too."""
    text = Text(runner, 0, prompt=511)
    _step(runner, [text.take(511)])
    assert np.isfinite(_step(runner, [text.take(1)])[0]).all()
    text.forget()


def test_a_row_without_logits_has_none(runner: Runner) -> None:
    """Neither a token nor a chunk that did not ask can be sampled."""
    text = Text(runner, 0)
    for size in (1, 5):
        batch = Batch(8)
        batch.add(*text.take(size), wants_logits=False)
        runner.decode(batch)
        sampler = runner.sampler(SamplingParams(temperature=0, seed=0))
        with pytest.raises(BackendFault, match="logits"):
            sampler.sample(size - 1)
        sampler.close()
    text.forget()


# --- conflicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sizes", "param"),
    [
        ({"flash_attention": True}, {}, "models.m.options.deterministic"),
        ({"kv_type": "q8_0"}, {}, "models.m.options.deterministic"),
        ({"ubatch": 128}, {}, "models.m.options.deterministic"),
        ({}, {"kv_tokens": 4096}, "models.m.kv_tokens"),
    ],
    ids=str,
)
def test_what_it_excludes_is_named(options: dict[str, OptionValue], sizes: dict[str, int], param: str) -> None:
    """A start-up error, with the key."""
    with pytest.raises(ManifestError) as caught:
        _load(DEMO, options, **sizes)
    assert caught.value.param == param
    assert "deterministic" in caught.value.message


@pytest.mark.parametrize("name", ["recurrent", "hybrid-convolution", "hybrid-delta"])
def test_a_model_that_cannot_be_deterministic_says_so(name: str) -> None:
    """States are folded in whatever pieces they come."""
    with pytest.raises(ManifestError, match="cannot be had") as caught:
        _load(FIXTURES / f"{name}.gguf")
    assert caught.value.param == "models.m.options.deterministic"
