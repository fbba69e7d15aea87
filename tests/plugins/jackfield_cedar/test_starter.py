"""``policies/cedar``: what people start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield_cedar.cases import Case, read_cases, tried
from jackfield_cedar.folder import read_folder
from jackfield_cedar.policies import Policies
from jackfield_cedar.schema import schema

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
