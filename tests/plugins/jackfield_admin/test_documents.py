"""Policy documents over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.plugins.jackfield_admin.conftest import DEADLINE_S, Administered

from jackfield.gateway import failures
from jackfield.testing.background import BackgroundLoop
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLUGIN = """\
from jackfield import hookimpl
from jackfield.errors import InvalidRequest

class Notes:
    def __init__(self, kind):
        self.document_kind = kind
    async def authenticate(self, credential):
        return None
    def governed(self, documents):
        pass
    async def check(self, documents):
        for name, content in documents.items():
            if b"bad" in content:
                raise InvalidRequest(f"{name} is bad", param=f"{self.document_kind}/{name}")
    async def adopt(self, documents):
        pass

@hookimpl
def jackfield_authenticators(instance):
    return {kind: lambda kind=kind: Notes(kind) for kind in ("note", "memo", "role", "key")}
"""

PATH = "policy/documents"


class Documented(Administered):
    """A server with a policy store, and a plugin that takes notes, memos, roles and keys."""

    def send(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        who: str = "all",
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """One request, with conditions."""
        given = {"Authorization": f"Bearer {self.keys[who]}", **(headers or {})}
        return requests.request(
            method, f"{self.url}/admin/v1/{PATH}{path}", data=data, headers=given, timeout=DEADLINE_S
        )

    def listed(self, path: str = "") -> list[tuple[str, str]]:
        """Kinds and names."""
        answer = self.send("GET", path).json()
        return [(each["kind"], each["name"]) for each in answer["documents"]]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documented]:
    """The key ``all`` may do everything."""
    folder = tmp_path_factory.mktemp("server")
    made = Documented("", folder)
    made.key("all", "*")
    (folder / "notes.py").write_text(PLUGIN)
    (folder / "store.key").touch(mode=0o600)
    (folder / "store.key").write_text("00" * 32)
    text = scripted_manifest(enabled=("admin", "keys", "store", "./notes.py"))
    with BackgroundLoop() as loop, pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "BURST", 1_000_000)
        server = InProcessServer(f'{text}\n[config.keys]\nstorage = "file"\n', folder, loop)
        made.url = server.target.url
        yield made
        server.close()


def error_of(reply: requests.Response) -> tuple[int, str, str | None]:
    """Status, code and param."""
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["param"]


def test_what_is_written_is_read_as_it_was(there: Documented) -> None:
    """Byte for byte, under names with slashes and colons; and is gone when it is deleted."""
    content = b'{"b":  1,\n "a": [1e3, null]}'
    for name in ("plain", "org/model:q4_0", "a@b.c"):
        written = there.send("PUT", f"/note/{name}", content)
        assert written.status_code == 200, written.text
        assert written.json() == {"version": written.json()["version"], "written": 1, "deleted": 0}
        shown = there.send("GET", f"/note/{name}")
        assert (shown.content, shown.headers["ETag"]) == (content, written.headers["ETag"])
        assert ("note", name) in there.listed("/note")
        assert there.send("DELETE", f"/note/{name}").json()["deleted"] == 1
        assert error_of(there.send("GET", f"/note/{name}")) == (404, "not_found", "name")
        assert error_of(there.send("DELETE", f"/note/{name}")) == (404, "not_found", "name")


def test_the_list_says_what_there_is(there: Documented) -> None:
    """By kind, without contents; its version grows with every change."""
    before = there.send("GET", "").json()
    assert before["kinds"] == ["memo", "note", "role"]
    there.send("PUT", "/note/listed", b"1")
    there.send("PUT", "/memo/listed", b'"22"')
    after = there.send("GET", "")
    assert after.json()["version"] == before["version"] + 2
    assert after.headers["ETag"] == f'"v{before["version"] + 2}"'
    rows = {(row["kind"], row["name"]): row for row in after.json()["documents"]}
    assert rows["memo", "listed"]["bytes"] == 4
    assert rows["memo", "listed"]["etag"] == there.send("GET", "/memo/listed").headers["ETag"]
    assert there.listed("/memo") == [("memo", "listed")]
    assert there.listed("/nothing") == []
    same = there.send("PUT", "/note/listed", b"1").json()
    assert same == {"version": before["version"] + 2, "written": 0, "deleted": 0}


def test_nobody_undoes_what_they_have_not_seen(there: Documented) -> None:
    """Conditions hold for what is there at that moment; RFC 9110's status for one that does not."""
    none, anything = {"If-None-Match": "*"}, {"If-Match": "*"}
    assert error_of(there.send("PUT", "/note/seen", b"1", headers=anything)) == (412, "conflict", "If-Match")
    first = there.send("PUT", "/note/seen", b"1", headers=none).headers["ETag"]
    assert error_of(there.send("PUT", "/note/seen", b"2", headers=none)) == (412, "conflict", "If-None-Match")
    second = there.send("PUT", "/note/seen", b"2", headers={"If-Match": f'"x", {first}'}).headers["ETag"]
    for method, data in (("PUT", b"3"), ("DELETE", None)):
        late = there.send(method, "/note/seen", data, headers={"If-Match": first})
        assert error_of(late) == (412, "conflict", "If-Match")
    assert there.send("PUT", "/note/seen", b"3", headers=anything).status_code == 200
    assert there.send("GET", "/note/seen").content == b"3"
    assert error_of(there.send("PUT", "/note/seen", b"4", headers={"If-None-Match": second}))[0] == 400
    assert there.send("DELETE", "/note/seen", headers=anything).status_code == 200


