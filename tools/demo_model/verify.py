"""Measure the demo model in llama.cpp: greedy answers, compared letter by letter, and write `figures.json`."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import random
import sys
from pathlib import Path
from typing import Any

from llama_cpp import Llama

from corpus import DEFAULT_SEED, contradictions, conversation, digest
from messages import TEMPLATE, render
from suites import Case, all_suites, ask

FIGURES = Path(__file__).with_name("figures.json")
LONGEST_ANSWER = 300
SHOWN_FAILURES = 3
AWKWARD_TEXTS = (
    "Hello  world\n\n\n x\t y",
    "naïve café — “quotes” … 日本語 русский 🙂👍🏽",
    "it's I'LL we've DON'T",
    "  leading and trailing  ",
    "1234567 3.14 1,000",
    "<|im_start|><|im_end|><|endoftext|><tool_call></tool_call>a<think>b",
    "\r\n\r\n a\r\nb",
    "\u200b\u00a0x",
    "",
)
FUZZ_RANGES = ((32, 126), (32, 126), (32, 126), (0xA0, 0x2FF), (0x400, 0x4FF), (0x3040, 0x30FF), (0x1F600, 0x1F64F))


class Model:
    """A GGUF file loaded in llama.cpp.

    Parameters: its path and how many threads compute.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self._llama: Any = Llama(
            str(path), n_ctx=2048, n_batch=2048, n_threads=threads, n_threads_batch=threads, verbose=False
        )
        self._stop: int = self._llama.token_eos()

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the file."""
        return dict(self._llama.metadata)

    def encode(self, text: str) -> list[int]:
        """Turn text into tokens. Returns their ids."""
        return list(self._llama.tokenize(text.encode(), add_bos=False, special=True))

    def decode(self, tokens: list[int]) -> str:
        """Turn tokens into text. Returns it with all special tokens."""
        return bytes(self._llama.detokenize(tokens, special=True)).decode("utf-8", "replace")

    def answer(self, prompt: str) -> tuple[str, int]:
        """Answer greedily. Returns the text and its number of tokens."""
        stream = self._llama.generate(self.encode(prompt), temp=0.0, repeat_penalty=1.0)
        tokens = list(itertools.takewhile(lambda token: token != self._stop, itertools.islice(stream, LONGEST_ANSWER)))
        return self.decode(tokens), len(tokens)


def run_suite(model: Model, name: str, cases: list[Case]) -> dict[str, Any]:
    """Ask all questions of a suite.

    Parameters: the model, the suite's name and its cases. Returns how many answers were right, and some wrong ones.
    """
    wrong = []
    for case in cases:
        text, _ = model.answer(case.prompt)
        if text != case.expected:
            wrong.append({"prompt": case.prompt[-100:], "answer": text, "expected": case.expected})
    right = len(cases) - len(wrong)
    percent = round(100 * right / len(cases), 1)
    print(f"{name}: {right}/{len(cases)} = {percent} %", flush=True)
    for failure in wrong[:SHOWN_FAILURES]:
        print(f"    {failure}")
    return {"right": right, "total": len(cases), "percent": percent, "wrong": wrong[:SHOWN_FAILURES]}


def fuzz_texts(number: int) -> list[str]:
    """Make up texts that mix scripts.

    Parameters: how many. Returns the texts, the same at every call.
    """
    rng = random.Random(1)
    return [
        "".join(chr(rng.randint(*rng.choice(FUZZ_RANGES))) for _ in range(rng.randint(1, 30))) for _ in range(number)
    ]


def compare_tokenizers(model: Model, tokenizer: Path) -> dict[str, int]:
    """Compare llama.cpp's tokens with those of the tokenizer that the model was trained with.

    Parameters: the model and the path of tokenizer.json. Returns the number of texts and of differences.
    """
    from tokenizers import Tokenizer  # not needed for anything else here

    trained, rng = Tokenizer.from_file(str(tokenizer)), random.Random(DEFAULT_SEED)
    texts = [*AWKWARD_TEXTS, *fuzz_texts(2000), *(render(*conversation(rng)) for _ in range(300))]
    tokens = [(text, model.encode(text), trained.encode(text).ids) for text in texts]
    different = sum(ours != theirs for _, ours, theirs in tokens)
    lossy = sum(model.decode(ours) != text for text, ours, _ in tokens)
    return {"texts": len(texts), "different_tokens": different, "different_after_round_trip": lossy}


def describe(path: Path, model: Model) -> dict[str, Any]:
    """Describe the file that was measured.

    Parameters: its path and the loaded model. Returns name, size, checksum and the state of template and corpus.
    """
    return {
        "name": model.metadata["general.name"],
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "template_is_ours": model.metadata["tokenizer.chat_template"] == TEMPLATE,
        "corpus_seed": DEFAULT_SEED,
        "corpus_sha256": digest(DEFAULT_SEED),
        "corpus_is_reproducible": digest(DEFAULT_SEED) == digest(DEFAULT_SEED),
        "corpus_contradictions": len(contradictions()),
    }


def measure(path: Path, model: Model, tokenizer: Path | None) -> dict[str, Any]:
    """Measure everything.

    Parameters: the GGUF file, the loaded model, and tokenizer.json if the tokenizers are to be compared. Returns the
    figures.
    """
    figures: dict[str, Any] = {"model": describe(path, model)}
    if tokenizer:
        figures["tokenizer"] = compare_tokenizers(model, tokenizer)
    print(json.dumps(figures, indent=2), flush=True)
    figures["suites"] = {name: run_suite(model, name, cases) for name, cases in all_suites().items()}
    return figures


def main() -> int:
    """Run the command line. Returns 0 if at least 97 % of the seen questions are right, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the GGUF file")
    parser.add_argument("--tokenizer", type=Path, help="compare llama.cpp's tokens with this tokenizer.json")
    parser.add_argument(
        "--output", type=Path, default=FIGURES, help="where to write the figures (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of llama.cpp (default: %(default)s)")
    parser.add_argument("--ask", action="append", metavar="QUESTION", help="only answer this; may be given repeatedly")
    options = parser.parse_args()
    model = Model(options.model, options.threads)
    for question in options.ask or []:
        text, count = model.answer(ask(question))
        print(f"{question}\n{text}\n({count} tokens)\n")
    if options.ask:
        return 0
    figures = measure(options.model, model, options.tokenizer)
    options.output.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if figures["suites"]["facts, seen question"]["percent"] >= 97 else 1


if __name__ == "__main__":
    sys.exit(main())
