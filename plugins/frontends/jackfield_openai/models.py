"""Models in OpenAI's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jackfield.ports.backend import ModelInfo
    from jackfield.ports.frontend import ModelCard


def model_object(card: ModelCard) -> Mapping[str, object]:
    """OpenAI's ``Model``, and what else is known; what is not known yet is null."""
    return {
        "id": card.name,
        "object": "model",
        "created": card.created,
        "owned_by": "jackfield",
        "aliases": card.aliases,
        "ready": card.ready,
        "context_length": card.context,
        "description": card.description,
        "capabilities": card.capabilities,
        **_details(card.info),
    }


def _details(info: ModelInfo | None) -> Mapping[str, object]:
    """What the model file says, under the names of ``ModelInfo``."""
    return {
        "tasks": info and info.tasks,
        "modalities": info and info.modalities,
        "architecture": info and info.architecture,
        "parameters": info and info.parameters,
        "quantisation": info and info.quantisation,
        "size_bytes": info and info.size_bytes,
        "memory_bytes": info.memory.total if info and info.memory else None,
        "context_train": info and info.context_train,
        "vocabulary": info and info.vocabulary,
        "embedding_size": info and info.embedding_size,
        "n_experts": info and info.n_experts,
        "n_experts_used": info and info.n_experts_used,
    }
