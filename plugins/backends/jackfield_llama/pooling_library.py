"""The part of llama.cpp's C API that only pooled models need, with types; see ``library``."""

from __future__ import annotations

import ctypes
import importlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from jackfield_llama.library import ContextParams

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield_llama.library import Context, FloatPointer, Model, Vocabulary

_api: Any = importlib.import_module("llama_cpp.llama_cpp")

POOLING_NONE: Final[int] = _api.LLAMA_POOLING_TYPE_NONE
POOLING_MEAN: Final[int] = _api.LLAMA_POOLING_TYPE_MEAN
POOLING_CLS: Final[int] = _api.LLAMA_POOLING_TYPE_CLS
POOLING_LAST: Final[int] = _api.LLAMA_POOLING_TYPE_LAST
POOLING_RANK: Final[int] = _api.LLAMA_POOLING_TYPE_RANK
"""``llama_pooling_type``, which files store as a number."""


class PoolingParams(ContextParams, Protocol):
    """The fields of ``llama_context_params`` that make a context pool."""

    embeddings: bool
    pooling_type: int


pooling_default_params: Callable[[], PoolingParams] = _api.llama_context_default_params
get_embeddings_seq: Callable[[Context, int], FloatPointer] = _api.llama_get_embeddings_seq

model_n_embd_out: Callable[[Model], int] = _api.llama_model_n_embd_out
model_n_cls_out: Callable[[Model], int] = _api.llama_model_n_cls_out
n_ubatch: Callable[[Context], int] = _api.llama_n_ubatch

vocab_sep: Callable[[Vocabulary], int] = _api.llama_vocab_sep
vocab_get_add_eos: Callable[[Vocabulary], bool] = _api.llama_vocab_get_add_eos
vocab_get_add_sep: Callable[[Vocabulary], bool] = _api.llama_vocab_get_add_sep

_cls_label: Callable[[Model, int], bytes | None] = _api.llama_model_cls_label
_chat_template: Callable[[Model, bytes], bytes | None] = _api.llama_model_chat_template
_tokenize: Callable[[Vocabulary, bytes, int, object, int, bool, bool], int] = _api.llama_tokenize

_FRAMED_TOKENS_MAX: Final = 64
"""Room for the tokens of a probe and of what a model puts around it."""


def class_label(model: Model, index: int) -> str | None:
    """The file's name for output *index* of the classification head, or None."""
    label = _cls_label(model, index)
    return label.decode("utf-8", "replace") if label else None


def rerank_template(model: Model) -> str | None:
    """The file's prompt for a pair, with ``{query}`` and ``{document}`` in it, or None."""
    template = _chat_template(model, b"rerank")
    return None if template is None else template.decode("utf-8", "replace")


def tokenize_framed(vocabulary: Vocabulary, text: bytes) -> list[int]:
    """Tokens of a short *text* with what the model puts around a whole input: BOS, EOS, ``[CLS]``, ``[SEP]``."""
    buffer = (ctypes.c_int32 * _FRAMED_TOKENS_MAX)()
    count = _tokenize(vocabulary, text, len(text), buffer, _FRAMED_TOKENS_MAX, True, False)
    return buffer[: max(count, 0)]
