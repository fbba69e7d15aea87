"""What roles bring: of the options, and of documents that replace them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from jackfield.errors import InvalidRequest, ManifestError
from jackfield.ports.condition import Condition
from jackfield.ports.policy_store import Governed, Isolating
from jackfield.ports.roles import Grants
from jackfield.testing.kits.kit import kernel_of
from jackfield.testing.kits.roles import granted
from jackfield_rbac.book import Roles
from jackfield_rbac.config import ROLES_MAX, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

READER = Role(scopes=("models:read",), models=("*",))
WRITER = Role(scopes=("generate",), models=("demo",))


def adopted(book: Roles, **documents: object) -> Roles:
    """*book* with these documents."""
    encoded = {name: msgspec.json.encode(role) for name, role in documents.items()}

    async def adopt() -> None:
        await book.check(encoded)
        await book.adopt(encoded)

    asyncio.run(adopt())
    return book


def test_roles_are_united() -> None:
    """Scopes and models of all of them."""
    book = Roles({"reader": READER, "writer": WRITER, "other": Role(scopes=("embed",), models=("small",))})
    assert granted(book, ["writer"]) == Grants(scopes=frozenset({"generate"}), models=frozenset({"demo"}))
    both = granted(book, ["writer", "other"])
    assert both == Grants(scopes=frozenset({"generate", "embed"}), models=frozenset({"demo", "small"}))
    assert granted(book, ["writer", "reader"]).models is None


def test_documents_are_roles_and_replace_those_of_the_options() -> None:
    """As long as they are there."""
    book = adopted(Roles({"reader": READER}), reader={"scopes": ["embed"]}, writer={"scopes": ["generate"]})
    assert granted(book, ["reader"]) == Grants(scopes=frozenset({"embed"}))
    assert granted(book, ["writer"]).scopes == frozenset({"generate"})
    adopted(book)
    assert granted(book, ["reader"]).scopes == frozenset({"models:read"})
    assert granted(book, ["writer"]) == Grants()


BROKEN_ROLES = [
    ({"reader": b"{"}, "reader"),
    ({"reader": b'{"scopes": ["Generate"]}'}, "reader"),
    ({"reader": b'{"scope": ["generate"]}'}, "reader"),
    ({"reader": b'{"scopes": [1]}'}, "reader.scopes[0]"),
    ({"reader": b'{"models": [""]}'}, "reader"),
    ({"reader": b'{"models": "demo"}'}, "reader.models"),
    ({"reader": b"[" * 100_000}, "reader"),
    ({"a b": b"{}"}, "a b"),
]


@pytest.mark.parametrize(("documents", "param"), BROKEN_ROLES)
def test_a_document_that_is_no_role_cannot_be_written(documents: Mapping[str, bytes], param: str) -> None:
    """And is named."""
    [(name, content)] = documents.items()
    with pytest.raises(InvalidRequest) as refused:
        Roles({}).check_document(name, content)
    assert refused.value.param == param


@pytest.mark.parametrize(("documents", "param"), BROKEN_ROLES)
def test_a_document_that_is_no_role_brings_nothing_and_the_others_hold(
    documents: Mapping[str, bytes], param: str
) -> None:
    """Nor does what it has replaced, in the options or in the store; what was taken away from others is gone."""
    book = adopted(Roles({"reader": READER}), reader=READER, admin={"scopes": ["admin"]}, gone={"scopes": ["embed"]})
    with capture_logs() as log:
        asyncio.run(book.check({**documents, "admin": b"{}", "writer": msgspec.json.encode(WRITER)}))
        asyncio.run(book.adopt({**documents, "admin": b"{}", "writer": msgspec.json.encode(WRITER)}))
    [name] = documents
    assert granted(book, [name, "admin", "gone"]) == Grants()
    assert granted(book, ["writer"]).scopes == frozenset({"generate"})
    assert [line["documents"] for line in log] == [[name]]
    [trouble] = book.troubles
    assert isinstance(book, Condition)
    assert name in trouble
    assert len(trouble) < 1000
    assert param.startswith(name)
    assert adopted(book).troubles == ()
    assert granted(book, ["reader"]) == granted(Roles({"reader": READER}), ["reader"])


def test_more_roles_than_there_may_be_change_nothing() -> None:
    """All of them are refused."""
    book = Roles({"reader": READER})
    documents = {f"r{number}": b"{}" for number in range(ROLES_MAX + 1)}
    for call in (book.check, book.adopt):
        with pytest.raises(InvalidRequest) as refused:
            asyncio.run(call(documents))
        assert refused.value.param == "role"
    assert granted(book, ["reader"]).models is None


@given(data=st.binary(max_size=200))
def test_no_document_is_a_surprise(data: bytes) -> None:
    """A role, or one that brings nothing."""
    book = Roles({})
    asyncio.run(book.adopt({"role": data}))
    try:
        book.check_document("role", data)
    except InvalidRequest:
        assert granted(book, ["role"]) == Grants()
        assert book.troubles
    else:
        assert book.troubles == ()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ('roles.reader.scopes = ["Generate"]', "config.rbac.roles"),
        ('roles.reader.scope = ["generate"]', "scope"),
        ('roles."a b".scopes = ["generate"]', "a b"),
        ('role.reader.scopes = ["generate"]', "role"),
        ("roles.reader.models = [7]", "models"),
    ],
)
def test_options_that_are_no_roles_refuse_the_start(options: str, names: str) -> None:
    """The key is named."""
    with pytest.raises(ManifestError) as refused:
        kernel_of(f'enabled = ["rbac"]\n[config.rbac]\n{options}\n')
    assert names in refused.value.message


def test_the_book_goes_by_documents() -> None:
    """The kernel sees that it does."""
    assert isinstance(Roles({}), Governed)
    assert isinstance(Roles({}), Isolating)
