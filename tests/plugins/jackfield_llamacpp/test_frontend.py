"""llama-server's routes over HTTP, with a scripted gateway behind."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.jackfield_llamacpp.asking import ask, asked

from jackfield.errors import ContextLengthExceeded, InvalidRequest
from jackfield.pooled import INPUTS_MAX, PairPrompt
from jackfield.questions import (
    Detokenise,
    ListSequences,
    Rendered,
    SaveSlot,
    Sequences,
    SequenceState,
    SlotDone,
    Text,
    Tokenise,
    Tokens,
)
from jackfield.testing.kits.scripted_gateway import ScriptedGateway, answer
from jackfield.types import (
    Finished,
    InfillPrompt,
    Started,
    TextDelta,
    Timings,
    TokenLogprob,
    TokenPrompt,
    TopLogprob,
    Usage,
)
from jackfield_llamacpp.config import LlamaCppConfig
from jackfield_llamacpp.decode import FILES_MAX
from jackfield_llamacpp.slots import SlotState, view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.testing.kits.scripted_gateway import Step


def refused(path: str, body: object, *, method: str = "POST") -> dict[str, Any]:
    """The error of a request that must be refused before anything is computed."""
    gateway = ScriptedGateway()
    status, data = ask(gateway, path, body, method=method)
    assert status == 400, data
    assert not gateway.requests
    assert not gateway.pool_requests
    error: dict[str, Any] = json.loads(data)["error"]
    assert error["code"] == 400
    assert error["type"] == "invalid_request_error"
    return error


def token(number: int, piece: bytes = b"x") -> TokenLogprob:
    return TokenLogprob(number, piece, -0.5, (TopLogprob(number, piece, -0.5), TopLogprob(7, b"\xff", -math.inf)))


def test_whole_answer_has_the_documented_fields() -> None:
    script: Sequence[Step] = [
        Started(7, 64),
        TextDelta("a\n", 1, logprobs=(token(5),)),
        Finished("stop", Usage(7, 2, 3), Timings(0.0, 0.5, 0.25), stopped_by="END", slot=3),
    ]
    body = {"prompt": "hi", "n_probs": 2, "return_tokens": True, "stop": ["END"], "n_predict": 9, "seed": 4}
    got = asked(ScriptedGateway(script), "/completion", body)
    assert got["content"] == "a\n"
    assert got["tokens"] == [5]
    assert (got["stop"], got["stop_type"], got["stopping_word"]) == (True, "word", "END")
    assert (got["tokens_predicted"], got["tokens_evaluated"], got["tokens_cached"], got["id_slot"]) == (2, 7, 8, 3)
    assert (got["prompt"], got["has_new_line"], got["truncated"], got["model"]) == ("hi", True, False, "demo")
    timings = got["timings"]
    assert (timings["cache_n"], timings["prompt_n"], timings["predicted_n"]) == (3, 4, 2)
    assert (timings["prompt_ms"], timings["prompt_per_second"], timings["predicted_per_second"]) == (500, 8, 8)
    settings = got["generation_settings"]
    assert (settings["temperature"], settings["top_k"], settings["top_p"], settings["min_p"]) == (0.8, 40, 0.95, 0.05)
    assert (settings["n_predict"], settings["seed"], settings["stop"], settings["n_probs"]) == (9, 4, ["END"], 2)
    (probability,) = got["completion_probabilities"]
    assert (probability["id"], probability["token"], probability["bytes"]) == (5, "x", [120])
    assert [other["id"] for other in probability["top_logprobs"]] == [5, 7]
    assert probability["top_logprobs"][1]["logprob"] < -1e38


@pytest.mark.parametrize(
    ("reason", "stopped_by", "stop_type"), [("length", None, "limit"), ("stop", None, "eos"), ("stop", 3, "eos")]
)
def test_stop_types(reason: Any, stopped_by: Any, stop_type: str) -> None:
    script: Sequence[Step] = [
        Started(7, 64),
        Finished(reason, Usage(7, 2), Timings(0.0, 0.5, 0.0), stopped_by=stopped_by),
    ]
    assert asked(ScriptedGateway(script), "/completion", {"prompt": "hi"})["stop_type"] == stop_type


def test_stream_has_pieces_and_one_end() -> None:
    status, data = ask(ScriptedGateway(answer("He", "llo")), "/completion", {"prompt": "hi", "stream": True})
    assert status == 200
    events = [json.loads(line.removeprefix(b"data: ")) for line in data.split(b"\n") if line]
    assert [event["content"] for event in events] == ["He", "llo", ""]
    assert [event["stop"] for event in events] == [False, False, True]
    assert events[-1]["timings"]["predicted_n"] == 2


def test_several_prompts_are_an_array() -> None:
    got = asked(ScriptedGateway(answer("a")), "/completion", {"prompt": ["one", "two"]})
    assert [each["index"] for each in got] == [0, 1]
    assert [each["prompt"] for each in got] == ["one", "two"]


def test_mixed_prompt_becomes_tokens() -> None:
    """Only a text at the beginning gets the model's BOS."""
    gateway = ScriptedGateway(answer("a"))
    gateway.replies = [Tokens((30, 31), (b"a", b"b")), Text(b"whole")]
    got = asked(gateway, "/completion", {"prompt": [12, "ab", 56]})
    assert gateway.requests[0].prompt == TokenPrompt((12, 30, 31, 56))
    assert gateway.questions == [
        Tokenise(model="demo", text="ab", add_special=False),
        Detokenise(model="demo", tokens=(12, 30, 31, 56)),
    ]
    assert got["prompt"] == "whole"


