"""Write GGUF models of a given shape with random weights: ``python benchmarks/make_model.py qwen2-0.5b build/models``.

Speed depends on shapes and types, not on what the weights say, so nothing needs to be downloaded. The vocabulary is
made up too: the byte alphabet of GPT-2's tokenizer and words of two to four letters, with merges that build them.
"""

from __future__ import annotations

import argparse
import itertools
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gguf
import numpy as np
import numpy.typing as npt
from gguf.quants import quantize

SPECIAL: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
WEIGHT_SCALE: Final = 0.02
"""Standard deviation of the weights, as models are initialised: activations stay finite."""
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What decides how much there is to compute."""

    architecture: str
    vocabulary: int
    embedding: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    context: int
    kind: gguf.GGMLQuantizationType

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.embedding // self.heads


SHAPES: Final = {
    # Qwen2-0.5B's own numbers
    "qwen2-0.5b": Shape(
        architecture="qwen2",
        vocabulary=151_936,
        embedding=896,
        layers=24,
        heads=14,
        kv_heads=2,
        feed_forward=4864,
        context=32_768,
        kind=gguf.GGMLQuantizationType.Q8_0,
    ),
    # small enough that a step costs a few milliseconds: what the engine adds shows
    "llama-30m": Shape(
        architecture="llama",
        vocabulary=32_000,
        embedding=512,
        layers=6,
        heads=8,
        kv_heads=4,
        feed_forward=1024,
        context=4096,
        kind=gguf.GGMLQuantizationType.Q8_0,
    ),
}


def main() -> None:
    """Write the models named on the command line."""
    parser = argparse.ArgumentParser(description="Write GGUF models with random weights.")
    parser.add_argument("shape", choices=[*SHAPES, "all"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    for name in SHAPES if arguments.shape == "all" else [arguments.shape]:
        print(ensure_model(name, arguments.folder))


def ensure_model(name: str, folder: Path) -> Path:
    """The file of the shape called *name* in *folder*, written if it is not there yet."""
    path = folder / f"{name}.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"writing {path}", flush=True)
        unfinished = path.with_suffix(".part")
        write_model(unfinished, name, SHAPES[name])
        unfinished.rename(path)
    return path


def write_model(path: Path, name: str, shape: Shape) -> None:
    """Write the model; the same name gives the same bytes."""
    writer = gguf.GGUFWriter(path, shape.architecture)
    writer.add_name(f"{name} with random weights")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    add_vocabulary(writer, shape.vocabulary)
    add_tensors(writer, shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """A byte-level BPE vocabulary of exactly *size* tokens."""
    alphabet = byte_alphabet()
    words = list(itertools.islice(letter_words(), size - len(alphabet) - len(SPECIAL)))
    kinds = [gguf.TokenType.NORMAL] * (len(alphabet) + len(words)) + [gguf.TokenType.CONTROL] * len(SPECIAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*alphabet, *words, *SPECIAL])
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{word[:-1]} {word[-1]}" for word in words])
    writer.add_eos_token_id(size - 1)
    writer.add_pad_token_id(size - len(SPECIAL))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def byte_alphabet() -> list[str]:
    """GPT-2's printable character for each byte (``bytes_to_unicode`` of its ``encoder.py``)."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    shifted = itertools.count(256)
    return [chr(byte) if byte in printable else chr(next(shifted)) for byte in range(256)]


def letter_words() -> itertools.chain[str]:
    """All words of two, then three, then four letters: each is a shorter one and a letter, so merges can build it."""
    return itertools.chain.from_iterable(
        map("".join, itertools.product(string.ascii_lowercase, repeat=length)) for length in (2, 3, 4)
    )


def add_tensors(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """Random matrices, neutral norms and biases; input and output embeddings are one tensor, as in Qwen2-0.5B."""
    random = np.random.default_rng(0)
    width, kv_width = shape.embedding, shape.kv_heads * shape.head

    def matrix(name: str, rows: int, columns: int) -> None:
        values = random.standard_normal((rows, columns), dtype=np.float32) * np.float32(WEIGHT_SCALE)
        writer.add_tensor(name, quantize(values, shape.kind), raw_dtype=shape.kind)

    def vector(name: str, values: npt.NDArray[np.float32]) -> None:
        writer.add_tensor(name, values)

    matrix("token_embd.weight", shape.vocabulary, width)
    vector("output_norm.weight", np.ones(width, np.float32))
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        vector(f"{block}.attn_norm.weight", np.ones(width, np.float32))
        vector(f"{block}.ffn_norm.weight", np.ones(width, np.float32))
        for part, rows in (("q", width), ("k", kv_width), ("v", kv_width)):
            matrix(f"{block}.attn_{part}.weight", rows, width)
            if shape.architecture == "qwen2":
                vector(f"{block}.attn_{part}.bias", np.zeros(rows, np.float32))
        matrix(f"{block}.attn_output.weight", width, width)
        matrix(f"{block}.ffn_gate.weight", shape.feed_forward, width)
        matrix(f"{block}.ffn_up.weight", shape.feed_forward, width)
        matrix(f"{block}.ffn_down.weight", width, shape.feed_forward)


if __name__ == "__main__":
    main()
