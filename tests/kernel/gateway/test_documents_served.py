"""What clients and probes see of the policy store, and of plugins' troubles."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from tests.kernel.gateway.conftest import GivenKernel
from tests.kernel.gateway.documents_played import PlayedStore, Reader, Shelf, away

from jackfield.errors import CredentialMissing, PolicyUnavailable, StoreUnavailable
from jackfield.gateway import conditions, documents
from jackfield.gateway.conditions import Conditions
from jackfield.gateway.server import GatewayServer
from jackfield.manifest import KernelConfig
from jackfield.ports.identity import Principal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kernel.gateway.conftest import Serve, Served

    from jackfield.plugins import Kernel
    from jackfield.ports.identity import Credential
    from jackfield.testing.background import BackgroundLoop


class Door(Reader):
    """An authenticator whose keys are documents."""

    def __init__(self) -> None:
        super().__init__("door")

    async def authenticate(self, credential: Credential) -> Principal | None:
        """Whoever has a document."""
        if credential.value.reveal() not in self.now:
            return None
        return Principal(id="one", name="one", fingerprint="000000", scopes=frozenset({"*"}))


class Shared:
    """Gateways that share a shelf."""

    def __init__(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(documents, "LOOK_S", 0.005)
        self.shelf = Shelf()
        self.stores: list[PlayedStore] = []
        self.doors: list[Door] = []
        monkeypatch.setattr(GivenKernel, "policy_stores", lambda _: {"shelf": self._store})
        self._serve = serve

    def serve(self, stale_s: float = 30.0) -> Served:
        """Another one."""
        return self._serve(kernel=KernelConfig(policy_stale_s=stale_s), authenticators={"door": self._door})

    def _store(self) -> PlayedStore:
        self.stores.append(PlayedStore(self.shelf))
        return self.stores[-1]

    def _door(self) -> Door:
        self.doors.append(Door())
        return self.doors[-1]


@pytest.fixture
def shared(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """A shelf with the key ``sesame``."""
    made = Shared(serve, monkeypatch)
    made.shelf.put("door", "sesame", b"{}")
    return made


def status(served: Served, key: str = "sesame") -> int:
    """What a holder of *key* is answered."""
    return served.request("GET", "/models", headers={"Authorization": f"Bearer {key}"}).status


def ready(served: Served) -> tuple[int, dict[str, Any]]:
    """What a probe sees."""
    code, body, _ = served.get_health("/readyz")
    return code, json.loads(body)


def test_what_is_revoked_at_one_gateway_is_refused_by_all(shared: Shared) -> None:
    """Soon; and what is made is let in."""
    one, other = shared.serve(), shared.serve()
    assert [status(one), status(other)] == [200, 200]
    shared.shelf.put("door", "sesame", None)
    shared.shelf.put("door", "open", b"{}")
    for served in (one, other):
        served.until(lambda served=served: (status(served), status(served, "open")) == (401, 200))  # type: ignore[misc]


def test_a_cut_link_lets_nobody_in_after_the_bound(shared: Shared) -> None:
    """Only the gateway whose link is cut; its probes say so, and it recovers by itself."""
    cut, whole = shared.serve(stale_s=0.5), shared.serve()
    cut.worker()
    assert ready(cut)[0] == 200
    shared.stores[0].failure = away()
    cut.until(lambda: status(cut) == 503)
    refused = cut.request("GET", "/models")
    assert json.loads(refused.read())["code"] == "policy_unavailable"
    assert refused.getheader("Retry-After")
    assert cut.request("GET", "/nothing/here").status == 503
    code, body = ready(cut)
    assert (code, body["ready"]) == (503, False)
    assert "the cable is cut; all requests are refused" in body["troubles"]["shelf"][0]
    assert cut.get_health("/livez")[0] == 200
    assert cut.get_health("/metrics")[0] == 404
    assert status(whole) == 200
    shared.shelf.put("door", "sesame", None)
    shared.stores[0].failure = None
    cut.until(lambda: status(cut) == 401)
    assert ready(cut)[0] == 200
    assert ready(cut)[1]["troubles"] == {}


def test_work_that_no_request_waits_for_is_refused_as_well(shared: Shared) -> None:
    """Batches ask before each line who may what."""
    served = shared.serve(stale_s=0.5)
    shared.stores[0].failure = away()
    served.until(lambda: status(served) == 503)
    with pytest.raises(PolicyUnavailable):
        served.loop.run(served.server._pipeline.review(None))
    shared.stores[0].failure = None
    served.until(lambda: status(served) == 200)
    with pytest.raises(CredentialMissing):
        served.loop.run(served.server._pipeline.review(None))


def test_a_broken_document_leaves_the_gateway_ready(shared: Shared) -> None:
    """And is in its detail."""
    served = shared.serve()
    served.worker()
    shared.shelf.put("door", "sesame", b'"bad"')
    served.until(lambda: "door" in ready(served)[1]["troubles"])
    assert ready(served)[0] == 200
    assert ready(served)[1]["troubles"]["door"] == ["documents of the kind door are not in force: sesame is bad"]
    assert status(served) == 200


def test_a_store_that_cannot_be_read_refuses_the_start(
    kernel_of: Callable[..., Kernel], loop: BackgroundLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was served."""
    store = PlayedStore(Shelf())
    store.failure = away()
    monkeypatch.setattr(GivenKernel, "policy_stores", lambda _: {"shelf": lambda: store})
    server = GatewayServer(kernel_of(), started=0)
    with socket.create_server(("127.0.0.1", 0)) as public, socket.create_server(("127.0.0.1", 0)) as health:
        with pytest.raises(StoreUnavailable, match="shelf cannot be read"):
            loop.run(server.start([public], [health]))
        loop.run(server.close())
    assert store.closed


def test_stale_bounds_are_bounded(kernel_of: Callable[..., Kernel]) -> None:
    """Half a second to five minutes."""
    for wrong in (0.4, 301.0):
        with pytest.raises(ValueError, match="policy_stale_s"):
            KernelConfig(policy_stale_s=wrong)
    assert kernel_of().manifest.kernel.policy_stale_s == 5.0


def test_troubles_of_all_plugins_are_told(shared: Shared) -> None:
    """In their words."""
    served = shared.serve()
    shared.doors[0].troubles = ["the hinges squeak"]
    assert ready(served)[1]["troubles"] == {"door": ["the hinges squeak"]}


class Moody:
    """Cannot say how it is."""

    @property
    def troubles(self) -> list[str]:
        """Breaks."""
        raise RuntimeError("hunter2")


class Complaining:
    """Says too much."""

    troubles = ("x" * 10_000,) * 1000


def test_plugins_that_cannot_say_how_they_are() -> None:
    """Do not make the server look dead, and get no more room than others."""
    moody = Conditions([("moody", Moody())], dict)
    assert "hunter2" not in str(moody.troubles())
    later = Reader()
    asked = Conditions([("later", later), ("much", Complaining()), ("silent", object())], lambda: {"own": ["kernel"]})
    later.troubles = 7  # type: ignore[assignment]
    found = asked.troubles()
    assert found["later"] == ["it cannot say how it is: TypeError"]
    assert found["own"] == ["kernel"]
    assert len(found["much"]) == conditions.TROUBLES_MAX
    assert len(found["much"][0]) == conditions.TROUBLE_LENGTH_MAX
    assert "silent" not in found