def test_response_fields_choose() -> None:
    wanted = ["content", "generation_settings/n_predict", "missing", "content/deeper"]
    got = asked(ScriptedGateway(answer("a")), "/completion", {"prompt": "hi", "response_fields": wanted})
    assert got == {"content": "a", "generation_settings/n_predict": -1}


def test_zero_tokens_only_reads_the_prompt() -> None:
    script: Sequence[Step] = [
        Started(7, 0),
        TextDelta("hi", 0),
        Finished("length", Usage(7, 0), Timings(0.0, 0.5, 0.0)),
    ]
    gateway = ScriptedGateway(script)
    assert asked(gateway, "/completion", {"prompt": "hi", "n_predict": 0})["content"] == ""
    assert (gateway.requests[0].max_tokens, gateway.requests[0].echo) == (0, True)


@pytest.mark.parametrize("seed", [-1, 2**32 - 1])
def test_seeds_that_mean_random(seed: int) -> None:
    gateway = ScriptedGateway(answer("a"))
    asked(gateway, "/completion", {"prompt": "hi", "seed": seed})
    assert gateway.requests[0].sampling.seed is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": []},
        {"prompt": [[]]},
        {"prompt": [1, [2]]},
        {"prompt": {"prompt_string": "a", "multimodal_data": ["YQ=="]}},
        {"prompt": "hi", "n_predict": -2},
        {"prompt": "hi", "n_predict": 3, "max_tokens": 4},
        {"prompt": "hi", "post_sampling_probs": True},
        {"prompt": "hi", "samplers": ["temperature", "top_k"]},
        {"prompt": "hi", "id_slot": -2},
        {"prompt": "hi", "n_probs": 1, "logprobs": 2},
        {"prompt": "hi", "lora": [{"id": 0, "scale": 1.0}]},
        {"prompt": "hi", "grammar": 'root ::= "a"', "json_schema": {"type": "object"}},
        {"prompt": "hi", "unheard_of": 1},
        {"prompt": "hi", "t_max_predict_ms": "soon"},
        {"prompt": "hi", "model": 5},
    ],
)
def test_what_cannot_be_honoured_is_refused(body: object) -> None:
    refused("/completion", body)


def test_context_overflow_has_its_own_type() -> None:
    """And its sizes, where they are known."""
    counted = ContextLengthExceeded("too long")
    counted.sizes = (900, 512)
    for error, more in ((ContextLengthExceeded("too long"), {}), (counted, {"n_prompt_tokens": 900, "n_ctx": 512})):
        status, data = ask(ScriptedGateway([error]), "/completion", {"prompt": "hi"})
        assert status == 400
        expected = {"code": 400, "message": "too long", "type": "exceed_context_size_error", **more}
        assert json.loads(data)["error"] == expected


def test_infill_fills_the_gap() -> None:
    gateway = ScriptedGateway(answer("body"))
    body = {
        "input_prefix": "def f():",
        "input_suffix": "return",
        "input_extra": [{"filename": "a.py", "text": "x = 1"}],
    }
    assert asked(gateway, "/infill", body)["content"] == "body"
    assert gateway.requests[0].prompt == InfillPrompt("def f():", "return", (("a.py", "x = 1"),))
    asked(gateway, "/infill", {**body, "prompt": "more"})
    assert gateway.requests[1].prompt == InfillPrompt("def f():", "return", (("a.py", "x = 1"),), "more")
    refused("/infill", {"input_prefix": "a"})


