"""Every kind of model that generates: several sequences at once, preemption, shifts, and what loading them takes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

import jackfield
from jackfield.errors import BackendFault, ModelLoadError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import Batch, ModelSpec
from jackfield.testing.kits.loaded_model import generating
from jackfield_llama.backend import LlamaBackend
from jackfield_llama.machine import Machine
from jackfield_llama.measuring import MIB, read_buffers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from jackfield.ports.backend import Backend, OptionValue, Runner

DEMO: Final = Path(jackfield.__file__).parent / "models" / "demo.gguf"
FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
KINDS: Final = ("base", "mixture", "sliding-window", "recurrent", "hybrid-convolution", "hybrid-delta")

TOLERANCE: Final = 0.05
"""How far logits may move with company and chunks in a unified pool: rounding only; they have a standard deviation of
about 1, and a wrong cell moves them by as much."""


def _kernel_backend() -> Backend:
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    return kernel.backends()["llama-cpu"]()


def _spec(path: Path, **options: OptionValue) -> ModelSpec:
    return ModelSpec(
        name="m", path=str(path), context=256, max_sequences=4, kv_tokens=1024, options={"threads": 1, **options}
    )


def _load(path: Path, **options: OptionValue) -> Runner:
    return generating(_kernel_backend().load(_spec(path, **options), lambda _: None))


@pytest.fixture(scope="module", params=KINDS)
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """Each kind, loaded for four sequences."""
    loaded = _load(FIXTURES / f"{request.param}.gguf")
    yield loaded
    loaded.close()


def _tokens(runner: Runner, seed: int, count: int) -> list[int]:
    tokens: list[int] = np.random.default_rng(seed).integers(0, runner.tokenizer.vocabulary, count).tolist()
    return tokens


def _step(runner: Runner, parts: Sequence[tuple[int, int, list[int]]]) -> list[npt.NDArray[np.float32]]:
    batch = Batch(runner.limits.max_batch_tokens)
    rows = [batch.add(*part, wants_logits=True) for part in parts]
    runner.decode(batch)
    return [runner.logits(row).copy() for row in rows]  # type: ignore[attr-defined]  # what tests may see of llama's


def _close(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> bool:
    return bool(np.abs(one - other).max() < TOLERANCE)


def test_company_chunks_and_slots_only_round(runner: Runner) -> None:
    """Four sequences of different lengths, together and in pieces, beyond the window of the model that has one."""
    texts = [_tokens(runner, seed, length) for seed, length in enumerate((120, 45, 7, 90))]
    alone = []
    for text in texts:
        last = _step(runner, [(0, 0, text[:-1])])
        alone.append((last[0], _step(runner, [(0, len(text) - 1, text[-1:])])[0]))
        runner.remove(0)
    first = _step(runner, [(sequence, 0, text[:-1]) for sequence, text in enumerate(texts)])
    second = _step(runner, [(sequence, len(text) - 1, text[-1:]) for sequence, text in enumerate(texts)])
    for sequence in range(4):
        runner.remove(sequence)
    for place, expected in enumerate(alone):
        assert _close(first[place], expected[0])
        assert _close(second[place], expected[1])
        assert not _close(second[place], alone[place - 1][1])
    chunk = []
    for start in range(0, 119, 20):
        chunk = _step(runner, [(3, start, texts[0][start : min(start + 20, 119)])])
    runner.remove(3)
    assert _close(chunk[0], alone[0][0])


def test_a_preempted_sequence_goes_on_as_if_nothing_happened(runner: Runner) -> None:
    """Removed in the middle of its answer and computed anew, while another keeps its place."""
    text, other = _tokens(runner, 1, 80), _tokens(runner, 2, 60)
    _step(runner, [(0, 0, text[:70])])
    expected = [_step(runner, [(0, place, text[place : place + 1])])[0] for place in range(70, 80)]
    runner.remove(0)
    _step(runner, [(0, 0, text[:70])])
    _step(runner, [(1, 0, other[:50])])
    for place in range(5):
        _step(runner, [(0, 70 + place, [text[70 + place]]), (1, 50 + place, [other[50 + place]])])
    runner.remove(0)
    _step(runner, [(1, 55, other[55:57])])
    again = _step(runner, [(0, 0, text[:76])])
    rest = [_step(runner, [(0, place, text[place : place + 1])])[0] for place in range(76, 80)]
    runner.remove(0)
    runner.remove(1)
    assert all(_close(one, two) for one, two in zip([*again, *rest], expected[5:], strict=True))


def test_a_step_that_goes_back_is_refused(runner: Runner) -> None:
    """Also by models whose memory would take it without a word and compute nonsense."""
    text = _tokens(runner, 3, 40)
    _step(runner, [(0, 0, text)])
    with pytest.raises(BackendFault, match="positions"):
        _step(runner, [(0, 20, text[20:])])
    runner.remove(0)


# --- shift -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "able"),
    [
        ("base", {}, True),
        ("base", {"kv_type": "f32"}, True),
        ("demo", {"kv_type": "q8_0"}, False),
        ("mixture", {}, True),
        ("base", {"deterministic": True}, False),
        ("sliding-window", {}, False),
        ("recurrent", {}, False),
        ("hybrid-convolution", {}, False),
        ("hybrid-delta", {}, False),
    ],
    ids=str,
)
def test_shifting_is_offered_where_it_is_right(name: str, options: dict[str, OptionValue], *, able: bool) -> None:
    """llama.cpp says yes for recurrent, hybrid and windowed memories too; a refused shift changes nothing."""
    path = DEMO if name == "demo" else FIXTURES / f"{name}.gguf"
    spec = ModelSpec(name="m", path=str(path), context=256, max_sequences=4, options={"threads": 1, **options})
    loaded = generating(_kernel_backend().load(spec, lambda _: None))
    try:
        assert loaded.limits.can_shift == able
        text = _tokens(loaded, 4, 60)
        _step(loaded, [(1, 0, text)])
        if able:
            _shifts(loaded, text)
        else:
            with pytest.raises(BackendFault, match="shift"):
                loaded.shift(1, 4, 20)
            _step(loaded, [(1, 60, text[:1])])
    finally:
        loaded.close()


def _shifts(loaded: Runner, text: list[int]) -> None:
    """The kept beginning stays as it was, and the rest goes on at its new positions, which the length knows."""
    loaded.shift(1, 4, 20)
    with pytest.raises(BackendFault, match="positions"):
        _step(loaded, [(1, 60, text[:1])])
    shifted = _step(loaded, [(1, 40, text[:1]), (0, 0, text[:3])])[0]
    loaded.shift(1, 0, 40)
    _step(loaded, [(1, 1, text[:30])])
    loaded.remove(1)
    anew = _step(loaded, [(1, 0, [*text[:4], *text[24:], *text[:1]])])[0]
    # values were computed with what was dropped in view, so they differ; without RoPE moved they would be far off
    assert np.corrcoef(shifted, anew)[0, 1] > 0.5
    for keep, discard in ((0, 0), (-1, 2), (0, 42), (40, 2), (3, -1)):
        with pytest.raises(BackendFault, match="are not in a sequence of 41"):
            loaded.shift(1, keep, discard)


# --- memory ----------------------------------------------------------------------------------------------------------


class _Small(Machine):
    """A machine with so much free memory."""

    def __init__(self, free: int) -> None:
        super().__init__()
        self._free = free

    def available_memory(self) -> int | None:
        return self._free


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in KINDS]
    + [
        ("base", {"kv_type": "f32", "flash_attention": False}),
        ("base", {"deterministic": True}),
        ("sliding-window", {"deterministic": True}),
        ("hybrid-delta", {"batch": 64, "ubatch": 16}),
        ("demo", {}),
    ],
    ids=str,
)
def test_the_estimate_is_what_loading_takes(
    name: str, options: dict[str, OptionValue], caplog: pytest.LogCaptureFixture
) -> None:
    """To 0.05 MiB for each buffer, by what llama.cpp says when it allocates; ``inspect`` agrees with ``load``."""
    path = DEMO if name == "demo" else FIXTURES / f"{name}.gguf"
    spec = ModelSpec(name="m", path=str(path), context=512, max_sequences=4, options={"threads": 1, **options})
    backend = _kernel_backend()
    inspected = backend.inspect(spec)
    with caplog.at_level(logging.DEBUG, "jackfield.llama_cpp"):
        loaded = backend.load(spec, lambda _: None)
    lines = [record.getMessage() for record in caplog.records]
    allocations = [index for index, line in enumerate(lines) if "model buffer size" in line]
    real = read_buffers(lines[allocations[-1] :])
    info = loaded.info
    loaded.close()
    assert info == inspected
    assert info.memory is not None
    assert info.memory.weights == info.size_bytes
    assert info.memory.kv == pytest.approx(real.kv, abs=0.05 * MIB)
    assert info.memory.compute == pytest.approx(real.compute, abs=0.05 * MIB)
    assert info.memory.total == info.memory.weights + info.memory.kv + info.memory.compute


def _backend_with(free: int) -> LlamaBackend:
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    made = kernel.backends()["llama-cpu"]()
    assert isinstance(made, LlamaBackend)
    return LlamaBackend(made._instance, _Small(free))


def test_what_does_not_fit_is_refused_before_its_weights_are_read(caplog: pytest.LogCaptureFixture) -> None:
    """With the numbers; no progress is reported, for nothing was begun."""
    spec = ModelSpec(name="m", path=str(DEMO), context=2048, max_sequences=8, kv_tokens=16_384, options={"threads": 1})
    reported: list[float] = []
    with pytest.raises(ModelLoadError, match=r"models\.m needs \d+ MiB .* and 20 MiB are free; lower models\.m\.kv_"):
        _backend_with(20 * MIB).load(spec, reported.append)
    assert reported == []


def test_the_check_can_be_turned_off() -> None:
    """The operator may know better."""
    options: dict[str, OptionValue] = {"threads": 1, "memory_check": False}
    spec = ModelSpec(name="m", path=str(DEMO), context=256, max_sequences=2, options=options)
    _backend_with(MIB).load(spec, lambda _: None).close()


def test_an_automatic_pool_shrinks_to_the_memory() -> None:
    """Down to one request, and never below."""
    spec = ModelSpec(name="m", path=str(DEMO), context=1024, max_sequences=64, options={"threads": 1})
    whole = _backend_with(1 << 34).inspect(spec).memory
    assert whole is not None
    for free in (2 * whole.total // 3, whole.total // 3):
        shrunk = _backend_with(free).load(spec, lambda _: None)
        assert 1024 <= shrunk.limits.kv_tokens < 64 * 1024
        assert shrunk.info.memory is not None
        assert shrunk.info.memory.total <= free
        shrunk.close()


@pytest.mark.parametrize(("name", "experts"), [("base", (0, 0)), ("mixture", (4, 2)), ("hybrid-delta", None)], ids=str)
def test_inspection_says_what_a_model_is(name: str, experts: tuple[int, int] | None) -> None:
    """Without weights: architecture, tasks, vocabulary, experts, width."""
    info = _kernel_backend().inspect(_spec(FIXTURES / f"{name}.gguf"))
    assert info.architecture in {"llama", "qwen3next"}
    assert info.tasks == ("generate",)
    assert info.modalities == ("text",)
    assert (info.vocabulary, info.embedding_size, info.context_train) == (541, 32, 1024)
    assert info.quantisation
    if experts is None:
        assert info.n_experts > info.n_experts_used > 0
    else:
        assert (info.n_experts, info.n_experts_used) == experts
