"""What all stages of policies together add to a request: ``python benchmarks/policy_stages.py [SECONDS]``.

Three real servers run the same gateway with a model that is played: one without any policy, one with all of them and
Cedar, one with OPA in Cedar's place. They are asked the same in turn, in changing order;
each round gives one difference of the gateways' processor time and one of the median latency.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from serving import ROOT, Child, cpu_s, port_of, progress, spread

from jackfield.testing.background import BackgroundLoop
from jackfield.testing.command import run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.processes import descendants
from jackfield.testing.serve import ServeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 60.0
WARM: Final = 300
REQUESTS: Final = 200
"""Of each server in each round."""
TARGETS: Final = {"cpu_ms": 0.6, "p50_ms": 0.8}

STAGES: Final = ("keys", "rbac", "limits", "guardrails", "audit", "secrets")
SERVERS: Final = {"none": (), "cedar": (*STAGES, "cedar"), "opa": (*STAGES, "opa")}
TABLES: Final = """
[config.rbac.roles.engineer]
scopes = ["generate", "models:read"]
models = ["demo"]
[config.limits.prices.demo]
input = 1.0
output = 3.0
[[config.limits.rules]]
name = "keys"
per = ["key"]
requests = { minute = 1000000, day = 100000000 }
tokens = { minute = 100000000 }
concurrency = 100
[[config.limits.rules]]
name = "teams"
per = ["team"]
money = { month = 100000.0 }
"""
ENGINES: Final = {
    "cedar": '[config.cedar]\npolicies = "cedar"\n',
    "opa": '[config.opa]\npolicies = "rego"\n',
}
PROMPT: Final = (
    "[say:It was agreed by all.]" + "The board met on 12 May 2024 in room 4, and agreed that the plan was good. " * 4
)
"""Some hundred tokens of prose."""


class Case(NamedTuple):
    """What is asked for."""

    tokens: int
    stream: bool
    clients: int = 1
    """At once, each over a connection of its own."""


CASES: Final = {
    "answer of 2 tokens": Case(2, stream=False),
    "answer of 2 tokens, 8 at once": Case(2, stream=False, clients=8),
    "answer of 20 tokens": Case(20, stream=False),
    "stream of 20 tokens": Case(20, stream=True),
}


class Served:
    """One of the servers, and its client."""

    def __init__(self, process: ServeProcess, client: Child) -> None:
        self._client = client
        [self._gateway] = process.children("gateway")

    def ask(self, requests: int, case: Case) -> dict[str, float]:
        """Figures of so many *requests*, one after the other; milliseconds."""
        helpers = list(descendants(self._gateway))
        before, others = cpu_s(self._gateway), sum(map(cpu_s, helpers))
        p50 = self._client.ask(requests=requests, **case._asdict())["p50_ms"]
        spent = (cpu_s(self._gateway) - before) / requests * 1e3
        return {"cpu_ms": spent, "p50_ms": p50, "children_ms": (sum(map(cpu_s, helpers)) - others) / requests * 1e3}


@contextmanager
def served(name: str) -> Iterator[Served]:
    """The server called *name*, ready."""
    plugins = SERVERS[name]
    models = {"demo": "max_sequences = 8"}
    manifest = scripted_manifest(models, kernel='log_level = "warning"', enabled=plugins)
    manifest += TABLES + ENGINES[name] if plugins else ""
    with BackgroundLoop() as loop, tempfile.TemporaryDirectory(prefix="jackfield-bench-") as text:
        folder = Path(text)
        key = prepared(folder, name, manifest) if plugins else ""
        process = ServeProcess(manifest, folder, loop)
        try:
            process.wait_ready()
            with Child("policy_stages.py", "--client", str(port_of(process)), key) as client:
                yield Served(process, client)
        finally:
            process.close()


def prepared(folder: Path, name: str, manifest: str) -> str:
    """Put into *folder* what the server called *name* needs besides its manifest.

    Returns:
        A key.
    """
    (folder / "plugins.toml").write_text(manifest)
    source = {"cedar": "cedar", "opa": "rego"}[name]
    shutil.copytree(ROOT / "policies" / source, folder / source)
    for arguments in ("audit init", "keys create bench --tenant acme --team bench --role engineer"):
        done = run_command(arguments, folder)
        if done.code:
            raise SystemExit(f"jackfield {arguments}: {done.output}")
    return done.output.split()[-1]


def client(port: int, key: str) -> None:
    """Be the clients: for each line of standard input so many requests."""
    connections = [
        http.client.HTTPConnection("127.0.0.1", port) for _ in range(max(case.clients for case in CASES.values()))
    ]
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    body: dict[str, object] = {"model": "demo", "messages": [{"role": "user", "content": PROMPT}]}
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        clients = job["clients"]
        data = json.dumps({**body, "max_tokens": job["tokens"], "stream": job["stream"]})
        with ThreadPoolExecutor(clients) as threads:
            each = [
                threads.submit(asked, connection, data, headers, job["requests"] // clients)
                for connection in connections[:clients]
            ]
            seconds = [second for one in each for second in one.result()]
        print(json.dumps({"p50_ms": statistics.median(seconds) * 1e3}), flush=True)


def asked(connection: http.client.HTTPConnection, data: str, headers: dict[str, str], requests: int) -> list[float]:
    """Ask so many times, one after the other; how long each took, in seconds."""
    seconds = []
    for _ in range(requests):
        begun = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", data, headers)
        answer = connection.getresponse()
        text = answer.read()
        seconds.append(time.perf_counter() - begun)
        if answer.status != http.client.OK:
            raise SystemExit(f"{answer.status}: {text!r}")
    return seconds


def run(seconds: float = SECONDS) -> dict[str, Any]:
    """All figures."""
    found: dict[str, Any] = {"targets": TARGETS}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(served(name)) for name in SERVERS}
        for asked, case in CASES.items():
            for each in servers.values():
                each.ask(WARM, case)
            rounds: dict[str, list[dict[str, float]]] = {name: [] for name in SERVERS}
            orders = itertools.cycle(itertools.permutations(SERVERS))
            until = time.monotonic() + seconds / len(CASES)
            while time.monotonic() < until:
                for name in next(orders):
                    rounds[name].append(servers[name].ask(REQUESTS, case))
            found[asked] = {name: compared(rounds["none"], each) for name, each in rounds.items()}
            progress(f"{asked}: {len(rounds['none'])} rounds of {REQUESTS}")
    return found


def compared(without: list[dict[str, float]], rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """*rounds*, and what they have more than those of the server *without* policies."""
    figures = {name: spread([each[name] for each in rounds]) for name in rounds[0]}
    for name in TARGETS:
        more = [each[name] - bare[name] for bare, each in zip(without, rounds, strict=True)]
        figures[f"{name}_added"] = spread(more)
    return figures


def shown(figures: dict[str, float]) -> str:
    """The median, with the range of its rounds."""
    return f"{figures['median']:.2f} ({figures['min']:.2f} to {figures['max']:.2f})"


def table(found: dict[str, Any]) -> str:
    """As Markdown."""
    lines = [
        "| request | policies | gateway's CPU, ms | added | wanted | p50, ms | added | wanted | children's CPU, ms |",
        "|---" * 9 + "|",
    ]
    for case in CASES:
        for name, each in found[case].items():
            cells = [case, name]
            for figure, target in TARGETS.items():
                added = shown(each[f"{figure}_added"]) if name != "none" else ""
                cells += [shown(each[figure]), added, f"≤ {target:g}" if added else ""]
            lines.append(f"| {' | '.join(cells)} | {each['children_ms']['median']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print, or be a client."""
    parser = argparse.ArgumentParser(description="What all stages of policies together add to a request.")
    parser.add_argument("seconds", type=float, nargs="?", default=SECONDS, help="how long to measure")
    parser.add_argument("--client", nargs=2, metavar=("PORT", "KEY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        client(int(given.client[0]), given.client[1])
        return
    found = run(given.seconds)
    print(table(found))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