def test_tokenize_with_pieces() -> None:
    gateway = ScriptedGateway()
    gateway.replies = [Tokens((1, 2), (b"a", b"\xc3")), Tokens((1,), (b"a",))]
    body = {"content": "a", "with_pieces": True, "add_special": True}
    assert asked(gateway, "/tokenize", body) == {"tokens": [{"id": 1, "piece": "a"}, {"id": 2, "piece": [195]}]}
    assert asked(gateway, "/tokenize", {"content": [9, "a"], "parse_special": False}) == {"tokens": [9, 1]}
    assert gateway.questions == [
        Tokenise(model="demo", text="a", add_special=True),
        Tokenise(model="demo", text="a", parse_special=False),
    ]
    gateway.replies = [Tokens((1,), (b"a",)), Tokens((9, 1), (b"x", b"a"))]
    mixed = asked(gateway, "/tokenize", {"content": [9, "a"], "with_pieces": True})
    assert mixed == {"tokens": [{"id": 9, "piece": "x"}, {"id": 1, "piece": "a"}]}
    assert gateway.questions[-1] == Detokenise(model="demo", tokens=(9, 1), pieces=True)


def test_detokenize_and_apply_template() -> None:
    gateway = ScriptedGateway()
    gateway.replies = [Text(b"hi \xff"), Rendered("<user>hi", 4)]
    assert asked(gateway, "/detokenize", {"tokens": [1, 2]}) == {"content": "hi \ufffd"}
    body = {"messages": [{"role": "user", "content": "hi"}]}
    assert asked(gateway, "/apply-template", body) == {"prompt": "<user>hi"}
    refused("/apply-template", {})


def test_rerank_in_three_shapes() -> None:
    """Scripted scores are the inputs' numbers, so that the last one fits best."""
    gateway = ScriptedGateway()
    body = {"query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": True}
    jina = asked(gateway, "/v1/rerank", body)
    assert jina["results"] == [{"index": 1, "relevance_score": 1.0, "document": {"text": "b"}}]
    assert jina["usage"] == {"prompt_tokens": 14, "total_tokens": 14}
    assert gateway.pool_requests[0].inputs == (PairPrompt("q", "a"), PairPrompt("q", "b"))
    tei = asked(gateway, "/rerank", {"query": "q", "texts": ["a", "b"], "return_text": True})
    assert tei == [{"index": 1, "score": 1.0, "text": "b"}, {"index": 0, "score": 0.0, "text": "a"}]
    squashed = asked(gateway, "/rerank", {"query": "q", "texts": ["a"], "raw_scores": False})
    assert squashed == [{"index": 0, "score": 0.5}]
    cohere = asked(gateway, "/v2/rerank", {"query": "q", "documents": ["a", "b"]})
    assert [each["index"] for each in cohere["results"]] == [1, 0]
    assert cohere["results"][1]["relevance_score"] == 0.5
    refused("/rerank", {"query": "q", "documents": []})
    refused("/rerank", {"query": "q", "documents": ["a"], "texts": ["a"]})
    refused("/rerank", {"documents": ["a"]})


def test_embeddings_are_nested() -> None:
    gateway = ScriptedGateway()
    got = asked(gateway, "/embedding", {"content": ["a", "b"], "embd_normalize": -1})
    assert got == [
        {"index": 0, "embedding": [[0.5, -0.5, 0.5, -0.5]]},
        {"index": 1, "embedding": [[0.5, -0.5, 0.5, -0.5]]},
    ]
    assert gateway.pool_requests[0].normalize is False
    refused("/embedding", {})
    refused("/embedding", {"content": ""})
    refused("/embedding", {"content": "a", "embd_normalize": -2})


def test_props_say_what_holds_without_a_word() -> None:
    got = asked(ScriptedGateway(), "/props", method="GET")
    assert got["model_path"] == "demo"
    assert got["default_generation_settings"]["n_ctx"] == 512
    assert got["default_generation_settings"]["params"]["temperature"] == 0.8
    refused("/props", {})


def test_slots_view() -> None:
    state = SequenceState(
        id=9,
        slot=1,
        state="generating",
        tenant="",
        priority=0,
        prompt_tokens=4,
        cached_tokens=0,
        generated_tokens=3,
        max_tokens=10,
        age_s=1.0,
    )
    gateway = ScriptedGateway()
    gateway.replies = [Sequences(2, (state,)), Sequences(1, (state,))]
    idle, busy = asked(gateway, "/slots", method="GET")
    assert idle == {"id": 0, "n_ctx": 512, "speculative": False, "is_processing": False}
    assert (busy["id"], busy["is_processing"], busy["id_task"], busy["n_ctx"]) == (1, True, 9, 512)
    assert (busy["n_prompt_tokens"], busy["n_prompt_tokens_processed"], busy["n_prompt_tokens_cache"]) == (4, 4, 0)
    assert busy["next_token"] == [{"has_next_token": True, "n_remain": 7, "n_decoded": 3}]
    assert gateway.questions == [ListSequences(model="demo")]


