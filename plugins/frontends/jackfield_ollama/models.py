"""Models in Ollama's shapes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from jackfield_ollama.answers import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.backend import ModelInfo
    from jackfield.ports.frontend import ModelCard

FOREVER: Final = "2318-01-01T00:00:00Z"
"""When models are unloaded that never are: what Ollama says of a negative ``keep_alive``."""

_TASKS: Final[Mapping[str, str]] = {"generate": "completion", "embed": "embedding"}
_UNITS: Final = (("B", 10**9), ("M", 10**6), ("K", 10**3))


def listed(card: ModelCard) -> Mapping[str, object]:
    """An entry of ``/api/tags``."""
    return {
        "name": card.name,
        "model": card.name,
        "modified_at": timestamp(card.created),
        "size": card.info.size_bytes if card.info else 0,
        "digest": _digest(card),
        "details": _details(card.info),
    }


def running(card: ModelCard) -> Mapping[str, object]:
    """An entry of ``/api/ps``."""
    memory = card.info.memory.total if card.info and card.info.memory else 0
    return {
        "name": card.name,
        "model": card.name,
        "size": memory or (card.info.size_bytes if card.info else 0),
        "digest": _digest(card),
        "details": _details(card.info),
        "expires_at": FOREVER,
        "size_vram": 0,
        "context_length": card.context or 0,
    }


def shown_model(card: ModelCard) -> Mapping[str, object]:
    """``/api/show``. What is not known before a worker has loaded the model is left out or empty."""
    return {
        "modelfile": f"# {card.name} is configured in plugins.toml\n",
        "parameters": _parameters(card),
        "template": card.chat_template or "",
        "license": "",
        "modified_at": timestamp(card.created),
        "details": _details(card.info),
        "model_info": _facts(card),
        "capabilities": _capabilities(card),
    }


def _parameters(card: ModelCard) -> str:
    """As in a model file of Ollama's: a name and a value a line. Editors take the length of the context from it."""
    return "" if card.context is None else f"{'num_ctx':<30} {card.context}"


def _details(info: ModelInfo | None) -> Mapping[str, object]:
    family = info.architecture if info else ""
    return {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family] if family else [],
        "parameter_size": _short(info.parameters) if info else "",
        "quantization_level": info.quantisation if info else "",
    }


def _facts(card: ModelCard) -> Mapping[str, object]:
    """Under the names that GGUF has for them."""
    info = card.info
    if info is None:
        return {}
    return {
        "general.architecture": info.architecture,
        "general.parameter_count": info.parameters,
        f"{info.architecture}.context_length": info.context_train,
        f"{info.architecture}.embedding_length": info.embedding_size,
        f"{info.architecture}.expert_count": info.n_experts,
        f"{info.architecture}.expert_used_count": info.n_experts_used,
        f"{info.architecture}.vocab_size": info.vocabulary,
    }


def _capabilities(card: ModelCard) -> Sequence[str]:
    """In Ollama's words."""
    known = [_TASKS[task] for task in (card.info.tasks if card.info else ()) if task in _TASKS]
    can = card.capabilities
    if can is None:
        return known
    more = {"tools": can.tools, "thinking": can.reasoning != "none", "insert": can.infill}
    return known + [name for name, has in more.items() if has]


def _digest(card: ModelCard) -> str:
    """Tells models apart, which is what clients use it for. The file itself is not hashed."""
    size = card.info.size_bytes if card.info else 0
    return hashlib.sha256(f"{card.name}\0{card.description}\0{size}".encode()).hexdigest()


def _short(parameters: int) -> str:
    for unit, size in _UNITS:
        if parameters >= size:
            return f"{parameters / size:.1f}{unit}"
    return str(parameters)
