"""What policies are asked: all that is known of a request, and nothing of what it says."""

from __future__ import annotations

import json
import math
import sys
import time
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.channel.messages import WorkerStatus
from jackfield.chat import ChatPrompt, Message, Thinking, Tool, ToolCall, ToolChoice
from jackfield.context import RequestContext
from jackfield.errors import PolicyDenied
from jackfield.gateway.dialects import Dialects
from jackfield.gateway.policy_facts import flags_of, model_question, route_question, work_question
from jackfield.gateway.replica import Replica
from jackfield.manifest import ModelConfig
from jackfield.pooled import PairPrompt, PoolRequest
from jackfield.ports.backend import ModelInfo, RunnerLimits
from jackfield.ports.guardrail import Finding
from jackfield.ports.identity import Principal
from jackfield.ports.policy import NAME, NAMES_MAX, PolicyInput
from jackfield.sampling import SamplingParams
from jackfield.types import GenerateRequest, InfillPrompt, TextPrompt, TokenPrompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.types import Prompt

INFO = ModelInfo(
    architecture="llama", title="t", description="d", parameters=2, size_bytes=2, context_train=64, vocabulary=9
)
LIMITS = RunnerLimits(context=64, max_sequences=4, kv_tokens=128, max_batch_tokens=32)
DEFAULT: Final = 512

SECRET: Final = "ZQXJ"
"""Letters that no fact has."""

SAID: Final = st.text(alphabet=SECRET, min_size=1, max_size=50)


def replica(**more: object) -> Replica:
    """A model."""
    config = msgspec.structs.replace(ModelConfig(source="demo.gguf", tags=("eu", "cheap")), **more)
    made = Replica("demo", config, 2, Dialects({}, {"demo": config}))
    made.update(WorkerStatus(model="demo", state="ready", info=INFO, limits=LIMITS, shapes=("regex",)))
    return made


def context(**more: object) -> RequestContext:
    """A request by somebody."""
    made = RequestContext("req_1", "/v1/chat/completions", "192.0.2.7")
    made.method, made.scope, made.body_bytes = "POST", "generate", 99
    for name, value in more.items():
        setattr(made, name, value)
    return made


def principal(**more: object) -> Principal:
    """Somebody."""
    known = Principal(
        id="ann",
        name="Ann B.",
        fingerprint="abc123",
        owner="ops@example.org",
        team="search",
        tenant_name="acme",
        roles=frozenset({"dev", "admin"}),
        tags=frozenset({"beta"}),
        scopes=frozenset({"generate", "models:read"}),
        authenticator="keys",
    )
    return msgspec.structs.replace(known, **more)


def asked(work: GenerateRequest | PoolRequest, **more: object) -> PolicyInput:
    """About that work."""
    return work_question(context(**more), replica(), work, DEFAULT)


def chat(*messages: Message, **more: Any) -> ChatPrompt:
    """A conversation."""
    return ChatPrompt(messages=messages or (Message(role="user", content="hello"),), **more)


def test_all_that_is_known_is_asked_about() -> None:
    """Who, what, which model, how much, in which way."""
    work = GenerateRequest(
        model="default",
        prompt=chat(
            Message(role="user", content="x" * 400),
            tools=(Tool(name="search"), Tool(name="calc")),
            tool_choice=ToolChoice(mode="required"),
            thinking=Thinking(enabled=True),
        ),
        sampling=SamplingParams(temperature=0.5),
        max_tokens=77,
        n=3,
        priority=5,
        logprobs=2,
    )
    question = asked(work, principal=principal())
    assert question.action == "generate"
    assert question.client == "192.0.2.7"
    who = question.principal
    assert (who.id, who.name, who.authenticator, who.owner) == ("keys/ann", "Ann B.", "keys", "ops@example.org")
    assert (who.team, who.roles, who.scopes, who.tags) == (
        "search",
        ("admin", "dev"),
        ("generate", "models:read"),
        ("beta",),
    )
    what = question.resource
    assert (what.kind, what.name, what.backend, what.tags) == ("model", "demo", "llama-cpu", ("eu", "cheap"))
    assert what.capabilities == ("generate", "structured_outputs")
    facts = question.request
    assert (facts.route, facts.method, facts.body_bytes) == ("/v1/chat/completions", "POST", 99)
    assert (facts.prompt_tokens, facts.max_tokens, facts.answers, facts.messages) == (106, 77, 3, 1)
    assert (facts.tools, facts.tool_choice, facts.temperature, facts.priority) == (
        ("calc", "search"),
        "required",
        0.5,
        5,
    )
    assert (facts.structured, facts.reasoning, facts.logprobs, facts.modalities, facts.flags) == (
        False,
        True,
        True,
        ("text",),
        (),
    )


