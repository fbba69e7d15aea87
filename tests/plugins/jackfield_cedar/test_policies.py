"""Policies in Cedar: what they allow, on what conditions, and which of them are not taken at all."""

from __future__ import annotations

import pytest
from tests.plugins.jackfield_cedar.policies import ALL, decided, policies, question

from jackfield.ports.policy import NAME, NAME_MAX, Decision, Obligations
from jackfield_cedar.policies import BY_DEFAULT, FAILED, NOT_ASKABLE


def test_what_no_policy_allows_is_denied() -> None:
    """It says so."""
    text = 'permit (principal == Principal::"keys/bob", action, resource);'
    assert decided(text) == Decision(allow=False, reasons=(BY_DEFAULT,))


@pytest.mark.parametrize(
    ("condition", "allowed", "denied"),
    [
        ('principal in Role::"dev"', {"roles": ("dev", "x")}, {"roles": ("devs",)}),
        ('principal.roles.contains("dev")', {"roles": ("dev",)}, {"roles": ()}),
        ('resource is Model && resource.tags.contains("eu")', {"tags": ("eu",)}, {"tags": ("us",)}),
        ('resource is Route && resource.name == "/v1/models"', {"kind": "route", "name": "/v1/models"}, {}),
        ('resource.name like "demo-*"', {"name": "demo-2"}, {"name": "demo"}),
        ('action == Action::"keys:write"', {"action": "keys:write"}, {"action": "keys:read"}),
        ("context.request.prompt_tokens <= 10", {"prompt_tokens": 10}, {"prompt_tokens": 11}),
        ('["a", "b"].containsAll(context.request.tools)', {"tools": ("b",)}, {"tools": ("b", "c")}),
        ('context.request.flags.contains("pii/email")', {"flags": ("pii/email",)}, {"flags": ("pii/iban",)}),
        ('context.request.temperature.lessThan(decimal("0.8"))', {"temperature": 0.7}, {"temperature": 0.8}),
        ("context.request.reasoning", {"reasoning": True}, {"reasoning": False}),
        ("context.time.hour >= 8 && context.time.hour < 18", {"hour": 17}, {"hour": 18}),
        (
            'context has client_ip && context.client_ip.isInRange(ip("10.0.0.0/8"))',
            {"client": "10.1.2.3"},
            {"client": "11.1.2.3"},
        ),
        (
            'context has client_ip && context.client_ip.isInRange(ip("fe80::/10"))',
            {"client": "fe80::1"},
            {"client": ""},
        ),
        ('context.client == "unix:"', {"client": "unix:"}, {"client": "::1"}),
    ],
)
def test_all_facts_can_be_used(condition: str, allowed: dict[str, object], denied: dict[str, object]) -> None:
    """In Cedar's own words."""
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    assert decided(text, **allowed).allow
    assert not decided(text, **denied).allow


def test_names_of_all_characters_are_what_policies_compare() -> None:
    """A role, a model and a caller may be called by any of them, in texts as in ids."""
    plain = "".join(chr(code) for code in range(0x20, 0x7F) if NAME.match(chr(code)))
    text = f"""permit (principal in Role::"{plain}", action, resource == Model::"{plain}")
        when {{ principal.roles.contains("{plain}") && context.client == "{plain}" }};"""
    assert decided(text, roles=(plain,), name=plain, client=plain).allow
    assert not decided(text, roles=(plain,), name=plain, client=plain[1:]).allow


def test_forbidding_wins_and_says_why() -> None:
    """By its reason, or by its name where it has none."""
    text = f"""{ALL}
        @reason("closed at night") forbid (principal, action, resource) when {{ context.time.hour < 6 }};
        @id("no-tools") forbid (principal, action, resource) unless {{ context.request.tools.isEmpty() }};
        forbid (principal, action, resource) when {{ context.request.logprobs }};
    """
    assert decided(text).allow
    assert decided(text, hour=3).reasons == ("closed at night",)
    assert decided(text, tools=("x",)).reasons == ("1.cedar: no-tools",)
    assert decided(text, logprobs=True).reasons == ("1.cedar: policy 4",)
    assert set(decided(text, hour=3, tools=("x",)).reasons) == {"closed at night", "1.cedar: no-tools"}


def test_what_is_allowed_names_its_policies() -> None:
    """For the record; by the file they stand in."""
    for _ in range(20):  # Cedar gives them in any order
        decision = policies(ALL, f'@id("mine") {ALL}', ALL).decide(question())
        assert decision.reasons == ("1.cedar: policy 1", "2.cedar: mine", "3.cedar: policy 1")


def test_many_reasons_are_some() -> None:
    """No more than a decision may have."""
    text = "\n".join(f'@id("p{number}") {ALL}' for number in range(40))
    assert len(decided(text).reasons) == 16
    text += "\n".join(f'@id("f{number}") forbid (principal, action, resource);' for number in range(40))
    assert len(decided(text).reasons) == 16


# --- obligations ------------------------------------------------------------------------------------------------------


