"""llama.cpp with types: the functions of ``llama_cpp.llama_cpp`` that this plugin calls, under their own names.

llama-cpp-python binds the C API with ctypes and says nothing useful to a type checker. Here each function gets a
signature once, as a plain assignment: a call costs what the bare ctypes call costs. Importing this module loads the
shared libraries (about 0.4 s), so it happens in the process and at the moment that needs them.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NewType, Protocol, TypeAlias

# On a failed assertion ggml otherwise forks a debugger to print a backtrace: two seconds and a hundred lines on stderr.
os.environ.setdefault("GGML_NO_BACKTRACE", "1")

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_api: Any = importlib.import_module("llama_cpp.llama_cpp")

Model = NewType("Model", int)
"""``llama_model *``."""
Context = NewType("Context", int)
"""``llama_context *``."""
Memory = NewType("Memory", int)
"""``llama_memory_t``: the KV cache, or the states of a recurrent model."""
Vocabulary = NewType("Vocabulary", int)
"""``const llama_vocab *``."""


class FloatPointer(Protocol):
    """``float *``; false where the library returned NULL."""

    def __bool__(self) -> bool: ...


class LogLevel:
    """``ggml_log_level`` of ``ggml.h``; llama-cpp-python 0.3.36 has an older numbering in its comments."""

    DEBUG: Final = 1
    INFO: Final = 2
    WARN: Final = 3
    ERROR: Final = 4
    CONTINUED: Final = 5


class LoadMode:
    """``llama_load_mode``."""

    READ: Final = _api.LLAMA_LOAD_MODE_NONE
    MMAP: Final = _api.LLAMA_LOAD_MODE_MMAP
    MLOCK: Final = _api.LLAMA_LOAD_MODE_MLOCK
    MMAP_MLOCK: Final = _api.LLAMA_LOAD_MODE_MMAP_MLOCK


FLASH_ATTENTION: Final = {
    "auto": _api.LLAMA_FLASH_ATTN_TYPE_AUTO,
    True: _api.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    False: _api.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
"""``llama_flash_attn_type`` by option value."""

KV_TYPES: Final = {
    "f32": _api.GGML_TYPE_F32,
    "f16": _api.GGML_TYPE_F16,
    "q8_0": _api.GGML_TYPE_Q8_0,
    "q4_0": _api.GGML_TYPE_Q4_0,
}
"""``ggml_type`` by option value."""

VOCABULARY_NONE: Final[int] = _api.LLAMA_VOCAB_TYPE_NONE
VOCABULARY_BPE: Final[int] = _api.LLAMA_VOCAB_TYPE_BPE
MARKER_ATTRIBUTES: Final[int] = _api.LLAMA_TOKEN_ATTR_CONTROL | _api.LLAMA_TOKEN_ATTR_USER_DEFINED
"""Tokens that are found in a text before anything else is done with it."""


class ModelParams(Protocol):
    """The fields of ``llama_model_params`` that this plugin sets."""

    n_gpu_layers: int
    load_mode: int
    vocab_only: bool
    no_alloc: bool
    use_extra_bufts: bool
    progress_callback: object


class ContextParams(Protocol):
    """The fields of ``llama_context_params`` that this plugin sets."""

    n_ctx: int
    n_batch: int
    n_ubatch: int
    n_seq_max: int
    n_threads: int
    n_threads_batch: int
    flash_attn_type: int
    type_k: int
    type_v: int
    kv_unified: bool
    swa_full: bool
    offload_kqv: bool
    op_offload: bool


class BatchStruct(Protocol):
    """``llama_batch``; its columns are bound by ``bind_batch``."""

    n_tokens: int


backend_init: Callable[[], None] = _api.llama_backend_init
backend_free: Callable[[], None] = _api.llama_backend_free
max_parallel_sequences: Callable[[], int] = _api.llama_max_parallel_sequences

model_default_params: Callable[[], ModelParams] = _api.llama_model_default_params
model_load_from_file: Callable[[bytes, ModelParams], Model | None] = _api.llama_model_load_from_file
model_free: Callable[[Model], None] = _api.llama_model_free
model_get_vocab: Callable[[Model], Vocabulary] = _api.llama_model_get_vocab
model_n_ctx_train: Callable[[Model], int] = _api.llama_model_n_ctx_train
model_n_embd: Callable[[Model], int] = _api.llama_model_n_embd
model_n_params: Callable[[Model], int] = _api.llama_model_n_params
model_size: Callable[[Model], int] = _api.llama_model_size
model_n_swa: Callable[[Model], int] = _api.llama_model_n_swa
model_has_encoder: Callable[[Model], bool] = _api.llama_model_has_encoder
model_has_decoder: Callable[[Model], bool] = _api.llama_model_has_decoder
model_is_recurrent: Callable[[Model], bool] = _api.llama_model_is_recurrent
model_is_hybrid: Callable[[Model], bool] = _api.llama_model_is_hybrid
model_is_diffusion: Callable[[Model], bool] = _api.llama_model_is_diffusion
ftype_name: Callable[[int], bytes | None] = _api.llama_ftype_name

context_default_params: Callable[[], ContextParams] = _api.llama_context_default_params
init_from_model: Callable[[Model, ContextParams], Context | None] = _api.llama_init_from_model
context_free: Callable[[Context], None] = _api.llama_free
n_ctx: Callable[[Context], int] = _api.llama_n_ctx
n_ctx_seq: Callable[[Context], int] = _api.llama_n_ctx_seq
n_batch: Callable[[Context], int] = _api.llama_n_batch
n_seq_max: Callable[[Context], int] = _api.llama_n_seq_max
set_warmup: Callable[[Context, bool], None] = _api.llama_set_warmup
decode: Callable[[Context, BatchStruct], int] = _api.llama_decode
get_logits_ith: Callable[[Context, int], FloatPointer] = _api.llama_get_logits_ith

get_memory: Callable[[Context], Memory | None] = _api.llama_get_memory
memory_clear: Callable[[Memory, bool], None] = _api.llama_memory_clear
memory_seq_rm: Callable[[Memory, int, int, int], bool] = _api.llama_memory_seq_rm
memory_seq_cp: Callable[[Memory, int, int, int, int], None] = _api.llama_memory_seq_cp
memory_seq_add: Callable[[Memory, int, int, int, int], None] = _api.llama_memory_seq_add
memory_seq_pos_min: Callable[[Memory, int], int] = _api.llama_memory_seq_pos_min
memory_seq_pos_max: Callable[[Memory, int], int] = _api.llama_memory_seq_pos_max
memory_can_shift: Callable[[Memory], bool] = _api.llama_memory_can_shift

vocab_type: Callable[[Vocabulary], int] = _api.llama_vocab_type
vocab_n_tokens: Callable[[Vocabulary], int] = _api.llama_vocab_n_tokens
vocab_is_eog: Callable[[Vocabulary, int], bool] = _api.llama_vocab_is_eog
vocab_get_add_bos: Callable[[Vocabulary], bool] = _api.llama_vocab_get_add_bos
vocab_bos: Callable[[Vocabulary], int] = _api.llama_vocab_bos
vocab_eos: Callable[[Vocabulary], int] = _api.llama_vocab_eos
vocab_eot: Callable[[Vocabulary], int] = _api.llama_vocab_eot
vocab_fim_pre: Callable[[Vocabulary], int] = _api.llama_vocab_fim_pre
vocab_fim_suf: Callable[[Vocabulary], int] = _api.llama_vocab_fim_suf
vocab_fim_mid: Callable[[Vocabulary], int] = _api.llama_vocab_fim_mid
vocab_fim_rep: Callable[[Vocabulary], int] = _api.llama_vocab_fim_rep
vocab_fim_sep: Callable[[Vocabulary], int] = _api.llama_vocab_fim_sep
vocab_get_attr: Callable[[Vocabulary, int], int] = _api.llama_vocab_get_attr
vocab_get_text: Callable[[Vocabulary, int], bytes | None] = _api.llama_vocab_get_text

_meta_val_str: Callable[[Model, bytes, object, int], int] = _api.llama_model_meta_val_str
_chat_template: Callable[[Model, bytes | None], bytes | None] = _api.llama_model_chat_template
_suppress_tokens: Callable[[Vocabulary, object], Sequence[int]] = _api.llama_vocab_get_suppress_tokens
_tokenize: Callable[[Vocabulary, bytes, int, object, int, bool, bool], int] = _api.llama_tokenize
_token_to_piece: Callable[[Vocabulary, int, object, int, int, bool], int] = _api.llama_token_to_piece

_state_size: Callable[[Context, int, int], int] = _api.llama_state_seq_get_size_ext
_state_get: Callable[[Context, object, int, int, int], int] = _api.llama_state_seq_get_data_ext
_state_set: Callable[[Context, object, int, int, int], int] = _api.llama_state_seq_set_data_ext

_PARTIAL: Final[int] = _api.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
_META_BYTES: Final = 1024
"""Longest metadata value that is read, in bytes; names are far shorter, and the chat template has a call of its own."""
_PIECE_BYTES: Final = 256
"""First guess for the length of a token's text; the library names the real length where it is longer."""


