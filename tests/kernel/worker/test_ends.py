"""Where answers end, and what may be drawn: stop tokens, least lengths, biases, and all of them together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from jackfield.sampling import LogitBias
from jackfield.testing.script import END

if TYPE_CHECKING:
    from tests.kernel.worker.conftest import Peer

BANS = tuple(LogitBias(token, -math.inf) for token in range(END))
"""Of every token but the end token."""

A, X = ord("a"), ord("x")


@pytest.mark.parametrize(
    ("script", "fields", "text", "reason", "stopped_by", "tokens"),
    [
        pytest.param("ab", {}, "ab", "stop", None, 3, id="end token"),
        pytest.param("abxab", {"stop_token_ids": (X,)}, "ab", "stop", X, 3, id="stop token"),
        pytest.param("abxab", {"stop": ("xa",)}, "ab", "stop", "xa", 4, id="stop string"),
        pytest.param("abxab", {"stop": ("xa", "bxa")}, "a", "stop", "bxa", 4, id="longest stop string"),
        pytest.param("ab", {"stop_token_ids": (END,)}, "ab", "stop", None, 3, id="stop token that ends anyway"),
        pytest.param("ab", {"max_tokens": 2}, "ab", "length", None, 2, id="limit"),
        pytest.param("abx", {"stop": ("xyz",)}, "abx", "stop", None, 4, id="begun stop string is text"),
        pytest.param("axb", {"min_tokens": 2, "stop_token_ids": (X,)}, "a.b", "stop", None, 4, id="stop token early"),
        pytest.param("aax", {"min_tokens": 2, "stop_token_ids": (X,)}, "aa", "stop", X, 3, id="stop token in time"),
        pytest.param("a", {"min_tokens": 3}, "a..", "stop", None, 4, id="end token early"),
        pytest.param("axbxb", {"min_tokens": 2, "stop": ("x",)}, "axb", "stop", "x", 4, id="stop string early"),
        pytest.param("axbab", {"min_tokens": 2, "stop": ("xb",)}, "axbab", "stop", None, 6, id="stop string across"),
        pytest.param("a", {"ignore_eos": True, "max_tokens": 3}, "a..", "length", None, 3, id="no end token"),
        pytest.param(
            "axab",
            {"ignore_eos": True, "min_tokens": 2, "stop_token_ids": (X,), "max_tokens": 6},
            "a.ab..",
            "length",
            None,
            6,
            id="bans for a while and for ever",
        ),
        pytest.param(
            "ab",
            {"ignore_eos": True, "stop_token_ids": (END,), "max_tokens": 4},
            "ab..",
            "length",
            None,
            4,
            id="ignored end token is no stop token",
        ),
        pytest.param("ab", {"logit_bias": (LogitBias(A, -math.inf),)}, ".b", "stop", None, 3, id="ban"),
        pytest.param("ab", {"logit_bias": (LogitBias("a", -100),)}, ".b", "stop", None, 3, id="ban of a text"),
        pytest.param("ab", {"logit_bias": (LogitBias(X, 9),), "max_tokens": 2}, "xx", "length", None, 2, id="wish"),
        pytest.param(
            "ab", {"logit_bias": (LogitBias(A, -100), LogitBias("a", 1))}, "ab", "stop", None, 3, id="last bias counts"
        ),
        pytest.param(
            "ab",
            {"logit_bias": (LogitBias(END, 100),), "min_tokens": 1},
            "a",
            "stop",
            None,
            2,
            id="a ban is stronger than a wish",
        ),
    ],
)
def test_ends(
    peer: Peer,
    script: str,
    fields: dict[str, object],
    text: str,
    reason: str,
    stopped_by: int | str | None,
    tokens: int,
) -> None:
    """Text, reason and count of tokens."""
    peer.chat(1, f"[say:{script}]", **fields)
    assert peer.text(1) == text
    end = peer.end(1)
    assert (end.reason, end.stopped_by, end.usage.completion_tokens) == (reason, stopped_by, tokens)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop_token_ids": (1, 257)}, "stop_token_ids[1]"),
        ({"stop_token_ids": (-1,)}, "stop_token_ids[0]"),
        ({"logit_bias": (LogitBias(1, 1), LogitBias(257, 1, "logit_bias.257"))}, "logit_bias.257"),
        ({"logit_bias": (LogitBias(-1, 1),)}, "logit_bias"),
        ({"logit_bias": (*BANS, LogitBias(END, -math.inf))}, "logit_bias"),
        ({"logit_bias": BANS, "ignore_eos": True}, "logit_bias"),
        ({"logit_bias": BANS, "min_tokens": 1}, "logit_bias"),
        ({"logit_bias": BANS[1:], "min_tokens": 1, "stop_token_ids": (0,)}, "logit_bias"),
    ],
)
def test_ids_outside_the_vocabulary_are_refused(peer: Peer, fields: dict[str, object], param: str) -> None:
    """400 that names the entry, or what leaves nothing to draw; the worker serves on."""
    peer.chat(1, "hi", **fields)
    assert peer.failure(1) == ("invalid_value", param)
    peer.chat(2, "[say:fine]")
    assert peer.text(2) == "fine"
