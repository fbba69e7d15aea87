"""A real server at its most talkative, with known secrets planted wherever one can be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.kernel.planted_policies import PLUGINS, Surroundings

from jackfield.testing.command import run_command
from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.script import TOOL_TEMPLATE
from jackfield.testing.serve import ServeProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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

SCOPES: Final = " ".join(f"--scope {scope}" for scope in ("generate", "embed", "rerank", "models:read", "slots"))

FRONTENDS: Final = ("anthropic", "ollama", "llamacpp", "openapi", "admin")
"""Besides the one that is always there."""

TABLES: Final = f"""
[config.vault]
token = "{IN_FILE}"
many = ["{IN_FILE}"]

[config.sqlite]
file = "records.db"
"""


def made_key(arguments: str, folder: Path) -> str:
    """What such a command prints last."""
    made = run_command(arguments, folder)
    assert made.code == 0, made.output
    return made.output.split()[-1]


class Planted:
    """The server, and the secrets in it."""

    def __init__(self, folder: Path, loop: BackgroundLoop, surroundings: Surroundings) -> None:
        (folder / "vault.py").write_text(VAULT)
        manifest = scripted_manifest(
            {"scripted": 'slot_folder = "slots"\ndialect = "hermes"'},
            kernel='log_level = "debug"\nlog_format = "json"',
            plugin=f"chat_template = {json.dumps(TOOL_TEMPLATE)}",
            enabled=("keys", "hermes", "llguidance", "kv-memory", "sqlite", *FRONTENDS, "vault=./vault.py", *PLUGINS),
        )
        (folder / "plugins.toml").write_text(manifest + TABLES + surroundings.tables)
        self.folder = folder
        self.surroundings = surroundings
        self.keys = {
            name: made_key(f"keys create {name} {scopes}", folder)
            for name, scopes in {
                "good": SCOPES,
                "revoked": "",
                "limited": "--scope models:read",
                "boss": "--scope admin --scope generate --scope models:read",
                "denied": "",
                "few": "",
                "hooked": "",
            }.items()
        }
        run_command("keys revoke revoked", folder)
        self.process = ServeProcess((folder / "plugins.toml").read_text(), folder, loop)
        self.process.wait_ready()
        self.errors: list[Reply] = []
        self.answers: list[tuple[str, bytes]] = []
        """Of what shows how the server is."""
        self.restored: list[bytes] = []
        """Answers to callers of what guardrails had masked in their prompts."""

    @property
    def secrets(self) -> list[str]:
        """All that must not be seen."""
        given = [IN_FILE, IN_ENVIRONMENT, ON_COMMAND_LINE, IN_COOKIE, IN_QUERY, STRANGE, SALT, PROMPT]
        return [*given, *self.keys.values(), *self.surroundings.secrets]

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Send a request; keep its answer if it is an error."""
        target = self.process.target
        reply = target.run(target.client.request(method, path, body, headers=headers))
        if reply.status >= 400:
            self.errors.append(reply)
        return reply

    def send(self, path: str, body: object, *, key: str = "good") -> Reply:
        """Post *body* as JSON with the key that is called *key*."""
        return self.ask("POST", path, {"x-api-key": self.keys[key]}, json.dumps(body).encode())

    def look(self, path: str, *, key: str = "good") -> Reply:
        """Get what shows how the server is, and keep it."""
        reply = self.ask("GET", path, {"x-api-key": self.keys[key]})
        assert reply.status == 200, f"{path}: {reply.summary}"
        self.answers.append((path, reply.body))
        return reply
