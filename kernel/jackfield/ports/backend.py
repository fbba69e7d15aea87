"""Backends: how a model is loaded and computed, one engine step at a time.

``jackfield_backends`` hands over factories of ``Backend``. A worker process loads exactly one model through one backend
and gets a ``Runner`` (a model that continues text) or a ``PooledRunner`` (one that reads whole inputs: embeddings,
reranking, classification). All methods but ``Backend.inspect`` run in the worker; each docstring names the thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from jackfield.pooled import PoolTask

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jackfield.ports.pooled import PooledRunner
    from jackfield.ports.tokenizer import Tokenizer
    from jackfield.sampling import SamplingParams

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


class MemoryEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What serving the model takes, in bytes."""

    weights: int
    kv: int
    """The KV pool as configured, and recurrent state."""
    compute: int
    """Buffers of a step: activations and logits."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.kv + self.compute


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
    tasks: tuple[Literal["generate"] | PoolTask, ...] = ("generate",)
    """What it can be asked for."""
    quantisation: str = ""
    """How most weights are stored, in the library's words: ``Q8_0``."""
    modalities: tuple[str, ...] = ("text",)
    """What it reads: ``text``, ``image``, ``audio``."""
    n_experts: int = 0
    """Experts of a mixture; 0 for dense models."""
    n_experts_used: int = 0
    """Experts that compute each token."""
    has_chat_template: bool = False
    can_infill: bool = False
    """Whether it was trained to fill gaps in texts: its tokenizer has ``InfillTokens``."""
    embedding_size: int = 0
    """Width of a hidden state, and of an embedding."""
    labels: tuple[str, ...] = ()
    """``classify``: names of its outputs, in order."""
    memory: MemoryEstimate | None = None
    """As configured; None where the backend cannot tell."""
    sampling: Mapping[str, float] = {}
    """How its makers recommend to draw: fields of ``SamplingParams``. Nobody has to."""


Reuse: TypeAlias = Literal["none", "checkpoints", "whole", "ranges"]
"""How far computed keys and values can be taken apart.

* ``none``: not at all. Anything else needs a ``ReusableRunner``.
* ``checkpoints``: a sequence can be copied and saved as a whole. It goes back only to where a checkpoint was taken:
  recurrent and hybrid models, sliding windows.
* ``whole``: a sequence can be copied and saved as a whole, and cut back to any length. Copies take cells of their own.
* ``ranges``: also any range of positions can be saved alone, and copies share cells.
"""


class RunnerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the loaded runner can really do, read back from the library after loading."""

    context: int
    """Longest sequence in tokens."""
    max_sequences: int
    """Sequences running at once. Sequence ids are 0 to ``max_sequences + spare_sequences`` - 1."""
    kv_tokens: int
    """Cells of the KV pool, in tokens, shared by all sequences; at least ``context``. 0 for a pooled model."""
    max_batch_tokens: int
    """Most rows of one ``decode`` or ``pool`` call."""
    deterministic: bool = False
    """Whether results depend on nothing but the sequence itself. The engine then computes one prefill a call, apart
    from the decode rows."""
    can_shift: bool = False
    """Whether ``Runner.shift`` works."""
    spare_sequences: int = 0
    """Sequence ids besides those that run, for prefixes that are kept."""
    reuse: Reuse = "none"
    """What can be done with the keys and values of a prefix once they are computed."""
    tile_rows: int = 0
    """Rows from which a ``decode`` call reads the cells of all its sequences for each of them, in tiles. Where it says
    so, answers are computed in calls of fewer rows, apart from prompts. 0 where a step is best computed in one call."""
    state_layout: str = ""
    """Names model file, KV layout and library version: a saved state can be restored where this is the same."""


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

    def add(
        self, sequence: int, position: int, tokens: Sequence[int], *, wants_logits: bool, every: bool = False
    ) -> int:
        """Append ``len(tokens)`` rows of one sequence.

        Parameters:
            sequence: The runner's sequence id.
            position: Position of the first token.
            tokens: Token ids, in order; at least one.
            wants_logits: Whether the last of these rows keeps its logits.
            every: Whether all others do too (log probabilities of a prompt; inputs of a pooled model).

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
        self.wants_logits[start:end] = every
        self.wants_logits[end - 1] = wants_logits
        self.rows = end
        return end - 1


class TokenScores(NamedTuple):
    """How likely tokens are after one row, by the raw logits: natural logarithms of their softmax."""

    logprob: float
    """Of the token asked about."""
    top: Sequence[tuple[int, float]]
    """The most likely tokens with theirs, most likely first."""