def system_info() -> str:
    """What the library was compiled for: ``CPU : AVX = 1 | AVX2 = 1 | …``."""
    return str(_api.llama_print_system_info().decode("utf-8", "replace"))


def has_tiles() -> bool:
    """Whether the library was compiled with AMX; it then uses it for all weights in extra buffers.

    It must not: GCC leaves out parts of the configuration of the tiles (llama.cpp's pull request 26954, open), and the
    process dies at its first multiplication.
    """
    return "AMX_INT8 = 1" in system_info()


def model_metadata(model: Model, key: str) -> str | None:
    """The value of *key* in the file's metadata as text, cut at 1,023 bytes; None where the file has no such key."""
    buffer = ctypes.create_string_buffer(_META_BYTES)
    if _meta_val_str(model, key.encode(), buffer, _META_BYTES) < 0:
        return None
    return buffer.value.decode("utf-8", "replace")


def model_chat_template(model: Model) -> str | None:
    """The default chat template of the file, or None."""
    template = _chat_template(model, None)
    return None if template is None else template.decode("utf-8", "replace")


def tokenize(vocabulary: Vocabulary, text: bytes, *, parse_special: bool) -> list[int] | None:
    """Tokens of UTF-8 *text*, without BOS or EOS; None where the library cannot count them in 31 bits. Any thread."""
    room = len(text) // 2 + 16  # two bytes a token is generous for text; what does not fit is told and done again
    buffer = (ctypes.c_int32 * room)()
    count = _tokenize(vocabulary, text, len(text), buffer, room, False, parse_special)
    if count < 0:
        room = -count
        if room >= 2**31 - 1:
            return None
        buffer = (ctypes.c_int32 * room)()
        count = _tokenize(vocabulary, text, len(text), buffer, room, False, parse_special)
    return buffer[:count] if count >= 0 else None


