"""Keys over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from structlog.testing import capture_logs

from jackfield.testing.background import BackgroundLoop
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest
from jackfield_admin.keys import SLICE
from jackfield_keys.edit import Grant, KeyFile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.jackfield_admin.conftest import Administered

ADMITS = """\
from jackfield import hookimpl
from jackfield.ports.identity import Principal, fingerprint


class One:
    async def authenticate(self, credential):
        return Principal(id="one", name="one", fingerprint=fingerprint("one"), scopes=frozenset({"*"}))


@hookimpl
def jackfield_authenticators(instance):
    return {instance.name: One}
"""


def opens(here: Administered, key: str) -> int:
    """What a holder of *key* is answered."""
    headers = {"x-api-key": key}
    return requests.get(f"{here.url}/v1/models", headers=headers, timeout=30).status_code


def test_a_key_is_made_with_what_was_asked_for(here: Administered) -> None:
    """And nothing else; it is shown once, and good at once."""
    ends = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0).isoformat()
    body = {"name": "made", "owner": "build", "scopes": ["models:read"], "models": ["a", "b"], "priority": 5}
    made = here.answer("POST", "keys", {**body, "expires": ends})
    assert opens(here, made["key"]) == 200
    issued = made["issued"]
    assert {name: issued[name] for name in body} == body
    assert datetime.fromisoformat(issued["expires"]) == datetime.fromisoformat(ends)
    assert (issued["state"], made["replaced"], made["warnings"]) == ("active", None, [])
    listed = here.ask("GET", "keys")
    assert issued in listed.json()["keys"]
    assert made["key"] not in listed.text


def test_what_a_key_may_do_where_nothing_is_said(here: Administered) -> None:
    """What the command line gives."""
    issued = here.answer("POST", "keys", {"name": "usual"})["issued"]
    assert issued["scopes"] == ["generate", "embed", "rerank", "models:read"]
    assert (issued["models"], issued["expires"], issued["priority"]) == (None, None, 0)


def test_scopes_that_no_route_needs_are_mentioned(here: Administered) -> None:
    """Other servers' plugins may need them."""
    made = here.answer("POST", "keys", {"name": "odd", "scopes": ["embed", "parts:read", "embed"]})
    assert made["issued"]["scopes"] == ["embed", "parts:read"]
    assert made["warnings"] == ["no route of Jackfield's own needs the scope parts:read"]


def test_rotation_and_revocation_hold_at_once(here: Administered) -> None:
    """By name or fingerprint."""
    first = here.answer("POST", "keys", {"name": "turn"})
    second = here.answer("POST", "keys/turn/rotate", {"grace_s": 600})
    assert second["replaced"]["fingerprint"] == first["issued"]["fingerprint"]
    assert [opens(here, each["key"]) for each in (first, second)] == [200, 200]
    third = here.answer("POST", f"keys/{second['issued']['fingerprint']}/rotate")
    assert [opens(here, each["key"]) for each in (first, second, third)] == [200, 401, 200]
    revoked = here.answer("DELETE", "keys/turn")["revoked"]
    assert [each["fingerprint"] for each in revoked] == [each["issued"]["fingerprint"] for each in (first, third)]
    assert [opens(here, each["key"]) for each in (first, second, third)] == [401, 401, 401]
    assert here.answer("DELETE", "keys/turn") == {"revoked": []}
    assert here.refused("POST", "keys/turn/rotate") == (409, "conflict", None)
    assert here.refused("DELETE", "keys/nobody") == (404, "key_not_found", "key")


def test_nobody_gives_what_they_lack(here: Administered) -> None:
    """Neither scopes nor urgency, neither to a new key nor to another one's successor."""
    clerk = here.key("clerk", "admin", "embed", priority=3)
    here.key("urgent", "embed", priority=-5)
    here.key("writer", "generate", priority=5)
    for body in ({}, {"scopes": ["*"]}, {"scopes": ["embed", "generate"]}):
        assert here.refused("POST", "keys", {"name": "x", **body}, who=clerk) == (403, "policy_denied", "scopes")
    given = {"name": "x", "scopes": ["embed"]}
    assert here.refused("POST", "keys", given, who=clerk) == (403, "policy_denied", "priority")
    here.answer("POST", "keys", {**given, "priority": 3}, who=clerk)
    assert here.refused("POST", "keys/writer/rotate", who=clerk) == (403, "policy_denied", "scopes")
    assert here.refused("POST", "keys/urgent/rotate", who=clerk) == (403, "policy_denied", "priority")
    here.answer("DELETE", "keys/writer", who=clerk)


