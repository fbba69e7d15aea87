"""``[config.llama-cpu]`` and ``[models.NAME.options]``."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

THREADS_MAX: Final = 512
"""ggml's own limit (``GGML_MAX_N_THREADS``); more would fail an assertion."""

BATCH_MAX: Final = 65_536
"""Most rows of one step that may be asked for; a step of that size takes minutes on a CPU."""

UBATCH_DEFAULT: Final = 512
"""llama.cpp's own default: larger micro-batches gain little on a CPU and cost memory."""


QUANTISED: Final = ("q8_0", "q4_0")
"""The values of ``kv_type`` that need flash attention."""

PoolingOption: TypeAlias = Literal["auto", "none", "mean", "cls", "last"]
"""Ways to pool that may be asked for; a classification head is used where the file has one."""


class LlamaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the llama.cpp backend. ``[config.NAME]`` is for all its models, ``[models.NAME.options]`` for one."""

    threads: int | Literal["auto"] = "auto"
    """Threads that compute decode steps, 1 to 512. auto: the physical cores this process may use (affinity and cgroup
    quota), less one on machines of up to 4 cores, where the gateway needs it."""
    threads_batch: int | Literal["auto"] = "auto"
    """Threads that compute steps with prompt chunks, 1 to 512. auto: as ``threads``."""
    batch: int = 512
    """Most tokens of one engine step, 1 to 65,536. Larger steps compute long prompts faster and make running answers
    wait longer. Raised to the model's ``max_sequences`` where it is less."""
    ubatch: int | Literal["auto"] = "auto"
    """Tokens computed in one go inside a step, 1 to ``batch``. auto: 512, or ``batch`` where that is less; 256 for
    inputs that a pooled model computes together."""
    deterministic: bool = False
    """Results depend on nothing but the request: not on what else runs, nor on how its prompt was cut into steps. Each
    sequence then has KV cells of its own, its context in full, and attention is plain; prompts are computed one by one.
    Costs speed and memory. Excludes ``flash_attention``, the small kinds of ``kv_type``, and ``kv_tokens``."""
    flash_attention: Literal["auto"] | bool = "auto"
    """Flash attention: a third of the time of plain attention with many sequences. auto: on where the model can."""
    kv_type: Literal["f16", "f32", "q8_0", "q4_0"] = "f16"
    """How keys and values are stored. ``q8_0`` halves and ``q4_0`` quarters the KV pool's memory against ``f16``, at
    some cost in quality; both need flash attention and a head size that is a multiple of 32."""
    memory_check: bool = True
    """Refuse a model that does not fit the free memory, before its weights are read. Off: try anyway."""
    mmap: Literal["auto"] | bool = "auto"
    """Map the model file instead of reading it: starts faster, and workers of one file share its memory. Reading it
    puts the weights into huge pages, where there are any: an answer then takes 15 % less time. auto: read where huge
    pages and enough free memory are there, else mapped."""
    mlock: bool = False
    """Keep the model in memory, never swapped out; needs a sufficient ``ulimit -l``."""

    pooling: PoolingOption = "auto"
    """How a model makes one vector of a whole input. auto: as its file says; a file that says nothing continues text.
    ``mean``, ``cls`` (the first token) and ``last`` make an embedding model of any model; ``none`` has a model
    continue text whatever its file says."""

    def __post_init__(self) -> None:
        for name in ("threads", "threads_batch"):
            _within(name, getattr(self, name), THREADS_MAX)
        _within("batch", self.batch, BATCH_MAX)
        _within("ubatch", self.ubatch, self.batch)
        if self.kv_type in QUANTISED and self.flash_attention is False:
            raise ValueError(f"kv_type {self.kv_type} needs flash_attention")
        if self.deterministic and self.ubatch != "auto":
            raise ValueError("deterministic excludes ubatch: each call is computed in one go")
        if self.deterministic and self.flash_attention is True:
            raise ValueError("deterministic excludes flash_attention")
        if self.deterministic and self.kv_type in QUANTISED:
            raise ValueError(f"deterministic excludes kv_type {self.kv_type}, which needs flash_attention")

    def step_tokens(self, max_sequences: int) -> int:
        """Most tokens of one call: room for a row of each sequence, or for two if deterministic."""
        return max(self.batch, max_sequences * 2 if self.deterministic else max_sequences)

    @property
    def ubatch_tokens(self) -> int:
        """``ubatch`` with auto resolved."""
        return min(self.batch, UBATCH_DEFAULT) if self.ubatch == "auto" else self.ubatch


def _within(name: str, value: int | Literal["auto"], high: int) -> None:
    if value != "auto" and not 1 <= value <= high:
        raise ValueError(f"{name} must be between 1 and {high}")
