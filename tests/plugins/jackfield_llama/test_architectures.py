"""Files of different kinds: what a model is comes from its file, not from what the demo model happens to be."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

import gguf
import numpy as np
import pytest

from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import Batch, ModelSpec
from jackfield.sampling import SamplingParams
from jackfield.testing.kits.loaded_model import generating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jackfield.ports.backend import Runner

WIDTH: Final = 64
HEADS: Final = 2
TEMPLATE: Final = "{{ messages[0].content }}"


class Kind(NamedTuple):
    """One kind of file, and what must be read out of it."""

    architecture: str
    tokenizer: str
    context: int
    add_bos: bool
    template: str | None
    ends: frozenset[str]


KINDS: Final = {
    "qwen2, byte pairs, two ends": Kind("qwen2", "gpt2", 256, False, TEMPLATE, frozenset({"<|im_end|>", "<|eot_id|>"})),
    "llama, SentencePiece, BOS, no template": Kind("llama", "llama", 128, True, None, frozenset({"</s>"})),
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind in turn."""
    found: Kind = request.param
    return found


@pytest.fixture(scope="module")
def runner(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """A file of that kind, loaded."""
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    _write(path, kind)
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    spec = ModelSpec(name="tiny", path=str(path), max_sequences=2, options={"threads": 1})
    runner = generating(kernel.backends()["llama-cpu"]().load(spec, lambda _: None))
    yield runner
    runner.close()


def test_it_is_described(runner: Runner, kind: Kind) -> None:
    """Architecture and trained context, which is also the automatic one."""
    assert runner.info.architecture == kind.architecture
    assert (runner.info.context_train, runner.limits.context) == (kind.context, kind.context)


def test_its_tokenizer_is_its_own(runner: Runner, kind: Kind) -> None:
    """Text comes back whole; BOS, template and all ends are those of the file."""
    tokenizer = runner.tokenizer
    text = "hi Grüße 世界"
    plain = tokenizer.encode(text, add_bos=False, parse_special=False)
    assert b"".join(map(tokenizer.piece, plain)).decode().removeprefix(" ") == text
    assert len(tokenizer.encode(text, add_bos=True, parse_special=False)) - len(plain) == kind.add_bos
    assert tokenizer.chat_template == kind.template
    marks = {tuple(tokenizer.encode(end, add_bos=False, parse_special=True)) for end in kind.ends}
    assert {token for mark in marks for token in mark if token in tokenizer.end_tokens} == tokenizer.end_tokens
    assert len(tokenizer.end_tokens) == len(kind.ends)


def test_it_computes(runner: Runner) -> None:
    """Prompt and answer, the same in either sequence."""
    answers = []
    for sequence in range(2):
        batch = Batch(runner.limits.max_batch_tokens)
        sampler = runner.sampler(SamplingParams(temperature=0, seed=0))
        tokens, position, drawn = runner.tokenizer.encode("hi", add_bos=True, parse_special=False), 0, []
        for _ in range(4):
            batch.clear()
            row = batch.add(sequence, position, tokens, wants_logits=True)
            runner.decode(batch)
            drawn.append(sampler.sample(row))
            position, tokens = position + len(tokens), drawn[-1:]
        sampler.close()
        answers.append(drawn)
    assert answers[0] == answers[1]


def _write(path: Path, kind: Kind) -> None:
    writer = gguf.GGUFWriter(path, kind.architecture)
    writer.add_context_length(kind.context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model(kind.tokenizer)
    writer.add_add_bos_token(kind.add_bos)
    if kind.template is not None:
        writer.add_chat_template(kind.template)
    size = _byte_pairs(writer) if kind.tokenizer == "gpt2" else _sentence_pieces(writer)
    _tensors(writer, kind.architecture, size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _byte_pairs(writer: gguf.GGUFWriter) -> int:
    """The byte alphabet of GPT-2, one merge, and two tokens that end an answer, of which only one is the EOS."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    shifted = itertools.count(256)
    tokens = [chr(byte) if byte in printable else chr(next(shifted)) for byte in range(256)]
    tokens += ["hi", "<|im_end|>", "<|eot_id|>"]
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL] * 2)
    writer.add_token_merges(["h i"])
    writer.add_eos_token_id(257)
    return len(tokens)


def _sentence_pieces(writer: gguf.GGUFWriter) -> int:
    """As Llama 2 has it: unknown, BOS, EOS, all bytes, then pieces with their scores."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "h", "i", "hi"]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * 4
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-1.0, -2.0, -3.0, -1.5])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    return len(tokens)


def _tensors(writer: gguf.GGUFWriter, architecture: str, vocabulary: int) -> None:
    random = np.random.default_rng(0)

    def matrix(name: str, rows: int) -> None:
        writer.add_tensor(name, random.standard_normal((rows, WIDTH), dtype=np.float32))

    matrix("token_embd.weight", vocabulary)
    matrix("output.weight", vocabulary)
    for norm in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{norm}.weight", np.ones(WIDTH, np.float32))
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        matrix(f"blk.0.{part}.weight", WIDTH)
        if architecture == "qwen2" and part in ("attn_q", "attn_k", "attn_v"):
            writer.add_tensor(f"blk.0.{part}.bias", np.zeros(WIDTH, np.float32))
