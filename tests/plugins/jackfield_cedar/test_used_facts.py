"""Facts that policies name: what is left out must not matter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_cedar.policies import ALL, question

from jackfield_cedar.cases import read_cases
from jackfield_cedar.folder import read_folder
from jackfield_cedar.policies import Policies
from jackfield_cedar.questions import EVERYTHING, request_of
from jackfield_cedar.schema import schema
from jackfield_cedar.used_facts import used_facts

if TYPE_CHECKING:
    from jackfield.ports.policy import PolicyInput

POLICIES = Path(__file__).parents[3] / "policies"


def used(condition: str) -> object:
    """By one policy."""
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    return used_facts([json.loads(cedarpy.policies_to_json_str(text))], EVERYTHING)


@pytest.mark.parametrize(
    ("condition", "facts"),
    [
        ("true", {}),
        ("context.request.prompt_tokens < 5", {"request": {"prompt_tokens"}}),
        ('context["request"]["tools"].isEmpty()', {"request": {"tools"}}),
        ("context has request.flags && context.time.hour < 5", {"request": None, "time": {"hour"}}),
        ("context.request has tools", {"request": {"tools"}}),
        ("context has client_ip && context.client_ip.isLoopback()", {"client_ip": None}),
        (
            '(if context.request.logprobs then context.client else "x") == "y"',
            {"request": {"logprobs"}, "client": None},
        ),
        ("[context.time].isEmpty() || context.time.hour < 5", {"time": None}),
        ("context.time.hour < 5 || [context.time].isEmpty()", {"time": None}),
        ("context == {a: 1}", EVERYTHING),
        ("[context].isEmpty()", EVERYTHING),
        ("{a: context}.a.request.logprobs", EVERYTHING),
        ("(if true then context else context).request.logprobs", EVERYTHING),
        ("principal.roles.isEmpty()", {}),
    ],
)
def test_what_is_named_is_found(condition: str, facts: object) -> None:
    """Wherever it stands; whoever takes the context as a whole has all of it."""
    assert used(condition) == facts


def test_only_that_is_told() -> None:
    """The rest costs time."""
    asked = request_of(question(), {"request": frozenset({"prompt_tokens"}), "time": frozenset({"hour"})})
    assert json.loads(str(asked["context"])) == {"request": {"prompt_tokens": 10}, "time": {"hour": 12}}


STARTER = read_folder(POLICIES / "cedar", "policies/cedar").policies
DECIDING, TOLD_ALL = Policies(STARTER, {}, schema()), Policies(STARTER, {}, schema())
TOLD_ALL._facts = EVERYTHING
QUESTIONS = [case.input for case in read_cases("cases.json", (POLICIES / "cases.json").read_bytes())]


@given(asked=st.sampled_from(QUESTIONS))
def test_what_is_left_out_decides_nothing(asked: PolicyInput) -> None:
    """As if all had been told."""
    assert DECIDING.explain(asked) == TOLD_ALL.explain(asked)


def test_what_is_left_out_is_checked_all_the_same() -> None:
    """A question with such a number is denied, whether or not a policy names it."""
    deciding = Policies({"a": ALL}, {}, schema())
    assert deciding.decide(question()).allow
    assert not deciding.decide(question(body_bytes=2**60)).allow
    assert not deciding.decide(question(temperature=float("inf"))).allow
