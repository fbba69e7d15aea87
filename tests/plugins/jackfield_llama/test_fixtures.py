"""The small models that tests use: llama.cpp takes each for what it is meant to be, and computes it."""

from __future__ import annotations

import ctypes
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from jackfield.errors import ModelLoadError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import Batch, ModelSpec
from jackfield_llama import library as llama
from jackfield_llama.runner import LlamaRunner
from jackfield_llama.runtime import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.backend import Runner
    from jackfield.ports.pooled import PooledRunner

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
PROMPT: Final = "The capital of France is Paris, said the cat and the dog. How long was the question?"
IMAGE_TOKENS: Final = 16

GENERATING: Final = {
    "base": ("llama", {}),
    "draft": ("llama", {"llama.block_count": "1"}),
    "infill": ("llama", {"llama.block_count": "1"}),
    "mixture": ("llama", {"llama.expert_count": "4", "llama.expert_used_count": "2"}),
    "sliding-window": ("gemma3", {"gemma3.attention.sliding_window": "32"}),
    "recurrent": ("mamba", {"mamba.ssm.state_size": "16"}),
    "hybrid-convolution": ("lfm2", {"lfm2.shortconv.l_cache": "3"}),
    "hybrid-delta": ("qwen3next", {"qwen3next.expert_count": "4", "qwen3next.ssm.state_size": "16"}),
}
"""Architecture, and metadata that makes the file what it is."""


def _load(name: str) -> Runner | PooledRunner:
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    spec = ModelSpec(name=name, path=str(FIXTURES / f"{name}.gguf"), max_sequences=2, options={"threads": 1})
    return kernel.backends()["llama-cpu"]().load(spec, lambda _fraction: None)


@pytest.fixture
def base() -> Iterator[llama.Model]:
    """The model that adapters and the projector fit."""
    RUNTIME.start()
    model = llama.model_load_from_file(str(FIXTURES / "base.gguf").encode(), llama.model_default_params())
    assert model is not None
    yield model
    llama.model_free(model)


def _metadata(name: str) -> dict[str, str | None]:
    _, wanted = GENERATING[name]
    RUNTIME.start()
    params = llama.model_default_params()
    params.vocab_only = True
    model = llama.model_load_from_file(str(FIXTURES / f"{name}.gguf").encode(), params)
    assert model is not None
    try:
        return {key: llama.model_metadata(model, key) for key in ("general.architecture", *wanted)}
    finally:
        llama.model_free(model)


@pytest.mark.parametrize("name", GENERATING)
def test_a_model_is_of_its_kind(name: str) -> None:
    """By what its file says."""
    architecture, wanted = GENERATING[name]
    assert _metadata(name) == {"general.architecture": architecture, **wanted}


@pytest.mark.parametrize("name", GENERATING)
def test_a_model_generates(name: str) -> None:
    """Tokens that differ: a model that repeats one token would hide a lost row."""
    runner = _load(name)
    assert isinstance(runner, LlamaRunner)
    batch = Batch(runner.limits.max_batch_tokens)
    tokens, position, drawn = runner.tokenizer.encode(PROMPT, add_bos=True, parse_special=False), 0, []
    for _ in range(8):
        batch.clear()
        row = batch.add(0, position, tokens, wants_logits=True)
        runner.decode(batch)
        drawn.append(int(runner.logits(row).argmax()))
        position, tokens = position + len(tokens), drawn[-1:]
    runner.close()
    assert len(set(drawn)) >= 5, drawn


def test_a_draft_has_the_vocabulary_of_its_model() -> None:
    """Token by token."""
    base, draft = (_load(name) for name in ("base", "draft"))
    pieces = [[each.tokenizer.piece(token) for token in range(each.tokenizer.vocabulary)] for each in (base, draft)]
    assert pieces[0] == pieces[1]
    assert base.tokenizer.end_tokens == draft.tokenizer.end_tokens
    base.close()
    draft.close()


@pytest.mark.parametrize("name", ["lora-a", "lora-b"])
def test_an_adapter_fits_its_model(base: llama.Model, name: str) -> None:
    """llama.cpp compares every tensor's shape with the model's."""
    api = importlib.import_module("llama_cpp.llama_cpp")
    adapter = api.llama_adapter_lora_init(base, str(FIXTURES / f"{name}.gguf").encode())
    assert adapter
    api.llama_adapter_lora_free(adapter)


def test_an_image_becomes_embeddings_of_the_models_width(base: llama.Model) -> None:
    """Sixteen rows, other ones for another image."""
    api = importlib.import_module("llama_cpp.mtmd_cpp")
    params = api.mtmd_context_params_default()
    params.use_gpu = params.warmup = params.print_timings = False
    context = api.mtmd_init_from_file(str(FIXTURES / "mmproj.gguf").encode(), base, params)
    assert context
    width = llama.model_n_embd(base)
    black, noise = (_embed_image(api, context, width, seed) for seed in (None, 1))
    api.mtmd_free(context)
    assert np.isfinite(noise).all()
    assert np.abs(black - noise).max() > 1e-3


def _embed_image(api: Any, context: object, width: int, seed: int | None) -> np.ndarray[Any, np.dtype[np.float32]]:
    shape = (56, 56, 3)
    pixels = np.zeros(shape, np.uint8)
    if seed is not None:
        pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    bitmap = api.mtmd_bitmap_init(shape[1], shape[0], pixels.ctypes.data_as(ctypes.POINTER(ctypes.c_ubyte)))
    marker = api.mtmd_default_marker()
    text = api.mtmd_input_text(text=marker, text_len=len(marker), add_special=False, parse_special=True)
    chunks = api.mtmd_input_chunks_init()
    bitmaps = (api.mtmd_bitmap_p_ctypes * 1)(bitmap)
    assert api.mtmd_tokenize(context, chunks, ctypes.byref(text), bitmaps, 1) == 0
    image = next(
        chunk
        for index in range(api.mtmd_input_chunks_size(chunks))
        if api.mtmd_input_chunk_get_type(chunk := api.mtmd_input_chunks_get(chunks, index)) != 0
    )
    assert api.mtmd_input_chunk_get_n_tokens(image) == IMAGE_TOKENS
    assert api.mtmd_encode_chunk(context, image) == 0
    rows = np.ctypeslib.as_array(api.mtmd_get_output_embd(context), (IMAGE_TOKENS, width)).copy()
    api.mtmd_input_chunks_free(chunks)
    api.mtmd_bitmap_free(bitmap)
    return rows


@pytest.mark.parametrize("name", ["lora-a", "mmproj"])
def test_what_needs_a_base_is_refused_alone(name: str) -> None:
    """By name, as any file that is no model."""
    with pytest.raises(ModelLoadError, match=name):
        _load(name)
