"""Conversations for templates that know fewer kinds of turns."""

from __future__ import annotations

import pytest

from jackfield.chat import Message, ToolCall
from jackfield.errors import InvalidRequest
from jackfield.parsing.turns import by_turns, calls_in_content, system_in_user


def test_calls_go_behind_what_was_said() -> None:
    """Name and decoded arguments are handed to who writes them; the rest stays."""
    messages = [Message("user", "?"), Message("assistant", "Hm. ", tool_calls=(ToolCall("1", "f", '{"a": 1}'),))]
    assert calls_in_content(messages, repr) == [messages[0], Message("assistant", "Hm. [('f', {'a': 1})]")]


def test_arguments_that_are_no_object_are_refused() -> None:
    """The message is named."""
    with pytest.raises(InvalidRequest) as caught:
        calls_in_content([Message("assistant", tool_calls=(ToolCall("1", "f", "[]"),))], repr)
    assert caught.value.param == "messages[0]"


def test_what_the_system_says_goes_to_the_next_user() -> None:
    """In order, from the middle too, and alone where no user follows."""
    messages = [Message("system", "A"), Message("developer", "B"), Message("user", "C"), Message("assistant", "D")]
    assert system_in_user(messages) == [Message("user", "A\n\nB\n\nC"), messages[3]]
    assert system_in_user([*messages[2:], Message("system", "E")])[-1] == Message("user", "E")


def test_neighbours_of_one_role_become_one() -> None:
    """Empty ones leave no trace."""
    messages = [Message("user", "A"), Message("user", "B"), Message("assistant", "C"), Message("assistant", "")]
    assert by_turns(messages) == [Message("user", "A\n\nB"), Message("assistant", "C")]
