"""A backend that does what a script says: tokens, errors, delays and crashes on demand.

It is shaped like a stranger's plugin: a module with hook implementations, loaded by path
(``enabled = ["scripted=/…/scripted.py"]``), no private import. Its tokens are the 256 bytes and one end token, so
prompts and answers of any text can be read off the ids. Without a script it answers with its last user message.

A prompt may carry directives, which the answer obeys and does not repeat:

=====================  ===============================================================================================
``[say:TEXT]``         answer with TEXT
``[hex:BYTES]``        answer with the text of these bytes, so that it may have brackets
``[repeat:N:TEXT]``    answer with TEXT, N times
``[fail:N]``           the decode that would give token N fails
``[crash:N]``          the process ends there, without a word (``SIGKILL`` of itself)
``[delay:MS]``         every step that computes this sequence takes at least MS milliseconds
=====================  ===============================================================================================

The token that is due has the logit 8, a full stop 4, every other 0: a bias or a ban may make another one win.

With ``tasks = ["embed"]`` (or ``rerank``, ``classify``) in ``[config.scripted]`` the model is a pooled one. An input's
vector counts its bytes by their remainder, a pair's score is the number of words that both texts have, and the first
label is the more probable the more of a text is capitals. Inputs obey ``[fail:0]``, ``[crash:0]`` and ``[delay:MS]``;
``[zero:]`` and ``[nan:]`` give a vector of zeros, or none.

Prefixes can be used again as ``reuse`` in ``[config.scripted]`` says, with ``spare_sequences`` to keep them in;
``fail_restore = true`` and its like make one of the ways fail.

``source`` in the manifest is any existing file; ``refuse = true`` in ``[config.scripted]`` makes loading fail.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from jackfield import hookimpl
from jackfield.errors import BackendFault, KVExhausted, ModelLoadError, NothingToDraw
from jackfield.ports.backend import AUTO_CONTEXT_MAX, MemoryEstimate, ModelInfo, Reuse, RunnerLimits, TokenScores
from jackfield.testing.script import TEMPLATE, VOCABULARY, Script, ScriptedTokenizer, obey, text_of
from jackfield.testing.scripted_pooled import LABELS, VECTOR_SIZE, ScriptedPooledRunner
from jackfield.testing.scripted_reuse import ScriptedCells

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from jackfield import PluginInstance
    from jackfield.ports.backend import BackendFactory, Batch, ModelSpec, Progress, Runner, Sampler
    from jackfield.ports.pooled import PooledRunner
    from jackfield.sampling import SamplingParams

DUE: Final = 8.0
"""Logit of the token that the script asks for."""

FALLBACK: Final = 4.0
"""Logit of a full stop, which is played where that one is banned."""


class ScriptedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.scripted]``."""

    refuse: bool = False
    """Refuse to load, as a broken model file would."""
    load_s: float = 0.0
    """How long loading takes, in seconds."""
    max_batch_tokens: int = 64
    """Rows of one step."""
    tasks: tuple[Literal["generate", "embed", "rerank", "classify"], ...] = ("generate",)
    """What the model can be asked for; without ``generate`` it is a pooled one."""
    deterministic: bool = False
    """Say that results depend on nothing but the sequence itself."""
    can_shift: bool = True
    """Say that the oldest tokens of a sequence can be dropped."""
    reuse: Reuse = "ranges"
    """What can be done with a prefix that is computed; anything that this kind cannot do is refused."""
    spare_sequences: int = 4
    """Sequences besides those that run; none where ``reuse`` is ``none``."""
    chat_template: str = TEMPLATE
    """How the model takes conversations, and so what dialect it has."""
    fail_copy: bool = False
    """Fail whenever a prefix is copied."""
    fail_cut: bool = False
    """Fail whenever a sequence is cut back."""
    fail_save: bool = False
    """Fail whenever a state is saved."""
    fail_restore: bool = False
    """Fail whenever a state is restored."""
    fail_checkpoint: bool = False
    """Fail whenever a checkpoint is taken."""
    fail_rewind: bool = False
    """Fail whenever a sequence goes back to a checkpoint."""

    @property
    def fails(self) -> frozenset[str]:
        """The methods of ``ReusableRunner`` that fail."""
        methods = ("copy", "cut", "save", "restore", "checkpoint", "rewind")
        return frozenset(method for method in methods if getattr(self, f"fail_{method}"))


