"""What each documented field may say, what becomes of it, and what is refused where."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import (
    ClientError,
    InvalidRequest,
    JackfieldError,
    MalformedBody,
    UnknownField,
    UnsupportedField,
    http,
)
from jackfield.types import ChatPrompt, GenerateRequest, Message, SamplingParams, TextPrompt, TokenPrompt
from jackfield_openai import fields
from jackfield_openai.decode import Call, decode_chat, decode_completion

CHAT_DOCUMENTED = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
]
COMPLETION_DOCUMENTED = [
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "model",
    "n",
    "presence_penalty",
    "prompt",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "top_p",
    "user",
]
LOCAL = {"top_k", "min_p", "ignore_eos"}

Value = object


def chat(mode: str = "strict", /, **body: Value) -> Call:
    """Decode a chat body with a model and a message, unless *body* says otherwise."""
    full = {"model": "demo", "messages": [{"role": "user", "content": "hi"}], **body}
    return decode_chat(msgspec.json.encode(full), "warn" if mode == "warn" else "strict")


def completion(mode: str = "strict", /, **body: Value) -> Call:
    """Decode a completion body with a model and a prompt, unless *body* says otherwise."""
    full = {"model": "demo", "prompt": "hi", **body}
    return decode_completion(msgspec.json.encode(full), "warn" if mode == "warn" else "strict")


def test_every_documented_chat_field_has_a_place() -> None:
    """All 37 properties of the reference, and the local ones, are either honoured or have a rule; no other name is."""
    assert len(CHAT_DOCUMENTED) == 37
    assert fields.CHAT_HONOURED | fields.CHAT.keys() == {*CHAT_DOCUMENTED, *LOCAL}
    assert not fields.CHAT_HONOURED & fields.CHAT.keys()


def test_every_documented_completion_field_has_a_place() -> None:
    """All 18 properties of the reference, and the local ones, are either honoured or have a rule; no other name is."""
    assert len(COMPLETION_DOCUMENTED) == 18
    assert fields.COMPLETION_HONOURED | fields.COMPLETION.keys() == {*COMPLETION_DOCUMENTED, *LOCAL}
    assert not fields.COMPLETION_HONOURED & fields.COMPLETION.keys()


PLAIN_CHAT = GenerateRequest(model="demo", prompt=ChatPrompt((Message("user", "hi"),)))
PLAIN_COMPLETION = GenerateRequest(model="demo", prompt=TextPrompt("hi"))


@pytest.mark.parametrize("name", sorted({*CHAT_DOCUMENTED, *LOCAL} - {"model", "messages"}))
def test_null_asks_for_nothing_in_a_chat(name: str) -> None:
    """A field that is null counts as absent, whatever it is."""
    assert chat(**{name: None}) == Call(request=PLAIN_CHAT, stream=False, include_usage=False)


@pytest.mark.parametrize("name", sorted({*COMPLETION_DOCUMENTED, *LOCAL} - {"model", "prompt"}))
def test_null_asks_for_nothing_in_a_completion(name: str) -> None:
    """A field that is null counts as absent, whatever it is."""
    assert completion(**{name: None}) == Call(request=PLAIN_COMPLETION, stream=False, include_usage=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequency_penalty", 0),
        ("frequency_penalty", 0.0),
        ("function_call", "none"),
        ("function_call", "auto"),
        ("functions", []),
        ("logit_bias", {}),
        ("logprobs", False),
        ("metadata", {}),
        ("metadata", {"team": "search"}),
        ("modalities", ["text"]),
        ("n", 1),
        ("parallel_tool_calls", True),
        ("parallel_tool_calls", False),
        ("presence_penalty", 0),
        ("prompt_cache_key", "abc"),
        ("prompt_cache_options", {}),
        ("prompt_cache_options", {"mode": "implicit", "ttl": "30m"}),
        ("prompt_cache_retention", "in_memory"),
        ("prompt_cache_retention", "24h"),
        ("reasoning_effort", "none"),
        ("response_format", {"type": "text"}),
        ("safety_identifier", "abc"),
        ("service_tier", "auto"),
        ("service_tier", "default"),
        ("store", False),
        ("stream_options", {}),
        ("stream_options", {"include_usage": False}),
        ("stream_options", {"include_obfuscation": False}),
        ("tool_choice", "none"),
        ("tool_choice", "auto"),
        ("tools", []),
        ("top_logprobs", 0),
        ("user", "user-1"),
        ("verbosity", "medium"),
        ("stop", []),
        ("ignore_eos", False),
        ("stream", False),
        ("top_k", 0),
        ("min_p", 0),
        ("temperature", 1),
        ("top_p", 1.0),
    ],
)
def test_a_chat_field_that_asks_for_nothing_is_accepted(name: str, value: Value) -> None:
    """Its default, or a value that changes nothing, gives the same request as leaving it out."""
    assert chat(**{name: value}).request == PLAIN_CHAT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("best_of", 1),
        ("echo", False),
        ("frequency_penalty", 0),
        ("logit_bias", {}),
        ("n", 1),
        ("presence_penalty", 0.0),
        ("stream_options", {"include_usage": True}),
        ("suffix", ""),
        ("user", "user-1"),
    ],
)
def test_a_completion_field_that_asks_for_nothing_is_accepted(name: str, value: Value) -> None:
    """As for chats."""
    assert completion(**{name: value}).request == PLAIN_COMPLETION


ALWAYS_REFUSED_IN_A_CHAT: list[tuple[str, Value, str]] = [
    ("audio", {"voice": "alloy", "format": "wav"}, "audio"),
    ("function_call", {"name": "f"}, "function_call"),
    ("functions", [{"name": "f"}], "functions"),
    ("logprobs", True, "logprobs"),
    ("modalities", ["text", "audio"], "modalities"),
    ("moderation", {"model": "m"}, "moderation"),
    ("n", 2, "n"),
    ("n", 0, "n"),
    ("response_format", {"type": "json_object"}, "response_format"),
    ("response_format", {"type": "json_schema", "json_schema": {"name": "a"}}, "response_format"),
    ("tool_choice", "required", "tool_choice"),
    ("tool_choice", {"type": "function", "function": {"name": "f"}}, "tool_choice"),
    ("tools", [{"type": "function", "function": {"name": "f"}}], "tools"),
    ("top_logprobs", 3, "top_logprobs"),
    ("web_search_options", {}, "web_search_options"),
    ("messages", [{"role": "tool", "content": "4", "tool_call_id": "c"}], "messages[0].role"),
    ("messages", [{"role": "function", "content": "4", "name": "f"}], "messages[0].role"),
    (
        "messages",
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "tool_calls": [{"id": "c"}]}],
        "messages[1].tool_calls",
    ),
    ("messages", [{"role": "assistant", "content": "a", "function_call": {"name": "f"}}], "messages[0].function_call"),
    ("messages", [{"role": "assistant", "content": "a", "audio": {"id": "x"}}], "messages[0].audio"),
    ("messages", [{"role": "assistant", "content": "a", "refusal": "no"}], "messages[0].refusal"),
    (
        "messages",
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}],
            }
        ],
        "messages[0].content[1].type",
    ),
    ("messages", [{"role": "user", "content": [{"type": "input_audio"}]}], "messages[0].content[0].type"),
    ("messages", [{"role": "user", "content": [{"type": "file"}]}], "messages[0].content[0].type"),
]


@pytest.mark.parametrize("mode", ["strict", "warn"])
@pytest.mark.parametrize(("name", "value", "param"), ALWAYS_REFUSED_IN_A_CHAT)
def test_a_chat_field_that_changes_the_answer_is_refused_in_both_modes(
    name: str, value: Value, param: str, mode: str
) -> None:
    """What cannot be done and would give another kind of answer is never left out in silence, nor with a warning."""
    with pytest.raises(UnsupportedField) as refused:
        chat(mode, **{name: value})
    assert refused.value.param == param
    assert http(refused.value).status == 400


ONLY_TUNING_IN_A_CHAT: list[tuple[str, Value, str]] = [
    ("frequency_penalty", 0.5, "frequency_penalty"),
    ("logit_bias", {"50256": -100}, "logit_bias"),
    ("prediction", {"type": "content", "content": "x"}, "prediction"),
    ("presence_penalty", -1, "presence_penalty"),
    ("prompt_cache_options", {"mode": "explicit"}, "prompt_cache_options"),
    ("prompt_cache_retention", "forever", "prompt_cache_retention"),
    ("reasoning_effort", "high", "reasoning_effort"),
    ("service_tier", "priority", "service_tier"),
    ("store", True, "store"),
    ("stream_options", {"include_obfuscation": True}, "stream_options.include_obfuscation"),
    ("verbosity", "low", "verbosity"),
    ("messages", [{"role": "user", "content": "hi", "name": "ann"}], "messages[0].name"),
    (
        "messages",
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "hi", "prompt_cache_breakpoint": {"mode": "explicit"}}],
            }
        ],
        "messages[0].content[0].prompt_cache_breakpoint",
    ),
]


@pytest.mark.parametrize(("name", "value", "param"), ONLY_TUNING_IN_A_CHAT)
def test_a_chat_field_that_only_tunes_is_refused_or_listed(name: str, value: Value, param: str) -> None:
    """``strict`` names it in a refusal; ``warn`` answers without it and says so."""
    with pytest.raises(UnsupportedField) as refused:
        chat(**{name: value})
    assert refused.value.param == param
    call = chat("warn", **{name: value})
    assert call.ignored == (param,)
    assert call.request == PLAIN_CHAT


@pytest.mark.parametrize(
    ("name", "value"), [("echo", True), ("logprobs", 0), ("logprobs", 3), ("n", 3), ("suffix", "end")]
)
@pytest.mark.parametrize("mode", ["strict", "warn"])
def test_a_completion_field_that_changes_the_answer_is_refused_in_both_modes(
    name: str, value: Value, mode: str
) -> None:
    """As for chats."""
    with pytest.raises(UnsupportedField) as refused:
        completion(mode, **{name: value})
    assert refused.value.param == name


@pytest.mark.parametrize(("name", "value"), [("best_of", 3), ("frequency_penalty", 1), ("logit_bias", {"1": 1})])
def test_a_completion_field_that_only_tunes_is_refused_or_listed(name: str, value: Value) -> None:
    """As for chats."""
    with pytest.raises(UnsupportedField):
        completion(**{name: value})
    assert completion("warn", **{name: value}).ignored == (name,)


@pytest.mark.parametrize(
    ("body", "param", "hint"),
    [
        ({"tempreature": 1}, "tempreature", "temperature"),
        ({"zzz": None}, "zzz", None),
        ({"messages": [{"role": "user", "content": "hi", "weight": 0}]}, "messages[0].weight", None),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": 1}]}]},
            "messages[0].content[0].x",
            None,
        ),
        ({"stream_options": {"include_usages": True}}, "stream_options.include_usages", "stream_options.include_usage"),
        ({"x" * 5000: 1}, "x" * 64 + "…", None),
    ],
)
def test_unknown_fields_are_refused_or_listed(body: dict[str, Value], param: str, hint: str | None) -> None:
    """At any depth, with the nearest known name; a name of the client's own is cut before it is repeated."""
    with pytest.raises(UnknownField) as refused:
        chat(**body)
    assert refused.value.param == param
    assert (hint is None) == ("did you mean" not in refused.value.message)
    assert hint is None or hint in refused.value.message
    assert chat("warn", **body).ignored == (param,)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 3}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [None]}, "messages[0]"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": 1, "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": 1}]}, "messages[1].content"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"min_p": -1}, "min_p"),
        ({"top_k": -1}, "top_k"),
        ({"top_k": 2**31}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"seed": 2**63}, "seed"),
        ({"seed": "x"}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a", 1]}, "stop[1]"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": "x" * 513}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": True}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"n": "1"}, "n"),
        ({"n": 1.5}, "n"),
        ({"tools": {}}, "tools"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"logit_bias": {"1": "x"}}, "logit_bias"),
        ({"response_format": {}}, "response_format"),
        ({"user": 3}, "user"),
        ({"ignore_eos": 1}, "ignore_eos"),
    ],
)
def test_a_wrong_value_names_its_path(body: dict[str, Value], param: str) -> None:
    """Wrong type, out of range, or missing: 400 with the path, in the words of JSON."""
    with pytest.raises(InvalidRequest) as refused:
        chat(**body)
    assert refused.value.param == param
    assert http(refused.value).code == "invalid_value"
    assert "`" not in refused.value.message


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("hi", TextPrompt("hi")),
        ("", TextPrompt("")),
        (["hi"], TextPrompt("hi")),
        ([1, 2, 3], TokenPrompt((1, 2, 3))),
        ([[1, 2, 3]], TokenPrompt((1, 2, 3))),
    ],
)
def test_prompts(prompt: Value, expected: TextPrompt | TokenPrompt) -> None:
    """A text, a text in a list, tokens, tokens in a list."""
    assert completion(prompt=prompt).request.prompt == expected


