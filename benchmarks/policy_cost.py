"""What a decision of a policy costs: ``python benchmarks/policy_cost.py``.

Engines are made as a gateway makes them, with the policies of ``policies/``, and asked the questions of
``policies/cases.json`` in turn: one after the other first, then so many at once that they wait for each other. An OPA
server is played, by a process that answers each question with the same JSON: its row is what asking costs here, and
nothing of what OPA takes to answer.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import uvloop
from serving import ROOT, progress

from jackfield.logs import configure_logs
from jackfield.manifest_layers import load_manifest
from jackfield.plugins import build_kernel
from jackfield.ports.policy import PolicyInput
from jackfield.testing.opa_server import served

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jackfield.ports.policy import PolicyEngine

WARM: Final = 500
ALONE: Final = 4000
AT_ONCE: Final = 32
SATURATED_S: Final = 4.0

P50_US: Final = 500
P99_US: Final = 1500
RATE: Final = 2500


def run() -> dict[str, Any]:
    """All figures."""
    configure_logs("error", "auto")
    with subprocess.Popen([sys.executable, __file__, "--play"], stdout=subprocess.PIPE, text=True) as opa:
        if opa.stdout is None:
            raise AssertionError("opened with a pipe")
        url = opa.stdout.readline().strip()
        try:
            return {name: measured(name, text) for name, text in manifests(url).items()}
        finally:
            opa.terminate()


def manifests(url: str) -> Mapping[str, str]:
    """What is measured, as texts of a ``plugins.toml``."""
    rego, cedar = (json.dumps(str(ROOT / "policies" / each)) for each in ("rego", "cedar"))
    server = f'mode = "server"\nurl = "{url}"'
    return {
        "opa, embedded": f'enabled = ["opa"]\n[config.opa]\npolicies = {rego}',
        "opa, server that is played": f'enabled = ["opa"]\n[config.opa]\n{server}\ncache_ttl_ms = 0',
        "opa, server, remembered": f'enabled = ["opa"]\n[config.opa]\n{server}\ncache_ttl_ms = 60000',
        "cedar": f'enabled = ["cedar"]\n[config.cedar]\npolicies = {cedar}',
    }


def measured(name: str, manifest: str) -> dict[str, float]:
    """Figures of one engine."""
    progress(f"policy cost: {name}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plugins.toml")
        file.write_text(manifest)
        [factory] = build_kernel(load_manifest(file, environ={})).policies().values()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(figures(factory()))


async def figures(engine: PolicyEngine) -> dict[str, float]:
    """Of *engine*, which is closed then."""
    cases = json.loads((ROOT / "policies" / "cases.json").read_text())
    questions = [msgspec.convert(case["input"], PolicyInput) for case in cases]
    try:
        await timed(engine, islice(cycle(questions), WARM))
        alone = sorted(await timed(engine, islice(cycle(questions), ALONE)))
        return {
            "p50_us": alone[len(alone) // 2] * 1e6,
            "p99_us": alone[len(alone) * 99 // 100] * 1e6,
            **await saturated(engine, questions),
        }
    finally:
        await engine.close()


async def timed(engine: PolicyEngine, questions: islice[PolicyInput]) -> list[float]:
    """Seconds of each decision, one after the other."""
    found = []
    for question in questions:
        begun = time.perf_counter()
        await engine.decide(question)
        found.append(time.perf_counter() - begun)
    return found


async def saturated(engine: PolicyEngine, questions: Sequence[PolicyInput]) -> dict[str, float]:
    """Decisions a second where many ask at once, and this process's own time for each."""
    decided = 0
    begun, own = time.perf_counter(), time.process_time()

    async def ask() -> None:
        nonlocal decided
        for question in cycle(questions):
            if time.perf_counter() - begun > SATURATED_S:
                return
            await engine.decide(question)
            decided += 1

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    seconds, own = time.perf_counter() - begun, time.process_time() - own
    return {"rate": decided / seconds, "own_us": own / decided * 1e6}


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """As Markdown."""
    lines = [
        f"| engine | p50, µs (≤ {P50_US}) | p99, µs (≤ {P99_US}) | decisions/s (≥ {RATE:,}) | gateway's own, µs |",
        "|---" * 5 + "|",
    ]
    lines += [
        f"| {name} | {each['p50_us']:.0f} | {each['p99_us']:.0f} | {each['rate']:,.0f} | {each['own_us']:.0f} |"
        for name, each in found.items()
    ]
    return "\n".join(lines)


async def play() -> None:
    """Be an OPA server until the process is ended."""
    async with served() as opa:
        opa.body = {"result": {"allow": True, "reasons": [], "obligations": {"max_tokens": 4096}}}
        print(opa.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["--play"]:
        uvloop.run(play())
    else:
        results = run()
        print(table(results))
        print(json.dumps(results))
