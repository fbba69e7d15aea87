"""The policies to start from: the cases that both languages must answer alike, and their own tests."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.plugins.jackfield_opa.played import play

from jackfield.ports.policy import Obligations, PolicyInput
from jackfield_opa.config import OpaConfig
from jackfield_opa.embedded import EmbeddedEngine
from jackfield_opa.failure import FailurePolicy
from jackfield_opa.server import ServerEngine
from jackfield_opa.sources import PolicySource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from jackfield.ports.policy import Decision, PolicyEngine

POLICIES: Final = Path(__file__).parents[3] / "policies"

OPA: Final = os.environ.get("OPA_BIN", "")
NO_OPA: Final = "not shown here: no OPA binary; OPA_BIN names one"


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One of ``policies/cases.json``."""

    name: str
    input: PolicyInput
    allow: bool
    obligations: Obligations = Obligations()


CASES: Final = msgspec.json.decode((POLICIES / "cases.json").read_bytes(), type=list[Case])


def embedded() -> EmbeddedEngine:
    """The policies, evaluated by ourselves."""
    source = PolicySource(POLICIES / "rego", "policies/rego")
    return EmbeddedEngine("opa", OpaConfig(processes=1, deadline_ms=900), source, FailurePolicy("opa", "closed"))


async def decisions(engine: PolicyEngine) -> Sequence[Decision]:
    """Of all cases."""
    return [await engine.decide(case.input) for case in CASES]


def test_every_case_is_answered_as_it_says() -> None:
    """And each denial says why."""
    for case, decision in zip(CASES, play(embedded(), decisions), strict=True):
        assert decision.allow is case.allow, case.name
        assert decision.obligations == case.obligations, case.name
        assert bool(decision.reasons) is not case.allow, case.name


def test_the_cases_are_told_apart() -> None:
    """By their names; there are both kinds, and obligations of several."""
    assert len({case.name for case in CASES}) == len(CASES) >= 30
    assert {case.allow for case in CASES} == {True, False}
    assert any(case.obligations.redact for case in CASES)
    assert any(case.obligations.priority for case in CASES)


def test_their_own_tests_pass() -> None:
    """All of them, each rule at least once."""

    async def scenario(engine: EmbeddedEngine) -> None:
        tests = await engine.test()
        assert len(tests) >= 9
        assert all(test.passed for test in tests)

    play(embedded(), scenario)


def test_an_explanation_names_the_rules() -> None:
    """Those that hold, by file, and the value of each."""

    async def scenario(engine: EmbeddedEngine) -> None:
        allowed = await engine.explain(CASES[0].input)
        assert "jackfield.rego: jackfield.tenant_may" in allowed.policies
        assert 'jackfield.granting = ["engineer"]' in allowed.notes
        denied = await engine.explain(next(case.input for case in CASES if not case.allow))
        assert not denied.decision.allow
        assert "jackfield.rego: jackfield.allow" not in denied.policies

    play(embedded(), scenario)


@pytest.fixture
def opa() -> Iterator[str]:
    """The address of a real OPA that has the same policies."""
    if not OPA:
        pytest.skip(NO_OPA)
    with socket.create_server(("127.0.0.1", 0)) as found:
        address = f"127.0.0.1:{found.getsockname()[1]}"
    command = [OPA, "run", "--server", "--addr", address, "--bundle", str(POLICIES / "rego")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until_listening(address)
            yield f"http://{address}"
        finally:
            process.terminate()


def test_both_modes_decide_alike(opa: str) -> None:
    """A real OPA and rego-cpp, on all cases."""
    server = ServerEngine(
        "opa",
        OpaConfig(mode="server", url=opa, deadline_ms=900, cache_ttl_ms=0),
        None,
        None,
        FailurePolicy("opa", "closed"),
    )
    assert _played(server, decisions) == play(embedded(), decisions)


@pytest.mark.skipif(not OPA, reason=NO_OPA)
def test_opa_passes_the_same_tests() -> None:
    """``opa test`` runs what we run."""
    done = subprocess.run([OPA, "test", str(POLICIES / "rego")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _played(engine: ServerEngine, ask: Callable[[PolicyEngine], Awaitable[Sequence[Decision]]]) -> Sequence[Decision]:
    async def run() -> Sequence[Decision]:
        try:
            return await ask(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def _until_listening(address: str) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, int(port))).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "OPA does not listen"
            time.sleep(0.05)
