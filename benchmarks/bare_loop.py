"""The baseline: a bare decode loop over llama.cpp's low-level API, as fast as Python can drive it.

A child process of ``served_decode.py``. It loads the model once, then for each line on standard input decodes and
prints one JSON line: ``{"tokens_per_s": …}``. The context has the same parameters as that of the served model.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import time
from typing import Any, Final

os.environ["GGML_NO_BACKTRACE"] = "1"

import llama_cpp.llama_cpp as llama
import numpy as np

BATCH: Final = 512
"""The served model's default."""


class BareLoop:
    """One model, one context, any number of sequences in lockstep."""

    def __init__(self, path: str, *, sequences: int, threads: int, context: int) -> None:
        self.sequences = sequences
        llama.llama_backend_init()
        self.model: Any = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        params = llama.llama_context_default_params()
        params.n_ctx = context * sequences
        params.n_batch = params.n_ubatch = BATCH
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True
        params.flash_attn_type = 1
        self.context: Any = llama.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit(f"{path} cannot be loaded")
        self.memory: Any = llama.llama_get_memory(self.context)
        vocabulary: Any = llama.llama_model_get_vocab(self.model)
        self.vocabulary = llama.llama_vocab_n_tokens(vocabulary)
        self.batch = llama.llama_batch_init(BATCH, 0, 1)

    def run(self, *, prompt: int, tokens: int) -> float:
        """Decode *tokens* tokens of every sequence after a prompt of *prompt* tokens; return tokens per second."""
        llama.llama_memory_clear(self.memory, True)
        for sequence in range(self.sequences):
            self._fill([(sequence + 1, position, sequence, position == prompt - 1) for position in range(prompt)])
            self._decode()
        drawn = [0] * self.sequences
        started = time.perf_counter()
        for step in range(tokens):
            self._fill([(drawn[sequence], prompt + step, sequence, True) for sequence in range(self.sequences)])
            self._decode()
            drawn = [self._most_likely(row) for row in range(self.sequences)]
        return self.sequences * tokens / (time.perf_counter() - started)

    def _fill(self, rows: list[tuple[int, int, int, bool]]) -> None:
        batch = self.batch
        for index, (token, position, sequence, wants_logits) in enumerate(rows):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = wants_logits
        batch.n_tokens = len(rows)

    def _decode(self) -> None:
        code = llama.llama_decode(self.context, self.batch)
        if code:
            raise SystemExit(f"llama_decode returned {code}")

    def _most_likely(self, row: int) -> int:
        pointer = ctypes.cast(llama.llama_get_logits_ith(self.context, row), ctypes.POINTER(ctypes.c_float))
        return int(np.ctypeslib.as_array(pointer, shape=(self.vocabulary,)).argmax())


def main() -> None:
    """Serve one run per input line until end-of-file."""
    parser = argparse.ArgumentParser(description="A bare decode loop.")
    parser.add_argument("model")
    for name in ("sequences", "threads", "context", "prompt", "tokens"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    silent = llama.llama_log_callback(lambda _level, _text, _data: None)
    llama.llama_log_set(silent, ctypes.c_void_p(0))
    loop = BareLoop(given.model, sequences=given.sequences, threads=given.threads, context=given.context)
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        rate = loop.run(prompt=given.prompt, tokens=given.tokens)
        print(json.dumps({"tokens_per_s": rate}), flush=True)


if __name__ == "__main__":
    main()
