"""What the kit cannot ask of every backend: llama.cpp's own options, limits and order of freeing."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import jackfield
from jackfield.errors import BackendFault, ManifestError, ModelLoadError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import Batch, ModelSpec
from jackfield.sampling import SamplingParams
from jackfield.testing.kits.loaded_model import generating

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.backend import OptionValue, Runner

DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"
QUESTION = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"


def _load(
    options: Mapping[str, OptionValue] | None = None,
    *,
    context: int | str = 256,
    kv_tokens: int | str = 512,
    max_sequences: int = 2,
) -> Runner:
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    spec = ModelSpec(
        name="demo",
        path=str(DEMO),
        context="auto" if isinstance(context, str) else context,
        kv_tokens="auto" if isinstance(kv_tokens, str) else kv_tokens,
        max_sequences=max_sequences,
        options={"threads": 1, **(options or {})},
    )
    return generating(kernel.backends()["llama-cpu"]().load(spec, lambda _fraction: None))


def _answer(runner: Runner, params: SamplingParams, *, steps: int = 12) -> bytes:
    tokenizer = runner.tokenizer
    batch = Batch(runner.limits.max_batch_tokens)
    sampler = runner.sampler(params)
    tokens, position, text = tokenizer.encode(QUESTION, add_bos=True, parse_special=True), 0, b""
    for _ in range(steps):
        batch.clear()
        row = batch.add(0, position, tokens, wants_logits=True)
        runner.decode(batch)
        position += len(tokens)
        token = sampler.sample(row)
        if token in tokenizer.end_tokens:
            break
        text += tokenizer.piece(token)
        tokens = [token]
    sampler.close()
    runner.remove(0)
    return text


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"flash_attention": True},
        {"flash_attention": False},
        {"kv_type": "f32"},
        {"kv_type": "q8_0"},
        {"mmap": False},
        {"batch": 32, "ubatch": 8},
        {"threads_batch": 2},
    ],
    ids=str,
)
def test_the_answer_is_the_same_with_every_option(options: dict[str, OptionValue]) -> None:
    """Options change speed and memory, not what a sure model says."""
    runner = _load(options)
    try:
        assert b"Paris" in _answer(runner, SamplingParams(temperature=0.0, seed=0))
    finally:
        runner.close()


def test_seeds_differ() -> None:
    """At a high temperature other seeds give other texts, and one seed gives one text."""
    runner = _load()
    try:
        texts = [_answer(runner, SamplingParams(temperature=2.0, seed=seed)) for seed in (1, 2, 3, 4, 1)]
    finally:
        runner.close()
    assert len(set(texts)) > 1
    assert texts[0] == texts[4]


def test_automatic_sizes_come_from_the_model() -> None:
    """The demo model was trained for 2,048 tokens; each of three sequences gets its own."""
    runner = _load(context="auto", kv_tokens="auto", max_sequences=3)
    try:
        assert runner.limits.context == 2048
        assert runner.limits.kv_tokens >= 3 * 2048
    finally:
        runner.close()


def test_a_context_beyond_training_is_allowed_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """The operator may know better (RoPE scaling), but is told."""
    with caplog.at_level(logging.WARNING):
        runner = _load(context=4096, kv_tokens=4096)
    assert runner.limits.context == 4096
    assert "models.demo.context is 4096, but the model was trained for 2048" in caplog.text
    runner.close()


def test_a_pool_smaller_than_a_request_is_refused() -> None:
    """The key at fault is named."""
    with pytest.raises(ManifestError) as caught:
        _load(context=512, kv_tokens=256)
    assert caught.value.param == "models.demo.kv_tokens"


def test_a_context_that_cannot_be_allocated_is_refused() -> None:
    """A wish beyond all memory is an error that says what to lower, not a crash."""
    with pytest.raises(ModelLoadError, match=r"lower models\.demo\.(kv_tokens|context)"):
        _load(context=2_000_000_000, kv_tokens=2_000_000_000)


def test_a_step_can_serve_all_sequences() -> None:
    """A tiny ``batch`` is raised to the number of sequences."""
    runner = _load({"batch": 2}, max_sequences=5)
    assert runner.limits.max_batch_tokens == 5
    runner.close()


def test_a_row_without_logits_cannot_be_sampled() -> None:
    """Asking for a row that was not kept is a fault, not a token."""
    runner = _load()
    batch = Batch(8)
    batch.add(0, 0, [5, 6], wants_logits=False)
    runner.decode(batch)
    sampler = runner.sampler(SamplingParams(temperature=0.0, seed=0))
    for row in (0, 1, 2, -1):
        with pytest.raises(BackendFault, match="row"):
            sampler.sample(row)
    runner.close()


def test_closing_in_any_order_frees_everything_once() -> None:
    """Samplers left open are closed with the runner; closing again does nothing."""
    runner = _load()
    left = [runner.sampler(SamplingParams(temperature=1.0, top_k=5, seed=1)) for _ in range(3)]
    left[0].close()
    runner.close()
    for sampler in left:
        sampler.close()
    runner.close()


def test_models_can_be_loaded_again_and_side_by_side() -> None:
    """Nothing of one model stays in the way of another."""
    first, second = _load(), _load()
    expected = _answer(first, SamplingParams(temperature=0.0, seed=0))
    first.close()
    assert _answer(second, SamplingParams(temperature=0.0, seed=0)) == expected
    second.close()


_LONG_RUN = """
import sys
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec

kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
spec = ModelSpec(name="m", path=sys.argv[1], context=64, max_sequences=1, options={"threads": 1})
tokenizer = kernel.backends()["llama-cpu"]().load(spec, lambda fraction: None).tokenizer
for text in ("a" * 200_000, " " * 200_000, "1" * 200_000, "世" * 100_000):
    tokens = tokenizer.encode(text, add_bos=False, parse_special=True)
    assert b"".join(map(tokenizer.piece, tokens)).decode() == text
"""


def test_a_prompt_of_one_long_word_does_not_overflow_the_stack(tmp_path: Path) -> None:
    """With a pre-tokenizer that llama.cpp matches by ``std::regex``, 200,000 letters in a row would end the process."""
    path = tmp_path / "bloom.gguf"
    path.write_bytes(DEMO.read_bytes().replace(b"qwen2", b"bloom", 1))
    run = subprocess.run([sys.executable, "-c", _LONG_RUN, str(path)], capture_output=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr[-1000:]
