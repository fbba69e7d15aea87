"""Keys over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from structlog.testing import capture_logs

from jackfield.ports.identity import USUAL_SCOPES
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
    [found] = [each for each in listed.json()["keys"] if each["name"] == "made"]
    assert found.pop("last_used") is not None
    assert found == {name: value for name, value in issued.items() if name != "last_used"}
    assert made["key"] not in listed.text
    assert made["key"].startswith(issued["prefix"])


def test_what_a_key_may_do_where_nothing_is_said(here: Administered) -> None:
    """What the command line gives."""
    issued = here.answer("POST", "keys", {"name": "usual"})["issued"]
    assert issued["scopes"] == list(USUAL_SCOPES)
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


def test_whose_a_key_is(here: Administered) -> None:
    """All of it is kept, and one key can be looked at by what it begins with."""
    body = {"name": "whose", "user": "ann", "team": "search", "tenant": "acme", "roles": ["reader"], "tags": ["a", "b"]}
    made = here.answer("POST", "keys", body)
    assert made["issued"]["scopes"] == []
    for which in ("whose", made["issued"]["fingerprint"], made["issued"]["prefix"]):
        [found] = here.answer("GET", f"keys/{which}")["keys"]
        assert {name: found[name] for name in body} == body
    assert here.refused("GET", "keys/nobody-has-this") == (404, "key_not_found", "key")


def test_a_key_is_changed_at_once(here: Administered) -> None:
    """What is named; the rest stays."""
    made = here.answer("POST", "keys", {"name": "changing", "scopes": ["models:read"], "owner": "x", "models": ["m"]})
    ends = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    change = {"models": None, "team": "t", "tags": ["a", "a"], "expires": ends.isoformat(), "scopes": ["embed"]}
    [changed] = here.answer("PATCH", "keys/changing", change)["keys"]
    assert (changed["models"], changed["team"], changed["tags"], changed["owner"]) == (None, "t", ["a"], "x")
    assert datetime.fromisoformat(changed["expires"]) == ends
    assert opens(here, made["key"]) == 403
    [changed] = here.answer("PATCH", "keys/changing", {"expires": None, "scopes": ["models:read"]})["keys"]
    assert changed["expires"] is None
    assert opens(here, made["key"]) == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "other"}, "name"),
        ({"blocked": True}, "blocked"),
        ({"scopes": ["Embed"]}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"roles": ["no role"]}, "roles"),
        ({"tags": [""]}, "tags"),
        ({"team": "a\nb"}, "team"),
        ({"priority": 101}, "priority"),
        ({"expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({}, None),
    ],
)
def test_changes_that_cannot_be_made(here: Administered, body: dict[str, Any], param: str | None) -> None:
    """Are named, and nothing is different."""
    here.key("steady", "embed")
    before = here.file.records()
    status, _, named = here.refused("PATCH", "keys/steady", body)
    assert (status, named) == (400, param)
    assert here.file.records() == before


def test_a_blocked_key_is_refused_until_it_is_unblocked(here: Administered) -> None:
    """At once, and with a code of its own."""
    made = here.answer("POST", "keys", {"name": "resting", "scopes": ["models:read"]})
    [blocked] = here.answer("POST", "keys/resting/block")["keys"]
    assert (blocked["state"], opens(here, made["key"])) == ("blocked", 401)
    reply = requests.get(f"{here.url}/v1/models", headers={"x-api-key": made["key"]}, timeout=30)
    assert reply.json()["error"]["code"] == "blocked_api_key"
    assert here.refused("POST", "keys/resting/rotate")[:2] == (409, "conflict")
    [good] = here.answer("POST", "keys/resting/unblock")["keys"]
    assert (good["state"], opens(here, made["key"])) == ("active", 200)
    here.answer("DELETE", "keys/resting")
    assert here.refused("POST", "keys/resting/unblock")[:2] == (409, "conflict")
    assert opens(here, made["key"]) == 401


def test_nobody_changes_a_key_that_can_do_more(here: Administered) -> None:
    """Nor makes it into one; taking it out of use is another thing."""
    clerk = here.key("clerk", "admin", "embed", priority=3)
    here.key("mighty", "generate")
    here.key("humble", "embed", priority=5)
    more: list[dict[str, object]] = [{"team": "x"}, {"scopes": ["embed"]}]
    for change in more:
        assert here.refused("PATCH", "keys/mighty", change, who=clerk)[:2] == (403, "policy_denied")
    mightier: list[tuple[dict[str, object], str]] = [
        ({"scopes": ["embed", "generate"]}, "scopes"),
        ({"roles": ["boss"]}, "roles"),
        ({"priority": 0}, "priority"),
    ]
    for change, param in mightier:
        assert here.refused("PATCH", "keys/humble", change, who=clerk) == (403, "policy_denied", param)
    here.answer("PATCH", "keys/humble", {"team": "x", "priority": 3}, who=clerk)
    here.answer("POST", "keys/mighty/block", who=clerk)
    assert here.refused("POST", "keys/mighty/unblock", who=clerk)[:2] == (403, "policy_denied")
    made = {"name": "boss", "scopes": ["embed"], "priority": 3, "roles": ["boss"]}
    assert here.refused("POST", "keys", made, who=clerk) == (403, "policy_denied", "roles")


def test_whoever_belongs_to_a_tenant_manages_its_keys(here: Administered) -> None:
    """And neither sees nor changes others', nor makes any."""
    mine = here.answer("POST", "keys", {"name": "acme-boss", "scopes": ["admin", "embed"], "tenant": "acme"})
    here.keys["acme-boss"] = mine["key"]
    here.key("theirs", "embed")
    made = here.answer("POST", "keys", {"name": "acme-1", "scopes": ["embed"]}, who="acme-boss")
    assert made["issued"]["tenant"] == "acme"
    assert {each["tenant"] for each in here.answer("GET", "keys", who="acme-boss")["keys"]} == {"acme"}
    assert here.refused("GET", "keys/theirs", who="acme-boss")[0] == 404
    other = {"name": "x", "scopes": ["embed"], "tenant": "other"}
    assert here.refused("POST", "keys", other, who="acme-boss") == (403, "policy_denied", "tenant")
    for method, path, body in (
        ("PATCH", "keys/theirs", {"team": "x"}),
        ("POST", "keys/theirs/block", None),
        ("POST", "keys/theirs/rotate", None),
        ("DELETE", "keys/theirs", None),
        ("PATCH", "keys/acme-1", {"tenant": ""}),
    ):
        assert here.refused(method, path, body, who="acme-boss") == (403, "policy_denied", "tenant")
    here.answer("POST", "keys/acme-1/block", who="acme-boss")


@pytest.mark.parametrize(
    ("scope", "reads", "writes"),
    [("keys:read", 200, 403), ("keys:write", 403, 201), ("config:write", 403, 403), ("admin", 200, 201)],
)
def test_a_scope_for_looking_and_one_for_changing(here: Administered, scope: str, reads: int, writes: int) -> None:
    """``admin`` has both."""
    who = here.key(f"has-{scope.replace(':', '-')}", scope, "embed")
    assert here.ask("GET", "keys", who=who).status_code == reads
    body = {"name": f"made-by-{who}", "scopes": ["embed"]}
    assert here.ask("POST", "keys", body, who=who).status_code == writes


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
        for method, path, body in (("POST", "one/block", None), ("PATCH", "one", b'{"scopes": ["models:write"]}')):
            url = f"{server.target.url}/admin/v1/keys/{path}"
            assert requests.request(method, url, data=body, headers={"x-api-key": one}, timeout=30).status_code == 409
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