def test_others_slots_say_nothing_but_that_they_run() -> None:
    """Neither how long a prompt is, nor how far its answer."""
    state = SequenceState(
        id=9, slot=0, state="generating", tenant="ann", priority=0, prompt_tokens=4, cached_tokens=0,
        generated_tokens=3, max_tokens=10, age_s=1.0,
    )  # fmt: skip
    mine, others, all_of_them = (view_of(0, 64, state, tenant) for tenant in ("ann", "bob", None))
    assert others == SlotState(id=0, n_ctx=64, speculative=False, is_processing=True)
    assert mine == all_of_them
    assert mine.n_prompt_tokens == 4


def test_arrays_are_counted_before_they_are_built() -> None:
    """Of whatever small elements."""
    refused("/completion", {"prompt": "hi", "samplers": ["top_k"] * 1000})
    refused("/completion", {"prompt": "hi", "response_fields": ["a/" * 1000]})
    refused("/completion", {"prompt": "hi", "response_fields": ["a"] * 1000})
    refused("/infill", {"input_prefix": "a", "input_suffix": "b", "input_extra": [{"text": ""}] * 10_000})
    refused("/infill", {"input_prefix": "a", "input_suffix": "b", "input_extra": [{"text": ""}] * (FILES_MAX + 1)})
    for name in ("documents", "texts"):
        assert (
            f"at most {INPUTS_MAX}" in refused("/rerank", {"query": "q", name: [""] * (2 * INPUTS_MAX + 2)})["message"]
        )
    refused("/tokenize", {"content": ["a"] * 1000})


def test_no_slot_is_503_where_asked_for() -> None:
    state = SequenceState(
        id=9, slot=0, state="generating", tenant="", priority=0, prompt_tokens=4, cached_tokens=0,
        generated_tokens=3, max_tokens=10, age_s=1.0,
    )  # fmt: skip
    gateway = ScriptedGateway()
    gateway.replies = [Sequences(1, (state,))]
    status, data = ask(gateway, "/slots?fail_on_no_slot=1", method="GET")
    assert (status, json.loads(data)["error"]["type"]) == (503, "unavailable_error")


def test_slot_actions() -> None:
    gateway = ScriptedGateway()
    gateway.replies = [SlotDone(10, 99, 0.5), SlotDone(10, 99, 0.25), SlotDone(10, 0, 0.0)]
    saved = asked(gateway, "/slots/1?action=save", {"filename": "a.bin"})
    assert saved == {"id_slot": 1, "filename": "a.bin", "n_saved": 10, "n_written": 99, "timings": {"save_ms": 500.0}}
    restored = asked(gateway, "/slots/1?action=restore", {"filename": "a.bin"})
    assert restored["n_restored"] == 10
    assert restored["timings"] == {"restore_ms": 250.0}
    assert asked(gateway, "/slots/1?action=erase") == {"id_slot": 1, "n_erased": 10}
    assert gateway.questions[0] == SaveSlot(model="demo", slot=1, action="save", file="a.bin")


@pytest.mark.parametrize("path", ["/slots/1", "/slots/1?action=burn", "/slots/x?action=erase", "/slots/1?action=save"])
def test_slot_actions_that_make_no_sense(path: str) -> None:
    refused(path, {})


def test_slot_files_stay_in_their_folder() -> None:
    refused("/slots/1?action=save", {"filename": "../etc/passwd"})


def test_health_is_503_while_a_model_loads() -> None:
    """The scripted gateway has one that does."""
    status, data = ask(ScriptedGateway(), "/health", method="GET")
    assert status == 503
    assert json.loads(data) == {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}


def test_default_model_can_be_set() -> None:
    gateway = ScriptedGateway(answer("a"))
    status, _ = ask(gateway, "/completion", {"prompt": "hi"}, config=LlamaCppConfig(model="default"))
    assert (status, gateway.requests[0].model) == (200, "default")


def test_modes_leave_out_what_tunes() -> None:
    config = LlamaCppConfig(unknown_fields="warn")
    status, _ = ask(ScriptedGateway(answer("a")), "/completion", {"prompt": "hi", "min_keep": 3}, config=config)
    assert status == 200


def test_worker_refusals_keep_their_message() -> None:
    status, data = ask(ScriptedGateway([InvalidRequest("no gap tokens", param="prompt")]), "/infill",
                       {"input_prefix": "a", "input_suffix": "b"})  # fmt: skip
    assert (status, json.loads(data)["error"]["message"]) == (400, "no gap tokens")