def test_permits_oblige() -> None:
    """To all that can be obliged to."""
    text = f"""
        @obligation_max_tokens("256") @obligation_priority("-5") @obligation_route("eu") @obligation_redact("true")
        @obligation_guardrails("pii, topics")
        {ALL}
    """
    expected = Obligations(max_tokens=256, priority=-5, route="eu", redact=True, guardrails=("pii", "topics"))
    assert decided(text).obligations == expected


def test_of_several_permits_the_strictest_conditions_hold() -> None:
    """Of those that grant this request."""
    text = f"""
        @obligation_max_tokens("100") {ALL}
        @obligation_max_tokens("50") permit (principal in Role::"small", action, resource);
    """
    assert decided(text).obligations == Obligations(max_tokens=100)
    assert decided(text, roles=("small",)).obligations == Obligations(max_tokens=50)


def test_two_ways_are_none() -> None:
    """What cannot be met is denied."""
    decision = decided(f'@obligation_route("eu") {ALL} @obligation_route("us") {ALL}')
    assert not decision.allow
    assert "different ways" in decision.reasons[0]


def test_a_condition_allows_nothing_by_itself() -> None:
    """It only obliges what others allow."""
    condition = '@condition @obligation_redact("true") permit (principal, action, resource);'
    assert decided(condition) == Decision(allow=False, reasons=(BY_DEFAULT,))
    allowed = 'permit (principal in Role::"dev", action, resource);'
    assert decided(condition + allowed, roles=("dev",)).obligations == Obligations(redact=True)
    assert not decided(condition + allowed).allow


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ('@obligation_max_token("5")', "@obligation_max_token is not known"),
        ('@obligation_max_tokens("many")', "'many' is no number"),
        ('@obligation_max_tokens("0")', "max_tokens"),
        ('@obligation_max_tokens("99999999999")', "max_tokens"),
        ('@obligation_max_tokens("")', "is no number"),
        ("@obligation_max_tokens", "is no number"),
        ('@obligation_priority("101")', "priority"),
        ('@obligation_route("EU West")', "route"),
        ('@obligation_redact("yes")', "is no true or false"),
        ('@obligation_guardrails("a, B c")', "guardrails"),
        ("@condition", "obliges to nothing"),
        (f'@reason("{"x" * 257}")', "@reason"),
        (f'@id("{"x" * 257}")', "@id is too long"),
    ],
)
def test_what_cannot_be_obliged_to_is_refused(annotations: str, message: str) -> None:
    """When the policies are read, with the policy's name."""
    with pytest.raises(ValueError, match=r"1\.cedar") as refused:
        policies(f"{annotations} {ALL}")
    assert message in str(refused.value)


@pytest.mark.parametrize("annotation", ['@obligation_max_tokens("5")', "@condition"])
def test_only_permits_oblige(annotation: str) -> None:
    """Nothing comes of what forbids."""
    with pytest.raises(ValueError, match="only a permit"):
        policies(f"{ALL} {annotation} forbid (principal, action, resource) when {{ context.time.hour < 1 }};")


# --- what is not taken ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("permit (principal, action, resource", "unexpected end of input"),
        ("allow (principal, action, resource);", "1.cedar"),
        ("permit (principal, action, resource) when { context.request.prompt_token < 5 };", "prompt_token"),
        ("permit (principal, action, resource) when { principal.rolls.isEmpty() };", "rolls"),
        ("permit (principal, action, resource) when { principal.name < 5 };", "unexpected type"),
        ("permit (principal, action, resource) when { resource.tags.isEmpty() };", "tags"),
        ("permit (principal, action, resource) when { context.client_ip.isLoopback() };", "optional attribute"),
        ('permit (principal, action == Action::"generat", resource);', "generat"),
        ('permit (principal == User::"x", action, resource);', "User"),
        ("permit (principal == ?principal, action, resource);", "templates"),
        ("permit (principal, action, resource) when { 9223372036854775808 > 1 };", "too large"),
        ("// nothing", "there are no policies"),
        ("", "there are no policies"),
    ],
)
def test_what_is_wrong_is_refused(text: str, message: str) -> None:
    """A typo never becomes a rule."""
    with pytest.raises(ValueError, match=r".+") as refused:
        policies(text)
    assert message in str(refused.value)


def test_what_is_wrong_is_named_by_file_and_policy() -> None:
    """Also in the middle of several files; the first few faults are told."""
    bad = '@id("late") permit (principal, action, resource) when { context.tme.hour < 5 };'
    with pytest.raises(ValueError, match=r"3\.cedar: late: attribute `tme` not found"):
        policies(ALL, ALL, ALL + bad)
    with pytest.raises(ValueError, match=r"and \d+ more"):
        policies("\n".join(bad.replace("tme", f"t{number}") for number in range(20)))


