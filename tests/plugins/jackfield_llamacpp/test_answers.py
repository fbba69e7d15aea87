"""What is in answers and their parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest
from tests.plugins.jackfield_llamacpp.asking import ask, asked

from jackfield.frontends.event_stream import EventStream
from jackfield.ports.constraint import GrammarText
from jackfield.sampling import SamplingParams
from jackfield.testing.kits.scripted_gateway import INFO, ScriptedGateway, answer, finished
from jackfield.types import (
    Finished,
    LineLimits,
    PromptProgress,
    Started,
    TextDelta,
    TextPrompt,
    Timings,
    TokenLogprob,
    Usage,
)
from jackfield_llamacpp.config import LlamaCppConfig
from jackfield_llamacpp.generation import NEVER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from jackfield.testing.kits.scripted_gateway import Step

# llama-server's own, for {"prompt": "…", "n_probs": 1, "stream": …} at its defaults
WHOLE = {
    "index", "content", "tokens", "id_slot", "stop", "model", "tokens_predicted", "tokens_evaluated",
    "generation_settings", "prompt", "has_new_line", "truncated", "stop_type", "stopping_word", "tokens_cached",
    "timings",
}  # fmt: skip
PART = {"index", "content", "tokens", "stop", "id_slot", "tokens_predicted", "tokens_evaluated"}
TIMINGS = {
    "cache_n", "prompt_n", "prompt_ms", "prompt_per_token_ms", "prompt_per_second", "predicted_n", "predicted_ms",
    "predicted_per_token_ms", "predicted_per_second",
}  # fmt: skip
SETTINGS = {
    "seed", "temperature", "dynatemp_range", "dynatemp_exponent", "top_k", "top_p", "min_p", "top_n_sigma",
    "xtc_probability", "xtc_threshold", "typical_p", "repeat_last_n", "repeat_penalty", "presence_penalty",
    "frequency_penalty", "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n",
    "dry_sequence_breakers", "mirostat", "mirostat_tau", "mirostat_eta", "adaptive_target", "adaptive_decay", "stop",
    "max_tokens", "n_predict", "n_keep", "n_discard", "ignore_eos", "stream", "logit_bias", "n_probs", "min_keep",
    "grammar", "grammar_lazy", "grammar_triggers", "preserved_tokens", "chat_format", "reasoning_format",
    "reasoning_in_content", "generation_prompt", "samplers", "speculative.types", "timings_per_token",
    "post_sampling_probs", "backend_sampling", "lora",
}  # fmt: skip


def streamed(gateway: ScriptedGateway, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of an answer."""
    status, data = ask(gateway, "/completion", {"prompt": "hi", "stream": True, **body})
    assert status == 200, data
    return [json.loads(line.removeprefix(b"data: ")) for line in data.split(b"\n") if line]


def test_fields_are_those_of_llama_server() -> None:
    """Of whole answers, parts, timings and settings: none is missing, and none is new."""
    whole = asked(ScriptedGateway(), "/completion", {"prompt": "hi"})
    part, last = streamed(ScriptedGateway(), {})
    assert set(whole) == set(last) == WHOLE
    assert set(part) == PART
    assert set(whole["timings"]) == TIMINGS
    assert set(whole["generation_settings"]) == SETTINGS
    assert (part["tokens_evaluated"], part["tokens_predicted"], part["id_slot"]) == (7, 1, -1)


def test_settings_say_what_holds() -> None:
    """What was asked, what the model's makers recommend, llama-server's defaults: in this order."""

    class Recommending(ScriptedGateway):
        def models(self, context: Any) -> Any:
            first, *others = super().models(context)
            info = msgspec.structs.replace(INFO, sampling={"top_p": 0.9, "top_k": 20})
            return (msgspec.structs.replace(first, info=info), *others)

    body = {"prompt": "hi", "top_k": 5, "grammar": 'root ::= "a"', "logit_bias": [[3, False], ["a", 1.5]], "seed": 9}
    gateway = Recommending()
    settings = asked(gateway, "/completion", body)["generation_settings"]
    request = gateway.requests[0]
    assert request.sampling == SamplingParams(
        temperature=0.8, top_k=5, top_p=0.9, min_p=0.05, dry_penalty_last_n=64, seed=9
    )
    assert request.constraint == GrammarText("gbnf", 'root ::= "a"', "grammar")
    assert (settings["top_k"], settings["top_p"], settings["temperature"], settings["seed"]) == (5, 0.9, 0.8, 9)
    assert (settings["n_predict"], settings["grammar"]) == (-1, 'root ::= "a"')
    assert settings["top_n_sigma"] == -1, "there what is off is below 0"
    assert [each["token"] for each in settings["logit_bias"]] == [3, "a"]
    assert settings["logit_bias"][0]["bias"] < -1e38
    props = asked(gateway, "/props", method="GET")["default_generation_settings"]["params"]
    assert (props["top_k"], props["top_p"], props["seed"], props["n_predict"]) == (20, 0.9, 2**32 - 1, -1)


