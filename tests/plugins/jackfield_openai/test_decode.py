"""What each documented field may say, what becomes of it, and what is refused where."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatPrompt, Message
from jackfield.errors import (
    ClientError,
    InvalidRequest,
    JackfieldError,
    MalformedBody,
    UnknownField,
    UnsupportedField,
    http,
)
from jackfield.pooled import PoolRequest
from jackfield.ports.constraint import JsonObject
from jackfield.sampling import LogitBias, SamplingParams
from jackfield.types import GenerateRequest, TextPrompt
from jackfield_openai import fields
from jackfield_openai.bodies import Call, EmbeddingCall
from jackfield_openai.decode import decode_chat, decode_completion, decode_embedding

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
EMBEDDING_DOCUMENTED = ["dimensions", "encoding_format", "input", "model", "user"]
LOCAL_EMBEDDING = {"add_special_tokens", "normalize", "priority", "truncate_prompt_tokens"}
LOCAL = {
    "adaptive_decay",
    "adaptive_target",
    "add_special_tokens",
    "allowed_token_ids",
    "bad_words",
    "cache_prompt",
    "cache_salt",
    "custom_params",
    "dry_allowed_length",
    "dry_base",
    "dry_multiplier",
    "dry_penalty_last_n",
    "dry_sequence_breakers",
    "dynatemp_exponent",
    "dynatemp_range",
    "ebnf",
    "ec_transfer_params",
    "grammar",
    "grammar_lazy",
    "grammar_triggers",
    "guided_choice",
    "guided_decoding_backend",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "guided_whitespace_pattern",
    "id_slot",
    "ignore_eos",
    "include_stop_str_in_output",
    "json_schema",
    "keep_alive",
    "kv_transfer_params",
    "length_penalty",
    "logits_processors",
    "lora",
    "lora_path",
    "min_keep",
    "min_p",
    "min_tokens",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "n_cache_reuse",
    "n_indent",
    "n_keep",
    "n_predict",
    "n_probs",
    "no_stop_trim",
    "post_sampling_probs",
    "preserved_tokens",
    "priority",
    "prompt_logprobs",
    "regex",
    "repeat_last_n",
    "repeat_penalty",
    "repetition_detection",
    "repetition_penalty",
    "request_id",
    "response_fields",
    "return_hidden_states",
    "return_meta_info",
    "return_progress",
    "return_token_ids",
    "return_tokens",
    "return_tokens_as_token_ids",
    "rid",
    "samplers",
    "session_id",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "sse_ping_interval",
    "stop_regex",
    "stop_token_ids",
    "stream_interval",
    "structural_tag",
    "structured_outputs",
    "t_max_predict_ms",
    "timings_per_token",
    "top_k",
    "top_n_sigma",
    "truncate_prompt_tokens",
    "ttl",
    "typical_p",
    "use_beam_search",
    "vllm_xargs",
    "xtc_probability",
    "xtc_threshold",
}
"""What other local servers have, for chats and completions."""
LOCAL_COMPLETION = LOCAL | {"response_format"}
LOCAL_CHAT = LOCAL | {
    "add_generation_prompt",
    "chat_template",
    "chat_template_kwargs",
    "continue_final_message",
    "documents",
    "echo",
    "enable_thinking",
    "include_reasoning",
    "media_io_kwargs",
    "mm_processor_kwargs",
    "reasoning",
    "reasoning_budget_message",
    "reasoning_budget_tokens",
    "reasoning_control",
    "reasoning_format",
    "separate_reasoning",
    "stream_reasoning",
    "thinking",
    "thinking_budget",
    "thinking_budget_tokens",
    "thinking_token_budget",
}

Value = object


def chat(mode: str = "strict", /, **body: Value) -> Call:
    """Decode a chat body with a model and a message, unless *body* says otherwise."""
    full = {"model": "demo", "messages": [{"role": "user", "content": "hi"}], **body}
    return decode_chat(msgspec.json.encode(full), "warn" if mode == "warn" else "strict")


def completion(mode: str = "strict", /, **body: Value) -> Call:
    """Decode a completion body with a model and a prompt, unless *body* says otherwise."""
    full = {"model": "demo", "prompt": "hi", **body}
    return decode_completion(msgspec.json.encode(full), "warn" if mode == "warn" else "strict")


def embedding(mode: str = "strict", /, **body: Value) -> EmbeddingCall:
    """Decode a body of embeddings with a model and an input, unless *body* says otherwise."""
    full = {"model": "demo", "input": "hi", **body}
    return decode_embedding(msgspec.json.encode(full), "warn" if mode == "warn" else "strict")


def test_every_documented_chat_field_has_a_place() -> None:
    """All 37 properties of the reference, and the local ones, are either honoured or have a rule; no other name is."""
    assert len(CHAT_DOCUMENTED) == 37
    assert fields.CHAT_HONOURED | fields.CHAT.keys() == {*CHAT_DOCUMENTED, *LOCAL_CHAT}
    assert not fields.CHAT_HONOURED & fields.CHAT.keys()


def test_every_documented_completion_field_has_a_place() -> None:
    """All 18 properties of the reference, and the local ones, are either honoured or have a rule; no other name is."""
    assert len(COMPLETION_DOCUMENTED) == 18
    assert fields.COMPLETION_HONOURED | fields.COMPLETION.keys() == {*COMPLETION_DOCUMENTED, *LOCAL_COMPLETION}
    assert not fields.COMPLETION_HONOURED & fields.COMPLETION.keys()


def test_every_documented_embedding_field_has_a_place() -> None:
    """All 5 properties of the reference, and the local ones, are either honoured or have a rule; no other name is."""
    assert fields.EMBEDDING_HONOURED | fields.EMBEDDING.keys() == {*EMBEDDING_DOCUMENTED, *LOCAL_EMBEDDING}
    assert not fields.EMBEDDING_HONOURED & fields.EMBEDDING.keys()


def test_every_sampling_parameter_can_be_asked_for() -> None:
    """None that the kernel has is without a name here, but what is for gaps and has no name in any API."""
    assert set(SamplingParams.__struct_fields__) - {"infill"} <= fields.CHAT_HONOURED & fields.COMPLETION_HONOURED


PLAIN_CHAT = GenerateRequest(model="demo", prompt=ChatPrompt((Message("user", "hi"),)))
PLAIN_COMPLETION = GenerateRequest(model="demo", prompt=TextPrompt("hi"))


@pytest.mark.parametrize("name", sorted({*CHAT_DOCUMENTED, *LOCAL_CHAT} - {"model", "messages"}))
def test_null_asks_for_nothing_in_a_chat(name: str) -> None:
    """A field that is null counts as absent, whatever it is."""
    assert chat(**{name: None}) == Call(requests=(PLAIN_CHAT,), stream=False, include_usage=False)


@pytest.mark.parametrize("name", sorted({*COMPLETION_DOCUMENTED, *LOCAL_COMPLETION} - {"model", "prompt"}))
def test_null_asks_for_nothing_in_a_completion(name: str) -> None:
    """A field that is null counts as absent, whatever it is."""
    assert completion(**{name: None}) == Call(requests=(PLAIN_COMPLETION,), stream=False, include_usage=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("adaptive_decay", 0.9),
        ("adaptive_target", -1),
        ("add_generation_prompt", True),
        ("allowed_token_ids", []),
        ("bad_words", []),
        ("cache_prompt", True),
        ("cache_salt", ""),
        ("chat_template_kwargs", {}),
        ("continue_final_message", False),
        ("dry_multiplier", 0),
        ("echo", False),
        ("frequency_penalty", 0),
        ("frequency_penalty", 0.0),
        ("function_call", "auto"),
        ("functions", []),
        ("grammar", ""),
        ("guided_decoding_backend", "auto"),
        ("documents", []),
        ("id_slot", -1),
        ("include_stop_str_in_output", False),
        ("lora", []),
        ("n_predict", -1),
        ("request_id", ""),
        ("stream_interval", 1),
        ("t_max_predict_ms", 0),
        ("length_penalty", 1.0),
        ("logit_bias", {}),
        ("logit_bias", []),
        ("logprobs", False),
        ("min_keep", 0),
        ("min_tokens", 0),
        ("mirostat", 0),
        ("n_keep", 0),
        ("n_probs", 0),
        ("repeat_penalty", 1),
        ("repetition_penalty", 1.0),
        ("skip_special_tokens", True),
        ("spaces_between_special_tokens", True),
        ("stop_token_ids", []),
        ("top_k", -1),
        ("top_n_sigma", -1.0),
        ("typical_p", 1),
        ("use_beam_search", False),
        ("xtc_probability", 0.0),
        ("metadata", {}),
        ("metadata", {"team": "search"}),
        ("modalities", ["text"]),
        ("n", 1),
        ("parallel_tool_calls", True),
        ("presence_penalty", 0),
        ("prompt_cache_options", {}),
        ("prompt_cache_options", {"mode": "implicit", "ttl": "30m"}),
        ("prompt_cache_retention", "in_memory"),
        ("prompt_cache_retention", "24h"),
        ("response_format", {"type": "text"}),
        ("response_format", {"type": "text", "json_schema": None}),
        ("safety_identifier", "abc"),
        ("service_tier", "auto"),
        ("service_tier", "default"),
        ("reasoning_format", "auto"),
        ("include_reasoning", True),
        ("thinking", {"type": "auto"}),
        ("reasoning", {}),
        ("reasoning_budget_tokens", -1),
        ("return_progress", False),
        ("store", False),
        ("structured_outputs", {}),
        ("structured_outputs", {"json_object": False, "regex": None, "disable_any_whitespace": False}),
        ("stream_options", {}),
        ("stream_options", {"include_usage": False}),
        ("stream_options", {"include_obfuscation": False}),
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
    assert chat(**{name: value}).requests[0] == PLAIN_CHAT


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
    assert completion(**{name: value}).requests[0] == PLAIN_COMPLETION


ALWAYS_REFUSED_IN_A_CHAT: list[tuple[str, Value, str]] = [
    ("audio", {"voice": "alloy", "format": "wav"}, "audio"),
    ("allowed_token_ids", [1], "allowed_token_ids"),
    ("bad_words", ["x"], "bad_words"),
    ("chat_template", "{{ messages }}", "chat_template"),
    ("add_special_tokens", True, "add_special_tokens"),
    ("kv_transfer_params", {"do_remote_prefill": True}, "kv_transfer_params"),
    ("lora", [{"id": 0, "scale": 0.5}], "lora"),
    ("lora_path", "adapter", "lora_path"),
    ("request_id", "abc", "request_id"),
    ("stop_regex", ["a+"], "stop_regex"),
    ("truncate_prompt_tokens", 4, "truncate_prompt_tokens"),
    ("guided_whitespace_pattern", "[ ]?", "guided_whitespace_pattern"),
    ("n_probs", 3, "n_probs"),
    ("prompt_logprobs", 0, "prompt_logprobs"),
    ("add_generation_prompt", False, "add_generation_prompt"),
    ("reasoning_budget_message", "enough", "reasoning_budget_message"),
    ("reasoning_format", "none", "reasoning_format"),
    ("return_token_ids", True, "return_token_ids"),
    ("return_tokens", True, "return_tokens"),
    ("separate_reasoning", False, "separate_reasoning"),
    ("tools", [{"type": "web_search"}], "tools[0].type"),
    ("skip_special_tokens", False, "skip_special_tokens"),
    ("use_beam_search", True, "use_beam_search"),
    ("modalities", ["text", "audio"], "modalities"),
    ("moderation", {"model": "m"}, "moderation"),
    ("response_format", {"type": "structural_tag"}, "response_format.type"),
    ("structural_tag", "{}", "structural_tag"),
    ("structured_outputs", {"structural_tag": "{}"}, "structured_outputs.structural_tag"),
    ("structured_outputs", {"json": {}, "disable_any_whitespace": True}, "structured_outputs.disable_any_whitespace"),
    ("structured_outputs", {"whitespace_pattern": ""}, "structured_outputs.whitespace_pattern"),
    ("web_search_options", {}, "web_search_options"),
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
    ("messages", [{"role": "user", "content": [{"type": "video_url"}]}], "messages[0].content[0].type"),
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
    ("adaptive_target", 0.5, "adaptive_target"),
    ("length_penalty", 0.5, "length_penalty"),
    ("min_keep", 2, "min_keep"),
    ("n_keep", -1, "n_keep"),
    ("guided_decoding_backend", "xgrammar", "guided_decoding_backend"),
    ("samplers", ["top_k"], "samplers"),
    ("spaces_between_special_tokens", False, "spaces_between_special_tokens"),
    ("prediction", {"type": "content", "content": "x"}, "prediction"),
    ("prompt_cache_options", {"mode": "explicit"}, "prompt_cache_options"),
    ("prompt_cache_retention", "forever", "prompt_cache_retention"),
    ("n_cache_reuse", 256, "n_cache_reuse"),
    ("stream_interval", 4, "stream_interval"),
    ("ttl", 300, "ttl"),
    ("keep_alive", "5m", "keep_alive"),
    ("verbosity", "low", "verbosity"),
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
    assert call.requests[0] == PLAIN_CHAT


@pytest.mark.parametrize(("name", "value"), [("return_tokens", True), ("use_beam_search", True)])
@pytest.mark.parametrize("mode", ["strict", "warn"])
def test_a_completion_field_that_changes_the_answer_is_refused_in_both_modes(
    name: str, value: Value, mode: str
) -> None:
    """As for chats."""
    with pytest.raises(UnsupportedField) as refused:
        completion(mode, **{name: value})
    assert refused.value.param == name


def test_more_may_be_computed_than_are_returned() -> None:
    """``best_of`` may say what ``n`` says, or more; less contradicts it, and a stream cannot wait for the best."""
    assert completion(n=3, best_of=3).requests[0].n == 3
    assert completion(n=3, best_of=3).keep is None
    call = completion(n=2, best_of=5, prompt=["a", "b"])
    assert [request.n for request in call.requests] == [5, 5]
    assert (call.keep, call.scores_kept, call.requests[0].logprobs) == (2, False, 0)
    assert completion(best_of=3, logprobs=2).scores_kept
    with pytest.raises(InvalidRequest, match="less than n") as wrong:
        completion(best_of=2, n=3)
    assert wrong.value.param == "best_of"
    with pytest.raises(InvalidRequest, match="streamed") as wrong:
        completion(best_of=2, stream=True)
    assert wrong.value.param == "best_of"


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
        ({"top_k": -2}, "top_k"),
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
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"logprobs": 1}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": -1}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": "5"}, "top_logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": False, "top_logprobs": 3}, "top_logprobs"),
        ({"min_tokens": -1}, "min_tokens"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens"),
        ({"stop_token_ids": 3}, "stop_token_ids"),
        ({"stop_token_ids": [1, -1]}, "stop_token_ids[1]"),
        ({"stop_token_ids": [2**31]}, "stop_token_ids[0]"),
        ({"stop_token_ids": [1] * 129}, "stop_token_ids"),
        ({"tools": {}}, "tools"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"priority": 101}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"cache_prompt": 1}, "cache_prompt"),
        ({"cache_salt": "x" * 1025}, "cache_salt"),
        ({"cache_salt": 7}, "cache_salt"),
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
        stop_token_ids=[3, 4],
        max_completion_tokens=12,
        min_tokens=2,
        ignore_eos=True,
        n=2,
        logprobs=True,
        top_logprobs=5,
        logit_bias={"17": -5},
        priority=0,
        cache_prompt=False,
        cache_salt="team-a",
        response_format={"type": "json_object"},
        stream=True,
        stream_options={"include_usage": True},
    )
    request = GenerateRequest(
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
        stop_token_ids=(3, 4),
        ignore_eos=True,
        min_tokens=2,
        logit_bias=(LogitBias(17, -5.0, "logit_bias.17"),),
        n=2,
        logprobs=5,
        priority=0,
        cache_prompt=False,
        cache_salt="team-a",
        constraint=JsonObject(),
    )
    assert call == Call(requests=(request,), stream=True, include_usage=True)
    assert call.choices == 2


def test_log_probabilities_in_completions() -> None:
    """One number for both: 0 gives the drawn token's only."""
    assert completion(logprobs=0).requests[0].logprobs == 0
    assert completion(logprobs=20, echo=True).requests[0] == msgspec.structs.replace(
        PLAIN_COMPLETION, logprobs=20, echo=True
    )
    assert chat(logprobs=True).requests[0].logprobs == 0
    with pytest.raises(InvalidRequest) as refused:
        completion(logprobs=21)
    assert refused.value.param == "logprobs"


