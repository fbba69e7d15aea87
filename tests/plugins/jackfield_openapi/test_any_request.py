"""Requests made from the server's own document, and others near them.

No 5xx, nothing that the document denies, and nothing at all for strangers. ``JACKFIELD_CASES`` says how many in all;
``make test-full`` asks for more. ``JACKFIELD_SEED`` makes the same ones again.
"""

from __future__ import annotations

import json
import os
import random
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.result import Ok
from tests.plugins.jackfield_openapi.served import MODELS, closed, example_for

from jackfield.ports.identity import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.plugins.jackfield_openapi.served import Answer, Served

CASES: Final = int(os.environ.get("JACKFIELD_CASES", "500"))
SEED: Final = int(os.environ.get("JACKFIELD_SEED", random.randrange(1 << 32)))

_ACCEPTED: Final = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)

_CREDENTIALS: Final = frozenset({"authorization", "x-api-key", "host", "origin"})

_WITH_BODY: Final = 4
"""An operation with a body gets so many times the cases of one without."""


def operations(served: Served, *, near: bool) -> Iterator[Any]:
    """All operations.

    Parameters:
        served: Has them.
        near: Whether bodies are the documented examples, with other documented fields besides: most are accepted.
    """
    document = json.loads(json.dumps(served.document))
    if near:
        document["components"] = closed(document["components"])
        for path, method, operation in served.operations():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                body = document["paths"][path][method]["requestBody"]["content"]["application/json"]
                body["schema"] = _like(served, content["schema"], example_for(operation, content["example"]))
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(found, Ok)
        yield found.ok()


def _like(served: Served, schema: Mapping[str, Any], example: Any) -> Mapping[str, Any]:
    """What *schema* takes besides *example*."""
    if not isinstance(example, dict):
        return schema
    whole = closed({"schemas": {"body": served.resolved(schema)}})["schemas"]["body"]
    if "properties" not in whole:
        return schema  # any JSON
    wanted = {name: {"const": value} for name, value in example.items()}
    known = {name: {"enum": list(MODELS)} for name in whole["properties"].keys() & {"model"}}
    return {**whole, "properties": {**whole["properties"], **known, **wanted}, "required": list(example)}


def _varies(operation: Any) -> bool:
    """Whether there is anything to make up."""
    return bool({"parameters", "requestBody"} & operation.definition.raw.keys())


def send(served: Served, case: Any, headers: Mapping[str, str]) -> Answer:
    """*case* over HTTP, with these headers besides its own."""
    parts = case.as_transport_kwargs(base_url=served.url)
    own = {name: value for name, value in parts.pop("headers", {}).items() if name.lower() not in _CREDENTIALS}
    parts.pop("cookies", None)
    path = parts.pop("url").removeprefix(served.url)
    parts.pop("allow_redirects", None)
    return served.send(parts.pop("method"), path, {**own, **headers}, **parts)


def check(served: Served, case: Any) -> Answer:
    """One request: with a key, and without, or with a wrong one, or with one that may do everything else."""
    operation = case.operation.definition.raw
    scope = operation["security"][0]["bearer"][0]
    strangers: list[tuple[Mapping[str, str], int]] = [({}, 401), ({"Authorization": "Bearer sk-nobody-has-this"}, 401)]
    if scope != ALL:
        strangers.append((served.other_scopes[scope], 403))
    answer = send(served, case, served.key)
    headers, status = strangers[len(answer.content) % len(strangers)]
    stranger = send(served, case, headers)
    # a path with a line break is not this route's: nobody has it
    nowhere = answer.status_code == HTTPStatus.NOT_FOUND and "nothing is served at" in answer.text
    assert stranger.status_code == (HTTPStatus.NOT_FOUND if nowhere and status == HTTPStatus.FORBIDDEN else status)
    assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, (answer.status_code, answer.text[:500])
    for each in (stranger, answer):
        problems = served.problems(operation, each)
        assert not problems, (problems, each.text[:500])
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("near", [True, False], ids=["near examples", "anything"])
@pytest.mark.timeout(1800)
def test_any_request(served: Served, *, near: bool) -> None:
    """Every operation gets its share."""
    found = [each for each in operations(served, near=near) if near or _varies(each)]
    assert len(found) > 50
    weights = [_WITH_BODY if "requestBody" in each.definition.raw else 1 for each in found]
    failed: dict[str, str] = {}
    for operation, weight in zip(found, weights, strict=True):

        @seed(SEED)
        @settings(
            max_examples=max(1, round(CASES * weight / sum(weights) / 2)),
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=_ACCEPTED,
        )
        @given(case=operation.as_strategy())
        def any_case(case: Any) -> None:
            try:
                check(served, case)
            except AssertionError as error:
                asked = f"{case.formatted_path} {case.query} {case.body!r:.1000}"
                raise AssertionError(f"{error}\n{asked}") from error

        try:
            any_case()
        except AssertionError as error:
            failed[operation.label] = str(error)
    assert not failed, f"JACKFIELD_SEED={SEED}\n" + "\n\n".join(f"{label}: {why}" for label, why in failed.items())


def test_the_document_says_who_may_ask_what(served: Served) -> None:
    """No operation is open to strangers."""
    assert all(operation["security"] for _, _, operation in served.operations())
    assert json.dumps(served.document["components"]["securitySchemes"])
