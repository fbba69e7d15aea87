"""Steps: policies in Rego, evaluated by the server itself or by an OPA that is played."""

from __future__ import annotations

import asyncio
import json
import textwrap
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.opa_server import Opa, served
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.target import Target

HEAD: Final = "package jackfield\n\nimport rego.v1\n\ndefault allow := false\n\n"
DECISION: Final = '\ndecision := {"allow": allow}\n'
TESTS: Final = "package jackfield_test\n\nimport rego.v1\n\nimport data.jackfield\n\n"

SEEN_S: Final = 30.0
"""Before a busy machine is taken for one that does not notice."""

POLL_S: Final = 0.05


@pytest.fixture
def rego(tmp_path: Path) -> Path:
    """The folder of a scenario's policies."""
    folder = tmp_path / "rego"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def played_opas(background: BackgroundLoop) -> Iterator[AsyncExitStack]:
    """OPAs that are played; whatever is left of them ends with the scenario."""
    stack = AsyncExitStack()
    yield stack
    background.run(stack.aclose())


@given("policies in Rego")
@when("the policies become")
def write_policies(rego: Path, docstring: str) -> None:
    """Rules of the package ``jackfield``, which says no by default; a decision is added where they have none."""
    rules = textwrap.dedent(docstring).strip() + "\n"
    decision = "" if "decision" in rules else DECISION
    (rego / "main.rego").write_text(HEAD + rules + decision)


@given("tests of these policies")
def write_tests(rego: Path, docstring: str) -> None:
    """In a file of their own."""
    (rego / "main_test.rego").write_text(TESTS + textwrap.dedent(docstring).strip() + "\n")


@given("a server with a scripted model under these policies", target_fixture="server")
def policed_server(rego: Path, own_server: Callable[[str], Target]) -> Target:
    """Which evaluates them itself, in two processes, for at most half a second each time."""
    return own_server(_manifest({"policies": str(rego), "deadline_ms": 500}))


@given("a plugins.toml with these policies")
def manifest_with_policies(rego: Path, tmp_path: Path) -> None:
    """In the folder where commands run."""
    (tmp_path / "plugins.toml").write_text(_manifest({"policies": str(rego)}))


@given("an OPA server that answers", target_fixture="opa")
def start_opa(played_opas: AsyncExitStack, background: BackgroundLoop, docstring: str) -> Opa:
    """That JSON, whatever it is asked."""
    opa = background.run(played_opas.enter_async_context(served()))
    opa.body = msgspec.json.decode(docstring)
    return opa


@given("a server with a scripted model that asks it", target_fixture="server")
def asking_server(opa: Opa, own_server: Callable[[str], Target]) -> Target:
    """Each time."""
    return own_server(_manifest({"mode": "server", "url": opa.url, "cache_ttl_ms": 0}))


@given("a server with a scripted model that asks it, and allows what cannot be decided", target_fixture="server")
def open_server(opa: Opa, own_server: Callable[[str], Target]) -> Target:
    """``fail = "open"``."""
    return own_server(_manifest({"mode": "server", "url": opa.url, "cache_ttl_ms": 0, "fail": "open"}))


@when("the OPA server goes away")
def stop_opa(played_opas: AsyncExitStack, background: BackgroundLoop) -> None:
    """Nobody listens there any more."""
    background.run(played_opas.aclose())


@when("the OPA server falls silent")
def silence_opa(opa: Opa) -> None:
    """It takes questions and does not answer."""
    opa.silent = True


@then(words("the error mentions {text:Text}"))
def error_mentions(reply: Reply, text: str) -> None:
    """In its message."""
    assert text in reply.error.message, reply.error.message


@then("it is not answered")
def not_answered(reply: Reply) -> None:
    """Refused, whoever is at fault."""
    assert reply.status in {403, 503}, reply.summary


@then("the refusal has the decision's id")
def has_decision_id(reply: Reply) -> None:
    """By which the audit record knows it."""
    assert "(decision dec_" in reply.error.message, reply.error.message


@then(words("sooner or later {prompt:Text} is refused with {status:d} {code:Text}"))
def refused_in_the_end(server: Target, prompt: str, status: int, code: str) -> None:
    """Once the server has seen what has changed."""

    def refused() -> bool:
        reply = server.run(server.client.ask(prompt))
        return reply.status == status and reply.error.code == code

    _until(f"{prompt!r} is refused with {code}", refused)


@then(words("sooner or later {prompt:Text} is answered"))
def answered_in_the_end(server: Target, prompt: str) -> None:
    """Once the server has seen what has changed."""
    _until(f"{prompt!r} is answered", lambda: server.run(server.client.ask(prompt)).status == 200)


@then(words("sooner or later its readiness tells of {text:Text}"))
def told_in_the_end(server: Target, text: str) -> None:
    """In what ``/readyz`` says in detail; it is ready all the same."""

    def told() -> bool:
        reply = server.run(server.probe.request("GET", "/readyz"))
        return reply.status == 200 and text in reply.body.decode()

    _until(f"/readyz tells of {text!r}", told)


@when(words("{others:d} others ask {prompt:Text} while I ask {mine:Text} with"), target_fixture="replies")
def ask_among_others(server: Target, others: int, prompt: str, mine: str, datatable: list[list[str]]) -> list[Reply]:
    """All at the same time; the table's rows join my request. Mine is the first of the replies."""
    extra: dict[str, JsonValue] = {name: json.loads(value) for name, value in datatable}

    async def all_at_once() -> list[Reply]:
        usual = [server.client.ask(prompt) for _ in range(others)]
        return list(await asyncio.gather(server.client.ask(mine, **extra), *usual))

    return server.run(all_at_once())


@then(words("the others are answered, and I am refused with {status:d} {code:Text}"))
def only_i_am_refused(replies: list[Reply], status: int, code: str) -> None:
    """Nobody else notices."""
    mine, *others = replies
    assert mine.status == status, mine.summary
    assert mine.error.code == code
    assert [reply.status for reply in others] == [200] * len(others)


def _manifest(options: dict[str, str | int]) -> str:
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    return scripted_manifest(enabled=("opa",)) + f"\n[config.opa]\n{lines}\n"


def _until(what: str, happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SEEN_S
    while not happened():
        assert time.monotonic() < deadline, f"not within {SEEN_S:g} s: {what}"
        time.sleep(POLL_S)
