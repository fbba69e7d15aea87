"""Every route of every first-party frontend, as the running gateway has them, with every kind of key."""

from __future__ import annotations

import http.client
import importlib
import json
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import tomli

from jackfield.gateway import failures
from jackfield.gateway.server import GatewayServer
from jackfield.manifest import InstanceRef, KernelConfig, Manifest, ModelConfig
from jackfield.plugins import build_kernel
from jackfield.ports.identity import ADMIN, ADMINISTRATION, ALL, SCOPES
from jackfield.ports.key_issuer import KeyChange
from jackfield.testing.background import BackgroundLoop
from jackfield_keys.edit import Grant, KeyFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECT: Final = tomli.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
PLUGINS: Final = tuple(
    name
    for name, package in PROJECT["entry-points"]["jackfield.plugins"].items()
    if hasattr(importlib.import_module(package), "jackfield_frontends")
)
"""All that have routes."""

ROLES: Final = {scope: {"scopes": [scope], "models": ["*"]} for scope in (ALL, *SCOPES)}
"""A role for each scope; names of roles have no stars."""

DEADLINE_S: Final = 20.0

SERVED: Final = frozenset(range(200, 600)) - {401, 403, 405, 429, 500}
"""Whatever a request without a body or a worker may get once it has been let in."""


def role_of(scope: str) -> str:
    """What the role of a scope is called."""
    return scope.replace(ALL, "everything")


def kernel_of(folder: Path, *, keys: bool = True) -> Manifest:
    """All first-party plugins that have routes, what they keep records in, and a model without a worker."""
    enabled = (*PLUGINS, "prometheus", "sqlite", *(("keys", "rbac") if keys else ()))
    return Manifest(
        enabled=tuple(InstanceRef(name, name) for name in enabled),
        kernel=KernelConfig(),
        models={"demo": ModelConfig(source="demo.gguf")},
        config={"rbac": {"roles": {role_of(scope): role for scope, role in ROLES.items()}}} if keys else {},
        file=str(folder / "plugins.toml"),
    )


def make(file: KeyFile, name: str, *scopes: str, expires: datetime | None = None, role: str = "") -> str:
    """A key of these scopes, or of one role."""
    return file.create(Grant(name, "", scopes, None, expires, roles=(role,) if role else ())).key


def all_but(scope: str) -> tuple[str, ...]:
    """All scopes that do not contain *scope*."""
    return tuple(each for each in SCOPES if each not in (scope, ADMIN if scope in ADMINISTRATION else scope))


class Gateway:
    """One that serves, and keys of all kinds."""

    def __init__(self, folder: Path, loop: BackgroundLoop, *, keys: bool = True) -> None:
        self.keys: dict[str, str] = {}
        if keys:
            self._make_keys(folder)
        self.server = GatewayServer(build_kernel(kernel_of(folder, keys=keys)), started=0)
        public, health = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self.port, self.health_port = (one.getsockname()[1] for one in (public, health))
        loop.run(self.server.start([public], [health]))

    def _make_keys(self, folder: Path) -> None:
        file = KeyFile(folder / "keys.toml", "keys.toml")
        self.keys = {
            "bad": "sk-nobody-has-this-key",
            "unknown": make(KeyFile(folder / "other.toml", "other.toml"), "elsewhere", ALL),
            "expired": make(file, "expired", ALL, expires=datetime.now(UTC) - timedelta(days=1)),
            "revoked": make(file, "revoked", ALL),
            "blocked": make(file, "blocked", ALL),
            "useless": make(file, "useless", "nothing:here"),
        }
        file.revoke("revoked")
        file.alter("blocked", KeyChange(blocked=True))
        scopes = tuple(enumerate((ALL, *SCOPES)))
        self.rights = {scope: make(file, f"key-{number}", scope) for number, scope in scopes}
        self.roles = {scope: make(file, f"role-{number}", role=role_of(scope)) for number, scope in scopes}
        self.wrong = {scope: make(file, f"wrong-{number}", *all_but(scope)) for number, scope in scopes}

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], port: int | None = None
    ) -> tuple[int, str, bytes]:
        """Status, challenge, and body without the request's id."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, b"" if method in {"POST", "PUT", "PATCH"} else None, dict(headers))
            response = connection.getresponse()
            request_id = response.getheader("x-request-id", "").encode()
            body = response.read()
            return response.status, response.getheader("WWW-Authenticate", ""), body.replace(request_id, b"")
        finally:
            connection.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with all first-party plugins."""
    with BackgroundLoop() as loop, pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "BURST", 1_000_000)
        gateway = Gateway(tmp_path_factory.mktemp("gateway"), loop)
        yield gateway
        loop.run(gateway.server.close())


