"""What the engine loop and the channel add to each step: ``python benchmarks/loop_overhead.py``.

The worker counts it itself: a step's time without the backend's decode and without drawing tokens. Read from
``/metrics`` before and after streams of a known length.
"""

from __future__ import annotations

import json
from typing import Any, Final

from make_model import ensure_model
from serving import MODELS, Child, manifest_for, port_of, progress, server, settled_metrics, shown, spread

CASES: Final = (1, 8, 64)
"""Sequences at once."""
TOKENS: Final = 64
ROUNDS: Final = 5
CONTEXT: Final = 256
BASE_MS: Final = 0.5
PER_SEQUENCE_MS: Final = 0.02

STEPS: Final = "jackfield_engine_steps_total"
OWN: Final = "jackfield_engine_own_seconds_total"
STEP: Final = "jackfield_engine_step_seconds_total"
SAMPLER: Final = "jackfield_engine_sampler_seconds_total"
GENERATED: Final = "jackfield_engine_generated_tokens_total"


def measure(sequences: int) -> dict[str, Any]:
    """Milliseconds a step with *sequences* streams."""
    model = ensure_model("llama-30m", MODELS)
    manifest = manifest_for(model, threads=1, sequences=sequences, context=CONTEXT)
    own, samplers, steps = [], [], []
    with (
        server(manifest) as process,
        Child("stream_client.py", str(port_of(process)), "bench", str(sequences)) as client,
    ):
        client.ask(requests=sequences, tokens=TOKENS)
        expected = float(sequences * TOKENS)
        before = settled_metrics(process, GENERATED, expected)
        for done in range(ROUNDS):
            client.ask(requests=sequences, tokens=TOKENS)
            expected += sequences * TOKENS
            after = settled_metrics(process, GENERATED, expected)
            count = after[STEPS] - before[STEPS]
            own.append((after[OWN] - before[OWN]) / count * 1e3)
            samplers.append((after[SAMPLER] - before[SAMPLER]) / count * 1e3)
            steps.append((after[STEP] - before[STEP]) / count * 1e3)
            before = after
            progress(f"  round {done + 1}/{ROUNDS}: {own[-1]:.3f} ms of {steps[-1]:.2f} ms")
    return {
        "sequences": sequences,
        "target_ms": BASE_MS + PER_SEQUENCE_MS * sequences,
        "own_ms": spread(own),
        "sampler_ms": spread(samplers),
        "step_ms": spread(steps),
    }


def run() -> list[dict[str, Any]]:
    """All cases."""
    results = []
    for sequences in CASES:
        progress(f"loop overhead: {sequences} sequences")
        results.append(measure(sequences))
    return results


def table(results: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = ["| sequences | own share, ms a step | wanted | samplers, ms | whole step, ms |", "|---" * 5 + "|"]
    lines += [
        f"| {each['sequences']} | {shown(each['own_ms'])} | ≤ {each['target_ms']:.2f} | {shown(each['sampler_ms'])} |"
        f" {shown(each['step_ms'], 2)} |"
        for each in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    found = run()
    print(table(found))
    print(json.dumps(found))
