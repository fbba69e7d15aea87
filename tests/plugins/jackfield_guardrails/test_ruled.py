"""Rules from a policy store: what a document may change, and what it may not."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from jackfield.errors import InvalidRequest
from jackfield.ports.policy_store import Governed

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = '[list]\nkind = "words"\nwords = ["badword"]\naction = "mask"\nchannels = ["content"]\nlongest = 90\n'


def adopt(guardrail: Any, **documents: Any) -> None:
    written = {name: json.dumps(document).encode() for name, document in documents.items()}

    async def change() -> None:
        await guardrail.check(written)
        await guardrail.adopt(written)

    asyncio.run(change())


def test_a_document_replaces_the_rule_of_its_name(rules: Any, masked: Callable[..., str]) -> None:
    """And the table's holds again when it is gone."""
    guardrail = rules.all(WORDS)["list"]
    assert isinstance(guardrail, Governed)
    document = {"kind": "words", "words": ["other"], "action": "mask", "channels": ["content"]}
    assert masked(guardrail, "badword other") == "[WORD_LIST] other"
    adopt(guardrail, list=document)
    assert masked(guardrail, "badword other") == "badword [WORD_LIST]"
    adopt(guardrail)
    assert masked(guardrail, "badword other") == "[WORD_LIST] other"


def test_whom_it_concerns_may_change(rules: Any, somebody: Callable[..., Any]) -> None:
    """At once."""
    guardrail = rules.all(WORDS)["list"]
    assert guardrail.concerns(somebody())
    adopt(
        guardrail,
        list={"kind": "words", "words": ["x"], "teams": ["legal"], "channels": ["content"], "action": "mask"},
    )
    assert not guardrail.concerns(somebody())
    assert guardrail.concerns(somebody(key="k", team="legal"))


def test_what_is_held_back_stays(rules: Any) -> None:
    """So much of a stream as the kernel was told."""
    guardrail = rules.all(WORDS)["list"]
    assert guardrail.traits.longest == 90
    adopt(guardrail, list={"kind": "words", "words": ["ok"], "action": "mask", "channels": ["content"]})
    assert guardrail.traits.longest == 90


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"kind": "pii"}, "list"),
        ({"kind": "words"}, "list"),
        ({"kind": "words", "words": ["x"], "nope": 1}, "list"),
        ({"kind": "words", "words": ["x"], "action": "mask"}, "list.channels"),
        ({"kind": "words", "words": ["x" * 90], "action": "mask", "channels": ["content"]}, "list.longest"),
        ({"kind": "words", "words": ["x"], "channels": ["content"], "default_on": False}, "list.default_on"),
        ({"kind": "words", "words": ["x"], "channels": ["content"], "category": "new"}, "list.category"),
        ([], "list"),
        ("words", "list"),
    ],
)
def test_what_cannot_be_adopted_is_refused(rules: Any, masked: Callable[..., str], document: Any, param: str) -> None:
    """By name and field, and all stays as it was."""
    guardrail = rules.all(WORDS)["list"]
    with pytest.raises(InvalidRequest) as caught:
        adopt(guardrail, list=document)
    assert caught.value.param == param
    assert masked(guardrail, "badword") == "[WORD_LIST]"


def test_a_rule_that_blocks_cannot_begin_to_mask(rules: Any) -> None:
    """The kernel has ordered the guardrails by then."""
    guardrail = rules.all('[list]\nkind = "words"\nwords = ["x"]')["list"]
    with pytest.raises(InvalidRequest) as caught:
        adopt(guardrail, list={"kind": "words", "words": ["x"], "action": "mask"})
    assert caught.value.param == "list.action"


def test_a_document_that_no_rule_has_is_refused(rules: Any) -> None:
    """Somebody would believe that it is in force."""
    guardrail = rules.all(WORDS)["list"]
    with pytest.raises(InvalidRequest, match="no guardrail lst") as caught:
        adopt(guardrail, lst={"kind": "words", "words": ["x"]})
    assert caught.value.param == "lst"


def test_instances_have_documents_of_their_own(rules: Any) -> None:
    """By kind."""
    assert rules.all(WORDS)["list"].document_kind == "guardrail"
    assert rules.all(WORDS, name="strict")["list"].document_kind == "guardrail-strict"
