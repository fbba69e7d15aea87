"""The documented fields: which are honoured, and what the others may say.

From Ollama's API as its documentation (``docs/api.md``) and its Python client 0.6 have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.frontends.rules import Items, Rule, Rules, Table, anything, empty, never

if TYPE_CHECKING:
    from collections.abc import Callable


def _false(value: bool) -> bool:  # noqa: FBT001 -- it judges a boolean
    return not value


def _number(wanted: float) -> Callable[[float], bool]:
    return lambda value: value == wanted


GENERATING: Final = frozenset(
    {"format", "keep_alive", "logprobs", "model", "options", "stream", "think", "top_logprobs"}
)
CHAT_HONOURED: Final = GENERATING | {"messages", "tools"}
GENERATE_HONOURED: Final = GENERATING | {"prompt", "raw", "suffix", "system"}
EMBED_HONOURED: Final = frozenset({"dimensions", "input", "keep_alive", "model", "options"})
EMBEDDINGS_HONOURED: Final = frozenset({"keep_alive", "model", "options", "prompt"})
SHOW_HONOURED: Final = frozenset({"model", "name"})

_BOTH: Final[Rules] = {
    "_debug_render_only": Rule(bool, _false),
    "shift": Rule(bool, _false, tunes=True),
    "truncate": Rule(bool, _false, tunes=True),
}
"""What is too long is refused; nothing is cut off in silence. Ollama's own command line names the first one always."""

CHAT: Final[Rules] = _BOTH
"""Fields of ``/api/chat`` that are not honoured."""

GENERATE: Final[Rules] = {
    **_BOTH,
    "context": Rule(Items, empty),
    "height": Rule(int, _number(0)),
    "images": Rule(Items, empty),
    "steps": Rule(int, _number(0)),
    "template": Rule(str, empty),
    "width": Rule(int, _number(0)),
}
"""Fields of ``/api/generate`` that are not honoured."""

EMBED: Final[Rules] = {"truncate": Rule(bool, _false, tunes=True)}
"""Fields of ``/api/embed`` that are not honoured."""

SHOW: Final[Rules] = {
    "options": Rule(Table, empty, tunes=True),
    "system": Rule(str, empty, tunes=True),
    "template": Rule(str, empty, tunes=True),
    "verbose": Rule(bool, _false, tunes=True),
}
"""Fields of ``/api/show`` that are not honoured."""

MESSAGE_HONOURED: Final = frozenset({"content", "role", "thinking", "tool_call_id", "tool_calls", "tool_name"})
MESSAGE: Final[Rules] = {"images": Rule(Items, empty)}

CALL_HONOURED: Final = frozenset({"function", "id"})
CALL: Final[Rules] = {"type": Rule(str, anything)}

OPTIONS_HONOURED: Final = frozenset(
    {
        "frequency_penalty",
        "min_p",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "num_ctx",
        "num_predict",
        "presence_penalty",
        "repeat_last_n",
        "repeat_penalty",
        "seed",
        "stop",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
    }
)
OPTIONS: Final[Rules] = {
    "embedding_only": Rule(bool, _false, tunes=True),
    "f16_kv": Rule(bool, never, tunes=True),
    "logits_all": Rule(bool, _false, tunes=True),
    "low_vram": Rule(bool, _false, tunes=True),
    "main_gpu": Rule(int, _number(0), tunes=True),
    "num_batch": Rule(int, never, tunes=True),
    "num_gpu": Rule(int, never, tunes=True),
    "num_keep": Rule(int, never, tunes=True),
    "num_thread": Rule(int, _number(0), tunes=True),
    "numa": Rule(bool, _false, tunes=True),
    "penalize_newline": Rule(bool, never, tunes=True),
    "tfs_z": Rule(float, _number(1), tunes=True),
    "use_mlock": Rule(bool, never, tunes=True),
    "use_mmap": Rule(bool, never, tunes=True),
    "vocab_only": Rule(bool, _false, tunes=True),
}
"""Options that are not honoured: how a model is loaded is the operator's to say, in ``plugins.toml``."""
