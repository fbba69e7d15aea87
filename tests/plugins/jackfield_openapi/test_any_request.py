"""Requests made from the server's own document, and others near them: no 5xx, no answer that the document denies.

``JACKFIELD_CASES`` says how many in all; ``make test-full`` asks for more.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator

from jackfield.gateway import failures
from jackfield.testing.background import BackgroundLoop
from jackfield.testing.inprocess import InProcessServer
from jackfield.testing.manifests import scripted_manifest
from jackfield_keys.edit import Grant, KeyFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CASES: Final = int(os.environ.get("JACKFIELD_CASES", "500"))
DEADLINE_S: Final = 30.0

FRONTENDS: Final = ("openapi", "llamacpp", "admin", "keys")
"""Besides ``openai``."""

MODELS: Final = {"scripted": "context = 128"}
"""Answers end soon, whatever limits are asked for."""

UNAVAILABLE: Final = 503
"""A model that is not there for a moment, and ``/health`` of such: no fault of the server's."""


class Served:
    """A server with keys, and its document."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.key = {"Authorization": f"Bearer {key}"}
        self.document: dict[str, Any] = self.session.get(
            f"{url}/openapi.json", headers=self.key, timeout=DEADLINE_S
        ).json()

    def operations(self, *, closed: bool) -> list[Any]:
        """All operations; *closed* ones are asked for what they have, of a model that is there, and so get further."""
        document = json.loads(json.dumps(self.document))
        for schema in document["components"]["schemas"].values() if closed else ():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)
                if "model" in schema["properties"]:
                    schema["properties"]["model"] = {"enum": list(MODELS)}
        return [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    key = KeyFile(folder / "keys.toml", "keys.toml").create(Grant("fuzz", "", ("*",), None, None))[0]
    with BackgroundLoop() as loop, pytest.MonkeyPatch.context() as patch:
        patch.setattr(failures, "BURST", 1_000_000)
        server = InProcessServer(scripted_manifest(MODELS, enabled=FRONTENDS), folder, loop)
        served = Served(server.target.url, key)
        yield served
        served.session.close()
        server.close()


def send(served: Served, case: Any, headers: Mapping[str, str]) -> requests.Response:
    """*case* over HTTP, with these headers besides its own."""
    parts = case.as_transport_kwargs(base_url=served.url)
    own = {name: value for name, value in parts.pop("headers", {}).items() if name.lower() not in _CREDENTIALS}
    parts.pop("cookies", None)
    return served.session.request(**parts, headers={**own, **headers}, timeout=DEADLINE_S)


_ACCEPTED: Final = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)

_CREDENTIALS: Final = frozenset({"authorization", "x-api-key", "host", "origin"})


def check(served: Served, case: Any) -> None:
    """One request, with a key and without."""
    stranger = send(served, case, {})
    assert stranger.status_code == 401, (stranger.status_code, stranger.text[:300])
    response = send(served, case, served.key)
    assert response.status_code < 500 or response.status_code == UNAVAILABLE, response.text[:500]
    described = case.operation.definition.raw["responses"]
    status = str(response.status_code)
    said = described.get(status) or described.get(f"{status[0]}XX") or described["default"]
    kind = response.headers["Content-Type"].partition(";")[0]
    if "content" not in said:
        return
    assert kind in said["content"], (kind, response.text[:300])
    schema = said["content"][kind].get("schema")
    if kind == "application/json" and schema is not None:
        whole = {**schema, "components": served.document["components"]}
        errors = list(Draft202012Validator(whole).iter_errors(response.json()))
        assert not errors, (errors[0].message, list(errors[0].absolute_path), response.text[:500])


@pytest.mark.parametrize("closed", [True, False], ids=["known fields", "any fields"])
def test_any_request(served: Served, *, closed: bool) -> None:
    """Every operation gets its share."""
    operations = served.operations(closed=closed)
    assert len(operations) > 10
    each = -(-CASES // len(operations) // 2)
    failed: dict[str, str] = {}
    for operation in operations:

        @settings(
            max_examples=each,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=_ACCEPTED,
        )
        @given(case=operation.as_strategy())
        def any_case(case: Any) -> None:
            check(served, case)

        try:
            any_case()
        except AssertionError as error:
            failed[operation.label] = str(error)
    assert not failed


def test_the_document_says_who_may_ask_what(served: Served) -> None:
    """No operation is open to strangers."""
    operations = [each for path in served.document["paths"].values() for each in path.values()]
    assert all(operation["security"] for operation in operations)
    assert json.dumps(served.document["components"]["securitySchemes"])