def test_progress_is_told() -> None:
    """Where it is asked for; timings of each part count from there."""
    script: Sequence[Step] = [
        Started(10, 64),
        PromptProgress(10, 4, 4, 0.0),
        PromptProgress(10, 4, 10, 0.25),
        TextDelta("a", 1, logprobs=(TokenLogprob(5, b"a", None),)),
        finished(1, cached=4),
    ]
    gateway = ScriptedGateway(script)
    begun, done, part, _ = streamed(gateway, {"return_progress": True, "timings_per_token": True})
    assert begun["prompt_progress"] == {"total": 10, "cache": 4, "processed": 4, "time_ms": 0}
    assert done["prompt_progress"] == {"total": 10, "cache": 4, "processed": 10, "time_ms": 250}
    assert (done["content"], done["tokens"], done["tokens_evaluated"]) == ("", [], 10)
    assert (part["content"], part["tokens"]) == ("a", [5])
    timings = part["timings"]
    assert (timings["cache_n"], timings["prompt_n"], timings["predicted_n"]) == (4, 6, 1)
    assert gateway.requests[0].progress
    assert gateway.requests[0].token_ids
    only_timings = streamed(ScriptedGateway(script), {"timings_per_token": True})
    assert [set(event) - PART for event in only_timings[:-1]] == [{"timings"}]


def test_nobody_computes_what_is_not_asked_for() -> None:
    """Neither scores nor progress, where the answer is whole."""
    gateway = ScriptedGateway()
    asked(gateway, "/completion", {"prompt": "hi", "return_progress": True, "timings_per_token": True})
    request = gateway.requests[0]
    assert (request.progress, request.token_ids, request.logprobs, request.lines) == (False, False, None, None)


def test_limits_of_lines_and_slots() -> None:
    """They go to the engine."""
    gateway = ScriptedGateway()
    asked(gateway, "/completion", {"prompt": "hi", "t_max_predict_ms": 500, "n_indent": 4, "id_slot": 2})
    asked(gateway, "/completion", {"prompt": "hi", "t_max_predict_ms": -1, "n_indent": 0, "id_slot": -1})
    first, second = gateway.requests
    assert (first.lines, first.slot) == (LineLimits(after_s=0.5, indent=4), 2)
    assert (second.lines, second.slot) == (None, None)
    assert first.prompt == TextPrompt("hi", parse_special=True)


@pytest.mark.parametrize(
    ("body", "limit", "predicted", "truncated"),
    [({}, 9, 9, True), ({"n_predict": 12}, 9, 9, True), ({"n_predict": 9}, 9, 9, False), ({}, 9, 4, False)],
)
def test_truncated(body: dict[str, Any], limit: int, predicted: int, *, truncated: bool) -> None:
    """By the end of the context, and by nothing else."""
    end = Finished("length", Usage(7, predicted), Timings(0.0, 0.1, 0.1))
    got = asked(
        ScriptedGateway([Started(7, limit), TextDelta("a", predicted), end]), "/completion", {"prompt": "hi", **body}
    )
    assert (got["truncated"], got["stop_type"]) == (truncated, "limit")


def test_other_names_of_fields() -> None:
    """Those that llama-server has for OpenAI's clients."""
    gateway = ScriptedGateway()
    asked(gateway, "/completion", {"prompt": "hi", "max_completion_tokens": 5, "logprobs": 3})
    assert (gateway.requests[0].max_tokens, gateway.requests[0].logprobs) == (5, 3)
    asked(gateway, "/completion", {"prompt": "hi", "n": 1, "stream_options": {"include_usage": True}, "verbose": False})


def test_one_prompt_in_an_array_is_one_answer() -> None:
    """Several are an array."""
    gateway = ScriptedGateway(answer("a"))
    assert asked(gateway, "/completion", {"prompt": ["one"]})["content"] == "a"
    parts = streamed(ScriptedGateway(answer("a")), {"prompt": ["one", "two"]})
    assert all(event["tokens_evaluated"] == 7 for event in parts)
    assert {event["index"] for event in parts} == {0, 1}