def test_the_last_key_that_manages_keys_goes_only_where_that_is_meant(tmp_path: Path) -> None:
    """Also where several go at the same moment. Keys for some models, and those on their way out, do not count."""
    file = KeyFile(tmp_path / "keys.toml", "keys.toml")
    one = file.create(Grant("one", "", ("admin",), None, None))[0]
    file.create(Grant("two", "", ("*",), None, None))
    file.create(Grant("limited", "", ("admin",), ("scripted",), None))
    file.create(Grant("old", "", ("admin",), None, None))
    file.rotate("old", timedelta(hours=1), datetime.now(UTC) + timedelta(seconds=1))
    file.revoke(file.records()[-1].fingerprint)
    text = scripted_manifest(enabled=("admin", "keys"))
    with BackgroundLoop() as loop, closing(InProcessServer(text, tmp_path, loop)) as server:

        def revoke(path: str) -> int:
            url = f"{server.target.url}/admin/v1/keys/{path}"
            return requests.delete(url, headers={"x-api-key": one}, timeout=30).status_code

        assert revoke("two") == 200
        assert revoke("one") == 409
        assert revoke("one?last_admin=false") == 409
        assert revoke("one?last_admin=true") == 200
        assert revoke("limited") == 401


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": 7}, "name"),
        ({"name": "n", "scope": ["embed"]}, "scope"),
        ({"name": "n", "scopes": []}, "scopes"),
        ({"name": "n", "scopes": "embed"}, "scopes"),
        ({"name": "n", "scopes": ["Embed"]}, "scopes"),
        ({"name": "n", "scopes": ["a"] * 65}, "scopes"),
        ({"name": "n", "models": [""]}, "models"),
        ({"name": "n", "models": ["x" * 201]}, "models[0]"),
        ({"name": "n", "owner": "a\nb"}, "owner"),
        ({"name": "n", "priority": -101}, "priority"),
        ({"name": "n", "priority": 0.5}, "priority"),
        ({"name": "n", "expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({"name": "n", "expires": "2099-01-01T00:00:00"}, "expires"),
        ({"name": "n", "expires": "9999-12-31T23:59:59-10:00"}, "expires"),
        ({"name": "n", "expires": "30d"}, "expires"),
    ],
)
def test_what_cannot_be_made_is_named(here: Administered, body: dict[str, Any], param: str) -> None:
    """And nothing is made."""
    before = here.file.records()
    status, code, named = here.refused("POST", "keys", body)
    assert (status, named) == (400, param)
    assert code in {"invalid_value", "unknown_parameter"}
    assert here.file.records() == before


@pytest.mark.parametrize("grace", [-1, 1e300, "1h", None])
def test_a_grace_that_is_none(here: Administered, grace: object) -> None:
    assert here.refused("POST", "keys/all/rotate", {"grace_s": grace}) == (400, "invalid_value", "grace_s")


def test_urls_that_ask_for_something_else(here: Administered) -> None:
    assert here.refused("GET", "keys?issuer=other") == (400, "invalid_value", "issuer")
    assert here.refused("GET", "keys?limit=3") == (400, "unknown_parameter", "limit")
    assert here.refused("GET", "keys?issuer=keys&issuer=keys") == (400, "invalid_value", "issuer")
    assert here.refused("DELETE", "keys/all?last_admin=1") == (400, "invalid_value", "last_admin")
    assert here.refused("PUT", "keys")[:2] == (405, "method_not_allowed")
    assert here.ask("POST", "keys", data=b"x" * 2_000_000).status_code == 413


def test_keys_are_made_and_taken_back_at_the_same_moment(here: Administered) -> None:
    """Each that was shown is there."""
    with ThreadPoolExecutor(8) as several:
        made = list(several.map(lambda n: here.answer("POST", "keys", {"name": f"many-{n}"})["key"], range(16)))
        list(several.map(lambda n: here.answer("DELETE", f"keys/many-{n}"), range(0, 16, 2)))
    assert [opens(here, key) for key in made] == [401, 200] * 8


def test_a_long_list_is_whole(here: Administered) -> None:
    """It is sent in pieces."""
    text = here.path.read_text()
    count = SLICE + 20
    tables = [
        f'[[keys]]\nname = "long-{n}"\ndigest = "sha256:{n:064x}"\nscopes = ["embed"]\ncreated = 2026-01-01T00:00:00Z\n'
        for n in range(count)
    ]
    here.path.write_text(text + "\n" + "\n".join(tables))
    listed = here.answer("GET", "keys")["keys"]
    assert sum(each["name"].startswith("long-") for each in listed) == count
    here.path.write_text(text)


def test_every_change_is_logged_with_who_asked_for_it(here: Administered) -> None:
    """And no key is."""
    with capture_logs() as lines:
        reply = here.ask("POST", "keys", {"name": "noted"})
        second = here.answer("POST", "keys/noted/rotate")
        here.answer("DELETE", "keys/noted")
    noted = [line for line in lines if line["event"] == "administration"]
    assert [line["action"] for line in noted] == ["key created", "key rotated", "key revoked"]
    assert noted[0]["request_id"] == reply.headers["x-request-id"]
    assert {(line["principal"], line["name"], line["log_level"]) for line in noted} == {("all", "noted", "warning")}
    assert not any(key in repr(lines) for key in (reply.json()["key"], second["key"], here.keys["all"]))


def test_where_no_plugin_has_keys_that_says_what_is_missing(tmp_path: Path) -> None:
    """Whoever says who calls need not have any."""
    (tmp_path / "admits.py").write_text(ADMITS)
    text = scripted_manifest(enabled=("admin", "./admits.py"))
    with BackgroundLoop() as loop, closing(InProcessServer(text, tmp_path, loop)) as server:
        reply = requests.get(f"{server.target.url}/admin/v1/keys", headers={"x-api-key": "anything"}, timeout=30)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_enabled")
        assert "no enabled plugin has keys" in reply.json()["error"]["message"]


def test_a_key_file_that_cannot_be_used(here: Administered) -> None:
    """Nobody is let in, and nobody learns where it is."""
    here.path.chmod(0o644)
    try:
        reply = here.ask("GET", "keys")
        while reply.status_code == 200:  # the server has not looked yet
            reply = here.ask("GET", "keys")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "authentication_unavailable")
        assert "keys.toml" not in reply.text
    finally:
        here.path.chmod(0o600)
