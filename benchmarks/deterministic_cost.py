"""What ``deterministic = true`` costs: ``python benchmarks/deterministic_cost.py``.

Both modes are loaded in this process and stepped by turns, as the engine does: a prompt for each sequence in a call of
its own, then decode steps with a row of each. Shown is how fast the deterministic mode is relative to the normal one by
processor time: one thread computes.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from make_model import ensure_model
from serving import MODELS, progress, shown, spread

from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import Batch, ModelSpec
from jackfield.testing.kits.loaded_model import generating

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.ports.backend import Runner

CASES: Final = (("llama-30m", 1024), ("qwen2-0.5b", 512))
"""Models, and the context of each sequence."""
SEQUENCES: Final = (1, 4, 8)
PROMPT: Final = 128
TOKENS: Final = 12
ROUNDS: Final = 3


def load(path: Path, context: int, sequences: int, *, deterministic: bool) -> Runner:
    """The model in one of the modes, with one thread."""
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    spec = ModelSpec(
        name="bench",
        path=str(path),
        context=context,
        max_sequences=sequences,
        options={"threads": 1, "deterministic": deterministic},
    )
    return generating(kernel.backends()["llama-cpu"]().load(spec, lambda _: None))


def rates(runner: Runner) -> tuple[float, float]:
    """Prompt and decode speed, in tokens per second over all sequences."""
    batch = Batch(runner.limits.max_batch_tokens)
    sequences = range(runner.limits.max_sequences)
    began = time.process_time()
    for sequence in sequences:
        batch.clear()
        batch.add(sequence, 0, [sequence + 1] * PROMPT, wants_logits=True)
        runner.decode(batch)
    prompted = time.process_time()
    for step in range(TOKENS):
        batch.clear()
        for sequence in sequences:
            batch.add(sequence, PROMPT + step, [step + 1], wants_logits=True)
        runner.decode(batch)
    ended = time.process_time()
    for sequence in sequences:
        runner.remove(sequence)
    return len(sequences) * PROMPT / (prompted - began), len(sequences) * TOKENS / (ended - prompted)


def measure(model: str, context: int, sequences: int) -> dict[str, Any]:
    """Ratios of one model with *sequences*."""
    path = ensure_model(model, MODELS)
    normal = load(path, context, sequences, deterministic=False)
    exact = load(path, context, sequences, deterministic=True)
    prompt, decode = [], []
    for done in range(ROUNDS + 1):
        pairs = list(zip(rates(exact), rates(normal), strict=True))
        if done:  # the first round warms up
            prompt.append(pairs[0][0] / pairs[0][1])
            decode.append(pairs[1][0] / pairs[1][1])
    memory = [each.info.memory.kv / 2**20 if each.info.memory else 0 for each in (exact, normal)]
    for each in (normal, exact):
        each.close()
    progress(f"  {model}, {sequences} sequences: prompt {prompt[-1]:.2f}, decode {decode[-1]:.2f}")
    return {
        "model": model,
        "sequences": sequences,
        "prompt": spread(prompt),
        "decode": spread(decode),
        "kv_mib": memory,
    }


def run() -> list[dict[str, Any]]:
    """All cases."""
    progress("cost of deterministic")
    return [measure(model, context, sequences) for model, context in CASES for sequences in SEQUENCES]


def table(results: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = ["| model | sequences | decode, relative | prompt, relative | KV pool, MiB (normal) |", "|---" * 5 + "|"]
    lines += [
        f"| {each['model']} | {each['sequences']} | {shown(each['decode'], 2)} | {shown(each['prompt'], 2)} |"
        f" {each['kv_mib'][0]:.0f} ({each['kv_mib'][1]:.0f}) |"
        for each in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    found = run()
    print(table(found))
    print(json.dumps(found))
