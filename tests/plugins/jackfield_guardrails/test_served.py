"""A real server: a GGUF model that classifies judges what another model is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from jackfield.testing.manifests import scripted_manifest
from jackfield.testing.steps.keys import create

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jackfield.testing.client import JsonValue, Reply
    from jackfield.testing.target import Target

JUDGE: Final = Path(__file__).parents[2] / "fixtures" / "classify.gguf"

RULE: Final = """
[models.judge]
backend = "llama-cpu"
source = {source}

[config.guardrails.rules.tone]
kind = "classifier"
model = "judge"
thresholds = {{ {label} = 0.1 }}
stages = ["input"]
"""


def _ask(target: Target, prompt: str, headers: Mapping[str, str] | None = None) -> Reply:
    body: JsonValue = {"model": "scripted", "messages": [{"role": "user", "content": prompt}]}
    return target.run(target.client.request("POST", "/v1/chat/completions", body, headers=headers or {}))


def _server(servers: Callable[[str], Target], label: str) -> Target:
    pytest.importorskip("llama_cpp")
    rule = RULE.format(source=json.dumps(str(JUDGE)), label=label)
    return servers(scripted_manifest(enabled=("llama-cpu", "guardrails")) + rule)


def test_a_model_of_the_server_judges(servers: Callable[[str], Target]) -> None:
    """By its labels; texts that are longer than its context too."""
    target = _server(servers, "neutral")
    assert _ask(target, "hello world").status == 400
    assert _ask(target, "I love it").status == 200
    assert _ask(target, "x " * 600).status == 200


def test_a_label_that_it_does_not_have_refuses(servers: Callable[[str], Target]) -> None:
    """Nobody can tell whether the text may pass."""
    reply = _ask(_server(servers, "toxic"), "hello world")
    assert reply.status == 503
    assert reply.error.code == "guardrail_unavailable"


def test_a_document_of_the_policy_store_changes_a_rule_at_once(
    servers: Callable[[str], Target], tmp_path: Path
) -> None:
    """And back again; one that no rule has is refused."""
    target, headers = _governed(servers, tmp_path)

    def written(method: str, name: str, body: bytes | None = None) -> int:
        path = f"/admin/v1/policy/documents/guardrail/{name}"
        return target.run(target.client.request(method, path, body, headers=headers)).status

    def asked(prompt: str) -> int:
        return _ask(target, prompt, headers).status

    assert (asked("a starfish"), asked("a seahorse")) == (400, 200)
    assert written("PUT", "list", b'{"kind": "words", "words": ["seahorse"]}') in {200, 201}
    assert (asked("a starfish"), asked("a seahorse")) == (200, 400)
    assert written("PUT", "lst", b'{"kind": "words", "words": ["seahorse"]}') == 400
    assert written("PUT", "list", b'{"kind": "words", "words": []}') == 400
    assert written("DELETE", "list") in {200, 204}
    assert (asked("a starfish"), asked("a seahorse")) == (400, 200)


def _governed(servers: Callable[[str], Target], folder: Path) -> tuple[Target, dict[str, str]]:
    """A server with a list of words and a policy store, and its operator's key."""
    (folder / "store.key").touch(mode=0o600)
    (folder / "store.key").write_text("0" * 64)
    file, secret = json.dumps(str(folder / "policies.db")), json.dumps(f"file:{folder / 'store.key'}")
    manifest = scripted_manifest(enabled=("admin", "keys", "guardrails", "store")) + (
        f"\n[config.store]\nfile = {file}\nkey = {secret}\n"
        '[config.guardrails.rules.list]\nkind = "words"\nwords = ["starfish"]\nlongest = 100\n'
    )
    (folder / "plugins.toml").write_text(manifest)
    key = create("operator --scope *", folder)
    return servers(manifest), {"Authorization": f"Bearer {key}"}