@pytest.mark.parametrize(
    ("prompt", "param", "code"),
    [
        (None, "prompt", "invalid_value"),
        ([], "prompt", "invalid_value"),
        ([[]], "prompt", "invalid_value"),
        (3, "prompt", "invalid_value"),
        ({}, "prompt", "invalid_value"),
        ([-1], "prompt[0]", "invalid_value"),
        ([1, 2**31], "prompt[1]", "invalid_value"),
        ([1, "a"], "prompt[1]", "invalid_value"),
        (["a", "b"], "prompt", "unsupported_parameter"),
        ([[1], [2]], "prompt", "unsupported_parameter"),
    ],
)
def test_prompts_that_are_refused(prompt: Value, param: str, code: str) -> None:
    """Several prompts would be several answers; the rest is no prompt at all."""
    with pytest.raises(InvalidRequest) as refused:
        completion(prompt=prompt)
    assert (refused.value.param, http(refused.value).code) == (param, code)


def test_all_honoured_fields_arrive() -> None:
    """Every field that is honoured reaches the request."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "In English."},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "", "refusal": None, "annotations": [], "tool_calls": None},
    ]
    call = chat(
        messages=messages,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        min_p=0.05,
        seed=7,
        stop=["\n", "END"],
        max_completion_tokens=12,
        ignore_eos=True,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert call == Call(
        request=GenerateRequest(
            model="demo",
            prompt=ChatPrompt(
                (
                    Message("system", "Be brief."),
                    Message("developer", "In English."),
                    Message("user", "one\ntwo"),
                    Message("assistant", ""),
                )
            ),
            sampling=SamplingParams(temperature=0.5, top_p=0.9, top_k=40, min_p=0.05, seed=7),
            max_tokens=12,
            stop=("\n", "END"),
            ignore_eos=True,
        ),
        stream=True,
        include_usage=True,
    )


def test_one_stop_string_needs_no_list() -> None:
    """``stop`` as OpenAI's clients often write it."""
    assert completion(stop="END").request.stop == ("END",)


