"""Steps: servers whose guardrails go by rules, and somebody who judges elsewhere."""

from __future__ import annotations

import json
import socket
import textwrap
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web
from pytest_bdd import given, then, when

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.keys import create
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jackfield.testing.background import BackgroundLoop
    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.target import Target

_RULES: Final = "config.guardrails.rules"


class Elsewhere:
    """A service that judges texts: it blocks those that have one word in them, or answers with an error.

    Parameters:
        loop: Runs it.
    """

    def __init__(self, loop: BackgroundLoop) -> None:
        self._loop = loop
        self._word = ""
        self._runner: web.AppRunner | None = None
        self.url = f"http://127.0.0.1:{_unused_port()}/judge"

    def start(self, word: str) -> None:
        """From now on it blocks *word*."""
        self._word = word
        self._loop.run(self._start())

    def close(self) -> None:
        """It is not there any more."""
        if self._runner is not None:
            self._loop.run(self._runner.cleanup())

    async def _start(self) -> None:
        application = web.Application()
        application.router.add_post("/judge", self._judge)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/judge"

    async def _judge(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        block = {"findings": [{"category": "webhook", "code": "word", "action": "block"}]}
        return web.json_response({"verdicts": [block if self._word in each["text"] else {} for each in asked["texts"]]})


@pytest.fixture
def elsewhere(background: BackgroundLoop) -> Iterator[Elsewhere]:
    """Nobody is there until a ``Given`` starts it."""
    service = Elsewhere(background)
    yield service
    service.close()


@pytest.fixture
def team_keys(tmp_path: Path) -> dict[str, str]:
    """Keys by team."""
    (tmp_path / "plugins.toml").write_text(scripted_manifest(enabled=("keys",)))
    return {}


@given(words("somebody elsewhere who blocks {word:Text}"))
def somebody_elsewhere(elsewhere: Elsewhere, word: str) -> None:
    """A webhook."""
    elsewhere.start(word)


@given(words("a key for the team {team:Text}"))
def key_for_team(team_keys: dict[str, str], tmp_path: Path, team: str) -> None:
    """Made with ``jackfield keys create``."""
    team_keys[team] = create(f"key-{team} --team {team}", tmp_path)


@given("a server with these rules of guardrails", target_fixture="server")
def ruled_server(servers: Callable[[str], Target], docstring: str) -> Target:
    """A scripted one; tables of the text are named as below ``[config.guardrails.rules]``."""
    return servers(ruled(docstring))


@given("a server with these keys and these rules of guardrails", target_fixture="server")
def keyed_server(servers: Callable[[str], Target], team_keys: dict[str, str], tmp_path: Path, docstring: str) -> Target:
    """The same for those who have a key."""
    assert team_keys
    keys = f"\n[config.keys]\nfile = {json.dumps(str(tmp_path / 'keys.toml'))}\n"
    return servers(ruled(docstring, "keys") + keys)


@given("a server whose guardrails ask elsewhere", target_fixture="server")
def asking_server(servers: Callable[[str], Target], elsewhere: Elsewhere) -> Target:
    """Before and after the model."""
    rule = f"""
        [elsewhere]
        kind = "webhook"
        url = {json.dumps(elsewhere.url)}
        outbound = {{ schemes = ["http"], private_hosts = ["127.0.0.1"], timeout_s = 20.0 }}
    """
    return servers(ruled(rule))


@given("a server with a model that judges capitals, and these rules of guardrails", target_fixture="server")
def classifying_server(servers: Callable[[str], Target], docstring: str) -> Target:
    """The second model is called "judge" and says how many of a text's letters are capitals."""
    models = {"scripted": "", "judge": 'options = { tasks = ["classify"] }'}
    return servers(ruled(docstring, models=models))


@when(words("the team {team:Text} asks {prompt:Text}"), target_fixture="reply")
def team_asks(server: Target, team_keys: dict[str, str], team: str, prompt: str) -> Reply:
    """With its key."""
    body: JsonValue = {"model": server.client.model, "messages": [{"role": "user", "content": prompt}]}
    headers = {"Authorization": f"Bearer {team_keys[team]}"}
    return server.run(server.client.request("POST", "/v1/chat/completions", body, headers=headers))


@then(words("the error does not repeat {text:Text}"))
def error_is_silent(reply: Reply, text: str) -> None:
    """What was found stays where it was."""
    assert text.encode() not in reply.body


def ruled(rules: str, *enabled: str, models: dict[str, str] | None = None) -> str:
    """A scripted server's manifest with *rules*."""
    tables = "\n".join(
        f"[{_RULES}.{line[1:]}" if line.startswith("[") else line for line in textwrap.dedent(rules).splitlines()
    )
    return scripted_manifest(models, enabled=("guardrails", "secrets", *enabled)) + tables + "\n"


def _unused_port() -> int:
    """One at which nobody listens: it was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
