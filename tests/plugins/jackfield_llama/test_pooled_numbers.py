"""Pooled results are right: BERT is computed again with numpy, causal models from what one knows of causality."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gguf
import numpy as np
import pytest

from jackfield.ports.backend import Batch, ModelSpec
from jackfield.testing.kits.kit import kernel_of
from jackfield.testing.kits.pooled_backend import pooling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from jackfield.plugins import Kernel
    from jackfield.ports.backend import OptionValue
    from jackfield.ports.pooled import PooledRunner

    Array = npt.NDArray[np.float64]

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
TEXT: Final = "the cat said there is no other house in Paris, but 12 dogs"
HEADS: Final = 2
EPSILON: Final = 1e-12
TOLERANCE: Final = 5e-3
"""llama.cpp computes GELU from a table in 16 bits."""


def _load(name: str, options: Mapping[str, OptionValue] | None = None) -> PooledRunner:
    kernel: Kernel = kernel_of('enabled = ["llama-cpu"]')
    path = str(FIXTURES / f"{name}.gguf")
    spec = ModelSpec(name="model", path=path, max_sequences=2, options={"threads": 1, **(options or {})})
    return pooling(kernel.backends()["llama-cpu"]().load(spec, lambda _fraction: None))


def _pool(runner: PooledRunner, tokens: Sequence[int]) -> npt.NDArray[np.float32]:
    batch = Batch(len(tokens))
    batch.add(0, 0, tokens, wants_logits=True, every=True)
    runner.pool(batch)
    return runner.pooled(0)


class Bert:
    """The last hidden states of BERT, as its paper has them, and the head of its classifiers (transformers' models)."""

    def __init__(self, name: str) -> None:
        tensors = gguf.GGUFReader(FIXTURES / f"{name}.gguf").tensors
        self._weights: dict[str, Array] = {each.name: each.data.astype(np.float64) for each in tensors}

    def states(self, tokens: Sequence[int]) -> Array:
        """One row a token."""
        weights = self._weights
        embedded = weights["token_embd.weight"][list(tokens)] + weights["position_embd.weight"][: len(tokens)]
        x = self._norm("token_embd_norm", embedded + weights["token_types.weight"][0])
        for layer in range(2):
            block = f"blk.{layer}"
            x = self._norm(f"{block}.attn_output_norm", x + self._attention(block, x))
            inner = np.vectorize(lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2)(self._affine(f"{block}.ffn_up", x))
            x = self._norm(f"{block}.layer_output_norm", x + self._affine(f"{block}.ffn_down", inner))
        return x

    def head(self, tokens: Sequence[int]) -> Array:
        """Outputs of the classification head, which looks at the first token."""
        return self._affine("cls.output", np.tanh(self._affine("cls", self.states(tokens)[0])))

    def _attention(self, block: str, x: Array) -> Array:
        query, key, value = (np.split(self._affine(f"{block}.attn_{part}", x), HEADS, axis=1) for part in "qkv")
        heads = []
        for q, k, v in zip(query, key, value, strict=True):
            scores = np.exp(q @ k.T / math.sqrt(q.shape[1]))
            heads.append(scores / scores.sum(axis=1, keepdims=True) @ v)
        return self._affine(f"{block}.attn_output", np.concatenate(heads, axis=1))

    def _affine(self, name: str, x: Array) -> Array:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, name: str, x: Array) -> Array:
        scaled = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)
        normed: Array = scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normed


@pytest.mark.parametrize("option", ["auto", "mean", "cls", "last"])
def test_an_embedding_is_made_of_the_last_hidden_states(option: str) -> None:
    """Their mean, as the file says, or what the operator wants instead."""
    runner = _load("embedding", {"pooling": option})
    tokens = runner.tokenizer.encode(TEXT, add_bos=True, parse_special=False)
    states = Bert("embedding").states(tokens)
    expected = {"cls": states[0], "last": states[-1]}.get(option, states.mean(axis=0))
    found = _pool(runner, tokens)
    runner.close()
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_a_score_is_the_output_of_the_head() -> None:
    """As it is: no logistic function is applied."""
    runner = _load("rerank")
    tokens = runner.pair("what is it", TEXT)
    found = _pool(runner, tokens)
    runner.close()
    np.testing.assert_allclose(found, Bert("rerank").head(tokens), atol=TOLERANCE)


def test_labels_get_the_softmax_of_the_head() -> None:
    """Once: probabilities of labels that exclude each other."""
    runner = _load("classify")
    tokens = runner.tokenizer.encode(TEXT, add_bos=True, parse_special=False)
    found = _pool(runner, tokens)
    runner.close()
    weights = np.exp(Bert("classify").head(tokens))
    np.testing.assert_allclose(found, weights / weights.sum(), atol=TOLERANCE)


@pytest.fixture(scope="module")
def prefixes() -> Iterator[list[npt.NDArray[np.float32]]]:
    """The last hidden state of every prefix of the text, by ``base``."""
    runner = _load("base", {"pooling": "last", "flash_attention": False})
    tokens = runner.tokenizer.encode(TEXT, add_bos=True, parse_special=False)
    yield [_pool(runner, tokens[:length]) for length in range(1, len(tokens) + 1)]
    runner.close()


@pytest.mark.parametrize("option", ["mean", "cls", "last"])
def test_a_causal_model_pools_the_states_of_its_prefixes(prefixes: list[npt.NDArray[np.float32]], option: str) -> None:
    """A token of a causal model does not see those after it: its state is the last one of the text so far."""
    runner = _load("base", {"pooling": option, "flash_attention": False})
    tokens = runner.tokenizer.encode(TEXT, add_bos=True, parse_special=False)
    found = _pool(runner, tokens)
    runner.close()
    together = np.stack(prefixes)
    expected = {"cls": together[0], "last": together[-1]}.get(option, together.mean(axis=0))
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    assert not np.allclose(prefixes[0], prefixes[-1], atol=0.1)


def test_a_judge_gives_the_probability_of_its_first_label() -> None:
    """Of "yes" against "no", from the state after the prompt for pairs."""
    runner = _load("rerank-causal", {"flash_attention": False})
    tokens = runner.pair("what is it", TEXT)
    score = _pool(runner, tokens)
    runner.close()
    states = _load("rerank-causal", {"pooling": "last", "flash_attention": False})
    state = _pool(states, tokens)
    states.close()
    reader = gguf.GGUFReader(FIXTURES / "rerank-causal.gguf")
    head = next(each.data.astype(np.float64) for each in reader.tensors if each.name == "cls.output.weight")
    weights = np.exp(head @ state)
    np.testing.assert_allclose(score, (weights / weights.sum())[:1], atol=TOLERANCE)
