"""A request's walk: HTTP in, worker, HTTP out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.types import Started, TextDelta, TextPrompt

if TYPE_CHECKING:
    from conftest import Served


def test_answer_arrives_whole(served: Served) -> None:
    """A request without streaming gets the worker's text."""
    worker = served.worker()
    connection = served.begin(prompt="hello")
    submit = worker.answer("Hel", "lo")
    assert submit.request.prompt == TextPrompt("hello")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"Hello")
    assert response.getheader("x-request-id") == "mine-1"


def test_events_arrive_as_they_happen(served: Served) -> None:
    """A stream delivers each event before the next one happens."""
    worker = served.worker()
    connection = served.begin(stream=True)
    submit = worker.submitted()
    worker.send(submit.id, Started(3, 16), TextDelta("one", 1))
    response = connection.getresponse()
    assert response.getheader("x-request-id") == "mine-1"
    assert response.readline() == b"data: one\n"
    response.readline()
    worker.finish(submit.id, "two")
    assert response.read() == b"data: two\n\n"
