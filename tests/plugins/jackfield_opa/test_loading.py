"""Where policies come from, and what must be right before they go live."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.jackfield_opa.played import HEAD, QUESTION, play, write

from jackfield.errors import InvalidRequest, ManifestError
from jackfield_opa.bundle import FILE_MAX, FILES_MAX, bundle_of
from jackfield_opa.config import OpaConfig
from jackfield_opa.embedded import EmbeddedEngine
from jackfield_opa.failure import FailurePolicy
from jackfield_opa.rego_text import code, own_tests, rules_of, unknown_calls, with_movable_input
from jackfield_opa.sources import PolicySource, documents_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.plugins.jackfield_opa.played import Engines

BY_DATA: Final = "allow if input.principal.tenant in data.known.tenants\ndecision := allow\n"
FILES: Final = {"main.rego": HEAD + BY_DATA, "known/data.json": '{"tenants": ["acme"]}'}
ALLOW: Final = "allow if true\ndecision := allow\n"
CASES: Final = """
cases := [{"input": {"principal": {"tenant": "acme"}}, "allow": true}, {"input": {}, "allow": false}]

test_a if {
	every case in cases {
		jackfield.allow == case.allow with input as case.input
	}
}
"""
TESTS: Final = "package jackfield_test\n\nimport rego.v1\n\nimport data.jackfield\n\n"


def archive(path: Path, files: Mapping[str, str | bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    """A bundle as ``opa build`` makes it: names begin with a slash."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            member.type = kind
            member.linkname = "/etc/passwd"
            tar.addfile(member, io.BytesIO(content))
    return path


def test_a_folder_and_a_bundle_are_the_same(folder: Path, tmp_path: Path) -> None:
    """Data stand where their folder is; what is no policy does not matter."""
    write(folder, {**FILES, "README.md": "x", ".git/main.rego": "no policy"})
    named = {f"/{name}": text for name, text in FILES.items()}
    bundle = archive(tmp_path / "bundle.tar.gz", {"/.manifest": "{}", **named})
    read = PolicySource(folder, "policies").read()
    assert read == PolicySource(bundle, "bundle.tar.gz").read()
    assert msgspec.json.decode(read.data) == {"known": {"tenants": ["acme"]}}


def test_a_bundle_decides(tmp_path: Path) -> None:
    """And is followed as a folder is."""
    path = archive(tmp_path / "bundle.tar.gz", FILES)

    async def scenario(engine: EmbeddedEngine) -> None:
        assert (await engine.decide(QUESTION)).allow
        archive(path, {**FILES, "known/data.json": '{"tenants": []}'})
        while (await engine.decide(QUESTION)).allow:  # noqa: ASYNC110 -- an engine says nothing by itself
            await asyncio.sleep(0.05)

    config = OpaConfig(policies=path.name, processes=1)
    play(EmbeddedEngine("opa", config, PolicySource(path, path.name), FailurePolicy("opa", "closed")), scenario)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"../main.rego": "x"}, "leads out"),
        ({"a/../../main.rego": "x"}, "leads out"),
        ({"main.rego": b"\xff"}, "not UTF-8"),
        ({"main.rego": b"package a\0"}, "NUL"),
        ({"main.rego": "x" * (FILE_MAX + 1)}, "at most"),
        ({f"{number}.rego": "x" for number in range(FILES_MAX + 1)}, "at most"),
        ({"main.rego": "x", "data.json": "[1]"}, "data.json: must be a JSON object"),
        ({"main.rego": "x", "data.json": "{"}, "data.json: not JSON"),
        ({"main.rego": "x", "a/data.json": '{"b": 1}', "data.json": '{"a": {"b": 2}}'}, "another file gives b"),
        ({"main.rego": "x", "data.yaml": "a: 1"}, "JSON"),
        ({"README": "x"}, "there is no policy"),
        ({}, "there is no policy"),
    ],
)
def test_archives_that_are_refused(tmp_path: Path, files: Mapping[str, str | bytes], message: str) -> None:
    """By name, and before anything is unpacked anywhere."""
    path = archive(tmp_path / "b.tar.gz", files)
    with pytest.raises(ManifestError, match=message):
        PolicySource(path, "b.tar.gz").read()


def test_links_in_archives_are_refused(tmp_path: Path) -> None:
    """Hard and soft ones."""
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        path = archive(tmp_path / "b.tar.gz", {"main.rego": ""}, kind)
        with pytest.raises(ManifestError, match="links"):
            PolicySource(path, "b.tar.gz").read()


