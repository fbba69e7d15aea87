"""A backend that does what a script says: tokens, errors, delays and crashes on demand.

It is shaped like a stranger's plugin: one module with hook implementations, loaded by path
(``enabled = ["scripted=/…/scripted.py"]``), no private import. Its tokens are the 256 bytes and one end token, so
prompts and answers of any text can be read off the ids. Without a script it answers with its last user message.

A prompt may carry directives, which the answer obeys and does not repeat:

=====================  ===============================================================================================
``[say:TEXT]``         answer with TEXT
``[repeat:N:TEXT]``    answer with TEXT, N times
``[fail:N]``           the decode that would give token N fails
``[crash:N]``          the process ends there, without a word (``SIGKILL`` of itself)
``[delay:MS]``         every step that computes this sequence takes at least MS milliseconds
=====================  ===============================================================================================

``source`` in the manifest is any existing file; ``refuse = true`` in ``[config.scripted]`` makes loading fail.
"""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield import hookimpl
from jackfield.errors import BackendFault, KVExhausted, ModelLoadError
from jackfield.ports.backend import AUTO_CONTEXT_MAX, ModelInfo, RunnerLimits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield import PluginInstance
    from jackfield.ports.backend import BackendFactory, Batch, ModelSpec, Progress, Sampler
    from jackfield.types import SamplingParams

END: Final = 256
"""The end-of-generation token; ids below it are bytes."""

VOCABULARY: Final = 257

TEMPLATE: Final = "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}<assistant>"

_DIRECTIVE: Final = re.compile(r"\[(say|repeat|fail|crash|delay):([^\]]*)\]")
_LAST_USER: Final = re.compile(r"<user>(.*)\n<assistant>\Z", re.DOTALL)


class ScriptedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[config.scripted]``."""

    refuse: bool = False
    """Refuse to load, as a broken model file would."""
    load_s: float = 0.0
    """How long loading takes, in seconds."""
    max_batch_tokens: int = 64
    """Rows of one step."""


class Script(msgspec.Struct, frozen=True):
    """What to do for one prompt."""

    answer: bytes
    fail_at: int = -1
    crash_at: int = -1
    delay_s: float = 0.0

    @classmethod
    def read(cls, prompt: str) -> Script:
        """The script that *prompt* asks for."""
        asked = _LAST_USER.search(prompt)
        text = asked.group(1) if asked else prompt
        directives = dict(_DIRECTIVE.findall(text))
        answer = _DIRECTIVE.sub("", text)
        if "say" in directives:
            answer = directives["say"]
        if "repeat" in directives:
            times, _, unit = directives["repeat"].partition(":")
            answer = unit * int(times)
        return cls(
            answer.encode(),
            fail_at=int(directives.get("fail", -1)),
            crash_at=int(directives.get("crash", -1)),
            delay_s=float(directives.get("delay", 0)) / 1000,
        )


class ScriptedTokenizer:
    """Bytes as tokens."""

    vocabulary = VOCABULARY
    end_tokens = frozenset({END})
    chat_template: str | None = TEMPLATE
    template_tokens: Mapping[str, str] = {}

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """The bytes of *text*; lone surrogates become question marks."""
        return list(text.encode(errors="replace"))

    def piece(self, token: int) -> bytes:
        """One byte, or nothing for the end token."""
        return bytes((token,)) if token < END else b""


class ScriptedRunner:
    """Remembers each sequence's tokens and plays the script its prompt asks for."""

    def __init__(self, info: ModelInfo, limits: RunnerLimits) -> None:
        self.info = info
        self.limits = limits
        self.tokenizer = ScriptedTokenizer()
        self.cells: dict[int, list[int]] = {}
        self._rows: list[int] = []
        self._scripts: dict[int, tuple[int, Script]] = {}

    def decode(self, batch: Batch) -> None:
        """Take the rows in; obey delays, failures and crashes of the scripts that are due."""
        if batch.rows > self.limits.max_batch_tokens:
            raise BackendFault("the step has more rows than the runner takes")
        rows = range(batch.rows)
        sequences = [int(batch.sequence[row]) for row in rows]
        if sum(map(len, self.cells.values())) + len(rows) > self.limits.kv_tokens:
            raise KVExhausted("the scripted pool is full")
        self._check(batch, sequences)
        for row, sequence in zip(rows, sequences, strict=True):
            self.cells.setdefault(sequence, []).append(int(batch.token[row]))
        self._rows = sequences
        due = {sequence for row, sequence in zip(rows, sequences, strict=True) if batch.wants_logits[row]}
        self._obey({sequence: self._script(sequence) for sequence in due})

    def remove(self, sequence: int) -> None:
        """Forget *sequence*."""
        self.cells.pop(sequence, None)
        self._scripts.pop(sequence, None)

    def sampler(self, params: SamplingParams, *, banned: Sequence[int] = ()) -> Sampler:
        """A sampler that plays the script; a banned end token is played as a full stop."""
        return ScriptedSampler(self, frozenset(banned))

    def next_token(self, row: int) -> int:
        """The token that follows in the script of the sequence of *row*."""
        sequence = self._rows[row]
        script, position = self._script(sequence)
        return script.answer[position] if position < len(script.answer) else END

    def close(self) -> None:
        """Forget everything."""
        self.cells.clear()

    def _check(self, batch: Batch, sequences: Sequence[int]) -> None:
        lengths: dict[int, int] = {}
        for row, sequence in enumerate(sequences):
            length = lengths.get(sequence, len(self.cells.get(sequence, ())))
            lengths[sequence] = length + 1
            legal = 0 <= sequence < self.limits.max_sequences and 0 <= batch.token[row] < VOCABULARY
            if not legal or batch.position[row] != length:
                raise BackendFault("a row has an illegal token, sequence or position")

    def _script(self, sequence: int) -> tuple[Script, int]:
        """The script of *sequence*, and how many tokens of it were played: those after the assistant mark."""
        cells = self.cells[sequence]
        if sequence not in self._scripts:
            text = bytes(token for token in cells if token < END).decode(errors="replace")
            end = text.rfind("\n<assistant>")
            prompt = text[: end + len("\n<assistant>")] if end >= 0 else text
            length = len(prompt.encode()) if end >= 0 else len(cells)
            self._scripts[sequence] = (length, Script.read(prompt))
        length, script = self._scripts[sequence]
        return script, len(cells) - length

    @staticmethod
    def _obey(due: Mapping[int, tuple[Script, int]]) -> None:
        time.sleep(max((script.delay_s for script, _ in due.values()), default=0.0))
        for script, position in due.values():
            if position == script.crash_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if position == script.fail_at:
                raise BackendFault("the script asked for a failure")