def test_a_prompt_alone_can_be_judged() -> None:
    """No new token, as evaluation harnesses ask; without ``echo`` there would be nothing in the answer."""
    assert completion(max_tokens=0, echo=True, logprobs=1).requests[0].max_tokens == 0
    with pytest.raises(InvalidRequest) as refused:
        completion(max_tokens=0)
    assert refused.value.param == "max_tokens"


def test_several_prompts_are_several_requests() -> None:
    """Alike in all but the prompt; all answers together are bounded."""
    call = completion(prompt=["a", "b", "c"], n=2, seed=3)
    assert [request.prompt for request in call.requests] == [TextPrompt("a"), TextPrompt("b"), TextPrompt("c")]
    assert {request.n for request in call.requests} == {2}
    assert call.choices == 6
    assert completion(prompt=["a"] * 2048).choices == 2048
    with pytest.raises(InvalidRequest, match="at most 2048 answers") as refused:
        completion(prompt=["a"] * 1025, n=2)
    assert refused.value.param == "prompt"


def test_one_stop_string_needs_no_list() -> None:
    """``stop`` as OpenAI's clients often write it."""
    assert completion(stop="END").requests[0].stop == ("END",)


def test_equal_limits_are_one_limit() -> None:
    """Some clients send both names."""
    assert chat(max_tokens=5, max_completion_tokens=5).requests[0].max_tokens == 5


