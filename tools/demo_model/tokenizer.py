"""Build the tokenizer: byte-level BPE with the `qwen2` splitting rule, which llama.cpp knows by that name."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

from corpus import DEFAULT_SEED, conversation, document
from messages import MARKUP_TOKENS, SPECIAL_TOKENS, render

VOCABULARY = 2048
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONVERSATIONS = 6000
DOCUMENTS = 600


def sample(seed: int) -> list[str]:
    """Draw the text that the merges are learnt from.

    Parameters: the seed. Returns conversations and documents without the added tokens.
    """
    rng = random.Random(seed)
    texts = [render(*conversation(rng)) for _ in range(CONVERSATIONS)]
    texts += [document(rng) for _ in range(DOCUMENTS)]
    for token in (*SPECIAL_TOKENS, *MARKUP_TOKENS):
        texts = [text.replace(token, "\n") for text in texts]
    return texts


def build(seed: int) -> Tokenizer:
    """Learn the tokenizer.

    Parameters: the seed of its text. Returns a tokenizer of exactly `VOCABULARY` tokens, the full byte alphabet among
    them.
    """
    tokenizer = Tokenizer(BPE(unk_token=None))
    split = Split(Regex(QWEN2_SPLIT), "isolated")
    tokenizer.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL_TOKENS) - len(MARKUP_TOKENS),
        initial_alphabet=ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
        min_frequency=2,
    )
    tokenizer.train_from_iterator(sample(seed), trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in MARKUP_TOKENS])
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"expected {VOCABULARY} tokens, got {tokenizer.get_vocab_size()}")
    return tokenizer


def main() -> int:
    """Run the command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="where to write tokenizer.json")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the text (default: %(default)s)")
    options = parser.parse_args()
    build(options.seed).save(str(options.output))
    print(f"wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
