"""Messages that are read by their bytes say just that."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.frontends.plain import PlainMessages

PLAIN = PlainMessages(("system", "user"), parts=True)
COMPACT = (",", ":")
SPACED = (", ", ": ")


def raw(value: object, separators: tuple[str, str] = COMPACT) -> msgspec.Raw:
    """As clients send it."""
    return msgspec.Raw(json.dumps(value, ensure_ascii=False, separators=separators).encode("utf-8", "surrogatepass"))


@given(st.sampled_from([COMPACT, SPACED]), st.text(), st.booleans())
def test_what_most_clients_send_is_plain(separators: tuple[str, str], text: str, in_a_part: bool) -> None:  # noqa: FBT001 -- drawn
    """A text, or one part with a text; whatever the text is."""
    content = [{"type": "text", "text": text}] if in_a_part else text
    read = PLAIN.read(raw({"role": "user", "content": content}, separators))
    assert read == ("user", text)


texts = st.sampled_from(["", "a", '"', '"},{"type":"text","text":"', '","content":"b', "\n", "é", '"}]'])
part = st.fixed_dictionaries({"type": st.sampled_from(["text", "image"]), "text": texts}, optional={"x": texts})
names = st.sampled_from(["role", "content", "name"])
values = st.sampled_from(["user", "system", "tool"]) | texts | st.lists(part, max_size=2) | st.none()
pairs = st.lists(st.tuples(names, values), max_size=4)


@given(pairs, st.sampled_from([COMPACT, SPACED]))
def test_what_is_read_is_all_there_is(given_pairs: list[tuple[str, object]], separators: tuple[str, str]) -> None:
    """No field is lost: not one that came twice, nor one that nobody knows."""
    comma, colon = separators
    fields = [f"{json.dumps(name)}{colon}{json.dumps(value, separators=separators)}" for name, value in given_pairs]
    read = PLAIN.read(msgspec.Raw(("{" + comma.join(fields) + "}").encode()))
    if read is not None:
        role, text = read
        assert given_pairs in (
            [("role", role), ("content", text)],
            [("role", role), ("content", [{"type": "text", "text": text}])],
        )


@pytest.mark.parametrize(
    "value",
    [
        1,
        "user",
        [],
        {},
        {"role": "tool", "content": "a"},
        {"role": "user"},
        {"role": "user", "content": None},
        {"role": "user", "content": 1},
        {"role": "user", "content": "a\ud800"},
    ],
)
def test_all_else_is_left_to_others(value: object) -> None:
    """They know what is wrong with it."""
    assert PLAIN.read(raw(value)) is None


def test_parts_only_where_there_are_some() -> None:
    """A dialect without parts must refuse them."""
    only_texts = PlainMessages(("user",), parts=False)
    assert only_texts.read(raw({"role": "user", "content": "a"})) == ("user", "a")
    assert only_texts.read(raw({"role": "user", "content": [{"type": "text", "text": "a"}]})) is None