class ScriptedRunner(ScriptedCells):
    """Remembers each sequence's tokens and plays the script its prompt asks for.

    Parameters:
        info: What it says it is.
        limits: What it says it can do, and is held to.
        fails: As for ``ScriptedCells``.
        chat_template: How it takes conversations.
    """

    def __init__(
        self, info: ModelInfo, limits: RunnerLimits, fails: Container[str] = (), chat_template: str = TEMPLATE
    ) -> None:
        super().__init__(limits, fails)
        self.info = info
        self.tokenizer = ScriptedTokenizer(chat_template)
        self._logits: dict[int, tuple[int, int]] = {}
        self._scripts: dict[int, tuple[int, Script]] = {}

    def decode(self, batch: Batch) -> None:
        """Take the rows in; obey delays, failures and crashes of the scripts that are due."""
        if batch.rows > self.limits.max_batch_tokens:
            raise BackendFault("the step has more rows than the runner takes")
        rows = range(batch.rows)
        sequences = [int(batch.sequence[row]) for row in rows]
        if self.cells_used + len(rows) > self.limits.kv_tokens:
            raise KVExhausted("the scripted pool is full")
        self._check(batch, sequences)
        self._logits = {}
        for row, sequence in zip(rows, sequences, strict=True):
            self.append(sequence, int(batch.token[row]))
            if batch.wants_logits[row]:
                self._logits[row] = sequence, len(self.cells[sequence])
        obey([self._due(row) for row in self._logits])

    def remove(self, sequence: int) -> None:
        """Forget *sequence*."""
        self.drop(sequence, 0, len(self.cells.get(sequence, [])))

    def drop(self, sequence: int, start: int, end: int) -> None:
        """Forget tokens; what is left may be another prompt."""
        super().drop(sequence, start, end)
        self._scripts.pop(sequence, None)

    def shift(self, sequence: int, keep: int, discard: int) -> None:
        """Drop tokens; the script goes on where it stood."""
        cells = self.cells.get(sequence, [])
        if not self.limits.can_shift or not 0 <= keep <= keep + discard <= len(cells):
            raise BackendFault("the sequence cannot be shifted like this")
        length, script = self._script(sequence)
        self.drop(sequence, keep, keep + discard)
        self._scripts[sequence] = length - discard, script

    def scores(self, row: int, token: int, top: int) -> TokenScores:
        """By the logits of *row*; among equals the lower id comes first."""
        logits = self.logits(row)
        total = math.log(sum(map(math.exp, logits)))
        best = sorted(range(VOCABULARY), key=lambda each: -logits[each])[:top]
        return TokenScores(logits[token] - total, [(each, logits[each] - total) for each in best])

    def sampler(
        self,
        params: SamplingParams,
        *,
        history: Sequence[int] = (),
        bias: Mapping[int, float] = MappingProxyType({}),
        banned: Sequence[int] = (),
        banned_draws: int | None = None,
    ) -> Sampler:
        """A sampler that plays the script; where the due token is banned a full stop."""
        return ScriptedSampler(self, bias, banned, banned_draws)

    def logits(self, row: int) -> list[float]:
        """What the script makes of *row* of the last step."""
        if row not in self._logits:
            raise BackendFault(f"row {row} of the last step has no logits")
        script, position = self._due(row)
        logits = [0.0] * VOCABULARY
        logits[ord(".")] = FALLBACK
        logits[script.token(position)] = DUE
        return logits

    def play(self, row: int, script: Script | None) -> Script:
        """The script of the sequence of *row*, whose answer had *script* when it was there last.

        Another is of an answer that had the sequence before: then what it holds now says which.
        """
        sequence, _ = self._logits[row]
        known = self._scripts.get(sequence)
        if known is None or known[1] is not script:
            self._scripts.pop(sequence, None)
            known = self._scripts[sequence] = self._script(sequence)
        return known[1]

    def close(self) -> None:
        """Forget everything."""
        self.cells.clear()

    def _check(self, batch: Batch, sequences: Sequence[int]) -> None:
        lengths: dict[int, int] = {}
        known = self.limits.max_sequences + self.limits.spare_sequences
        for row, sequence in enumerate(sequences):
            length = lengths.get(sequence, len(self.cells.get(sequence, ())))
            lengths[sequence] = length + 1
            legal = 0 <= sequence < known and 0 <= batch.token[row] < VOCABULARY
            if not legal or batch.position[row] != length:
                raise BackendFault("a row has an illegal token, sequence or position")

    def _due(self, row: int) -> tuple[Script, int]:
        """The script of the sequence of *row*, and how many tokens of its answer stand before what follows *row*."""
        sequence, length = self._logits[row]
        prompt, script = self._script(sequence)
        return script, length - prompt

    def _script(self, sequence: int) -> tuple[int, Script]:
        """How long the prompt of *sequence* is, and its script. The assistant mark ends a prompt, if there is one."""
        known = self._scripts.get(sequence)
        if known is not None:
            return known
        text = text_of(self.cells[sequence])
        end = text.rfind("\n<assistant>")
        if end < 0:
            return len(self.cells[sequence]), Script.read(text)
        prompt = text[: end + len("\n<assistant>")]
        return len(prompt.encode()), Script.read(prompt)


