"""What guardrails have masked is kept nowhere."""

from __future__ import annotations

import json

import msgspec
import pytest

from jackfield.masking import Masking, plain

MAIL = "joe@example.com"


def masking() -> Masking:
    """Of a request with an address and a password."""
    return Masking({MAIL: "[MAIL_1]", 'pass"word': "[KEY_1]"}, {"[MAIL_1]": MAIL})


def test_originals_are_hidden_where_somebody_says_something() -> None:
    """In texts, parts of them and arguments of calls; ids and names of kinds stay."""
    body = {
        "id": "joe@example.com",
        "object": "chat",
        "choices": [
            {
                "message": {
                    "content": [{"type": "text", "text": f"to {MAIL}"}],
                    "reasoning_content": MAIL,
                    "tool_calls": [{"function": {"arguments": json.dumps({"a": 'pass"word', "to": MAIL})}}],
                }
            }
        ],
    }
    hidden = json.loads(masking().hidden_json(json.dumps(body).encode()))
    assert hidden["id"] == MAIL
    message = hidden["choices"][0]["message"]
    assert message["content"] == [{"type": "text", "text": "to [MAIL_1]"}]
    assert message["reasoning_content"] == "[MAIL_1]"
    arguments = message["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"a": "[KEY_1]", "to": "[MAIL_1]"}


def test_numbers_in_arguments_are_hidden_and_they_stay_json() -> None:
    """Else nobody could go on with what was kept."""
    body = {"input": [{"type": "function_call", "arguments": '{"card": 4111111111111111, "n": [4111111111111111, 1]}'}]}
    hidden = json.loads(Masking({"4111111111111111": "[CARD_1]"}, {}).hidden_json(json.dumps(body).encode()))
    assert json.loads(hidden["input"][0]["arguments"]) == {"card": "[CARD_1]", "n": ["[CARD_1]", 1]}


@pytest.mark.parametrize("name", ["parameters", "input_schema", "schema", "metadata"])
def test_originals_are_hidden_anywhere_in_a_schema(name: str) -> None:
    """As they were before a model saw it: names, texts of all kinds and numbers."""
    schema = {"type": "object", "title": MAIL, "properties": {MAIL: {"enum": [f"to {MAIL}", 17], "default": 17}}}
    body = {"tools": [{"name": "f", name: schema}, {name: 17}]}
    hidden = json.loads(Masking({MAIL: "[MAIL_1]", "17": "[AGE]"}, {}).hidden_json(json.dumps(body).encode()))
    tool, _ = hidden["tools"]
    assert tool[name] == {
        "type": "object",
        "title": "[MAIL_1]",
        "properties": {"[MAIL_1]": {"enum": ["to [MAIL_1]", "[AGE]"], "default": "[AGE]"}},
    }


def test_what_an_answer_repeats_has_the_clients_own_words_and_no_others() -> None:
    """What it may have back comes back; the rest stays masked, and nothing of it is kept."""
    found = masking()
    assert found.repeated(f'to {MAIL}, pass"word') == f"to {MAIL}, [KEY_1]"
    assert found.hidden_events(MAIL.encode()) == b"[MAIL_1]"
    whole = masking()
    kept = whole.repeated_json(json.dumps({"instructions": f'to {MAIL}, pass"word', "user": MAIL}).encode())
    assert json.loads(kept) == {"instructions": "to [MAIL_1], [KEY_1]", "user": "[MAIL_1]"}
    assert json.loads(whole.shown_events(kept)) == {"instructions": f"to {MAIL}, [KEY_1]", "user": MAIL}


def test_of_originals_in_each_other_the_longest_is_hidden() -> None:
    """Nothing is left of it."""
    found = Masking({"joe": "[NAME]", MAIL: "[MAIL]"}, {})
    assert found.hidden(f"joe, {MAIL}") == "[NAME], [MAIL]"


def test_of_originals_in_each_other_the_longest_is_hidden_in_events() -> None:
    """Whichever was given back first."""
    found = Masking({}, {"[NAME]": "joe", "[MAIL]": MAIL})
    found.returned("[NAME]")
    found.returned("[MAIL]")
    assert found.hidden_events(f'"joe, {MAIL}"'.encode()) == b'"[NAME], [MAIL]"'


def test_what_was_given_back_is_hidden_in_events_and_shown_again() -> None:
    """To whoever takes a stream up again."""
    found = masking()
    event = msgspec.json.encode({"delta": f"to {MAIL}"})
    assert found.hidden_events(event) == event, "nothing was given back yet"
    assert found.returned("[MAIL_1]") == MAIL
    hidden = found.hidden_events(event)
    assert MAIL.encode() not in hidden
    assert found.shown_events(hidden) == event


def test_two_parts_of_a_request_are_hidden_together() -> None:
    """Whichever of them was masked first."""
    first, second = masking(), Masking({"ann": "[NAME]"}, {"[NAME]": "ann"})
    first.returned("[MAIL_1]")
    both = second.united(first)
    assert both.hidden(f"ann {MAIL}") == "[NAME] [MAIL_1]"
    assert MAIL.encode() not in both.hidden_events(MAIL.encode())
    second.returned("[NAME]")
    assert b"ann" not in both.hidden_events(b"ann")
    assert second.united(None) is second


@pytest.mark.parametrize(
    ("text", "expected"),
    [(MAIL, True), ("Zoë €", True), ('a"b', False), ("a\\b", False), ("a\nb", False), ("\ud800", False)],
)
def test_what_needs_no_escape(text: str, expected: bool) -> None:  # noqa: FBT001 -- a table
    """It is the same in JSON, in JSON in JSON, and outside."""
    assert plain(text) is expected


def test_what_is_no_json_cannot_be_hidden() -> None:
    """Nobody keeps it by mistake."""
    with pytest.raises(msgspec.DecodeError):
        masking().hidden_json(b"{")
