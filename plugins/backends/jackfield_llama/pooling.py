"""Whether a model reads whole inputs, how it makes one result of each, and what that result is good for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.errors import ModelLoadError
from jackfield_llama import library as llama
from jackfield_llama import pooling_library as pooling
from jackfield_llama.logs import printable

if TYPE_CHECKING:
    from jackfield.pooled import PoolTask
    from jackfield.ports.backend import ModelInfo
    from jackfield_llama.config import PoolingOption

_TYPES: Final = {
    "none": pooling.POOLING_NONE,
    "mean": pooling.POOLING_MEAN,
    "cls": pooling.POOLING_CLS,
    "last": pooling.POOLING_LAST,
}
_ALL_TYPES: Final = frozenset((*_TYPES.values(), pooling.POOLING_RANK))

LABELS_MAX: Final = 4096
"""Most outputs of a classification head that are served; the largest public classifiers have about a thousand."""


def choose_pooling(model: llama.Model, option: PoolingOption, file: str) -> int:
    """How *model* pools: a ``llama_pooling_type``, none for a model that continues text.

    Parameters:
        model: A loaded model, or one loaded without its weights.
        option: What the operator wants; auto is what the file says.
        file: Base name, for errors.

    Raises:
        ModelLoadError: A model that can only be pooled, and nobody says how; or a way that llama.cpp does not know.
    """
    chosen = _TYPES.get(option, _stored(model))
    if chosen is not None and chosen not in _ALL_TYPES:
        raise ModelLoadError(f"{file} pools in a way that this llama.cpp does not know (pooling_type {chosen})")
    if chosen in (None, pooling.POOLING_NONE) and not is_causal(model):
        raise ModelLoadError(
            f"{file} reads whole inputs and cannot continue a text, and does not say how it pools: set its option"
            " pooling to mean, cls or last, as the model's card says"
            if option == "auto"
            else f"{file} reads whole inputs and cannot continue a text: it cannot be served with pooling {option}"
        )
    return pooling.POOLING_NONE if chosen is None else chosen


def describe_uses(info: ModelInfo, model: llama.Model) -> ModelInfo:
    """*info* with what *model* is good for as its file stands, options apart. An encoder that is mute can embed."""
    kind = _stored(model)
    if kind not in _ALL_TYPES - {pooling.POOLING_NONE}:
        kind = pooling.POOLING_NONE if is_causal(model) else pooling.POOLING_MEAN
    return info if kind == pooling.POOLING_NONE else describe_pooled(info, model, kind)


def describe_pooled(info: ModelInfo, model: llama.Model, kind: int) -> ModelInfo:
    """*info* with what a pooled model is good for.

    Parameters:
        info: What the file says.
        model: The model it is about.
        kind: How it pools; not none.

    Raises:
        ModelLoadError: Its classification head has an absurd number of outputs.
    """
    task = pool_task(model, kind)
    labels: tuple[str, ...] = ()
    if task == "classify":
        outputs = pooling.model_n_cls_out(model)
        if outputs > LABELS_MAX:
            raise ModelLoadError(f"{info.title} has {outputs} labels; at most {LABELS_MAX} are served")
        # LABEL_0 and so on are what transformers calls outputs without a name
        labels = tuple(printable(pooling.class_label(model, index) or f"LABEL_{index}") for index in range(outputs))
    width = pooling.model_n_embd_out(model)
    return msgspec.structs.replace(info, tasks=(task,), embedding_size=width, labels=labels)


def pool_task(model: llama.Model, kind: int) -> PoolTask:
    """What the results of *model* are.

    A classification head with one output, or with a prompt for pairs, judges pairs; any other one labels texts.
    """
    if kind != pooling.POOLING_RANK:
        return "embed"
    single = pooling.model_n_cls_out(model) == 1
    return "rerank" if single or pooling.rerank_template(model) is not None else "classify"


def computes_probabilities(model: llama.Model) -> bool:
    """Whether llama.cpp ends the classification head with a softmax (``llm_graph_context::build_pooling``)."""
    return llama.model_metadata(model, "general.architecture") in ("qwen3", "qwen3vl")


def is_causal(model: llama.Model) -> bool:
    """Whether each token of *model* sees only those before it; encoders do not, and cannot continue a text."""
    encoder_only = llama.model_has_encoder(model) and not llama.model_has_decoder(model)
    return not encoder_only and _architecture_field(model, "attention.causal") != "false"


def _stored(model: llama.Model) -> int | None:
    value = _architecture_field(model, "pooling_type")
    return int(value) if value.isdecimal() else None


def _architecture_field(model: llama.Model, name: str) -> str:
    architecture = llama.model_metadata(model, "general.architecture") or ""
    return llama.model_metadata(model, f"{architecture}.{name}") or ""
