"""The vocabulary as llguidance sees it: the same as what its own binding of llama.cpp makes of the same model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from jackfield.model_source import resolve_source
from jackfield.ports.constraint import Choice
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield.testing.script import END, VOCABULARY, ScriptedTokenizer
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine
from jackfield_llguidance.vocabulary import VocabularyAdapter, read_vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llguidance import LLTokenizer

    from jackfield.ports.tokenizer import Tokenizer

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
MODELS: Final = {
    "demo": resolve_source("jackfield:demo", FIXTURES),
    "base": FIXTURES / "base.gguf",
    "hybrid": FIXTURES / "hybrid-delta.gguf",
}

TEXTS: Final = (
    "Hello, wörld!",
    '{"a": [1, 2.5, null]}',
    "日本語 \n\n x",
    "<|im_end|>",
    "<tool_call>\n{}</tool_call>",
    "",
)


@pytest.fixture(params=MODELS.values(), ids=list(MODELS))
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Tokenizer, LLTokenizer, LLTokenizer]]:
    """The model's tokenizer; what we make of it; what llguidance makes of the model."""
    llama: Any = pytest.importorskip("llama_cpp.llama_cpp")
    from llguidance.llamacpp import lltokenizer_from_vocab

    from jackfield_llama.tokenizer import LlamaTokenizer

    params = llama.llama_model_default_params()
    params.vocab_only = True
    model = llama.llama_model_load_from_file(str(request.param).encode(), params)
    tokenizer = LlamaTokenizer(model)
    vocabulary = llama.llama_model_get_vocab(model)
    with warnings.catch_warnings(action="ignore"):  # it calls a function by its old name
        theirs = lltokenizer_from_vocab(vocabulary, eos_token=sorted(tokenizer.end_tokens))
    yield tokenizer, read_vocabulary(VocabularyAdapter(tokenizer)), theirs
    llama.llama_model_free(model)


def test_every_token_is_the_same(both: tuple[Tokenizer, LLTokenizer, LLTokenizer]) -> None:
    """Its bytes, and whether it is a mark."""
    tokenizer, ours, theirs = both
    assert ours.vocab_size == theirs.vocab_size == tokenizer.vocabulary
    assert sorted(ours.eos_tokens) == sorted(theirs.eos_tokens) == sorted(tokenizer.end_tokens)
    different = [
        (token, tokenizer.name(token))
        for token in range(tokenizer.vocabulary)
        if ours.is_special_token(token) != theirs.is_special_token(token)
        or ours.decode_bytes([token]) != theirs.decode_bytes([token])
    ]
    assert different == []


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_cut_the_same(both: tuple[Tokenizer, LLTokenizer, LLTokenizer], text: str) -> None:
    """So forced tokens are those that the model would have drawn."""
    _, ours, theirs = both
    assert ours.tokenize_str(text) == theirs.tokenize_str(text)
    assert ours.is_canonical == theirs.is_canonical


def test_masks_are_the_same(both: tuple[Tokenizer, LLTokenizer, LLTokenizer]) -> None:
    """Along a whole text, of JSON and of a grammar with a mark."""
    from llguidance import LLMatcher

    tokenizer, *vocabularies = both
    schema = LLMatcher.grammar_from_json_schema('{"type": "object", "properties": {"ä": {"type": "string"}}}')
    for grammar, text in (
        (schema, '{"ä":"<tool_call> 日本","b":[]}'),
        ("start: <|im_start|> /(?s:.*)/", "<|im_start|>x<y"),
    ):
        ours, theirs = (LLMatcher(vocabulary, grammar, log_level=0) for vocabulary in vocabularies)
        for token in tokenizer.encode(text, add_bos=False, parse_special=text.startswith("<|")):
            assert ours.compute_bitmask() == theirs.compute_bitmask()
            assert ours.compute_ff_tokens() == theirs.compute_ff_tokens()
            taken = [each.consume_token(token) for each in (ours, theirs)]
            assert len(set(taken)) == 1
            if not all(taken):
                break


def test_any_tokenizer_will_do() -> None:
    """One that is not llama.cpp's, with a control token and two end tokens."""
    kit = KitVocabulary()
    ours = read_vocabulary(VocabularyAdapter(kit))
    assert sorted(ours.eos_tokens) == list(kit.END_TOKENS)
    assert ours.is_special_token(kit.MARK)
    assert not any(ours.is_special_token(token) for token in range(255))
    assert ours.tokenize_str("name<|mark|>") == kit.encode("name<|mark|>", add_bos=False, parse_special=False)


class Spacing(ScriptedTokenizer):
    """Puts a space in front of a text, as SentencePiece vocabularies do."""

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """The bytes of *text* behind a space."""
        return super().encode(f" {text}", add_bos=add_bos, parse_special=parse_special)


@pytest.mark.parametrize("tokenizer", [ScriptedTokenizer(), Spacing()])
def test_a_space_in_front_is_the_tokenizers_and_not_the_answers(tokenizer: ScriptedTokenizer) -> None:
    """What must come next is the text of the grammar, from its first token on."""
    matcher = LlguidanceEngine(tokenizer, LlguidanceConfig()).compile(Choice(("{abc}1", "{abc}2"))).matcher()
    mask = np.zeros(-(-VOCABULARY // 32), np.uint32)
    for wanted in b"{abc}2":
        matcher.mask(mask)
        allowed = [token for token in range(END) if mask[token // 32] >> (token % 32) & 1]
        assert wanted in allowed
        assert len(allowed) == (2 if wanted == ord("2") else 1)
        assert tokenizer.piece(next(iter(matcher.forced()), wanted)) == bytes((wanted,))
        matcher.accept(wanted)
    assert matcher.finished