@pytest.mark.parametrize(("text", "kind"), [('root ::= "a"', "gbnf"), ('%llguidance {}\nstart: "a"', "lark")])
def test_two_kinds_of_grammars(text: str, kind: Literal["gbnf", "lark"]) -> None:
    """Told apart by how they begin, as there."""
    gateway = ScriptedGateway()
    asked(gateway, "/completion", {"prompt": "hi", "grammar": text})
    assert gateway.requests[0].constraint == GrammarText(kind, text, "grammar")


def test_how_long_silence_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the request says, or for ever."""
    lengths: list[float] = []

    class Stream(EventStream):
        def __init__(self, request: web.Request, headers: Mapping[str, str], keepalive_s: float) -> None:
            lengths.append(keepalive_s)
            super().__init__(request, headers, keepalive_s)

    monkeypatch.setattr("jackfield_llamacpp.generation.EventStream", Stream)
    for interval in (None, 5, 0, -1):
        streamed(ScriptedGateway(), {"sse_ping_interval": interval})
    assert lengths == [LlamaCppConfig().keepalive_s, 5, NEVER_S, NEVER_S]


def test_chosen_fields_may_be_probabilities() -> None:
    """They are a part of the answer too."""
    script: Sequence[Step] = [Started(7, 9), TextDelta("a", 1, logprobs=(TokenLogprob(5, b"a", -0.5),)), finished(1)]
    body = {"prompt": "hi", "n_probs": 1, "response_fields": ["completion_probabilities"]}
    (entry,) = asked(ScriptedGateway(script), "/completion", body)["completion_probabilities"]
    assert (entry["id"], entry["logprob"]) == (5, -0.5)


def test_an_echo_that_nobody_asked_for_is_not_shown() -> None:
    """A prompt that is only read comes back from the engine; a stream has its end alone."""
    end = Finished("length", Usage(7, 0), Timings(0.0, 0.5, 0.0))
    script: Sequence[Step] = [Started(7, 0), TextDelta("hi", 0), end]
    [last] = streamed(ScriptedGateway(script), {"n_predict": 0})
    assert (last["content"], last["stop"]) == ("", True)


def test_an_answer_without_an_end_is_an_error() -> None:
    """No event may say that it has stopped."""
    _, error = streamed(ScriptedGateway([Started(7, 9), TextDelta("a", 1)]), {})
    assert error["error"]["code"] == 500


def test_has_new_line_in_a_stream() -> None:
    """The last event says it of all of them."""
    assert streamed(ScriptedGateway(answer("a", "\n", "b")), {})[-1]["has_new_line"]
    assert not streamed(ScriptedGateway(answer("a", "b")), {})[-1]["has_new_line"]


def test_what_guardrails_have_cut_off_ended_for_no_reason_of_the_models() -> None:
    """llama-server has no word for it; figures of time are not known."""
    cut = Finished("content_filter", Usage(7, 1), Timings(0.0, 0.0, 0.0))
    got = asked(ScriptedGateway([Started(7, 9), TextDelta("a", 1), cut]), "/completion", {"prompt": "hi"})
    assert (got["content"], got["stop_type"], got["truncated"]) == ("a", "none", False)


def test_an_end_token_is_one_of_the_tokens() -> None:
    """Without text: the last of a whole answer, and an event of its own in a stream."""
    end = msgspec.structs.replace(finished(2), logprobs=(TokenLogprob(9, b"<end>", -0.25),))
    script: Sequence[Step] = [Started(7, 9), TextDelta("a", 1, logprobs=(TokenLogprob(5, b"a", -0.5),)), end]
    whole = asked(ScriptedGateway(script), "/completion", {"prompt": "hi", "n_probs": 1, "return_tokens": True})
    assert (whole["content"], whole["tokens"], whole["tokens_predicted"]) == ("a", [5, 9], 2)
    assert [each["id"] for each in whole["completion_probabilities"]] == [5, 9]
    events = streamed(ScriptedGateway(script), {"n_probs": 1})
    assert [(event["content"], event["tokens"], event["stop"]) for event in events] == [
        ("a", [5], False),
        ("", [9], False),
        ("", [], True),
    ]
    assert [event["tokens_predicted"] for event in events] == [1, 2, 2]