def token_to_piece(vocabulary: Vocabulary, token: int, *, special: bool = False) -> bytes:
    """The bytes of *token*; a control token gives its name with *special*, else nothing.

    *token* must be in the vocabulary. Any thread.
    """
    buffer = ctypes.create_string_buffer(_PIECE_BYTES)
    size = _token_to_piece(vocabulary, token, buffer, _PIECE_BYTES, 0, special)
    if size < 0:
        buffer = ctypes.create_string_buffer(-size)
        size = _token_to_piece(vocabulary, token, buffer, -size, 0, special)
    return buffer.raw[: max(size, 0)]


def vocab_suppressed(vocabulary: Vocabulary) -> dict[int, float]:
    """Tokens that the file says must never be drawn (``tokenizer.ggml.suppress_tokens``), as logit biases."""
    count = ctypes.c_int32()
    tokens = _suppress_tokens(vocabulary, ctypes.byref(count))
    return {tokens[index]: -math.inf for index in range(count.value)}


def state_size(context: Context, sequence: int, *, partial: bool) -> int:
    """Bytes that ``state_get`` takes; 0 where it fails."""
    return _state_size(context, sequence, _PARTIAL if partial else 0)


def state_get(context: Context, state: npt.NDArray[np.uint8], sequence: int, *, partial: bool) -> int:
    """Write the state of *sequence* to contiguous *state*; *partial* leaves out what can be cut back.

    Returns:
        Bytes written, 0 for a failure.
    """
    return _state_get(context, _bytes_at(state), len(state), sequence, _PARTIAL if partial else 0)


