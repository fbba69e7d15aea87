"""Lines are bounded, in ASCII, one line each, and show what the options let them show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_audit.conftest import KEY, event

from jackfield.ports.audit import AuditText
from jackfield_audit.chain import LINE_MAX
from jackfield_audit.config import AuditConfig
from jackfield_audit.envelope import VALUE_MAX, Envelopes, printable

if TYPE_CHECKING:
    from jackfield.ports.audit import AuditEvent

LINE: Final = re.compile(rb"[ -~]+\Z")
TEXTS: Final = (AuditText(role="prompt", text="who are you?"), AuditText(role="answer", text="nobody"))

_ANY: Final = st.text(st.characters(exclude_categories=()), max_size=80)
_DETAIL: Final = st.one_of(_ANY, st.integers(), st.floats(), st.booleans(), st.none(), st.lists(_ANY).map(tuple))


def body(given: AuditEvent, **options: object) -> dict[str, object]:
    """What the line of *given* says under these options."""
    text = Envelopes(KEY, msgspec.convert(options, AuditConfig)).body(1, given)
    assert LINE.match(text)
    return msgspec.json.decode(text, type=dict[str, object])


@given(_ANY, _ANY, st.dictionaries(_ANY, _DETAIL, max_size=5), _ANY)
def test_any_event_is_one_line_of_printable_ascii(
    name: str, reason: str, details: dict[str, object], text: str
) -> None:
    """Whatever comes from outside, and JSON readers take it."""
    given = event(name=name, reason=reason, details=details, texts=(AuditText(role="prompt", text=text),))
    for texts in ("none", "hash", "full"):
        said = body(given, texts=texts)
        assert said["seq"] == 1
        if name and not any("\ud800" <= each <= "\udfff" for each in name):
            assert said["name"] == name


def test_empty_values_are_left_out() -> None:
    """A line is as long as what it says."""
    assert set(body(event())) == {"v", "seq", "time", "kind", "action", "outcome", "request_id"}


def test_long_values_are_cut() -> None:
    """And say so."""
    said = body(event(name="x" * 5000, details={"a": "y" * 5000}))
    assert said["name"] == "x" * VALUE_MAX + "…"
    assert said["details"] == {"a": "y" * VALUE_MAX + "…"}


def test_texts_are_hashes_unless_asked_for() -> None:
    """The same text has the same hash, and the text is nowhere."""
    hashed = body(event(texts=TEXTS))
    [prompt, answer] = msgspec.convert(hashed["texts"], list[dict[str, object]])
    assert prompt == {"role": "prompt", "characters": 12, "hash": KEY.mark("text", "who are you?")}
    assert answer["hash"] != prompt["hash"]
    assert "who" not in str(hashed)
    assert "texts" not in body(event(texts=TEXTS), texts="none")


def test_texts_in_full_are_bounded() -> None:
    """What is cut is said to be."""
    said = body(event(texts=TEXTS), texts="full", text_max=6)
    [prompt, answer] = msgspec.convert(said["texts"], list[dict[str, object]])
    assert prompt == {"role": "prompt", "characters": 12, "text": "who ar", "cut": True}
    assert answer == {"role": "answer", "characters": 6, "text": "nobody"}


@pytest.mark.parametrize("texts", ["none", "full"])
def test_no_line_is_longer_than_what_is_read(texts: str) -> None:
    """Where there is too much, texts are hashes: nobody makes a record unreadable by what he sends."""
    much = tuple(AuditText(role="prompt", text="\U0001f600" * 16_000) for _ in range(64))
    wordy = {f"{number}": ("\u4f60" * 1000,) * 64 for number in range(64)}
    given = event(texts=much, details=wordy)
    assert len(Envelopes(KEY, msgspec.convert({"texts": texts}, AuditConfig)).body(1, given)) < LINE_MAX // 2
    said = body(given, texts=texts)
    assert said["details"] == {"cut": True}
    hashes = {str(each["hash"]) for each in msgspec.convert(said["texts"], list[dict[str, object]])}
    assert hashes == (set() if texts == "none" else {KEY.mark("text", much[0].text)})


@pytest.mark.parametrize("field", ["name", "principal", "team", "client", "fingerprint", "resource", "reason"])
def test_fields_can_be_redacted(field: str) -> None:
    """A hash still tells whether two are the same."""
    thing, other = (msgspec.structs.replace(event(), **{field: text}) for text in ("secret thing", "other thing"))
    said = body(thing, redact=[field])
    assert str(said[field]).startswith("hash:")
    assert said[field] == body(thing, redact=[field])[field]
    assert said[field] != body(other, redact=[field])[field]


def test_details_can_be_redacted() -> None:
    """Numbers stay."""
    said = body(event(details={"route": "/v1/x", "prompt_tokens": 5}), redact=["details"])
    details = msgspec.convert(said["details"], dict[str, object])
    assert details["prompt_tokens"] == 5
    assert str(details["route"]).startswith("hash:")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("a\x1b[2Jb", "a\\u001b[2Jb"), ("\u202eeve", "\\u202eeve"), ("Zürich 你好", "Zürich 你好")],
)
def test_terminals_are_shown_letters_only(text: str, shown: str) -> None:
    """Nothing that moves the cursor or turns the direction of writing."""
    assert printable(text) == shown
