"""Known secrets are planted wherever one can be, in a real server at its most talkative; then all outputs are searched.

Whoever adds an output adds it to ``outputs``; whoever adds a place where a secret can stand plants one there.
"""

from __future__ import annotations

import base64
import json
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from jackfield.testing import command, serve
from jackfield.testing.command import environment, run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.processes import descendants
from jackfield.testing.serve import ServeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.client import Reply

IN_FILE: Final = "heliotrope-in-the-file-0123456789"
IN_ENVIRONMENT: Final = "heliotrope-in-the-environment-0123456789"
ON_COMMAND_LINE: Final = "heliotrope-on-the-command-line-0123456789"
IN_COOKIE: Final = "heliotrope-in-a-cookie-0123456789"
IN_QUERY: Final = "heliotrope-in-a-query-0123456789"
STRANGE: Final = "heliotrope-that-nobody-knows-0123456789"
SALT: Final = "heliotrope-with-salt-0123456789"
PATTERN: Final = "heliotrope[0-9]nowhere"
PROMPT: Final = "heliotrope is what she whispered"

VAULT: Final = '''
"""A plugin that has secrets, and is careless with them."""

import logging

import msgspec
import structlog

from jackfield import hookimpl
from jackfield.secret import Secret


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    token: Secret | None = None
    other: Secret | None = None
    many: tuple[Secret, ...] = ()


class Careless:
    def __init__(self, config):
        self.config = config

    def observe(self, event):
        raise ValueError(f"cannot write with {self.config.token.reveal()} and {self.config.other.reveal()}")


@hookimpl
def jackfield_config(instance):
    return Config


@hookimpl
def jackfield_startup(instance, process):
    config = instance.config(Config)
    logging.getLogger("jackfield.vault").debug("config %s %r", config, config.token)
    logging.getLogger("somebody").warning("Authorization: Bearer %s", config.token.reveal())
    structlog.get_logger("vault").debug("starts", config=config, token=config.token, many=list(config.many))
    try:
        raise KeyError(config.token.reveal())
    except KeyError:
        logging.getLogger("jackfield.vault").exception("no such key")


@hookimpl
def jackfield_observers(instance):
    return {instance.name: lambda: Careless(instance.config(Config))}
'''


def forms(secret: str) -> set[bytes]:
    """What *secret* may look like in an output."""
    data = secret.encode()
    return {data, base64.b64encode(data).rstrip(b"="), data.hex().encode(), json.dumps(secret).encode()[1:-1]}


class Planted:
    """The server, and the secrets in it."""

    def __init__(self, folder: Path, loop: BackgroundLoop) -> None:
        (folder / "vault.py").write_text(VAULT)
        manifest = scripted_manifest(
            kernel='log_level = "debug"\nlog_format = "json"',
            enabled=("keys", "llguidance", "kv-memory", "vault=./vault.py"),
        )
        (folder / "plugins.toml").write_text(f'{manifest}\n[config.vault]\ntoken = "{IN_FILE}"\nmany = ["{IN_FILE}"]\n')
        self.folder = folder
        self.keys = {name: self._key(name) for name in ("good", "revoked", "limited --scope models:read")}
        run_command("keys revoke revoked", folder)
        self.process = ServeProcess((folder / "plugins.toml").read_text(), folder, loop)
        self.process.wait_ready()
        self.errors: list[Reply] = []

    @property
    def secrets(self) -> list[str]:
        """All that must not be seen."""
        given = [IN_FILE, IN_ENVIRONMENT, ON_COMMAND_LINE, IN_COOKIE, IN_QUERY, STRANGE, SALT, PROMPT]
        return [*given, *self.keys.values()]

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> None:
        """Send a request; keep its answer if it is an error."""
        target = self.process.target
        reply = target.run(target.client.request(method, path, body, headers=headers))
        if reply.status >= 400:
            self.errors.append(reply)

    def _key(self, name: str) -> str:
        return run_command(f"keys create {name}", self.folder).output.split()[-1]


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


def provoke(planted: Planted) -> None:
    """Requests of every kind that goes wrong, with a secret in every place."""
    good, revoked, limited = planted.keys.values()
    chat = "/v1/chat/completions"
    question = {"model": "scripted", "messages": [{"role": "user", "content": PROMPT}]}
    bodies = [
        json.dumps(question).encode(),
        json.dumps({**question, "temperature": PROMPT}).encode(),
        json.dumps({**question, "messages": PROMPT}).encode(),
        json.dumps({**question, "messages": [{"role": "user", "content": PROMPT + "[fail:3]"}]}).encode(),
        json.dumps({**question, "stop": [PROMPT] * 100}).encode(),
        json.dumps(question).encode()[:-9],
        f"{PROMPT}".encode(),
    ]
    for key in (good, revoked, limited, STRANGE, good[:-1]):
        for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}, {"Authorization": f"Basic {key}"}):
            for body in bodies:
                planted.ask("POST", chat, headers, body)
    for fields in (
        {"cache_salt": SALT},
        {"cache_salt": SALT, "priority": -1},
        {"cache_salt": [SALT]},
        {"cache_salt": SALT * 99},
        {"json_schema": {"enum": [PROMPT], "not": {"const": PROMPT}}},
        {"json_schema": PROMPT},
        {"response_format": {"type": "json_object", "schema": PROMPT}},
        {"guided_choice": [PROMPT, ""]},
        {"regex": PATTERN + "("},
        {"guided_grammar": f"start: /{PATTERN}/ nobody"},
        {"grammar": f'root ::= "{PATTERN}" nobody'},
    ):
        planted.ask("POST", chat, {"x-api-key": good}, json.dumps({**question, **fields}).encode())
    for header in ({}, {"Cookie": f"key={IN_COOKIE}"}, {"Authorization": f"Bearer {good}", "Cookie": IN_COOKIE}):
        planted.ask("GET", f"/v1/models?api_key={IN_QUERY}", header)
        planted.ask("POST", f"/v1/nothing?token={IN_QUERY}", header, PROMPT.encode())
    planted.ask("GET", "/v1/models", {"Authorization": f"Bearer {good}", "x-api-key": revoked})
    crash = {**question, "messages": [{"role": "user", "content": PROMPT + "[crash:2]"}]}
    with suppress(aiohttp.ClientError):
        planted.ask("POST", chat, {"x-api-key": good}, json.dumps(crash).encode())
    planted.process.wait_ready()
    planted.ask("POST", chat, {"x-api-key": good}, json.dumps({**question, "cache_salt": SALT}).encode())


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
    assert all(data for data in everything.values())


def test_a_carried_secret_arrives(planted: Planted) -> None:
    """Hidden does not mean lost: the careless plugin had it in its hands."""
    log = planted.process.log
    assert "ValueError" in log, textwrap.shorten(log, 2000)