class ScriptedSampler:
    """Plays a script."""

    def __init__(self, runner: ScriptedRunner, banned: frozenset[int]) -> None:
        self._runner = runner
        self._banned = banned

    def sample(self, row: int) -> int:
        """The script's next token."""
        token = self._runner.next_token(row)
        return ord(".") if token in self._banned else token

    def close(self) -> None:
        """Nothing to give back."""


class ScriptedBackend:
    """Loads nothing, as slowly and as badly as configured."""

    def __init__(self, instance: PluginInstance) -> None:
        self._instance = instance

    def load(self, spec: ModelSpec, progress: Progress) -> ScriptedRunner:
        """A runner for *spec*; its limits are what *spec* asks for."""
        config = self._instance.config(ScriptedConfig, spec.options, key=f"models.{spec.name}.options")
        if config.refuse or not Path(spec.path).exists():
            raise ModelLoadError(f"{Path(spec.path).name}: the script refuses to load this model")
        for step in range(101):
            progress(step / 100)
            time.sleep(config.load_s / 100)
        context = AUTO_CONTEXT_MAX if spec.context == "auto" else spec.context
        limits = RunnerLimits(
            context=context,
            max_sequences=spec.max_sequences,
            kv_tokens=max(context, spec.max_sequences * context if spec.kv_tokens == "auto" else spec.kv_tokens),
            max_batch_tokens=max(config.max_batch_tokens, spec.max_sequences),
        )
        return ScriptedRunner(_INFO, limits)


_INFO: Final = ModelInfo(
    architecture="scripted",
    title="scripted",
    description="plays scripts",
    parameters=0,
    size_bytes=0,
    context_train=AUTO_CONTEXT_MAX,
    vocabulary=VOCABULARY,
)


@hookimpl
def jackfield_config(instance: PluginInstance) -> type[msgspec.Struct]:
    """Its options."""
    return ScriptedConfig


@hookimpl
def jackfield_backends(instance: PluginInstance) -> Mapping[str, BackendFactory]:
    """One backend, under the instance's name."""
    return {instance.name: lambda: ScriptedBackend(instance)}
