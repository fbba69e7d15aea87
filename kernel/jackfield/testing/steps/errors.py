"""Steps: requests that are refused, and with what words."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from pytest_bdd import then, when

from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from jackfield.testing.client import Reply
    from jackfield.testing.target import Target


@when(words("I post {body:Text} to {path:Text}"), target_fixture="reply")
def post(server: Target, body: str, path: str) -> Reply:
    """Any bytes, as JSON."""
    return server.run(server.client.request("POST", path, body.encode()))


@when(words("I ask as a web page of {origin:Text}"), target_fixture="reply")
def ask_from_page(server: Target, origin: str) -> Reply:
    """What a browser sends for a script of that origin."""
    return server.run(server.client.request("GET", "/v1/models", headers={"Origin": origin}))


@when(words("I ask for the host {host:Text}"), target_fixture="reply")
def ask_for_host(server: Target, host: str) -> Reply:
    """What a browser sends after a name was made to point at this machine."""
    return server.run(server.client.request("GET", "/v1/models", headers={"Host": host}))


@when("I remember when to come back", target_fixture="earlier_s")
def remember_when(reply: Reply) -> int:
    """Seconds that a refusal asks for."""
    return int(reply.headers["Retry-After"])


@then("that is later than before")
def told_later(replies: list[Reply], earlier_s: int) -> None:
    """Those who are refused now find more that waits."""
    assert all(int(reply.headers["Retry-After"]) > earlier_s for reply in replies if reply.status != HTTPStatus.OK)


@then(words("it is refused with {status:d} {code:Text}"))
def refused(reply: Reply, status: int, code: str) -> None:
    """An error of this status and code, complete and with a request id."""
    assert reply.status == status, reply.summary
    assert reply.error.code == code
    assert reply.error.message
    assert reply.headers["x-request-id"]


@then(words("the error names {param:Text}"))
def error_names(reply: Reply, param: str) -> None:
    """The field at fault."""
    assert reply.error.param == param


@then(words("it is answered with {status:d}"))
def answered(reply: Reply, status: int) -> None:
    """This status."""
    assert reply.status == status, reply.summary


@then(words("{count:d} are refused with {status:d} {code:Text} and told when to come back"))
def some_refused(replies: list[Reply], count: int, status: int, code: str) -> None:
    """That many, each with a ``Retry-After`` of at least a second."""
    refusals = [reply for reply in replies if reply.status != 200]
    assert [(reply.status, reply.error.code) for reply in refusals] == [(status, code)] * count
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refusals)
