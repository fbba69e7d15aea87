"""Models in OpenAI's shape. Anthropic's clients read the same routes, and find what they look for besides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.backend import ModelInfo
    from jackfield.ports.frontend import ModelCard


def model_list(cards: Sequence[ModelCard]) -> Mapping[str, object]:
    """OpenAI's list of models, and Anthropic's, which come on one page."""
    return {
        "object": "list",
        "data": [model_object(card) for card in cards],
        "has_more": False,
        "first_id": cards[0].name if cards else None,
        "last_id": cards[-1].name if cards else None,
    }


def model_object(card: ModelCard) -> Mapping[str, object]:
    """OpenAI's ``Model``, Anthropic's ``ModelInfo``, and what else is known; what is not known yet is null."""
    return {
        "id": card.name,
        "object": "model",
        "created": card.created,
        "owned_by": "jackfield",
        "type": "model",
        "display_name": card.name,
        "created_at": datetime.fromtimestamp(card.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "max_input_tokens": card.context,
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