def test_a_policy_that_fails_denies_all() -> None:
    """Cedar leaves it out, and so would let through what it forbids."""
    much = "context.request.max_tokens * 1000000000 > 5000000000000"
    text = f"{ALL} forbid (principal, action, resource) when {{ {much} }};"
    good = policies(text)
    assert good.decide(question(max_tokens=5)).allow
    assert good.decide(question(max_tokens=6000)).allow is False
    failed = good.decide(question(max_tokens=2**53 - 1))
    assert failed == Decision(allow=False, reasons=(FAILED,))
    assert "overflow" in " ".join(good.explain(question(max_tokens=2**53 - 1)).notes)


def test_a_policy_that_fails_for_a_plain_question_is_refused() -> None:
    """It would deny everybody."""
    with pytest.raises(ValueError, match="fails for a plain question"):
        policies(f"{ALL} forbid (principal, action, resource) when {{ context.time.unix * 9223372036854775807 > 1 }};")


@pytest.mark.parametrize(
    "odd",
    [{"max_tokens": 2**53}, {"prompt_tokens": -(2**63)}, {"temperature": float("nan")}, {"temperature": 1e300}],
    ids=str,
)
def test_what_cedar_would_change_is_denied(odd: dict[str, object]) -> None:
    """Whatever the policies say."""
    assert decided(ALL, **odd) == Decision(allow=False, reasons=(NOT_ASKABLE,))


def test_what_is_said_in_a_name_is_a_name() -> None:
    """Nobody becomes somebody else by it."""
    text = 'permit (principal in Role::"admin", action, resource);'
    for role in ('admin"}; permit(principal, action, resource); //', 'x", "admin', "admin\0", "admin ", "ADMIN", "*"):
        assert not decided(text, roles=(role,)).allow


# --- cases ------------------------------------------------------------------------------------------------------------

CASE = """{{"name": "{name}", "allow": {allow}, "obligations": {{{obligations}}}, "input": {{"action": "generate",
    "resource": {{"kind": "model", "name": "demo"}}, "request": {{"route": "/", "method": "POST"}},
    "time": {{"unix": 1, "weekday": 1, "hour": {hour}, "minute": 0}}}}}}"""


def cases(*each: dict[str, object]) -> bytes:
    """The JSON of cases."""
    plain: dict[str, object] = {"name": "noon", "allow": "true", "obligations": "", "hour": 12}
    return f"[{','.join(CASE.format(**{**plain, **one}) for one in each)}]".encode()


def test_policies_pass_their_cases() -> None:
    """And say so."""
    text = f'@obligation_max_tokens("5") {ALL} forbid (principal, action, resource) when {{ context.time.hour < 6 }};'
    good = policies(
        text, cases=cases({"obligations": '"max_tokens": 5'}, {"name": "night", "hour": 3, "allow": "false"})
    )
    assert [(test.name, test.passed) for test in good.test()] == [("noon", True), ("night", True)]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"allow": "false"}, "noon: it is allowed"),
        ({"obligations": '"max_tokens": 6'}, "noon: it obliges to max_tokens 5, not max_tokens 6"),
        ({}, "noon: it obliges to max_tokens 5, not nothing"),
    ],
)
def test_policies_that_fail_a_case_are_refused(case: dict[str, object], message: str) -> None:
    """The case says how it should have been."""
    with pytest.raises(ValueError, match="their own cases fail") as refused:
        policies(f'@obligation_max_tokens("5") {ALL}', cases=cases(case))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [b"{", b"[{}]", b'[{"name": 1}]', b"\xff", b'[{"nme": "x"}]', b'[{"nme": ' + b"[" * 100_000],
    ids=["cut", "empty", "number", "no UTF-8", "unknown", "deep"],
)
def test_cases_that_cannot_be_read_are_refused(text: bytes) -> None:
    """By their file."""
    with pytest.raises(ValueError, match=r"cases\.json"):
        policies(ALL, cases=text)


def test_an_explanation_names_what_was_decisive() -> None:
    """What granted, what obliged, what forbade, and why."""
    text = f"""@id("all") {ALL}
        @id("night") @reason("closed") forbid (principal, action, resource) when {{ context.time.hour < 6 }};"""
    good = policies(text)
    assert good.explain(question()).policies == ["permit 1.cedar: all"]
    assert good.explain(question(hour=3)).policies == ["forbid 1.cedar: night (closed)"]
    assert good.explain(question(hour=3)).decision == good.decide(question(hour=3))


@pytest.mark.parametrize("name", ["Größe", "山田　太郎", "Zoë/é", "مريم", "😀 team", "漢" * NAME_MAX], ids=range(6))
def test_names_of_all_scripts_are_what_policies_compare(name: str) -> None:
    """Character by character, in texts and as ids."""
    text = f"""permit (principal in Role::"{name}", action, resource == Model::"{name}")
        when {{ principal.roles.contains("{name}") && context.client == "{name}" }}
        unless {{ !(context.client like "*{name[-1]}") }};"""
    assert decided(text, roles=(name,), name=name, client=name).allow
    assert not decided(text, roles=(name,), name=name, client=f"{name[:-1]}ö").allow
    assert not decided(text, roles=(f"{name}x",), name=name, client=name).allow
