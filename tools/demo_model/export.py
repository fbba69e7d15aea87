"""Write the trained weights and the tokenizer as one GGUF file (architecture `llama`, Q8_0)."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import torch
from gguf.quants import quantize
from torch import Tensor

from messages import SPECIAL_TOKENS, TEMPLATE
from network import Shape

NAME = "jackfield-demo"
DESCRIPTION = "Tiny demo chat model of Jackfield, trained from scratch on synthetic conversations about Jackfield"
CONTEXT = 2048
SAMPLING = {"temp": 0.3, "top_p": 0.9}
FORMATS = {
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
}
LAYER_TENSORS = {
    "attn_norm": "attention_norm",
    "ffn_norm": "feed_norm",
    "attn_q": "attention.query",
    "attn_k": "attention.key",
    "attn_v": "attention.value",
    "attn_output": "attention.output",
    "ffn_gate": "gate",
    "ffn_up": "up",
    "ffn_down": "down",
}


@dataclass(frozen=True)
class Vocabulary:
    """The tokenizer as GGUF wants it.

    Parameters: the tokens by id, their types, the merges as `left right`, and the ids of the added tokens.
    """

    tokens: list[str]
    types: list[int]
    merges: list[str]
    added: dict[str, int]


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a tokenizer.json.

    Parameters: its path. Returns the vocabulary.
    """
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    added = {entry["content"]: int(entry["id"]) for entry in data["added_tokens"]}
    ids = {**data["model"]["vocab"], **added}
    tokens = sorted(ids, key=ids.__getitem__)
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError("token ids have gaps")
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in data["model"]["merges"]]
    return Vocabulary(tokens, [token_type(token, added) for token in tokens], merges, added)


def token_type(token: str, added: dict[str, int]) -> int:
    """Tell the GGUF type of a token.

    Parameters: the token and the ids of the added tokens. Returns control, user-defined or normal.
    """
    if token in SPECIAL_TOKENS:
        return int(gguf.TokenType.CONTROL)
    return int(gguf.TokenType.USER_DEFINED if token in added else gguf.TokenType.NORMAL)


def add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """Write the sizes of the network.

    Parameters: the writer and the sizes.
    """
    writer.add_context_length(CONTEXT)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.rotary_base)
    writer.add_rope_dimension_count(shape.head_width)


def add_about(writer: gguf.GGUFWriter) -> None:
    """Write what the model is and how to sample from it.

    Parameters: the writer.
    """
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_license("apache-2.0")
    writer.add_size_label("2M")
    writer.add_languages(["en"])
    for key, value in SAMPLING.items():
        writer.add_float32(f"general.sampling.{key}", value)


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """Write the tokenizer and the chat template.

    Parameters: the writer and the vocabulary.
    """
    stop, padding = vocabulary.added["<|im_end|>"], vocabulary.added["<|endoftext|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_eos_token_id(stop)
    writer.add_eot_token_id(stop)
    writer.add_bos_token_id(padding)
    writer.add_pad_token_id(padding)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def interleave(matrix: Tensor, heads: int) -> Tensor:
    """Reorder the rows of a query or key matrix for llama.cpp, which rotates neighbouring rows, not halves.

    Parameters: the matrix and its number of heads. Returns a matrix of the same shape.
    """
    rows, columns = matrix.shape
    return matrix.reshape(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def named_tensors(weights: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """Name the weights as GGUF does.

    Parameters: the weights as saved and the sizes of the network. Returns them by their GGUF names.
    """
    heads = {"attn_q": shape.heads, "attn_k": shape.kv_heads}
    tensors = {"token_embd.weight": weights["embedding.weight"], "output_norm.weight": weights["norm.weight"]}
    for layer in range(shape.layers):
        for name, source in LAYER_TENSORS.items():
            matrix = weights[f"blocks.{layer}.{source}.weight"]
            tensors[f"blk.{layer}.{name}.weight"] = interleave(matrix, heads[name]) if name in heads else matrix
    return tensors


def add_tensors(writer: gguf.GGUFWriter, tensors: dict[str, Tensor], kind: gguf.GGMLQuantizationType) -> None:
    """Add the weights: matrices in the given format, norms in 32 bits.

    Parameters: the writer, the weights by name, the format.
    """
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)


def export(weights: Path, tokenizer: Path, output: Path, file_format: str) -> None:
    """Write the GGUF file.

    Parameters: the files to read, the file to write and a key of `FORMATS`.
    """
    shape, vocabulary = Shape(), read_vocabulary(tokenizer)
    if len(vocabulary.tokens) != shape.vocabulary:
        raise ValueError(f"expected {shape.vocabulary} tokens, found {len(vocabulary.tokens)}")
    kind, file_type = FORMATS[file_format]
    writer = gguf.GGUFWriter(str(output), "llama")
    add_about(writer)
    writer.add_file_type(file_type)
    add_shape(writer, shape)
    add_vocabulary(writer, vocabulary)
    add_tensors(writer, named_tensors(torch.load(weights, weights_only=True), shape), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> int:
    """Run the command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="weights, written by train.py")
    parser.add_argument("tokenizer", type=Path, help="tokenizer.json, written by tokenizer.py")
    parser.add_argument("output", type=Path, help="the GGUF file to write")
    parser.add_argument("--format", choices=sorted(FORMATS), default="q8_0", help="format (default: %(default)s)")
    options = parser.parse_args()
    export(options.weights, options.tokenizer, options.output, options.format)
    print(f"wrote {options.output}, {options.output.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
