"""What is no decision is a denial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_opa.played import QUESTION, play

from jackfield.ports.policy import Decision, Obligations
from jackfield_opa.answers import InvalidAnswer, decision_of

if TYPE_CHECKING:
    from tests.plugins.jackfield_opa.played import Engines

_SCALARS: Final = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
_FIELDS: Final = st.sampled_from(["allow", "reasons", "obligations", "max_tokens", "redact", "result", "x"])
_VALUES: Final = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_FIELDS, inner, max_size=5)
)


@pytest.mark.parametrize(
    ("value", "decision"),
    [
        ("true", Decision(allow=True)),
        ("false", Decision(allow=False)),
        ('{"allow":true}', Decision(allow=True)),
        (
            '{"allow":true,"reasons":["a"],"obligations":{"max_tokens":5,"priority":-3,"route":"eu","redact":true}}',
            Decision(
                allow=True,
                reasons=("a",),
                obligations=Obligations(max_tokens=5, priority=-3, route="eu", redact=True),
            ),
        ),
        (
            '{"allow":true,"obligations":{"guardrails":["pii"]}}',
            Decision(allow=True, obligations=Obligations(guardrails=("pii",))),
        ),
        ('{"allow":false,"reasons":["a"],"obligations":{"max_tokens":5}}', Decision(allow=False, reasons=("a",))),
    ],
)
def test_decisions(value: str, decision: Decision) -> None:
    """An object, or just true or false; a denial obliges to nothing."""
    assert decision_of(value.encode()) == decision


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"null",
        b"1",
        b'"true"',
        b"[true]",
        b"{}",
        b'{"allow":1}',
        b'{"allow":"true"}',
        b'{"allow":null}',
        b'{"Allow":true}',
        b'{"allow":true,"obligation":{}}',
        b'{"allow":true,"obligations":{"max_tokens":0}}',
        b'{"allow":true,"obligations":{"max_tokens":"5"}}',
        b'{"allow":true,"obligations":{"max_tokens":5.5}}',
        b'{"allow":true,"obligations":{"priority":1000}}',
        b'{"allow":true,"obligations":{"route":"EU west"}}',
        b'{"allow":true,"obligations":{"redact":1}}',
        b'{"allow":true,"obligations":{"tokens":5}}',
        b'{"allow":true,"reasons":"because"}',
        b'{"allow":true,"reasons":[1]}',
        b'{"allow":true} {"allow":true}',
        b'{"allow":true,"reasons":["\xff"]}',
        msgspec.json.encode({"allow": True, "reasons": ["x" * 257]}),
        msgspec.json.encode({"allow": True, "reasons": ["x"] * 17}),
    ],
)
def test_what_is_no_decision(value: bytes | None) -> None:
    """Missing, of another type, with fields that nobody knows, out of bounds."""
    with pytest.raises(InvalidAnswer):
        decision_of(value)


@given(_VALUES)
def test_only_true_allows(value: object) -> None:
    """Hypothesis: whatever JSON comes."""
    try:
        decision = decision_of(msgspec.json.encode(value))
    except InvalidAnswer:
        return
    assert decision.allow is (value is True or (isinstance(value, dict) and value["allow"] is True))


@given(st.binary(max_size=60))
def test_bytes_allow_nothing(value: bytes) -> None:
    """Hypothesis: and whatever is no JSON."""
    try:
        decision = decision_of(value)
    except InvalidAnswer:
        return
    assert not decision.allow or value.strip() == b"true"


@pytest.mark.parametrize(
    "rules",
    [
        'decision := {"allow": "yes"} if input.principal.id == "keys/ada"\nelse := false',
        'decision := {"allow": true, "obligations": {"x": 1}} if input.action == "generate"\nelse := false',
        'decision := [x | some x in numbers.range(1, 60000)] if input.principal.tenant == "acme"\nelse := false',
    ],
)
def test_an_answer_that_is_no_decision_is_denied(
    engines: Engines, rules: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And logged; it is the policies that are wrong, so it is no failure of ours."""
    engine = engines(
        rules.replace('"keys/ada"', '"keys/eve"').replace('"generate"', '"eve"').replace('"acme"', '"eve"')
    )
    eve = msgspec.structs.replace(
        QUESTION,
        action="eve",
        principal=msgspec.structs.replace(QUESTION.principal, id="keys/eve", tenant="eve"),
    )
    decision = play(engine, lambda engine: engine.decide(eve))
    assert decision == Decision(allow=False, reasons=("the policies' answer cannot be used",))
    assert "the policies gave no decision" in capsys.readouterr().out
