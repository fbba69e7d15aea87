"""Backends: how a model is loaded and computed, one engine step at a time.

``jackfield_backends`` hands over factories of ``Backend``. A worker process loads exactly one model through one backend
and gets a ``Runner``. All methods run in the worker; each docstring names the thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jackfield.types import SamplingParams

OptionValue: TypeAlias = str | int | float | bool | list[object] | dict[str, object]
"""A value as TOML can write it, dates apart; checked when it is decoded into the plugin's Struct."""


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for in ``[models.NAME]``; a backend turns it into a ``Runner``."""

    name: str
    path: str
    """Absolute path of the model file or folder; already resolved, existence not yet checked."""
    context: int | Literal["auto"] = "auto"
    """Longest single request (prompt + answer) in tokens; auto is what the model was trained for, at most 4,096."""
    max_sequences: int = 8
    """Sequences running at once, 1 to 256."""
    kv_tokens: int | Literal["auto"] = "auto"
    """Tokens in the KV pool that all sequences share; auto gives each sequence its context as far as memory allows."""
    options: Mapping[str, OptionValue] = {}
    """``[models.NAME.options]``: overrides of the backend's own ``[config.…]`` table for this model."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the model file says about itself, for listings and start-up messages."""

    architecture: str
    """As the file names it: ``llama``, ``qwen2``, …"""
    title: str
    """Name in the file's metadata, or its file name."""
    description: str
    """One line such as ``llama 2M Q8_0``."""
    parameters: int
    size_bytes: int
    context_train: int
    """Context the model was trained for, in tokens."""
    vocabulary: int


class RunnerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the loaded runner can really do, read back from the library after loading."""

    context: int
    """Longest sequence in tokens."""
    max_sequences: int
    """Sequence ids are 0 to ``max_sequences`` - 1."""
    kv_tokens: int
    """Cells of the KV pool, in tokens, shared by all sequences; at least ``context``."""
    max_batch_tokens: int
    """Most rows of one ``decode`` call."""


class Batch:
    """The rows of one engine step, as preallocated numpy columns.

    Parameters:
        capacity: Most rows of one step; the runner's ``max_batch_tokens``.

    Row ``i`` computes ``token[i]`` at ``position[i]`` of sequence ``sequence[i]``; where ``wants_logits[i]`` is 1 the
    runner keeps its logits so that a ``Sampler`` can be asked for that row. Only the first ``rows`` rows count. Columns
    are contiguous and never reallocated, so a runner may keep pointers to them. Owned by the engine loop thread.
    """

    __slots__ = ("position", "rows", "sequence", "token", "wants_logits")

    token: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    sequence: npt.NDArray[np.int32]
    wants_logits: npt.NDArray[np.int8]
    rows: int

    def __init__(self, capacity: int) -> None:
        import numpy as np  # a worker has it through its backend's extra; importing a port must not need it

        self.token = np.zeros(capacity, np.int32)
        self.position = np.zeros(capacity, np.int32)
        self.sequence = np.zeros(capacity, np.int32)
        self.wants_logits = np.zeros(capacity, np.int8)
        self.rows = 0

    def clear(self) -> None:
        """Forget all rows."""
        self.rows = 0

    def add(self, sequence: int, position: int, tokens: Sequence[int], *, wants_logits: bool) -> int:
        """Append ``len(tokens)`` rows of one sequence.

        Parameters:
            sequence: The runner's sequence id.
            position: Position of the first token.
            tokens: Token ids, in order; at least one.
            wants_logits: Whether the last of these rows keeps its logits.

        Returns:
            Index of the last row, for ``Sampler.sample``.
        """
        start, count = self.rows, len(tokens)
        if count == 1:  # the decode row, by far the most frequent: scalar stores cost a fifth of slice stores
            self.token[start] = tokens[0]
            self.position[start] = position
            self.sequence[start] = sequence
            self.wants_logits[start] = wants_logits
            self.rows = start + 1
            return start
        end = start + count
        self.token[start:end] = tokens
        self.position[start:end] = range(position, position + count)
        self.sequence[start:end] = sequence
        self.wants_logits[start:end] = 0
        self.wants_logits[end - 1] = wants_logits
        self.rows = end
        return end - 1


class Tokenizer(Protocol):
    """Text to tokens and back. Called by the intake thread and by the engine loop thread at the same time."""

    @property
    def vocabulary(self) -> int:
        """Number of token ids; valid ids are 0 to this - 1."""
        ...

    @property
    def end_tokens(self) -> frozenset[int]:
        """All end-of-generation ids (EOS, EOT, …); drawing one ends the answer."""
        ...

    @property
    def chat_template(self) -> str | None:
        """The Jinja source that came with the model, or None. Hostile until sandboxed."""
        ...

    @property
    def template_tokens(self) -> Mapping[str, str]:
        """Texts of the special tokens that templates name: ``bos_token``, ``eos_token``."""
        ...

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """Tokenise *text*.

        Parameters:
            text: Any text.
            add_bos: Put the model's BOS in front if the model wants one.
            parse_special: Read control tokens written in the text (``<|im_end|>``) as such.

        Returns:
            Token ids.
        """
        ...

    def piece(self, token: int) -> bytes:
        """The bytes that *token* stands for; empty for control tokens. May be part of a UTF-8 character."""
        ...


class Sampler(Protocol):
    """Draws the tokens of one sequence, with the state that needs (random generator, later penalties)."""

    def sample(self, row: int) -> int:
        """Draw from the logits of *row* of the last ``decode``, and remember the token.

        Engine loop thread; at most 200 µs at a vocabulary of 152 k.
        """
        ...

    def close(self) -> None:
        """Give back what the library holds. Engine loop thread; called once."""
        ...


class Runner(Protocol):
    """A loaded model that the engine steps.

    The engine loop thread is the only caller of ``decode``, ``remove`` and of samplers; ``tokenizer``, ``info`` and
    ``limits`` are read from any thread.
    """

    @property
    def info(self) -> ModelInfo:
        """What the model is."""
        ...

    @property
    def limits(self) -> RunnerLimits:
        """What it can do, fixed after loading."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer."""
        ...

    def decode(self, batch: Batch) -> None:
        """Compute the rows of *batch* and keep the logits of the rows that want them.

        Rows of one sequence have rising positions without gaps, starting at the sequence's length so far. The call
        releases the GIL while it computes.

        Raises:
            KVExhausted: The pool has no room; the runner's state is as before the call.
            BackendFault: The batch is illegal or the library failed. The engine removes the sequences of the batch and
                computes each anew in a call of its own; one that fails alone gets the error.
        """
        ...

    def remove(self, sequence: int) -> None:
        """Forget all of a sequence and free its cells. Safe for a sequence that holds nothing."""
        ...

    def sampler(self, params: SamplingParams, *, banned: Sequence[int] = ()) -> Sampler:
        """A sampler for one sequence.

        Parameters:
            params: Checked parameters; ``seed`` is never None here.
            banned: Token ids that must never be drawn.
        """
        ...

    def close(self) -> None:
        """Free the model. Nothing else is called afterwards. Engine loop thread, or main thread after it ended."""
        ...


Progress: TypeAlias = Callable[[float], None]
"""Called with the fraction loaded so far, 0.0 to 1.0, rising."""


class Backend(Protocol):
    """Loads models."""

    def load(self, spec: ModelSpec, progress: Progress) -> Runner:
        """Load the model that *spec* names.

        Called once, in the worker's main thread, before anything else.

        Raises:
            ModelLoadError: The file is missing, damaged, of an unknown kind, or does not fit. The message names the
                file (base name) and what to do.
            ManifestError: An option is out of range; ``param`` is its key path.
        """
        ...


BackendFactory: TypeAlias = Callable[[], Backend]
"""What ``jackfield_backends`` hands over: makes the backend in the worker that needs it; heavy imports belong in it."""

AUTO_CONTEXT_MAX: Final = 4096
"""Cap of ``context = "auto"``: enough for chat, small enough for eight sequences in a laptop's memory."""