def test_equal_limits_are_one_limit() -> None:
    """Some clients send both names."""
    assert chat(max_tokens=5, max_completion_tokens=5).request.max_tokens == 5


@pytest.mark.parametrize(("seed", "expected"), [(0, 0), (2**32 - 2, 2**32 - 2), (2**32 - 1, 0), (-1, 2**32 - 2)])
def test_seeds_fold_into_what_samplers_take(seed: int, expected: int) -> None:
    """OpenAI's seeds are 64 bits; equal seeds stay equal."""
    assert chat(seed=seed).request.sampling.seed == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model": "a", "model": "b"}', "model"),
        (b'{"messages": [{"role": "user", "role": "system", "content": "x"}], "model": "a"}', "messages[0].role"),
    ],
)
def test_a_name_given_twice_is_refused(body: bytes, param: str) -> None:
    """Which of the two holds would be anybody's guess."""
    with pytest.raises(MalformedBody) as refused:
        decode_chat(body, "warn")
    assert refused.value.param == param


MESSAGE = b'{"role":"user","content":"x"}'
PART = b'{"type":"text","text":"x"}'


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"a","messages":[' + b",".join([MESSAGE] * 2049) + b"]}", "messages"),
        (
            b'{"model":"a","messages":[{"role":"user","content":[' + b",".join([PART] * 2049) + b"]}]}",
            "messages[0].content",
        ),
        (b'{"model":"a","messages":[' + b",".join([MESSAGE] * 300_000) + b"]}", None),
        (b'{"model":"a","messages":[' + b",".join([b"{}"] * 1_500_000) + b"]}", "messages"),
        (b'{"model":"a",' + b",".join(b'"f%d":1' % number for number in range(800_000)) + b"}", None),
        (b'{"model":"a",' + b",".join([b'"n":1'] * 1_000_000) + b"}", None),
    ],
    ids=[
        "messages",
        "parts",
        "millions of fields",
        "millions of messages",
        "millions of names",
        "one name, millionfold",
    ],
)
def test_what_is_too_much_is_refused_soon(body: bytes, param: str | None) -> None:
    """Nobody may hold the event loop with a body that says nothing: a body of the largest size costs half a second."""
    started = time.process_time()
    with pytest.raises(InvalidRequest, match=r"more than|at most") as refused:
        decode_chat(body, "warn")
    assert refused.value.param == param
    assert time.process_time() - started < 1.5


