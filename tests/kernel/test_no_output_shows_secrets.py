"""Known secrets are planted wherever one can be, in a real server at its most talkative; then all outputs are searched.

Whoever adds an output adds it to ``outputs``; whoever adds a place where a secret can stand plants one there.
"""

from __future__ import annotations

import base64
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.kernel.planted import IN_ENVIRONMENT, ON_COMMAND_LINE, PATTERN, PROMPT, Planted
from tests.kernel.planted_policies import EMAIL, STORE_VARIABLE, Surroundings
from tests.kernel.provocations import provoke

from jackfield.testing import command, serve
from jackfield.testing.command import environment, run_command
from jackfield.testing.processes import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.testing.background import BackgroundLoop


QUESTIONS: Final = "questions.jsonl"
"""Some of those that policies were asked."""


def forms(secret: str) -> set[bytes]:
    """What *secret* may look like in an output."""
    data = secret.encode()
    return {data, base64.b64encode(data).rstrip(b"="), data.hex().encode(), json.dumps(secret).encode()[1:-1]}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, background: BackgroundLoop) -> Iterator[Planted]:
    """Everything planted, everything asked, one worker killed."""
    folder = tmp_path_factory.mktemp("planted")
    surroundings = Surroundings(folder, background)
    extra = {"JACKFIELD__CONFIG__VAULT__OTHER": IN_ENVIRONMENT, **surroundings.environment}

    def with_secret(folder: Path | None = None) -> dict[str, str]:
        return environment(folder) | extra

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve, "environment", with_secret)
        patch.setattr(command, "environment", with_secret)
        try:
            planted = Planted(folder, background, surroundings)
            try:
                provoke(planted)
                yield planted
            finally:
                planted.process.close()
        finally:
            surroundings.close()


def outputs(planted: Planted) -> Iterator[tuple[str, bytes]]:
    """Everything that somebody may see, by name."""
    folder, process = planted.folder, planted.process
    target = process.target
    yield "standard output", (folder / "serve.jsonl").read_bytes()
    yield "standard error", (folder / "serve.log").read_bytes()
    for path in ("/metrics", "/readyz", "/livez"):
        yield path, target.run(target.probe.request("GET", path)).body
    for reply in planted.errors:
        yield f"error {reply.status}", reply.body + repr(reply.headers).encode()
    yield from planted.answers
    recorded = run_command("audit query --json --kind authorization --limit 20", folder).output
    (folder / QUESTIONS).write_text(recorded)
    yield "audit query --json", recorded.encode()
    for pid in (process.pid, *descendants(process.pid)):
        for file in ("cmdline", "comm"):
            yield f"/proc/{pid}/{file}", (Path("/proc") / str(pid) / file).read_bytes()
    for arguments in (
        "config show --origin",
        "config show --origin --json",
        "config schema",
        "config check --json",
        f"config show --set config.vault.token={ON_COMMAND_LINE}",
        f"config check --set config.vault.token={ON_COMMAND_LINE}",
        f"serve --set config.vault.token={ON_COMMAND_LINE} --listen 127.0.0.1:0 --health 127.0.0.1:0",
        "plugins list --json",
        "plugins info vault --json",
        "keys list",
        "keys list --json",
        "cache show --scopes",
        "cache show --scopes --json",
        "workers list --json",
        "workers logs scripted",
        "tenants list --json",
        "store list",
        "store list --json",
        "store show limit many",
        "audit verify",
        "audit query --limit 10000",
        "audit export --format csv",
        "policy test",
        f"policy eval {QUESTIONS} --json",
        f"policy explain {QUESTIONS}",
        "doctor --json",
        "--help",
    ):
        yield arguments, run_command(arguments, folder).output.encode()
    for file in ("keys.toml", "limits.snapshot", "policies.db", "audit/audit.head"):
        yield file, (folder / file).read_bytes()
    for record in folder.glob("audit/*.jsonl"):
        yield "the audit record", record.read_bytes()


def kept(planted: Planted) -> Iterator[tuple[str, bytes]]:
    """What the server keeps for callers, by name: what they have said is in it, and nothing else."""
    files = [*planted.folder.glob("records.db*"), *planted.folder.glob("slots/**/*.bin")]
    for file in files:
        yield file.name, file.read_bytes()


@pytest.fixture(scope="module")
def collected(planted: Planted) -> list[tuple[str, bytes]]:
    """All outputs."""
    return list(outputs(planted))


def test_no_output_shows_a_secret(planted: Planted, collected: list[tuple[str, bytes]]) -> None:
    """Neither whole nor encoded."""
    found = [
        f"{name}: {secret}"
        for name, data in collected
        for secret in planted.secrets
        for form in forms(secret)
        if form in data
    ]
    assert not found


