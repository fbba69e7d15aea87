"""Earlier calls and their results, put in order."""

from __future__ import annotations

from jackfield.chat import Message, ToolCall
from jackfield.parsing.history import linked, one_call_each

_ASKED = Message("user", "Weather and time?")
_BOTH = Message(
    "assistant", "Looking.", tool_calls=(ToolCall("a", "weather"), ToolCall("b", "time")), reasoning="Two calls."
)
_RAIN = Message("tool", "rain", tool_call_id="a")
_NOON = Message("tool", "noon", tool_call_id="b")


def _numbered(number: int, _: str) -> str:
    return f"c{number}"


def _told(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message.tool_call_id, message.content) for message in messages if message.role == "tool"]


def test_results_come_in_the_order_of_calls_under_new_ids() -> None:
    shaped = linked([_ASKED, _BOTH, _NOON, _RAIN], _numbered)
    assert [call.id for call in shaped[1].tool_calls] == ["c0", "c1"]
    assert _told(shaped) == [("c0", "rain"), ("c1", "noon")]
    assert [message.name for message in shaped[2:]] == ["weather", "time"]


def test_ids_that_were_used_before_are_new_again() -> None:
    shaped = linked([_BOTH, _RAIN, _NOON, _BOTH, _RAIN, _NOON], _numbered)
    assert [told for told, _ in _told(shaped)] == ["c0", "c1", "c2", "c3"]


def test_results_without_ids_go_by_name_and_then_by_order() -> None:
    noon = Message("tool", "noon", name="time")
    assert _told(linked([_BOTH, noon, Message("tool", "rain")], _numbered)) == [("c0", "rain"), ("c1", "noon")]


def test_what_answers_no_call_stays_behind_as_it_is() -> None:
    stray = Message("tool", "?", tool_call_id="z")
    assert _told(linked([_BOTH, stray, _NOON], _numbered)) == [("c1", "noon"), ("z", "?")]
    assert linked([_ASKED, stray], _numbered) == [_ASKED, stray]


def test_each_call_gets_a_message_with_its_result_behind_it() -> None:
    first, rain, second, noon = one_call_each(linked([_BOTH, _NOON, _RAIN], _numbered))
    assert (first.content, first.reasoning, first.tool_calls[0].name) == ("Looking.", "Two calls.", "weather")
    assert (second.content, second.reasoning, second.tool_calls[0].name) == ("", "", "time")
    assert (rain.content, noon.content) == ("rain", "noon")


def test_messages_of_one_call_stay_as_they_are() -> None:
    one = Message("assistant", tool_calls=(ToolCall("a", "weather"),))
    assert one_call_each([_ASKED, one, _RAIN]) == [_ASKED, one, _RAIN]


def test_a_result_that_is_missing_leaves_no_gap_and_a_strange_one_is_kept() -> None:
    stray = Message("tool", "?", tool_call_id="z")
    shaped = one_call_each(linked([_BOTH, stray, _RAIN], _numbered))
    assert [message.content for message in shaped] == ["Looking.", "rain", "", "?"]


def test_two_calls_of_one_id_get_a_result_each() -> None:
    twice = Message("assistant", tool_calls=(ToolCall("a", "weather"), ToolCall("a", "time")))
    again = Message("tool", "noon", tool_call_id="a")
    assert _told(linked([twice, _RAIN, again], _numbered)) == [("c0", "rain"), ("c1", "noon")]


def test_very_many_calls_are_put_in_order() -> None:
    count = 20_000
    calls = Message("assistant", tool_calls=tuple(ToolCall(str(index), "weather") for index in range(count)))
    results = [Message("tool", str(index), tool_call_id=str(index)) for index in reversed(range(count))]
    shaped = one_call_each(linked([calls, *results], _numbered))
    assert [message.content for message in shaped[1::2]] == [str(index) for index in range(count)]