@pytest.mark.parametrize(("seed", "expected"), [(0, 0), (2**32 - 2, 2**32 - 2), (2**32, 1), (-2, 2**32 - 3)])
def test_seeds_fold_into_what_samplers_take(seed: int, expected: int) -> None:
    """OpenAI's seeds are 64 bits; equal seeds stay equal."""
    assert chat(seed=seed).requests[0].sampling.seed == expected


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
MESSAGES = b'"messages":[' + MESSAGE + b"]"
PART = b'{"type":"text","text":"x"}'


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"a","messages":[' + b",".join([MESSAGE] * 2049) + b"]}", "messages"),
        (
            b'{"model":"a","messages":[{"role":"user","content":[' + b",".join([PART] * 2049) + b"]}]}",
            "messages[0].content",
        ),
        (b'{"model":"a","messages":[' + b",".join([MESSAGE] * 300_000) + b"]}", "messages"),
        (b'{"model":"a","messages":[' + b",".join([b"{}"] * 1_500_000) + b"]}", "messages"),
        (b'{"model":"a",' + b",".join(b'"f%d":1' % number for number in range(800_000)) + b"}", None),
        (b'{"model":"a",' + b",".join([b'"n":1'] * 1_000_000) + b"}", None),
        (b'{"model":"a","stop":[' + b",".join([b'"a"'] * 3_000_000) + b"]}", "stop"),
        (b'{"model":"a","logit_bias":[' + b",".join([b"[1,2]"] * 2_000_000) + b"],%b}" % MESSAGES, "logit_bias"),
        (
            b'{"model":"a","logit_bias":{' + b",".join(b'"%d":1' % key for key in range(800_000)) + b"},%b}" % MESSAGES,
            None,
        ),
        (
            b'{"model":"a","logit_bias":{' + b",".join(b'"%d":1' % key for key in range(1025)) + b"},%b}" % MESSAGES,
            "logit_bias",
        ),
    ],
    ids=[
        "messages",
        "parts",
        "millions of fields",
        "millions of messages",
        "millions of names",
        "one name, millionfold",
        "stop strings",
        "millions of biases",
        "millions of biases by name",
        "biases",
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
    request = chat(messages=[{"role": "user", "content": parts}, *[{"role": "user", "content": "x"}] * 2047]).requests[
        0
    ]
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
NAMES = [*CHAT_DOCUMENTED, *COMPLETION_DOCUMENTED, *EMBEDDING_DOCUMENTED, *sorted(LOCAL_CHAT), "unheard_of"]
names = st.sampled_from(NAMES)


@given(body=st.dictionaries(names, json_values, max_size=6), mode=st.sampled_from(["strict", "warn"]))
def test_any_object_is_a_request_or_the_clients_fault(body: dict[str, Value], mode: str) -> None:
    """No value of any field gets past the checks as anything else."""
    for decode in (chat, completion):
        try:
            call = decode(mode, **body)
        except ClientError as error:
            assert http(error).status == 400  # noqa: PT017 - most examples are no error
        else:
            for request in call.requests:
                copied = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=GenerateRequest)
                assert copied == request


embedding_values = st.sampled_from(EMBEDDING_DOCUMENTED)


@given(body=st.dictionaries(embedding_values, json_values, max_size=5), mode=st.sampled_from(["strict", "warn"]))
def test_any_object_is_a_request_for_embeddings_or_the_clients_fault(body: dict[str, Value], mode: str) -> None:
    """As for chats."""
    try:
        call = embedding(mode, **body)
    except ClientError as error:
        assert http(error).status == 400  # noqa: PT017 - most examples are no error
    else:
        copied = msgspec.msgpack.decode(msgspec.msgpack.encode(call.request), type=PoolRequest)
        assert copied == call.request


@given(data=st.binary(max_size=200) | st.text().map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_the_clients_fault(data: bytes) -> None:
    """Bytes that are no body of ours give an error of ours."""
    for decode in (decode_chat, decode_completion, decode_embedding):
        with pytest.raises(JackfieldError) as refused:
            decode(data, "strict")
        assert http(refused.value).status == 400