def routes(gateway: Gateway) -> list[tuple[str, str, str | None]]:
    """Method, a path that fits the pattern, and scope of every route, what comes with them, and what does not exist."""
    found: list[tuple[str, str, str | None]] = []
    for method, endpoint in gateway.server.routes.table():
        path = re.sub(r"\{[^{}]*\}", "demo", endpoint.path)
        found.append((method, path, endpoint.scope))
        if method == "GET":
            found.append(("HEAD", path, endpoint.scope))
        found += [("OPTIONS", path, None), ("TRACE", path, None)]
    return [
        *found,
        ("GET", "/nothing", None),
        ("POST", "/nothing/here", None),
        ("GET", "/v1", None),
        ("PUT", "/admin", None),
    ]


def headers_of(key: str) -> list[Mapping[str, str]]:
    """Both ways to send it."""
    return [{"Authorization": f"Bearer {key}"}, {"X-API-KEY": key}]


def message_of(body: bytes) -> str:
    """What an error says, in whatever shape."""
    error: str | dict[str, str] = json.loads(body)["error"]
    return error if isinstance(error, str) else error["message"]


def test_there_are_routes_and_each_has_a_scope(gateway: Gateway) -> None:
    """A route that names none is for nobody but those who may do everything; ours say what they are for."""
    table = gateway.server.routes.table()
    assert len(table) >= 4
    assert {endpoint.scope for _, endpoint in table} <= set(SCOPES)


@pytest.mark.parametrize("kind", ["none", "bad", "unknown", "expired", "revoked", "blocked"])
def test_nobody_gets_in(gateway: Gateway, kind: str) -> None:
    """401, with a challenge, and the same answer whatever method is asked for, in the shape of the path's API."""
    bodies: dict[str, set[bytes]] = {}
    for method, path, _ in routes(gateway):
        for headers in [{}] if kind == "none" else headers_of(gateway.keys[kind]):
            status, challenge, body = gateway.ask(method, path, headers)
            assert status == 401, f"{method} {path} with {kind}"
            assert challenge.startswith("Bearer")
            bodies.setdefault(path, set()).add(body)
    said = {path: {body for body in each if body} for path, each in bodies.items()}  # HEAD has none
    assert [path for path, each in said.items() if len(each) != 1] == []
    assert len({message_of(body) for each in said.values() for body in each}) == 1


def test_a_key_without_the_scope_gets_in_nowhere(gateway: Gateway) -> None:
    """403 where there is a route; what does not exist does not exist."""
    for method, path, scope in routes(gateway):
        for headers in headers_of(gateway.keys["useless"]):
            status, challenge, _ = gateway.ask(method, path, headers)
            expected = {403} if scope else {404, 405}
            assert status in expected, f"{method} {path}"
            assert ("insufficient_scope" in challenge) == bool(scope)


def test_all_other_scopes_together_are_not_the_right_one(gateway: Gateway) -> None:
    """403, whatever else a key may."""
    for method, path, scope in routes(gateway):
        if scope is not None:
            status, _, _ = gateway.ask(method, path, headers_of(gateway.wrong[scope])[0])
            assert status == 403, f"{method} {path}"


def test_the_right_key_gets_in(gateway: Gateway) -> None:
    """With exactly the route's scope, by itself or by a role, or with all; ``admin`` opens what administers."""
    for method, path, scope in routes(gateway):
        if scope is None:
            continue
        keys = [gateway.rights[scope], gateway.roles[scope], gateway.rights[ALL]]
        if scope in ADMINISTRATION:
            keys.append(gateway.rights[ADMIN])
        for number, key in enumerate(keys):
            status, _, body = gateway.ask(method, path, headers_of(key)[number % 2])
            assert status in SERVED, f"{method} {path}: {status} {body!r}"


def test_without_keys_nobody_administers(tmp_path: Path) -> None:
    """Everything else is open to this machine."""
    with BackgroundLoop() as loop:
        gateway = Gateway(tmp_path, loop, keys=False)
        try:
            for method, path, scope in routes(gateway):
                status, _, body = gateway.ask(method, path, {})
                served = status == 401 if scope in ADMINISTRATION else status in {*SERVED, 405}
                assert served, f"{method} {path}: {status} {body!r}"
        finally:
            loop.run(gateway.server.close())


@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/readyz", 503), ("/metrics", 200)])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer whatever"}])
def test_the_health_port_is_public(gateway: Gateway, path: str, status: int, headers: Mapping[str, str]) -> None:
    """Probes have no keys."""
    assert gateway.ask("GET", path, headers, gateway.health_port)[0] == status
