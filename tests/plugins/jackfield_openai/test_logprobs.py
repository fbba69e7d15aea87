"""Log probabilities in the shapes of chats and of completions, whole and streamed."""

from __future__ import annotations

import math

import msgspec
import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from jackfield.sse import SseEvent, SseParser
from jackfield.testing.kits.scripted_gateway import finished
from jackfield.types import GenerateRequest, TextDelta, TextPrompt, TokenLogprob, TopLogprob
from jackfield_openai.answers import Answer, ChatAnswer, CompletionAnswer
from jackfield_openai.bodies import Call
from jackfield_openai.logprobs import chat_logprobs, text_logprobs

CALL = Call(
    requests=(GenerateRequest(model="demo", prompt=TextPrompt("x"), logprobs=1),), stream=True, include_usage=False
)
EURO = "€".encode()
DELTAS = [
    TextDelta("Hi", 1, 0, (TokenLogprob(5, b"Hi", -0.5, (TopLogprob(5, b"Hi", -0.5), TopLogprob(6, b"Ho", -2.0))),)),
    TextDelta(
        "€!",
        3,
        0,
        (
            TokenLogprob(7, EURO[:2], -1.0, (TopLogprob(8, b"a", -0.5),), 2),
            TokenLogprob(9, EURO[2:], -0.25, (TopLogprob(9, EURO[2:], -0.25),), 2),
            TokenLogprob(10, b"!", -0.125, (TopLogprob(10, b"!", -0.125),), 3),
        ),
    ),
]


def streamed(answer: Answer) -> list[dict[str, list[dict[str, object]]]]:
    """The chunks of ``DELTAS``."""
    body = answer.opening() + b"".join(map(answer.text, DELTAS)) + answer.last(finished(4)) + answer.closing()
    events = [event.data for event in SseParser().feed(body) if isinstance(event, SseEvent)]
    return [msgspec.json.decode(data) for data in events[:-1]]


def test_a_chat_whole() -> None:
    """For each token its text, its bytes, its logarithm, and the likeliest ones."""
    whole = msgspec.json.decode(ChatAnswer(CALL, "demo").whole([*DELTAS, finished(4)]))
    assert ChatCompletion.model_validate(whole, strict=True).model_extra == {}
    logprobs = whole["choices"][0]["logprobs"]
    assert logprobs.keys() == {"content", "refusal"}
    assert logprobs["refusal"] is None
    assert logprobs["content"][0] == {
        "token": "Hi",
        "logprob": -0.5,
        "bytes": [72, 105],
        "top_logprobs": [
            {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]},
            {"token": "Ho", "logprob": -2.0, "bytes": [72, 111]},
        ],
    }
    assert [token["token"] for token in logprobs["content"]] == ["Hi", "�", "�", "!"]
    assert bytes(byte for token in logprobs["content"] for byte in token["bytes"]) == "Hi€!".encode()


def test_a_chat_streamed() -> None:
    """Each chunk has its own text's tokens; together they are those of the whole answer."""
    chunks = streamed(ChatAnswer(CALL, "demo"))
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    found = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert found == [
        None,
        msgspec.to_builtins(chat_logprobs(DELTAS[0].logprobs)),
        msgspec.to_builtins(chat_logprobs(DELTAS[1].logprobs)),
        None,
    ]


def test_a_completion_whole() -> None:
    """Four lists; part of a character is written by its bytes; offsets are in characters of the text."""
    whole = msgspec.json.decode(CompletionAnswer(CALL, "demo").whole([*DELTAS, finished(4)]))
    assert Completion.model_validate(whole, strict=True).model_extra == {}
    assert whole["choices"][0]["text"] == "Hi€!"
    assert whole["choices"][0]["logprobs"] == {
        "tokens": ["Hi", "bytes:\\xe2\\x82", "bytes:\\xac", "!"],
        "token_logprobs": [-0.5, -1.0, -0.25, -0.125],
        "top_logprobs": [
            {"Hi": -0.5, "Ho": -2.0},
            {"a": -0.5, "bytes:\\xe2\\x82": -1.0},
            {"bytes:\\xac": -0.25},
            {"!": -0.125},
        ],
        "text_offset": [0, 2, 2, 3],
    }