def test_the_tenant_is_the_one_that_administrators_know() -> None:
    """Its name, and nothing for who has none."""
    assert asked(GenerateRequest(model="demo", prompt=TextPrompt("x")), principal=principal()).principal.tenant == (
        "acme"
    )
    alone = principal(tenant_name="")
    assert asked(GenerateRequest(model="demo", prompt=TextPrompt("x")), principal=alone).principal.tenant == ""


def test_what_is_not_said_has_its_default() -> None:
    """As the worker will take it."""
    facts = asked(GenerateRequest(model="demo", prompt=TextPrompt("four" * 10))).request
    assert (facts.max_tokens, facts.answers, facts.prompt_tokens, facts.messages) == (DEFAULT, 1, 10, 0)
    assert (facts.tools, facts.tool_choice, facts.reasoning) == ((), "", False)


def test_nobody_is_asked_about_as_nobody() -> None:
    """Where no authenticator is enabled."""
    assert asked(GenerateRequest(model="demo", prompt=TextPrompt("x"))).principal.id == ""


@pytest.mark.parametrize(
    ("work", "action", "tokens", "inputs"),
    [
        (PoolRequest(model="demo", task="embed", inputs=(TextPrompt("a" * 40), TokenPrompt((1, 2)))), "embed", 12, 2),
        (PoolRequest(model="demo", task="rerank", inputs=(PairPrompt("a" * 20, "b" * 20),)), "rerank", 10, 1),
        (PoolRequest(model="demo", task="classify", inputs=(TextPrompt("a" * 8),)), "rerank", 2, 1),
        (PoolRequest(model="demo", task="embed", inputs=(TextPrompt("a"),) * 2000), "embed", 2000, 2000),
    ],
)
def test_inputs_are_counted(work: PoolRequest, action: str, tokens: int, inputs: int) -> None:
    """Work that generates nothing has no answers."""
    question = asked(work)
    assert question.action == action
    assert (question.request.prompt_tokens, question.request.inputs, question.request.answers) == (tokens, inputs, 0)


def test_no_text_hides_from_the_estimate() -> None:
    """Whatever reaches the model counts: a ceiling that tool descriptions slip under would be none."""
    prompt = chat(
        Message(role="user", content="a" * 40),
        Message(role="assistant", reasoning="b" * 40, tool_calls=(ToolCall("1", "calc", f'{{"x": "{"c" * 31}"}}'),)),
        tools=(Tool(name="calc", description="d" * 38, parameters='{"type": "object", "properties": {}}'),),
    )
    names, turns = 2 * len("calc"), 2 * 4 * 4
    letters = (
        names + turns + 40 + 40 + len(prompt.messages[1].tool_calls[0].arguments) + 38 + len(prompt.tools[0].parameters)
    )
    assert asked(GenerateRequest(model="demo", prompt=prompt)).request.prompt_tokens == letters // 4


@given(said=st.lists(SAID, min_size=9, max_size=9), temperature=st.floats(0, 2))
def test_no_letter_of_what_it_says_is_told(said: list[str], temperature: float) -> None:
    """Whatever the request: policies have ids, numbers and flags."""
    schema = json.dumps({"type": "object", "properties": {said[0]: {"type": "string", "description": said[1]}}})
    prompts: list[Prompt] = [
        chat(
            Message(role="system", content=said[2], name=said[3]),
            Message(role="assistant", content="", reasoning=said[4], tool_calls=(ToolCall("1", "calc", schema),)),
            Message(role="tool", content=said[5], tool_call_id=said[6], name="calc"),
            tools=(Tool(name="calc", description=said[7], parameters=schema),),
            template_kwargs={said[8]: said[0]},
        ),
        TextPrompt(said[0]),
        InfillPrompt(prefix=said[0], suffix=said[1]),
    ]
    for prompt in prompts:
        work = GenerateRequest(
            model=said[3],
            prompt=prompt,
            stop=(said[0],),
            cache_salt=said[1],
            sampling=SamplingParams(temperature=temperature),
        )
        told = msgspec.json.encode(asked(work, principal=principal(), user=said[2], model=said[4])).decode()
        assert not set(SECRET) & set(told)
    pooled = PoolRequest(model=said[0], task="rerank", inputs=(PairPrompt(said[1], said[2]),))
    assert not set(SECRET) & set(msgspec.json.encode(asked(pooled)).decode())