def test_the_most_messages_and_parts_are_accepted() -> None:
    """The limits themselves are inside."""
    parts = [{"type": "text", "text": "x"}] * 2048
    request = chat(messages=[{"role": "user", "content": parts}, *[{"role": "user", "content": "x"}] * 2047]).request
    assert isinstance(request.prompt, ChatPrompt)
    assert len(request.prompt.messages) == 2048


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(["user", "demo", "text", "auto"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "x"]), inner)
    ),
    max_leaves=12,
)
names = st.sampled_from([*CHAT_DOCUMENTED, *COMPLETION_DOCUMENTED, *LOCAL, "unheard_of"])


@given(body=st.dictionaries(names, json_values, max_size=6), mode=st.sampled_from(["strict", "warn"]))
def test_any_object_is_a_request_or_the_clients_fault(body: dict[str, Value], mode: str) -> None:
    """No value of any field gets past the checks as anything else."""
    for decode in (chat, completion):
        for full in (body, {"model": "demo", "messages": [{"role": "user", "content": "a"}], "prompt": "a", **body}):
            try:
                call = decode(mode, **full)
            except ClientError as error:
                assert http(error).status == 400  # noqa: PT017 - most examples are no error
            else:
                assert isinstance(call.request, GenerateRequest)
                msgspec.msgpack.encode(call.request)


@given(data=st.binary(max_size=200) | st.text().map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_the_clients_fault(data: bytes) -> None:
    """Bytes that are no body of ours give an error of ours."""
    for decode in (decode_chat, decode_completion):
        with pytest.raises(JackfieldError) as refused:
            decode(data, "strict")
        assert http(refused.value).status == 400
