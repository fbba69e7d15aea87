"""Steps: vectors of texts."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from pytest_bdd import then, when

from jackfield.testing.steps.words import Table, fields, words

if TYPE_CHECKING:
    from jackfield.testing.client import Reply
    from jackfield.testing.target import Target


@when(words("I embed {text:Text}"), target_fixture="reply")
@when(words("I embed {text:Text} with"), target_fixture="reply")
def embed(server: Target, text: str, datatable: Table = None) -> Reply:
    """One text; the table's rows join the request."""
    return server.run(server.client.embed(text, **fields(datatable)))


@when("I embed these texts", target_fixture="reply")
def embed_several(server: Target, datatable: list[list[str]]) -> Reply:
    """One text a row, all in one request."""
    return server.run(server.client.embed([text for (text,) in datatable]))


@when(words("I embed {text:Text} as numbers and as base64"), target_fixture="replies")
def embed_both(server: Target, text: str) -> list[Reply]:
    """The same text in both encodings."""
    return [server.run(server.client.embed(text, encoding_format=encoding)) for encoding in ("float", "base64")]


@when(words("I embed a text of {count:d} words"), target_fixture="reply")
def embed_long(server: Target, count: int) -> Reply:
    """A text of any length."""
    return server.run(server.client.embed("word " * count))


@then(words("there are {count:d} vectors, in the order of the texts"))
def several_vectors(reply: Reply, count: int) -> None:
    """Each has its number."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert [entry.index for entry in reply.embeddings.data] == list(range(count))
    assert reply.embeddings.usage.prompt_tokens == reply.embeddings.usage.total_tokens > 0


@then("each vector has length 1")
def unit_vectors(reply: Reply) -> None:
    """So that their products are cosines."""
    assert reply.status == HTTPStatus.OK, reply.summary
    for entry in reply.embeddings.data:
        assert math.hypot(*entry.vector) == pytest.approx(1, abs=1e-5)


@then(words("the vector has {count:d} components"))
def components(reply: Reply, count: int) -> None:
    """Not more, and not fewer."""
    assert reply.status == HTTPStatus.OK, reply.summary
    assert [len(entry.vector) for entry in reply.embeddings.data] == [count]


@then(words("vectors {first:d} and {second:d} are the same"))
def same_vectors(reply: Reply, first: int, second: int) -> None:
    """Counted from 1; to the last bit."""
    vectors = [entry.vector for entry in reply.embeddings.data]
    assert vectors[first - 1] == vectors[second - 1]


@then(words("vectors {first:d} and {second:d} differ"))
def other_vectors(reply: Reply, first: int, second: int) -> None:
    """Counted from 1."""
    vectors = [entry.vector for entry in reply.embeddings.data]
    assert vectors[first - 1] != vectors[second - 1]


@then("both are the same vector")
def one_vector(replies: list[Reply]) -> None:
    """Number for number."""
    numbers, encoded = [reply.embeddings.data[0] for reply in replies]
    assert isinstance(numbers.embedding, list)
    assert isinstance(encoded.embedding, str)
    assert numbers.vector == encoded.vector