def state_set(context: Context, state: npt.NDArray[np.uint8], sequence: int, *, partial: bool) -> int:
    """Replace what *sequence* holds by contiguous *state*, which is only read.

    Returns:
        Bytes read, 0 for a failure, which leaves the sequence empty.
    """
    return _state_set(context, _bytes_at(state), len(state), sequence, _PARTIAL if partial else 0)


def _bytes_at(array: npt.NDArray[np.uint8]) -> object:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(ctypes.c_uint8))


def bind_batch(token: int, position: int, sequence_pointers: int, sequence_counts: int, logits: int) -> BatchStruct:
    """A ``llama_batch`` over columns that the caller owns and keeps alive.

    Parameters:
        token: Address of int32 token ids.
        position: Address of int32 positions.
        sequence_pointers: Address of pointers, one a row, each to the row's int32 sequence ids.
        sequence_counts: Address of int32 counts: how many sequence ids each row has.
        logits: Address of int8 flags.
    """
    addresses = {
        "token": token,
        "pos": position,
        "n_seq_id": sequence_counts,
        "seq_id": sequence_pointers,
        "logits": logits,
    }
    columns = {
        name: ctypes.cast(addresses[name], kind) for name, kind in _api.llama_batch._fields_ if name in addresses
    }
    batch: BatchStruct = _api.llama_batch(n_tokens=0, **columns)
    return batch


def float_row(pointer: FloatPointer, length: int) -> npt.NDArray[np.float32]:
    """A writable view of *length* floats at *pointer*; nothing is copied."""
    row: npt.NDArray[np.float32] = np.ctypeslib.as_array(pointer, shape=(length,))
    return row


LogCallback: TypeAlias = Callable[[int, bytes, object], None]
AbortCallback: TypeAlias = Callable[[bytes], None]
ProgressCallback: TypeAlias = Callable[[float, object], bool]

_ABORT_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_set_abort_callback = _api._lib.ggml_set_abort_callback  # libllama's own copy of ggml, not a second one by file name
_set_abort_callback.argtypes = [_ABORT_TYPE]
_set_abort_callback.restype = ctypes.c_void_p

_kept: Final[dict[str, object]] = {}
"""C function objects that the library holds pointers to; without a reference here they would be freed under it."""


def log_set(callback: LogCallback) -> None:
    """Send llama.cpp's and ggml's messages to *callback*, from whatever thread they come."""
    _kept["log"] = function = _api.llama_log_callback(callback)
    _api.llama_log_set(function, ctypes.c_void_p(0))


def abort_set(callback: AbortCallback) -> None:
    """Call *callback* with the text of a failed assertion; the process aborts when it returns."""
    _kept["abort"] = function = _ABORT_TYPE(callback)
    _set_abort_callback(function)


def set_progress(params: ModelParams, callback: ProgressCallback) -> object:
    """Have *params* report loading to *callback*; the result must be referenced until loading is over."""
    params.progress_callback = function = _api.llama_progress_callback(callback)
    return function