@given(
    name=st.text(max_size=300),
    role=st.text(max_size=20),
    client=st.text(max_size=60),
    route=st.text(max_size=60),
    scope=st.text(max_size=20),
)
def test_odd_names_are_denied_and_nothing_else(name: str, role: str, client: str, route: str, scope: str) -> None:
    """Never a defect, never half a question: each question has names that policies can read."""
    who = principal(name=name or "x", roles=frozenset({role}))
    request = context(principal=who, client=client, route=route, scope=scope)
    asking: list[Callable[[], PolicyInput]] = [
        lambda: route_question(request),
        lambda: model_question(request, replica()),
        lambda: work_question(request, replica(), GenerateRequest(model="demo", prompt=TextPrompt("x")), DEFAULT),
    ]
    for ask in asking:
        with suppress(PolicyDenied):
            question = ask()
            assert msgspec.convert(msgspec.to_builtins(question), PolicyInput) == question
            assert all(NAME.match(text) for text in (question.principal.name, question.client, question.action))


@pytest.mark.parametrize("name", ["auth0|5f7c8ec7", "CN=ann,O=Acme (Berlin)", "R&D", "O'Neil", "a;b!#$%^~`<>?[]"])
def test_names_as_issuers_and_people_write_them_can_be_asked_about(name: str) -> None:
    """A caller of an issuer that has such ids is not locked out by any policy that is enabled."""
    who = principal(id=name, name=name, owner=name, team=name, tenant_name=name)
    question = asked(GenerateRequest(model="demo", prompt=TextPrompt("x")), principal=who)
    assert question.principal.id.endswith(f"/{name}")
    assert {question.principal.name, question.principal.owner, question.principal.team} == {name}


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"name": "a\\u0061"}, id="an escape"),
        pytest.param({"name": 'a","allow":true,"b":"'}, id="closing a string"),
        pytest.param({"name": "a\0b"}, id="a NUL"),
        pytest.param({"owner": "M\u200büller"}, id="unseen"),
        pytest.param({"owner": "\u202eMüller"}, id="right to left"),
        pytest.param({"owner": "Mü\0ller"}, id="a NUL behind a letter that is not ASCII"),
        pytest.param({"owner": 'Mü","allow":true'}, id="closing a string behind one"),
        pytest.param({"team": "ü\u2028"}, id="a line's end"),
        pytest.param({"team": "ü" * 257}, id="long, and not ASCII"),
        pytest.param({"id": "Mu\u0308ller"}, id="an id that is not composed"),
        pytest.param({"team": "x" * 257}, id="long"),
        pytest.param({"team": "e\u0302\u0301" * 200}, id="long until it is composed"),
        pytest.param({"name": "e" + "\u0302\u0316" * 1_000_000}, id="of more marks than anybody can put in order"),
        pytest.param({"roles": frozenset({"admin\n"})}, id="a line break"),
        pytest.param({"tags": frozenset({"\ue000"})}, id="private use"),
        pytest.param({"scopes": frozenset({"\ud800"})}, id="a surrogate"),
        pytest.param({"roles": frozenset(map(str, range(NAMES_MAX + 1)))}, id="many"),
    ],
)
def test_what_a_policy_cannot_read_is_denied(odd: dict[str, object]) -> None:
    """Leaving it out would ask something else."""
    with pytest.raises(PolicyDenied):
        asked(GenerateRequest(model="demo", prompt=TextPrompt("x")), principal=principal(**odd))