class ScriptedSampler:
    """Plays a script: the highest logit wins, of equal ones the lowest id."""

    def __init__(
        self, runner: ScriptedRunner, bias: Mapping[int, float], banned: Sequence[int], banned_draws: int | None
    ) -> None:
        self._runner = runner
        self._bias = bias
        self._banned = banned
        self._draws_left = banned_draws
        self._script: Script | None = None

    def sample(self, row: int, mask: npt.NDArray[np.uint32] | None = None) -> int:
        """The script's next token, as far as biases, bans and mask allow."""
        self._script = self._runner.play(row, self._script)
        logits = self._runner.logits(row)
        for token, bias in self._bias.items():
            logits[token] += bias
        if self._draws_left != 0:
            for token in self._banned:
                logits[token] = -math.inf
        if mask is not None:
            for token in range(VOCABULARY):
                if not mask[token // 32] >> (token % 32) & 1:
                    logits[token] = -math.inf
        best = max(range(VOCABULARY), key=lambda token: logits[token])
        if logits[best] == -math.inf:
            raise NothingToDraw("what is demanded of the answer leaves no token that may be drawn")
        if self._draws_left:
            self._draws_left -= 1
        return best

    def close(self) -> None:
        """Nothing to give back."""


class ScriptedBackend:
    """Loads nothing, as slowly and as badly as configured."""

    def __init__(self, instance: PluginInstance) -> None:
        self._instance = instance

    def inspect(self, spec: ModelSpec) -> ModelInfo:
        """What ``load`` would give."""
        config = self._config(spec)
        cells = self._limits(spec, config).kv_tokens
        pooled = "generate" not in config.tasks
        return ModelInfo(
            architecture="scripted",
            title="scripted",
            description="plays scripts",
            parameters=0,
            size_bytes=0,
            context_train=AUTO_CONTEXT_MAX,
            vocabulary=VOCABULARY,
            tasks=config.tasks,
            has_chat_template=not pooled,
            embedding_size=VECTOR_SIZE if pooled else 0,
            labels=LABELS if "classify" in config.tasks else (),
            memory=MemoryEstimate(weights=0, kv=cells, compute=0),
        )

    def load(self, spec: ModelSpec, progress: Progress) -> Runner | PooledRunner:
        """A runner for *spec*; its limits are what *spec* asks for."""
        config = self._config(spec)
        info = self.inspect(spec)
        for step in range(101):
            progress(step / 100)
            time.sleep(config.load_s / 100)
        limits = self._limits(spec, config)
        if "generate" not in info.tasks:
            return ScriptedPooledRunner(info, limits)
        return ScriptedRunner(info, limits, config.fails, config.chat_template)

    def _config(self, spec: ModelSpec) -> ScriptedConfig:
        config = self._instance.config(ScriptedConfig, spec.options, key=f"models.{spec.name}.options")
        if config.refuse or not Path(spec.path).exists():
            raise ModelLoadError(f"{Path(spec.path).name}: the script refuses to load this model")
        return config

    @staticmethod
    def _limits(spec: ModelSpec, config: ScriptedConfig) -> RunnerLimits:
        context = AUTO_CONTEXT_MAX if spec.context == "auto" else spec.context
        return RunnerLimits(
            context=context,
            max_sequences=spec.max_sequences,
            kv_tokens=max(context, spec.max_sequences * context if spec.kv_tokens == "auto" else spec.kv_tokens),
            max_batch_tokens=max(config.max_batch_tokens, spec.max_sequences),
            deterministic=config.deterministic,
            can_shift=config.can_shift,
            spare_sequences=0 if config.reuse == "none" else config.spare_sequences,
            reuse=config.reuse,
            state_layout=f"scripted {config.reuse}",
        )


@hookimpl
def jackfield_config(instance: PluginInstance) -> type[msgspec.Struct]:
    """Its options."""
    return ScriptedConfig


@hookimpl
def jackfield_backends(instance: PluginInstance) -> Mapping[str, BackendFactory]:
    """One backend, under the instance's name."""
    return {instance.name: lambda: ScriptedBackend(instance)}