class Sampler(Protocol):
    """Draws the tokens of one sequence, with the state that needs (random generator, history of penalties)."""

    def sample(self, row: int, mask: npt.NDArray[np.uint32] | None = None) -> int:
        """Draw from the logits of *row* of the last ``decode``, and remember the token.

        Parameters:
            row: Row of the last ``decode``.
            mask: Which tokens may be drawn, one bit a token as ``Matcher.mask`` writes them; None allows all.

        Raises:
            NothingToDraw: Mask, bans and biases together leave no token.

        Process and thread: worker, engine loop thread. Deadline: 200 µs at 152 k tokens. Failure policy: closed.
        """
        ...

    def close(self) -> None:
        """Give back what the library holds.

        Process and thread: worker, engine loop thread, once. Deadline: 1 ms. Failure policy: closed.
        """
        ...


class Runner(Protocol):
    """A loaded model that the engine steps.

    The engine loop thread is the only caller of ``decode``, ``remove`` and of samplers; ``tokenizer``, ``info`` and
    ``limits`` are read from any thread. ``BackendFault`` fails the request at hand; any other exception, of samplers
    too, ends the worker, which is started again.
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

        Process and thread: worker, engine loop thread. Deadline: ``kernel.step_timeout_s``. Failure policy: closed.
        """
        ...

    def remove(self, sequence: int) -> None:
        """Forget all of a sequence and free its cells. Safe for a sequence that holds nothing.

        Process and thread: worker, engine loop thread. Deadline: 1 ms. Failure policy: closed.
        """
        ...

    def shift(self, sequence: int, keep: int, discard: int) -> None:
        """Drop the ``discard`` tokens after the first ``keep`` of a sequence, and move the rest up to close the gap.

        Called only where ``limits.can_shift``. Sequences that share its cells stay as they are.

        Raises:
            BackendFault: The sequence has not so many tokens, or the library refused; its state is undefined.

        Process and thread: worker, engine loop thread. Deadline: 10 ms. Failure policy: closed.
        """
        ...

    def scores(self, row: int, token: int, top: int) -> TokenScores:
        """How likely *token* and the *top* most likely tokens are by the logits of *row* of the last ``decode``.

        Of the logits as the model computed them, whatever samplers did.

        Raises:
            BackendFault: The row has no logits, or no usable ones.

        Process and thread: worker, engine loop thread. Deadline: 1 ms. Failure policy: closed.
        """
        ...

    def sampler(
        self,
        params: SamplingParams,
        *,
        history: Sequence[int] = (),
        bias: Mapping[int, float] = MappingProxyType({}),
        banned: Sequence[int] = (),
        banned_draws: int | None = None,
    ) -> Sampler:
        """A sampler for one sequence.

        Parameters:
            params: Checked parameters; ``seed`` is never None here. A kind of sampling that the backend does not know
                is a ``BackendFault``, never ignored.
            history: The prompt's token ids, for what looks back beyond the answer (repeat_penalty, dry).
            bias: Added to the logits of these token ids; minus infinity bans one.
            banned: Token ids that must not be drawn.
            banned_draws: For how many draws ``banned`` holds; None means always.

        Process and thread: worker, engine loop thread. Deadline: 1 ms. Failure policy: closed.
        """
        ...

    def close(self) -> None:
        """Free the model. Nothing else is called afterwards.

        Process and thread: worker, engine loop or main thread; once. Deadline: 2 s. Failure policy: open.
        """
        ...


Progress: TypeAlias = Callable[[float], None]
"""Called with the fraction loaded so far, 0.0 to 1.0, rising."""


class Backend(Protocol):
    """Loads models."""

    def inspect(self, spec: ModelSpec) -> ModelInfo:
        """What the model is and what it would take, without loading its weights.

        Raises:
            ModelLoadError: The file is missing, damaged or of an unknown kind.
            ManifestError: An option is out of range; ``param`` is its key path.

        Process and thread: command line, in a process of its own, main thread. Deadline: 20 s. Failure policy: closed;
        the command says why nothing is known. A backend's ``load`` refuses by itself what does not fit.
        """
        ...

    def load(self, spec: ModelSpec, progress: Progress) -> Runner | PooledRunner:
        """Load the model that *spec* names.

        Raises:
            ModelLoadError: The file, named without its folder, is missing, damaged, unknown, or does not fit.
            ManifestError: An option is out of range; ``param`` is its key path.

        Process and thread: worker, main thread; once, before anything else. Deadline: ``kernel.load_timeout_s``; then
        the worker is ended and started again. Failure policy: closed; the model is not served, and the reason shown.
        """
        ...


BackendFactory: TypeAlias = Callable[[], Backend]
"""What ``jackfield_backends`` hands over: makes the backend in the worker that needs it; heavy imports belong in it."""

AUTO_CONTEXT_MAX: Final = 4096
"""Cap of ``context = "auto"``: enough for chat, small enough for eight sequences in a laptop's memory."""
