"""Context and pool from wish, model and memory."""

from __future__ import annotations

import pytest

from jackfield.errors import ManifestError, ModelLoadError
from jackfield.ports.backend import MemoryEstimate, ModelSpec
from jackfield_llama.measuring import MEASURED_MAX, MIB, Buffers, measure, read_buffers
from jackfield_llama.sizing import Model, Sizes, choose_sizes, require_fit


def _spec(**wish: int) -> ModelSpec:
    return ModelSpec(
        name="m",
        path="/m.gguf",
        context=wish.get("context", "auto"),
        kv_tokens=wish.get("kv_tokens", "auto"),
        max_sequences=wish.get("max_sequences", 8),
    )


def _model(trained: int, room: int | None, *, split: bool = False) -> Model:
    """A cell takes 1 KiB, and a context 2 MiB besides."""
    return Model(trained, room, lambda tokens: Buffers(1024 * tokens, 2 * MIB), split)


@pytest.mark.parametrize(
    ("spec", "trained", "free", "sizes"),
    [
        pytest.param(_spec(), 2048, None, Sizes(2048, 8 * 2048), id="the model's context for each"),
        pytest.param(_spec(), 131_072, None, Sizes(4096, 8 * 4096), id="capped"),
        pytest.param(_spec(), 0, None, Sizes(4096, 8 * 4096), id="the file does not say"),
        pytest.param(_spec(context=8192), 131_072, None, Sizes(8192, 8 * 8192), id="as asked"),
        pytest.param(_spec(context=4096), 2048, None, Sizes(4096, 8 * 4096), id="beyond training"),
        pytest.param(_spec(kv_tokens=10_000), 4096, None, Sizes(4096, 10_000), id="pool as asked"),
        pytest.param(_spec(kv_tokens=1000), 4096, None, Sizes(1000, 1000), id="context follows a small pool"),
        pytest.param(_spec(), 4096, 18 * MIB, Sizes(4096, 12_288), id="three quarters of what buffers leave"),
        pytest.param(_spec(), 4096, 64 * MIB, Sizes(4096, 8 * 4096), id="all that was wished for fits"),
        pytest.param(_spec(kv_tokens=9000), 4096, 9 * MIB, Sizes(4096, 9000), id="a pool that is asked for stays"),
        pytest.param(_spec(), 4096, MIB, Sizes(4096, 4096), id="at least one request"),
        pytest.param(_spec(max_sequences=1), 4096, MIB, Sizes(4096, 4096), id="one sequence needs its context"),
    ],
)
def test_sizes(spec: ModelSpec, trained: int, free: int | None, sizes: Sizes) -> None:
    """Automatic sizes follow the memory, others the wish."""
    assert choose_sizes(spec, _model(trained, free)) == sizes


@pytest.mark.parametrize(
    ("spec", "free", "sizes"),
    [
        pytest.param(_spec(context=1000, max_sequences=3), None, Sizes(1000, 3 * 1024), id="padded for each"),
        pytest.param(_spec(context=4096), MIB, Sizes(4096, 8 * 4096), id="a context that is asked for stays"),
        pytest.param(_spec(), 32 * MIB, Sizes(2048, 8 * 2048), id="an automatic one is halved until it fits"),
        pytest.param(_spec(), MIB, Sizes(512, 8 * 512), id="but not below 512"),
    ],
)
def test_sizes_where_each_sequence_has_its_own_cells(spec: ModelSpec, free: int | None, sizes: Sizes) -> None:
    """The whole context for each, so the pool is no wish."""
    assert choose_sizes(spec, _model(4096, free, split=True)) == sizes


@pytest.mark.parametrize(
    ("spec", "split", "key"),
    [
        (_spec(context=2048, kv_tokens=1024), False, "kv_tokens"),
        (_spec(context=2**31), False, "context"),
        (_spec(context=2**31), True, "context"),
        (_spec(context=8, kv_tokens=2**40), False, "kv_tokens"),
        (_spec(context=1024, kv_tokens=8192), True, "kv_tokens"),
    ],
)
def test_impossible_wishes_name_their_key(spec: ModelSpec, *, split: bool, key: str) -> None:
    """What contradicts itself or cannot be counted is a manifest error."""
    with pytest.raises(ManifestError) as caught:
        choose_sizes(spec, _model(0, None, split=split))
    assert caught.value.param == f"models.m.{key}"


@pytest.mark.parametrize(
    ("spec", "weights", "lower"),
    [
        (_spec(), 4, "lower models.m.context or max_sequences"),
        (_spec(kv_tokens=9000), 4, "lower models.m.kv_tokens"),
        (_spec(), 40, "take a smaller model or quantisation"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(spec: ModelSpec, weights: int, lower: str) -> None:
    """What it takes, what is free, what to lower, and how to try anyway."""
    needed = MemoryEstimate(weights=weights * MIB, kv=5 * MIB, compute=3 * MIB)
    require_fit(spec, needed, (weights + 8) * MIB)
    with pytest.raises(ModelLoadError) as caught:
        require_fit(spec, needed, 10 * MIB)
    said = f"weights {weights} MiB, KV pool 5 MiB, buffers 3 MiB) and 10 MiB are free; {lower}"
    assert said in caught.value.message
    assert "memory_check = false" in caught.value.message


def test_buffers_are_read_from_what_llama_cpp_says() -> None:
    """Every part of the memory, and both kinds of buffers; not the same part twice."""
    lines = [
        "llama_context:        CPU  output buffer size =     2.32 MiB",
        "llama_kv_cache:        CPU KV buffer size =    24.00 MiB",
        "llama_kv_cache: size =   24.00 MiB (  2048 cells,  24 layers,  4/1 seqs), K (f16):   12.00 MiB",
        "llama_kv_cache_iswa: creating     SWA KV cache, size = 2048 cells",
        "llama_kv_cache: size =    0.50 MiB (  2048 cells,   5 layers,  4/1 seqs), K (f16):    0.31 MiB",
        "llama_memory_recurrent: size =    0.25 MiB (     4 cells,   2 layers,  4 seqs  0 rs_seq)",
        "sched_reserve:        CPU compute buffer size =   300.25 MiB",
    ]
    assert read_buffers(lines) == Buffers(int(24.75 * MIB), int(302.57 * MIB))


def test_an_absurd_context_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand million cells are extended from two sizes that llama.cpp can count."""
    tried: list[int] = []

    def tokens(_make: object, size: int) -> Buffers:
        tried.append(size)
        return Buffers(1000 + 3 * size, 7 * size)

    monkeypatch.setattr("jackfield_llama.measuring._measured", tokens)
    assert measure(lambda _: pytest.fail("not made"), 2_000_000_000) == Buffers(6_000_001_000, 14_000_000_000)
    assert max(tried) == MEASURED_MAX
