"""The schema, and the questions that must keep to it."""

from __future__ import annotations

import json
from pathlib import Path

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_cedar.policies import ALL

from jackfield.ports.identity import SCOPES
from jackfield.ports.policy import (
    NUMBER_MAX,
    PolicyInput,
    PolicyPrincipal,
    PolicyResource,
    PolicyTime,
    RequestFacts,
)
from jackfield_cedar.questions import NotAskable, entities_of, request_of
from jackfield_cedar.schema import schema

ROOT = Path(__file__).parents[3]
SCHEMA = cedarpy.Schema.from_str(schema())
POLICIES = cedarpy.PolicySet.from_str(ALL)

NAMES = st.text("abzAZ09._:/@+*{} -", max_size=20)
SETS = st.lists(NAMES, max_size=5).map(tuple)
NUMBERS = st.integers(0, NUMBER_MAX)


@st.composite
def questions(draw: st.DrawFn) -> PolicyInput:
    """Whatever the kernel may ask."""
    principal = PolicyPrincipal(
        **{name: draw(NAMES) for name in ("id", "name", "authenticator", "owner", "team", "tenant")},
        roles=draw(SETS),
        scopes=draw(SETS),
        tags=draw(SETS),
    )
    model = PolicyResource(
        kind="model",
        name=draw(NAMES),
        adapter=draw(NAMES),
        backend=draw(NAMES),
        capabilities=draw(SETS),
        tags=draw(SETS),
    )
    facts = RequestFacts(
        route=draw(NAMES),
        method="POST",
        body_bytes=draw(NUMBERS),
        prompt_tokens=draw(NUMBERS),
        max_tokens=draw(NUMBERS),
        tools=draw(SETS),
        flags=draw(SETS),
        modalities=("text",),
        temperature=draw(st.floats(0, 100)),
        priority=draw(st.integers(-100, 100)),
        structured=draw(st.booleans()),
    )
    return PolicyInput(
        action=draw(st.sampled_from(sorted(SCOPES))),
        principal=principal,
        resource=draw(st.sampled_from([model, PolicyResource(kind="route", name=model.name)])),
        request=facts,
        time=PolicyTime(unix=draw(NUMBERS), weekday=1, hour=0, minute=59, utc_offset_minutes=-330),
        client=draw(st.one_of(NAMES, st.ip_addresses().map(str))),
    )


@given(question=questions())
def test_every_question_keeps_to_the_schema(question: PolicyInput) -> None:
    """What policies were checked against is what they are asked: Cedar itself says so."""
    answer = cedarpy.is_authorized(
        request_of(question), POLICIES, entities_of(question.principal, question.resource), SCHEMA
    )
    assert answer.diagnostics.errors == []
    assert answer.decision is cedarpy.Decision.Allow
    entities = str(entities_of(question.principal, question.resource))
    cedarpy.Entities.from_json_str(entities, SCHEMA)


@given(question=questions())
def test_nothing_is_changed_on_the_way(question: PolicyInput) -> None:
    """All names and numbers arrive as they are."""
    request = request_of(question)
    context = json.loads(str(request["context"]))
    assert context["client"] == question.client
    assert context["time"]["unix"] == question.time.unix
    for name in question.request.__struct_fields__:
        told = getattr(question.request, name)
        if name == "temperature":
            assert float(context["request"][name]["__extn"]["arg"]) == pytest.approx(told, abs=1e-4)
        else:
            assert context["request"][name] == (list(told) if isinstance(told, tuple) else told)


def test_other_scopes_can_be_named() -> None:
    """Those of other plugins' routes."""
    text = 'permit (principal, action == Action::"mine:read", resource);'
    assert not cedarpy.validate_policies(text, schema()).validation_passed
    assert cedarpy.validate_policies(text, schema(["mine:read"])).validation_passed


def test_every_scope_of_the_server_is_an_action() -> None:
    for scope in SCOPES:
        text = f'permit (principal, action == Action::"{scope}", resource);'
        assert cedarpy.validate_policies(text, schema()).validation_passed


def test_editors_have_the_schema() -> None:
    """Beside the policies to start from."""
    assert (ROOT / "policies" / "cedar" / "jackfield.cedarschema").read_text() == schema()


@pytest.mark.parametrize("name", ["\ud800", "a\ud800b"])
def test_what_is_no_text_is_not_asked(name: str) -> None:
    """The kernel keeps it away; if it did not, it would be denied."""
    facts = RequestFacts(route=name, method="POST")
    time = PolicyTime(unix=0, weekday=1, hour=0, minute=0)
    resource = PolicyResource(kind="model", name="demo")
    with pytest.raises(NotAskable):
        request_of(PolicyInput(action="generate", resource=resource, request=facts, time=time))