def test_many_are_changed_in_one_step(there: Documented) -> None:
    """All of it, or nothing."""
    there.send("PUT", "/note/old", b"1")
    version = there.send("GET", "").headers["ETag"]
    changes: list[dict[str, Any]] = [
        {"kind": "note", "name": "one", "content": {"a": 1}},
        {"kind": "memo", "name": "two", "content": [2]},
        {"kind": "note", "name": "old", "content": None},
        {"kind": "note", "name": "never", "content": None},
    ]
    data = json.dumps({"changes": changes}).encode()
    done = there.send("POST", "", data, headers={"If-Match": version})
    assert (done.json()["written"], done.json()["deleted"]) == (2, 1)
    assert done.headers["ETag"] == f'"v{done.json()["version"]}"'
    assert there.send("GET", "/note/one").json() == {"a": 1}
    assert error_of(there.send("POST", "", data, headers={"If-Match": version})) == (412, "conflict", "If-Match")
    broken = [{"kind": "note", "name": "three", "content": 3}, {"kind": "memo", "name": "four", "content": "bad"}]
    refused = there.send("POST", "", json.dumps({"changes": broken}).encode())
    assert error_of(refused) == (400, "invalid_value", "memo/four")
    assert ("note", "three") not in there.listed()


@pytest.mark.parametrize(
    ("path", "data", "param"),
    [
        ("/note/a", b"{", "note/a"),
        ("/note/a", b"", "note/a"),
        ("/note/a", b'"\xff"', "note/a"),
        ("/note/a", b'"bad"', "note/a"),
        ("/note/a", b"[" * 50_000, "note/a"),
        ("/note/%20", b"1", "name"),
        ("/note/" + "x" * 129, b"1", "name"),
        ("/other/a", b"1", "kind"),
        ("/No%0a/a", b"1", "kind"),
        ("?dry_run=true", b"{}", "dry_run"),
        ("", b'{"changes": []}', "changes"),
        ("", b'{"changes": [{"kind": "note"}]}', "changes[0]"),
        ("", b'{"changes": [{"kind": "note", "name": "a"}, {"kind": "note", "name": "a"}]}', "changes[1].name"),
        ("", b'{"changes": [{"kind": "note", "name": "a", "content": 1}], "more": 1}', "more"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(there: Documented, path: str, data: bytes, param: str) -> None:
    """And nothing is written."""
    before = there.send("GET", "").json()["version"]
    method = "PUT" if path.startswith("/") else "POST"
    status, _, named = error_of(there.send(method, path, data))
    assert status == 400
    assert named is not None
    assert named.startswith(param)
    assert there.send("GET", "").json()["version"] == before


def test_large_documents(there: Documented) -> None:
    """A mebibyte is the most."""
    assert there.send("PUT", "/note/large", b'"' + b"x" * ((1 << 20) - 2) + b'"').status_code == 200
    assert there.send("PUT", "/note/larger", b'"' + b"x" * (1 << 20) + b'"').status_code == 413
    there.send("DELETE", "/note/large")


def test_keys_are_not_shown_and_not_written_here(there: Documented) -> None:
    """They have routes of their own."""
    for method, path, data in (
        ("GET", "/key", None),
        ("GET", "/key/a", None),
        ("PUT", "/key/a", b"1"),
        ("DELETE", "/key/a", None),
        ("POST", "", b'{"changes": [{"kind": "key", "name": "a", "content": 1}]}'),
        ("POST", "", b'{"changes": [{"kind": "key", "name": "a"}]}'),
    ):
        assert error_of(there.send(method, path, data)) == (403, "policy_denied", "kind")


def test_who_may(there: Documented) -> None:
    """Reading and writing are scopes of their own; roles say what callers may, so they take more."""
    reader = there.key("reader", "policy:read")
    writer = there.key("writer", "policy:write")
    limited = there.key("limited", "policy:read", "policy:write", models=("scripted",))
    admin = there.key("admin", "admin")
    there.send("PUT", "/note/who", b"1")
    assert there.send("GET", "/note/who", who=reader).status_code == 200
    assert error_of(there.send("PUT", "/note/who", b"2", who=reader))[1] == "insufficient_scope"
    assert error_of(there.send("GET", "/note/who", who=writer))[1] == "insufficient_scope"
    assert there.send("PUT", "/note/who", b"2", who=writer).status_code == 200
    for method, data in (("PUT", b"1"), ("DELETE", None)):
        assert error_of(there.send(method, "/role/all", data, who=writer)) == (403, "policy_denied", "kind")
    roles = b'{"changes": [{"kind": "note", "name": "who"}, {"kind": "role", "name": "all"}]}'
    assert error_of(there.send("POST", "", roles, who=writer)) == (403, "policy_denied", "kind")
    assert there.send("PUT", "/role/all", b"1", who=admin).status_code == 200
    assert error_of(there.send("GET", "", who=limited)) == (403, "policy_denied", None)
    assert there.send("GET", "/note/who", who=reader).content == b"2"


def test_without_a_store_there_is_nothing(here: Administered) -> None:
    """And that is said."""
    assert here.refused("GET", PATH) == (404, "not_enabled", None)
    assert here.refused("PUT", f"{PATH}/note/a", 1) == (404, "not_enabled", None)
