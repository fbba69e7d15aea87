"""Whole inputs as tokens: a text with what its model puts around it, and a query with a document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield_llama import library as llama
from jackfield_llama import pooling_library as pooling
from jackfield_llama.tokenizer import LlamaTokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROBE: Final = b"a"
"""Any text with at least one token."""

_SLOT: Final = re.compile(r"\{(query|document)\}")


class PooledTokenizer(LlamaTokenizer):
    """As its parent, but ``add_bos`` gives a whole input, end token included.

    Parameters:
        model: A loaded model; must outlive the tokenizer.
    """

    def __init__(self, model: llama.Model) -> None:
        super().__init__(model)
        vocabulary = llama.model_get_vocab(model)
        self.before, self.after = _frame(vocabulary)

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """See ``jackfield.ports.backend.PooledRunner.tokenizer``."""
        tokens = super().encode(text, add_bos=False, parse_special=parse_special)
        return [*self.before, *tokens, *self.after] if add_bos else tokens


class PairEncoder:
    """Makes one input of a query and a document.

    With the file's own prompt for pairs (Qwen3-Reranker), else as cross-encoders are trained: ``[CLS] query [SEP]
    document [SEP]`` for BERT, ``<s> query </s></s> document </s>`` for RoBERTa (transformers'
    ``build_inputs_with_special_tokens``). Control tokens written in a query or document are text, never markup.

    Parameters:
        model: A loaded model.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: llama.Model, tokenizer: PooledTokenizer) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary = llama.model_get_vocab(model)
        self._between = _separators(vocabulary)
        template = pooling.rerank_template(model)
        self._template = None if template is None else self._markup(template)

    def encode(self, query: str, document: str) -> list[int]:
        """See ``jackfield.ports.backend.PooledRunner.pair``."""
        if self._template is not None:
            return self._fill(self._template, {"query": query, "document": document})
        tokenizer = self._tokenizer
        first, second = (tokenizer.encode(each, add_bos=False, parse_special=False) for each in (query, document))
        return [*tokenizer.before, *first, *self._between, *second, *tokenizer.after]

    def _fill(self, template: Iterable[int | str], values: dict[str, str]) -> list[int]:
        tokens: list[int] = []
        for part in template:
            if isinstance(part, int):
                tokens.append(part)
            else:
                text = _SLOT.sub(lambda slot: values[slot[1]], part)
                tokens += self._tokenizer.encode(text, add_bos=False, parse_special=False)
        return tokens

    def _markup(self, template: str) -> list[int | str]:
        """*template* cut at its control tokens, which become ids here, so that only the file can write them."""
        found = self._tokenizer.encode(template, add_bos=False, parse_special=True)
        names = {self._name(token): token for token in found if self._is_control(token)}
        if not names:
            return [template]
        pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        parts = re.split(f"({pattern})", template)
        return [names.get(part, part) for part in parts if part]

    def _is_control(self, token: int) -> bool:
        return bool(llama.vocab_get_attr(self._vocabulary, token) & llama.MARKER_ATTRIBUTES)

    def _name(self, token: int) -> str:
        return (llama.vocab_get_text(self._vocabulary, token) or b"").decode("utf-8", "replace")


def _frame(vocabulary: llama.Vocabulary) -> tuple[list[int], list[int]]:
    """What the model puts before and after a whole input; told by llama.cpp, as each kind of vocabulary differs."""
    bare = llama.tokenize(vocabulary, _PROBE, parse_special=False) or []
    framed = pooling.tokenize_framed(vocabulary, _PROBE)
    for start in range(len(framed) - len(bare) + 1):
        end = start + len(bare)
        if bare and framed[start:end] == bare:
            return framed[:start], framed[end:]
    return [], []


def _separators(vocabulary: llama.Vocabulary) -> list[int]:
    end, separator = llama.vocab_eos(vocabulary), pooling.vocab_sep(vocabulary)
    wanted = [
        token
        for token, added in (
            (end, pooling.vocab_get_add_eos(vocabulary)),
            (separator, pooling.vocab_get_add_sep(vocabulary)),
        )
        if added and token >= 0
    ]
    return wanted or [token for token in (separator, end) if token >= 0][:1]