def test_what_is_kept_has_no_keys(planted: Planted) -> None:
    """Prompts are what it is for; keys, salts and options of plugins are not."""
    everything = dict(kept(planted))
    assert PROMPT.encode() in everything["records.db"] + everything["records.db-wal"]
    assert everything["saved.bin"]
    hidden = [secret for secret in planted.secrets if secret != PROMPT]
    found = [
        f"{name}: {secret}"
        for name, data in everything.items()
        for secret in hidden
        for form in forms(secret)
        if form in data
    ]
    assert not found


def test_what_is_wrong_with_a_pattern_is_told_to_its_author_only(collected: list[tuple[str, bytes]]) -> None:
    """An answer may show the place; no log does, and no page."""
    found = [name for name, data in collected if PATTERN.encode() in data]
    assert set(found) == {"error 400"}


def test_the_search_would_find_something(planted: Planted, collected: list[tuple[str, bytes]]) -> None:
    """Everything was asked, said and written that is searched: an empty output hides nothing."""
    log = planted.process.log
    statuses = {reply.status for reply in planted.errors}
    assert {400, 401, 403} <= statuses
    for said in ("no such key", "starts", "observer failed", "expired_api_key", "insufficient_scope", "***"):
        assert said in log, said
    everything = dict(collected)
    assert b"jackfield" in everything[f"/proc/{planted.process.pid}/cmdline"]
    assert b'"config.vault.other"' in everything["config show --origin --json"]
    assert b"JACKFIELD__CONFIG__VAULT__OTHER" in everything["config show --origin"]
    assert (
        b"every user of this machine can read command lines"
        in everything[f"config check --set config.vault.token={ON_COMMAND_LINE}"]
    )
    assert b"vault" in everything["plugins info vault --json"]
    assert json.loads(everything["cache show --scopes --json"])[0]["answer"]["scopes"]
    assert b"jackfield_prefix_cache_lookups_total{" in everything["/metrics"]
    assert b"sha256:" in everything["keys.toml"]
    assert b'"config.vault.token"' in everything["/admin/v1/config"]
    assert b'"temperature"' in everything["batch completed"] + b"".join(data for _, data in kept(planted))
    assert {reply.headers["Content-Type"] for reply in planted.errors} >= {"application/json"}
    assert all(data for data in everything.values())


def test_all_stages_of_policies_are_searched(planted: Planted, collected: list[tuple[str, bytes]]) -> None:
    """Each has refused, changed or recorded something, and shows it."""
    everything = dict(collected)
    record = b"".join(data for name, data in collected if name == "the audit record")
    for kind in ("auth", "authorization", "admin", "lifecycle", "guardrail", "limit", "request", "audit"):
        assert f'"kind":"{kind}"'.encode() in record, kind
    for said in ("expired_api_key", "it is on no list", "rate_limit", "masked", "blocked", "hash"):
        assert said.encode() in record, said
    assert b"masked" in everything["audit query --limit 10000"]
    assert b"authorization" in everything["audit export --format csv"]
    assert b"whole" in everything["audit verify"]
    assert b'"many"' in everything["store list --json"]
    assert b"kept" in everything["tenants list --json"]
    assert json.loads(everything["/admin/v1/limits"])["limits"]
    assert b'"allow":true' in everything[f"policy eval {QUESTIONS} --json"]
    assert b"everybody" in everything[f"policy explain {QUESTIONS}"]
    assert b"audit" in everything["doctor --json"]
    assert {403, 429} <= {reply.status for reply in planted.errors}


def test_what_was_masked_comes_back_to_its_caller_only(planted: Planted) -> None:
    """Who has said it reads it; the search above has not found it anywhere else."""
    assert len(planted.restored) == 4
    assert all(EMAIL.encode() in b"".join(pieces(body)) for body in planted.restored)


def pieces(body: bytes) -> Iterator[bytes]:
    """The texts of an answer, which a stream has in parts."""
    if not body.startswith(b"data: "):
        yield body
        return
    for line in body.split(b"\n\n"):
        data = line.removeprefix(b"data: ")
        if data.startswith(b"{"):
            for choice in json.loads(data)["choices"]:
                yield (choice["delta"].get("content") or "").encode()


def test_processes_of_policies_have_no_environment(planted: Planted) -> None:
    """What a policy computes could show it."""
    evaluators = [pid for pid, line in descendants(planted.process.pid).items() if "jackfield_opa" in line]
    assert evaluators
    assert [Path(f"/proc/{pid}/environ").read_bytes() for pid in evaluators] == [b""] * len(evaluators)


def test_what_is_hidden_was_there(planted: Planted) -> None:
    """The gateway itself was told the secrets of its environment."""
    [gateway] = planted.process.children("gateway")
    assert STORE_VARIABLE.encode() in Path(f"/proc/{gateway}/environ").read_bytes()


def test_a_carried_secret_arrives(planted: Planted) -> None:
    """Hidden does not mean lost: the careless plugin had it in its hands."""
    log = planted.process.log
    assert "ValueError" in log, textwrap.shorten(log, 2000)