@pytest.mark.parametrize(
    "data",
    [b"", b"x", gzip.compress(b"x" * 100), gzip.compress(b"\0" * (20 << 20)), b"\x1f\x8b\x08"],
    ids=["empty", "text", "no tar", "a lot", "cut"],  # not the bytes, which have the time in them
)
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    """Also one that is small and unpacks to a lot."""
    path = tmp_path / "b.tar.gz"
    path.write_bytes(data)
    with pytest.raises(ManifestError, match=r"b\.tar\.gz"):
        PolicySource(path, "b.tar.gz").read()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The message says what to do."""
    with pytest.raises(ManifestError, match="copy policies/rego"):
        PolicySource(tmp_path / "no", "no").read()


@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=40), max_size=5))
def test_whatever_is_in_files(files: dict[str, bytes]) -> None:
    """Hypothesis: a bundle, or a message."""
    with suppress(ManifestError):
        assert bundle_of(files.items()).modules


@pytest.mark.parametrize(
    ("documents", "param"),
    [
        ({"main.rego": b"package jackfield"}, "main.rego"),
        ({"main.rego": b'{"rego": 1}'}, "main.rego"),
        ({"main.rego": b'{"rego": "x", "more": 1}'}, "main.rego"),
        ({"main.txt": b'{"rego": "x"}'}, "main.txt"),
        ({"main.rego": b'{"rego": "x"}', "data.json": b"1"}, "data.json"),
        ({"main.rego": b'{"rego": "\\ud800"}'}, "main.rego"),
    ],
)
def test_documents_that_are_refused(documents: dict[str, bytes], param: str) -> None:
    """By name."""
    with pytest.raises(InvalidRequest) as refused:
        documents_bundle(documents)
    assert refused.value.param == param


def test_an_edit_must_pass_its_own_tests(engines: Engines, folder: Path) -> None:
    """Until it does, the old policies hold, and troubles say which test fails."""

    async def until(engine: EmbeddedEngine, trouble: str) -> None:
        # an engine says nothing by itself
        while trouble not in " ".join(engine.troubles) or (not trouble and engine.troubles):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def scenario(engine: EmbeddedEngine) -> None:
        assert (await engine.decide(QUESTION)).allow
        write(folder, "allow if false\ndecision := allow\n")
        await until(engine, "test_engineers")
        assert (await engine.decide(QUESTION)).allow
        write(folder, {"main_test.rego": TESTS + "test_engineers if {\n\tnot jackfield.allow\n}\n"})
        await until(engine, "")
        assert not (await engine.decide(QUESTION)).allow
        [test] = await engine.test()
        assert test.passed
        assert test.name == "main_test.rego: test_engineers"

    tests = {"main_test.rego": TESTS + "test_engineers if {\n\tjackfield.allow with input as {}\n}\n"}
    play(engines({"main.rego": HEAD + ALLOW, **tests}), scenario)


@pytest.mark.parametrize(
    "test",
    [
        'test_a if {\n\tnot jackfield.allow with input as {"principal": {"tenant": "acme"}}\n}',
        'q := {"principal": {"tenant": "acme"}}\ntest_a if {\n\tnot jackfield.decision with input as q\n}',
        'test_a if {\n\tjackfield.allow with input as {"principal": {"tenant": "initech"}}\n}',
        'test_a if {\n\tjackfield.allow with input.principal as {"tenant": "initech"}\n}',
        'test_a if {\n\tevery name in ["acme", "x"] {\n\t\tjackfield.allow with input.principal.tenant as name\n\t}\n}',
        'test_a if {\n\tinput.principal with data.x as "input"\n}',
        "test_a if {\n\tjackfield.allow with data.known.tenants as []\n}",
        "test_a := false",
        "test_a if {\n\tnosuch(1)\n}",
        "test_a if {",
    ],
)
def test_tests_that_must_fail_do(engines: Engines, test: str) -> None:
    """Replacing the input, or part of it or of the data, is what it is for OPA."""
    with pytest.raises(ManifestError, match=r"test_a|nosuch|main_test.rego"):
        engines({**FILES, "main_test.rego": TESTS + test})


@pytest.mark.parametrize(
    "test",
    [
        'test_a if {\n\tjackfield.allow with input as {"principal": {"tenant": "acme"}}\n}',
        'question := {"principal": {"tenant": "acme"}}\ntest_a if {\n\tjackfield.decision with input as question\n}',
        CASES,
        'test_a if {\n\tjackfield.allow with input.principal.tenant as "x" with data.known.tenants as ["x"]\n}',
        "test_a if {\n\tnot jackfield.allow with data.known.tenants as []\n}",
        "# test_b if false\ntest_a if {\n\tnot input.principal\n}",
    ],
)
def test_tests_that_must_pass_do(engines: Engines, test: str) -> None:
    """As written for OPA, with what `with` applies to in braces."""

    async def scenario(engine: EmbeddedEngine) -> list[bool]:
        return [each.passed for each in await engine.test()]

    assert play(engines({**FILES, "main_test.rego": TESTS + test}), scenario) == [True]


def test_what_is_code_and_what_is_not() -> None:
    """Strings and comments say nothing; lines stay."""
    text = (
        'package a # default allow := false\nx := "f(\\"input" if g(`h(\n`)\n# test_a\ntest_b if true\ntest_c(x) := x\n'
    )
    assert code(text).count("\n") == text.count("\n")
    assert unknown_calls([text]) == ["g"]
    assert own_tests(text) == ["test_b"]
    assert rules_of(text) == ["test_b", "x"]


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("input.a == 1", "input.given.a == 1"),
        ('input["a"]; f(input)', 'input.given["a"]; f(input.given)'),
        ('x.input; "input"; input_x; `input` # input', 'x.input; "input"; input_x; `input` # input'),
        ('a with input as {"x": 1}', 'a with input.given as {"x": 1}'),
        ("a with input as b.c", "a with input.given as data.jackfield_rehearsal.same(b.c)"),
        ("a with input as b(c)", "a with input.given as b(c)"),
        ("a with input as true", "a with input.given as true"),
        ('a with data.x["y"] as z["k"]', 'a with data.x["y"] as data.jackfield_rehearsal.same(z["k"])'),
        ("import data.a as b", "import data.a as b"),
    ],
)
def test_a_movable_input(text: str, moved: str) -> None:
    """Only what is the input, and only values that may be names of rules."""
    assert with_movable_input(text) == moved
