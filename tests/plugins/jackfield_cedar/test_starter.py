"""``policies/cedar``: what people start from."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from tests.plugins.jackfield_opa.played import play
from tests.plugins.jackfield_opa.test_starter import embedded

from jackfield.ports.identity import SCOPES
from jackfield.ports.policy import PolicyInput, PolicyPrincipal, PolicyResource, PolicyTime, RequestFacts
from jackfield_cedar.cases import Case, read_cases, tried
from jackfield_cedar.folder import read_folder
from jackfield_cedar.policies import Policies
from jackfield_cedar.schema import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.ports.policy import Decision, PolicyEngine

POLICIES = Path(__file__).parents[3] / "policies"

SHARED = read_cases("cases.json", (POLICIES / "cases.json").read_bytes())


@pytest.fixture(scope="module")
def starter() -> Policies:
    """As a server reads it."""
    contents = read_folder(POLICIES / "cedar", "policies/cedar")
    return Policies(contents.policies, contents.cases, schema())


@pytest.mark.parametrize("case", SHARED, ids=[case.name for case in SHARED])
def test_both_languages_decide_alike(starter: Policies, case: Case) -> None:
    """The cases that the Rego policies must decide so, too."""
    test = tried(case, starter.decide)
    assert test.passed, test.detail


def test_it_passes_its_own_cases(starter: Policies) -> None:
    """There are some."""
    tests = starter.test()
    assert len(tests) >= 8
    assert [test for test in tests if not test.passed] == []


def test_every_policy_has_a_name(starter: Policies) -> None:
    """So that the record can be read."""
    assert [rule.name for rule in starter.rules if ": policy " in rule.name] == []


KINDS: tuple[Literal["model", "route"], ...] = ("model", "route")
ROLES = ("admin", "engineer", "analyst", "contractor")


def test_both_languages_decide_alike_about_every_action(starter: Policies) -> None:
    """Each that our own routes have, for each role and tenant, by day and by night; so do the conditions."""
    questions = [
        _question(action, kind, role, tenant, hour)
        for action, kind, role, tenant, hour in product(SCOPES, KINDS, ROLES, ("acme", "globex", "initech"), (9, 23))
    ]

    async def decisions(engine: PolicyEngine) -> Sequence[Decision]:
        return [await engine.decide(each) for each in questions]

    for question, rego in zip(questions, play(embedded(), decisions), strict=True):
        cedar = starter.decide(question)
        assert (cedar.allow, cedar.obligations) == (rego.allow, rego.obligations), question


def test_every_action_is_somebodys(starter: Policies) -> None:
    """Engineers may all that has a model or a guardrail work for them, and administrators everything."""
    granted = {
        role: {action for action in SCOPES if starter.decide(_question(action, "route", role, "acme", 9)).allow}
        for role in ROLES
    }
    assert granted["admin"] == set(SCOPES)
    assert granted["engineer"] == {"generate", "embed", "rerank", "moderate", "models:read"}
    assert granted["analyst"] == granted["contractor"] == {"generate", "models:read"}


def _question(action: str, kind: Literal["model", "route"], role: str, tenant: str, hour: int) -> PolicyInput:
    """On a Monday."""
    return PolicyInput(
        action=action,
        principal=PolicyPrincipal(id="keys/ada", name="ada", tenant=tenant, roles=(role,)),
        resource=PolicyResource(kind=kind, name="demo" if kind == "model" else "/v1/anything"),
        request=RequestFacts(route="/v1/anything", method="POST"),
        time=PolicyTime(unix=1_767_603_600, weekday=1, hour=hour, minute=0),
        client="192.0.2.7",
    )
