"""What is left of callers' limits, and counters that begin anew, over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests
from tests.plugins.jackfield_admin.conftest import DEADLINE_S, Administered

from jackfield.gateway import failures
from jackfield.testing.background import BackgroundLoop
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = """
[config.limits]
file = ""
[[config.limits.rules]]
name = "keys"
per = ["key"]
requests = { month = 3 }
concurrency = 2
[[config.limits.rules]]
name = "models"
per = ["model"]
tokens = { month = 100000 }
"""


class Limited(Administered):
    """A server whose keys may ask three times a month."""

    def generate(self, who: str) -> int:
        """The status of a question."""
        body = {"model": "scripted", "prompt": "hi", "max_tokens": 5}
        headers = {"Authorization": f"Bearer {self.keys[who]}"}
        url = f"{self.url}/v1/completions"
        return requests.post(url, data=json.dumps(body), headers=headers, timeout=DEADLINE_S).status_code

    def left(self, query: str) -> dict[tuple[str, str, str], float]:
        """What remains, by whose it is, measure and window."""
        rows = self.answer("GET", f"limits{query}")["limits"]
        return {(*row["whose"].values(), row["measure"], row["window"]): row["remaining"] for row in rows}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    """The key ``all`` may do everything."""
    folder = tmp_path_factory.mktemp("server")
    made = Limited("", folder)
    for name, scope in (("all", "*"), ("ann", "generate"), ("bob", "generate"), ("reader", "policy:read")):
        made.key(name, scope)
    with BackgroundLoop() as loop, pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "BURST", 1_000_000)
        server = InProcessServer(scripted_manifest(enabled=("admin", "keys", "limits")) + LIMITS, folder, loop)
        made.url = server.target.url
        yield made
        server.close()


def test_what_is_left_and_a_new_beginning(limited: Limited) -> None:
    """Of those who have asked; one key's counters begin anew, the others' do not."""
    assert [limited.generate("ann") for _ in range(4)] == [200, 200, 200, 429]
    assert limited.generate("bob") == 200
    everything = limited.left("")
    [ann] = {whose for whose, *_ in everything if everything.get((whose, "requests", "month")) == 0}
    [bob] = {whose for whose, *_ in everything if everything.get((whose, "requests", "month")) == 2}
    assert {ann, bob} == {whose for whose, *_ in everything} - {"scripted"}
    assert everything[ann, "concurrency", ""] == 2
    assert 99_000 < everything["scripted", "tokens", "month"] < 100_000
    assert limited.left(f"?key={ann}&rule=keys") == {
        place: value for place, value in everything.items() if place[0] == ann
    }
    assert limited.left("?rule=nothing") == {}
    assert limited.answer("DELETE", f"limits?key={ann}") == {"counters": 1}
    assert limited.left("")[ann, "requests", "month"] == 3
    assert limited.left("")[bob, "requests", "month"] == 2
    assert limited.generate("ann") == 200


def test_who_may(limited: Limited) -> None:
    """Whoever may read policies may look, and whoever may write them may reset."""
    assert limited.ask("GET", "limits", who="reader").status_code == 200
    assert limited.refused("DELETE", "limits?key=x", who="reader")[:2] == (403, "insufficient_scope")
    assert limited.refused("GET", "limits", who="ann")[:2] == (403, "insufficient_scope")


def test_what_cannot_be_asked(limited: Limited) -> None:
    """Everybody's counters at once, and names that nobody knows."""
    assert limited.refused("DELETE", "limits") == (400, "invalid_value", "rule")
    assert limited.refused("GET", "limits?colour=red")[0] == 400


def test_without_limits(here: Administered) -> None:
    """It says which plugin has some."""
    assert here.refused("GET", "limits")[:2] == (404, "not_enabled")
