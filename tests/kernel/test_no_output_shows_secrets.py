"""Known secrets are planted wherever one can be, in a real server at its most talkative; then all outputs are searched.

Whoever adds an output adds it to ``outputs``; whoever adds a place where a secret can stand plants one there.
"""

from __future__ import annotations

import base64
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.planted import IN_ENVIRONMENT, ON_COMMAND_LINE, PATTERN, PROMPT, Planted
from tests.kernel.provocations import provoke

from jackfield.testing import command, serve
from jackfield.testing.command import environment, run_command
from jackfield.testing.processes import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.testing.background import BackgroundLoop


def forms(secret: str) -> set[bytes]:
    """What *secret* may look like in an output."""
    data = secret.encode()
    return {data, base64.b64encode(data).rstrip(b"="), data.hex().encode(), json.dumps(secret).encode()[1:-1]}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, background: BackgroundLoop) -> Iterator[Planted]:
    """Everything planted, everything asked, one worker killed."""
    extra = {"JACKFIELD__CONFIG__VAULT__OTHER": IN_ENVIRONMENT}

    def with_secret(folder: Path | None = None) -> dict[str, str]:
        return environment(folder) | extra

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve, "environment", with_secret)
        patch.setattr(command, "environment", with_secret)
        planted = Planted(tmp_path_factory.mktemp("planted"), background)
        try:
            provoke(planted)
            yield planted
        finally:
            planted.process.close()


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
        "--help",
    ):
        yield arguments, run_command(arguments, folder).output.encode()
    yield "the key file", (folder / "keys.toml").read_bytes()


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
    for said in ("no such key", "starts", "observer failed", "revoked_api_key", "insufficient_scope", "***"):
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
    assert b"sha256:" in everything["the key file"]
    assert b'"config.vault.token"' in everything["/admin/v1/config"]
    assert b'"temperature"' in everything["batch completed"] + b"".join(data for _, data in kept(planted))
    assert {reply.headers["Content-Type"] for reply in planted.errors} >= {"application/json"}
    assert all(data for data in everything.values())


def test_a_carried_secret_arrives(planted: Planted) -> None:
    """Hidden does not mean lost: the careless plugin had it in its hands."""
    log = planted.process.log
    assert "ValueError" in log, textwrap.shorten(log, 2000)
