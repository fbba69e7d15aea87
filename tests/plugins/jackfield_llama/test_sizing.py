"""Context and pool from wish, model and memory."""

from __future__ import annotations

import pytest

from jackfield.errors import ManifestError, ModelLoadError
from jackfield.ports.backend import ModelSpec
from jackfield_llama.sizing import Sizes, choose_sizes

MIB = 1 << 20


def _spec(**wish: int) -> ModelSpec:
    return ModelSpec(
        name="m",
        path="/m.gguf",
        context=wish.get("context", "auto"),
        kv_tokens=wish.get("kv_tokens", "auto"),
        max_sequences=wish.get("max_sequences", 8),
    )


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
        pytest.param(_spec(), 4096, 16 * MIB, Sizes(4096, 12_288), id="three quarters of the free memory"),
        pytest.param(_spec(kv_tokens=9000), 4096, 9 * MIB, Sizes(4096, 9000), id="pool as asked, just fits"),
        pytest.param(_spec(), 4096, 4 * MIB, Sizes(4096, 4096), id="at least one request"),
    ],
)
def test_sizes(spec: ModelSpec, trained: int, free: int | None, sizes: Sizes) -> None:
    """A cell takes 1 KiB here."""
    assert choose_sizes(spec, trained, 1024.0, free) == sizes


def test_a_pool_that_does_not_fit_is_refused() -> None:
    """The message says how much is missing and what to lower."""
    with pytest.raises(ModelLoadError, match=r"4096 tokens take 4 MiB .* 3 MiB are free; lower models\.m\.context"):
        choose_sizes(_spec(), 4096, 1024.0, 3 * MIB)
    with pytest.raises(ModelLoadError, match=r"9000 tokens take 9 MiB .* 8 MiB are free; lower models\.m\.kv_tokens"):
        choose_sizes(_spec(kv_tokens=9000), 4096, 1024.0, 8 * MIB)


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (_spec(context=2048, kv_tokens=1024), "kv_tokens"),
        (_spec(context=2**31), "context"),
        (_spec(context=8, kv_tokens=2**40), "kv_tokens"),
    ],
)
def test_impossible_wishes_name_their_key(spec: ModelSpec, key: str) -> None:
    """What contradicts itself or cannot be counted is a manifest error."""
    with pytest.raises(ManifestError) as caught:
        choose_sizes(spec, 0, 1.0, None)
    assert caught.value.param == f"models.m.{key}"