@pytest.mark.parametrize("name", ["Größe", "山田　太郎", "Zoë Müller-Łoś", "مريم", "ＡＢＣ株式会社", "😀", "ü" * 200])
def test_names_of_all_scripts_can_be_asked_about(name: str) -> None:
    """Wherever people give names."""
    who = principal(id=name, name=name, owner=name, team=name, tenant_name=name, roles=frozenset({name}))
    told = asked(GenerateRequest(model="demo", prompt=TextPrompt("x")), principal=who).principal
    assert {told.name, told.owner, told.team, told.tenant, *told.roles} == {name}
    assert told.id == f"keys/{name}"


def test_names_are_asked_about_as_policies_write_them() -> None:
    """An accent behind its letter is the same name."""
    who = principal(name="Mu\u0308ller", team="Gro\u0308ße", roles=frozenset({"A\u0308rzte", "Ärzte"}))
    told = asked(GenerateRequest(model="demo", prompt=TextPrompt("x")), principal=who).principal
    assert (told.name, told.team, told.roles) == ("Müller", "Größe", ("Ärzte",))


def test_what_is_printed_can_be_in_a_name() -> None:
    """By Unicode's own tables: all of it but quotes and what escapes, and nothing that nobody sees."""
    unseen = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) in unseen:
            assert not NAME.match(character), hex(code)
        elif character.isprintable() and character not in '"\\\ufffc\ufffd':  # what stands for something lost
            assert NAME.match(character), hex(code)


@pytest.mark.parametrize(
    "number",
    [2**53, 2**63, 10**30],
)
def test_what_a_policy_cannot_count_is_denied(number: int) -> None:
    """JSON's readers round it, and engines let it overflow."""
    with pytest.raises(PolicyDenied) as denied:
        asked(GenerateRequest(model="demo", prompt=TextPrompt("x"), max_tokens=number))
    assert denied.value.param == "max_tokens"


@pytest.mark.parametrize("temperature", [math.nan, math.inf])
def test_what_is_no_number_is_denied(temperature: float) -> None:
    """JSON has no word for it."""
    sampling = SamplingParams(temperature=1.0)
    msgspec.structs.force_setattr(sampling, "temperature", temperature)
    work = GenerateRequest(model="demo", prompt=TextPrompt("x"), sampling=sampling)
    with pytest.raises(PolicyDenied):
        asked(work)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/models/{id:.+}", "/v1/models/{id}"),
        ("/v1/files/{id}/content", "/v1/files/{id}/content"),
        ("/x/{name:[a-z]{2}}/{rest:.*}", "/x/{name}/{rest}"),
    ],
)
def test_routes_are_called_by_their_paths(pattern: str, told: str) -> None:
    """Without what variables must look like."""
    question = route_question(context(route=pattern, scope="models:read", method="GET"))
    assert (question.action, question.resource.kind, question.resource.name) == ("models:read", "route", told)
    assert (question.request.route, question.request.method, question.request.body_bytes) == (told, "GET", 99)


def test_a_model_is_asked_about_without_work() -> None:
    """By the scope of the route that asks it something."""
    question = model_question(context(), replica())
    assert (question.action, question.resource.kind, question.resource.name) == ("generate", "model", "demo")
    assert question.request.prompt_tokens == 0


@pytest.mark.parametrize(
    ("client", "told"), [("fe80::1%eth0", "fe80::1"), ("::1", "::1"), ("", ""), ("unix:", "unix:")]
)
def test_addresses_are_told_without_their_interface(client: str, told: str) -> None:
    assert route_question(context(client=client)).client == told


def test_time_is_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Monday is 1; hours are local, and the offset says where that is."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: 1_767_603_600.9)
    try:
        told = route_question(context()).time
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (told.unix, told.weekday, told.hour, told.minute, told.utc_offset_minutes) == (1_767_603_600, 1, 14, 30, 330)


def test_flags_name_what_was_found() -> None:
    """Each once, in order."""
    findings = [
        Finding(category="pii", code="email", action="mask"),
        Finding(category="injection", code="override", action="pass"),
        Finding(category="pii", code="email", action="mask"),
    ]
    assert flags_of(findings) == ("injection/override", "pii/email")
    with pytest.raises(PolicyDenied):
        flags_of([Finding(category="pii", code="\u200b", action="mask")])
