"""Policies that can be used: parsed, checked against the schema, and right about their own cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import cedarpy
import msgspec

from jackfield.ports.policy import (
    REASONS_MAX,
    Decision,
    Explanation,
    PolicyInput,
    PolicyPrincipal,
    PolicyResource,
    PolicyTest,
    PolicyTime,
    RequestFacts,
    strictest,
)
from jackfield_cedar.cases import read_cases, tried
from jackfield_cedar.nesting import DEPTH_MAX, depth_of
from jackfield_cedar.questions import EVERYTHING, NotAskable, entities_of, request_of
from jackfield_cedar.rules import Annotated, Rule, rule_of
from jackfield_cedar.used_facts import used_facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BY_DEFAULT: Final = "no policy allows it"
NOT_ASKABLE: Final = "policies cannot be asked this"
FAILED: Final = "a policy failed"

_POLICY: Final = re.compile(r"^for policy `[^`]*`, ")
_ACTION: Final = re.compile(r' in context for Action::"[^"]*"')

FAULTS_SHOWN: Final = 5
"""Of many faults, those that are told."""

_DENIED: Final = Decision(allow=False, reasons=(BY_DEFAULT,))


class Parsed(msgspec.Struct):
    """Cedar's JSON of some policies, as far as it matters here."""

    static: dict[str, Annotated] = msgspec.field(name="staticPolicies", default_factory=dict)
    templates: dict[str, object] = {}


class Policies:
    """Policies that decide. Any thread: nothing of it changes.

    Parameters:
        sources: Texts of policies, by file or document.
        cases: Texts of cases (JSON), by file or document.
        schema: What policies may name.

    Raises:
        ValueError: They cannot be used; the message names the source and what is wrong.
    """

    def __init__(self, sources: Mapping[str, str], cases: Mapping[str, bytes], schema: str) -> None:
        parsed = [(source, _parsed(source, text)) for source, text in sources.items()]
        self.rules: Final = [
            rule_of(source, place, policy) for source, policies in parsed for place, policy in enumerate(policies, 1)
        ]
        if not self.rules:
            raise ValueError("there are no policies")
        whole = "\n".join(sources.values())
        _validate(whole, self.rules, schema)
        self._set = cedarpy.PolicySet.from_str(whole, release_gil=True)
        trees = (policy.conditions for _, policies in parsed for policy in policies)
        self._facts = used_facts(trees, EVERYTHING)
        self._cases = [case for source, text in cases.items() for case in read_cases(source, text)]
        self._try_out()

    def decide(self, question: PolicyInput) -> Decision:
        """What they say. Whatever goes wrong is a denial."""
        return self._answered(question)[0]

    def explain(self, question: PolicyInput) -> Explanation:
        """The same, with the policies that were decisive."""
        decision, decisive, errors = self._answered(question)
        named = [f"{rule.effect} {rule.name}{f' ({rule.reason})' if rule.reason else ''}" for rule in decisive]
        return Explanation(decision=decision, policies=named, notes=errors)

    def test(self) -> Sequence[PolicyTest]:
        """How their cases come out."""
        return [tried(case, self.decide) for case in self._cases]

    def _answered(self, question: PolicyInput) -> tuple[Decision, Sequence[Rule], Sequence[str]]:
        try:
            entities = entities_of(question.principal, question.resource)
            answer = cedarpy.is_authorized(request_of(question, self._facts), self._set, entities)
        except (NotAskable, ValueError, TypeError, OverflowError) as error:
            return Decision(allow=False, reasons=(NOT_ASKABLE,)), (), [str(error)]
        errors = answer.diagnostics.errors
        if errors:  # Cedar leaves out a policy that fails, also one that forbids
            return Decision(allow=False, reasons=(FAILED,)), (), errors
        decisive = [self.rules[number] for number in sorted(map(_number, answer.diagnostics.reasons))]
        if answer.decision is not cedarpy.Decision.Allow:
            return _denial(decisive), decisive, ()
        if not any(rule.grants for rule in decisive):
            return _DENIED, decisive, ()
        try:
            obligations = strictest([rule.obligations for rule in decisive])
        except ValueError as error:
            return Decision(allow=False, reasons=(str(error),)), decisive, ()
        reasons = tuple(rule.name for rule in decisive)[:REASONS_MAX]
        return Decision(allow=True, reasons=reasons, obligations=obligations), decisive, ()

    def _try_out(self) -> None:
        for question in _canned():
            for note in self._answered(question)[2]:
                raise ValueError(f"a policy fails for a plain question: {note}")
        failed = [f"{test.name}: {test.detail}" for test in self.test() if not test.passed]
        if failed:
            more = f" and {len(failed) - FAULTS_SHOWN} more" if len(failed) > FAULTS_SHOWN else ""
            raise ValueError(f"their own cases fail: {'; '.join(failed[:FAULTS_SHOWN])}{more}")


def _parsed(source: str, text: str) -> Sequence[Annotated]:
    """The policies in *text*, in their order."""
    if depth_of(text) > DEPTH_MAX:
        raise ValueError(f"{source}: a policy nests deeper than {DEPTH_MAX} levels")
    try:
        parsed = msgspec.json.decode(cedarpy.policies_to_json_str(text), type=Parsed)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    if parsed.templates:
        raise ValueError(f"{source}: templates (?principal, ?resource) are linked to nobody here")
    return [policy for _, policy in sorted(parsed.static.items(), key=lambda item: _number(item[0]))]


def _number(policy: str) -> int:
    """Of the name that Cedar gives a policy by its place: ``policy12``."""
    return int(policy.removeprefix("policy"))


def _validate(text: str, rules: Sequence[Rule], schema: str) -> None:
    result = cedarpy.validate_policies(text, schema, release_gil=True)
    if result.validation_passed:
        return
    distinct = list(dict.fromkeys(_fault(each, rules) for each in result.errors))
    more = f" and {len(distinct) - FAULTS_SHOWN} more" if len(distinct) > FAULTS_SHOWN else ""
    raise ValueError(f"{'; '.join(distinct[:FAULTS_SHOWN])}{more}")


def _fault(error: cedarpy.ValidationError, rules: Sequence[Rule]) -> str:
    if not error.policy_id:
        return error.error
    text = _POLICY.sub("", _ACTION.sub("", error.error))  # Cedar says it once for each action
    return f"{rules[_number(error.policy_id)].name}: {text}"


def _denial(decisive: Sequence[Rule]) -> Decision:
    if not decisive:
        return _DENIED
    reasons = dict.fromkeys(rule.reason or rule.name for rule in decisive)
    return Decision(allow=False, reasons=tuple(reasons)[:REASONS_MAX])


def _canned() -> Sequence[PolicyInput]:
    """Plain questions: a policy that fails for one of them is a mistake."""
    facts = RequestFacts(route="/v1/chat/completions", method="POST", prompt_tokens=1_000_000, max_tokens=1_000_000)
    noon = PolicyTime(unix=1_767_603_600, weekday=1, hour=12, minute=0)
    model, route = PolicyResource(kind="model", name="demo"), PolicyResource(kind="route", name="/v1/models")
    somebody = PolicyPrincipal(id="keys/somebody", name="somebody", authenticator="keys", roles=("role",))
    return [
        PolicyInput(action=action, principal=who, resource=what, request=facts, time=noon, client="192.0.2.1")
        for action, what in (("generate", model), ("models:read", route))
        for who in (somebody, PolicyPrincipal())
    ]
