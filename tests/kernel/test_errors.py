"""The error tree and the table that maps it to HTTP."""

from __future__ import annotations

import inspect
import re

import pytest

from jackfield import errors
from jackfield.error_record import ErrorRecord
from jackfield.errors import HTTP, JackfieldError, ModelNotFound, Overloaded, QueueFull, UnknownField, http

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, JackfieldError)]


@pytest.mark.parametrize("kind", TREE)
def test_every_error_has_a_row(kind: type[JackfieldError]) -> None:
    """An error without a row of its own would silently take its parent's code."""
    assert kind in HTTP


def test_the_table_has_no_foreign_rows() -> None:
    """Rows are for classes of this module."""
    assert set(HTTP) == set(TREE)


def test_codes_are_unique() -> None:
    """A code names its class on the channel."""
    codes = [spec.code for spec in HTTP.values()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", TREE)
def test_codes_and_types_are_stable_words(kind: type[JackfieldError]) -> None:
    """Clients switch on them."""
    spec = HTTP[kind]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", spec.code)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", spec.type)


@pytest.mark.parametrize("kind", TREE)
def test_status_says_whose_fault_it_is(kind: type[JackfieldError]) -> None:
    """Client errors are 4xx, faults of ours 5xx; nothing else is an error."""
    status = HTTP[kind].status
    if issubclass(kind, errors.ClientError | errors.PolicyDenied):
        assert 400 <= status < 500
    elif issubclass(kind, errors.BackendFault):
        assert 500 <= status < 600
    else:
        assert 400 <= status < 600


@pytest.mark.parametrize("kind", TREE)
def test_a_delay_is_only_promised_where_a_retry_helps(kind: type[JackfieldError]) -> None:
    """``Retry-After`` on an error that cannot go away would make clients loop."""
    spec = HTTP[kind]
    assert spec.retriable or spec.retry_after is None


@pytest.mark.parametrize("kind", [kind for kind in TREE if issubclass(kind, Overloaded)])
def test_overload_always_has_a_delay(kind: type[Overloaded]) -> None:
    """A client that backs off needs a number."""
    assert kind("too much").retry_after


@pytest.mark.parametrize("kind", TREE)
def test_every_error_survives_the_channel(kind: type[JackfieldError]) -> None:
    """Frozen in one process, thawed in another: same class, same fields."""
    error = kind("what went wrong", param="field", retry_after=2.5)
    thawed = ErrorRecord.of(error).thaw()
    assert type(thawed) is kind
    assert (thawed.message, thawed.param, thawed.retry_after) == ("what went wrong", "field", 2.5)
    assert str(thawed) == "what went wrong"


def test_an_unknown_code_is_a_backend_fault() -> None:
    """A newer worker may know errors that this gateway does not."""
    thawed = ErrorRecord("from_the_future", "something new").thaw()
    assert type(thawed) is errors.BackendFault
    assert http(thawed).status == 500


def test_a_plugins_own_error_takes_the_row_of_its_parent() -> None:
    """Plugins may subclass."""

    class QuotaFull(QueueFull):
        """A stranger's error."""

    assert http(QuotaFull("quota")) == HTTP[QueueFull]
    assert type(ErrorRecord.of(QuotaFull("quota")).thaw()) is QueueFull


def test_the_raiser_knows_the_delay_better_than_the_table() -> None:
    """An explicit delay wins, zero too."""
    assert QueueFull("full").retry_after == HTTP[QueueFull].retry_after
    assert QueueFull("full", retry_after=7.0).retry_after == 7.0
    assert QueueFull("full", retry_after=0.0).retry_after == 0.0


def test_param_names_the_field() -> None:
    """None where no field is at fault."""
    assert UnknownField("unknown field", param="tempratur").param == "tempratur"
    assert ModelNotFound("no such model").param is None


def test_the_docstring_draws_the_whole_tree() -> None:
    """The drawing at the top of the module is what people read first."""
    assert errors.__doc__ is not None
    drawn = re.findall(r"(?:──|^    )\s*([A-Z]\w+)", errors.__doc__, re.MULTILINE)
    assert sorted(drawn) == sorted(kind.__name__ for kind in TREE)
    depth = {name: len(line) for line, name in re.findall(r"^(.*?)([A-Z]\w+)", errors.__doc__, re.MULTILINE)}
    for kind in TREE:
        parent = kind.__bases__[0]
        if issubclass(parent, JackfieldError):
            assert depth[kind.__name__] > depth[parent.__name__], (
                f"{kind.__name__} is not drawn under {parent.__name__}"
            )