def test_a_completion_streamed() -> None:
    """Each chunk has its own tokens' offsets, in the whole text."""
    chunks = streamed(CompletionAnswer(CALL, "demo"))
    found = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    offsets = [part["text_offset"] for part in found[:-1] if isinstance(part, dict)]
    assert offsets == [[0], [2, 2, 3]]
    assert found[-1] is None


END = (TokenLogprob(2, b"<end>", -0.25, (TopLogprob(2, b"<end>", -0.25),), 4),)


def test_a_completion_ends_with_its_end_token() -> None:
    """Whole and streamed: it takes no text, and stands at the end of it."""
    end = msgspec.structs.replace(finished(5), logprobs=END)
    whole = msgspec.json.decode(CompletionAnswer(CALL, "demo").whole([*DELTAS, end]))["choices"][0]
    assert whole["text"] == "Hi€!"
    assert whole["logprobs"]["tokens"][-1] == "<end>"
    assert whole["logprobs"]["token_logprobs"][-1] == -0.25
    assert whole["logprobs"]["text_offset"][-1] == 4
    answer = CompletionAnswer(CALL, "demo")
    for delta in DELTAS:
        answer.text(delta)
    [event] = [each for each in SseParser().feed(answer.last(end)) if isinstance(each, SseEvent)]
    choice = msgspec.json.decode(event.data)["choices"][0]
    assert choice == {
        "index": 0,
        "text": "",
        "logprobs": {
            "tokens": ["<end>"],
            "token_logprobs": [-0.25],
            "top_logprobs": [{"<end>": -0.25}],
            "text_offset": [4],
        },
        "finish_reason": "stop",
    }


def test_a_chats_tokens_are_those_of_its_text() -> None:
    """As OpenAI's: the end token is none of the message's."""
    end = msgspec.structs.replace(finished(5), logprobs=END)
    whole = msgspec.json.decode(ChatAnswer(CALL, "demo").whole([*DELTAS, end]))["choices"][0]
    assert [token["token"] for token in whole["logprobs"]["content"]] == ["Hi", "�", "�", "!"]
    assert b"<end>" not in ChatAnswer(CALL, "demo").last(end)


def test_what_was_asked_for_is_there_even_if_empty() -> None:
    """An answer without a token has a list without one; without the question there is none."""
    assert msgspec.json.decode(ChatAnswer(CALL, "demo").whole([finished(0)]))["choices"][0]["logprobs"] == {
        "content": [],
        "refusal": None,
    }
    plain = Call(requests=(GenerateRequest(model="demo", prompt=TextPrompt("x")),), stream=False, include_usage=False)
    assert msgspec.json.decode(ChatAnswer(plain, "demo").whole([finished(0)]))["choices"][0]["logprobs"] is None


def test_the_first_token_of_an_echo_is_predicted_by_nothing() -> None:
    """OpenAI gives null for it in both lists; a control token has a name and takes no text."""
    tokens = (
        TokenLogprob(1, b"<s>", None),
        TokenLogprob(2, b"On", -1.0, (TopLogprob(2, b"On", -1.0),)),
        TokenLogprob(3, b"ce", -2.0, (), 2),
    )
    assert text_logprobs(tokens) == {
        "tokens": ["<s>", "On", "ce"],
        "token_logprobs": [None, -1.0, -2.0],
        "top_logprobs": [None, {"On": -1.0}, {"ce": -2.0}],
        "text_offset": [0, 0, 2],
    }


@pytest.mark.parametrize("logprob", [-math.inf, -1e9])
def test_the_least_likely_is_a_number(logprob: float) -> None:
    """JSON has no infinity: OpenAI writes -9999."""
    token = TokenLogprob(5, b"x", logprob, (TopLogprob(6, b"y", logprob),))
    assert b"null" not in msgspec.json.encode(chat_logprobs((token,))).replace(b'"refusal":null', b"")
    assert msgspec.json.decode(msgspec.json.encode(text_logprobs((token,))))["top_logprobs"] == [
        {"y": -9999.0, "x": -9999.0}
    ]
