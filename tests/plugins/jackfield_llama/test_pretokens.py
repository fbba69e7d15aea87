"""Cutting long texts: short pieces, nothing lost, no control token split."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import jackfield
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield_llama import library as llama
from jackfield_llama.pretokens import CHARACTERS_MAX, Cutter

DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"
MARKER = "<|im_end|>"


@given(st.lists(st.sampled_from([MARKER, " word", "\n", "x" * 700, "世" * 300, "  ", "1"]), max_size=60).map("".join))
def test_pieces_are_short_and_whole(text: str) -> None:
    """Joined they are the text, and each control token lies in one of them."""
    pieces = list(Cutter(frozenset({MARKER})).pieces(text))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= CHARACTERS_MAX
    assert sum(piece.count(MARKER) for piece in pieces) == text.count(MARKER)


def test_ordinary_text_gets_the_tokens_of_the_whole() -> None:
    """Prose, code and a conversation of many thousand characters are tokenised as without cuts."""
    prose = "It was the best of times, it was the worst of times; 1,234 people said so (and 5 didn't). "
    code = "def f(x):\n    if x > 10:\n        return [y ** 2 for y in range(x)]\n\n"
    chat = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\nParis.<|im_end|>\n"
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    spec = ModelSpec(name="m", path=str(DEMO), context=64, options={"threads": 1})
    runner = kernel.backends()["llama-cpu"]().load(spec, lambda _fraction: None)
    model = llama.model_load_from_file(str(DEMO).encode(), llama.model_default_params())
    assert model is not None
    vocabulary = llama.model_get_vocab(model)
    for text in (prose * 200, code * 200, chat * 200, (prose + code + chat) * 70):
        whole = llama.tokenize(vocabulary, text.encode(), parse_special=True)
        assert runner.tokenizer.encode(text, add_bos=False, parse_special=True) == whole
    llama.model_free(model)
    runner.close()
