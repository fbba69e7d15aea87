"""The engine: it follows its folder, or the policy store, and says what is wrong."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.plugins.jackfield_cedar.policies import ALL, question

from jackfield import watched_files
from jackfield.errors import InvalidRequest, ManifestError, PolicyUnavailable
from jackfield.ports.policy_store import Governed
from jackfield_cedar import folder as folder_module
from jackfield_cedar import live as live_module
from jackfield_cedar.config import CedarConfig
from jackfield_cedar.engine import CedarEngine, GovernedCedarEngine, engine
from jackfield_cedar.folder import folder_signature, read_folder
from jackfield_cedar.verification import BROKEN, document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

Result = TypeVar("Result")

NONE: Final = "forbid (principal, action, resource);"

PATIENCE_S: Final = 60.0


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder with one policy."""
    (tmp_path / "a.cedar").write_text(ALL)
    return tmp_path


def play(folder: Path, scenario: Callable[[CedarEngine], Awaitable[Result]], **options: object) -> Result:
    """Run *scenario* with an engine of its own."""
    made = engine("cedar", folder, msgspec.convert({"policies": "rules", **options}, CedarConfig))

    async def run() -> Result:
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await scenario(made)
            finally:
                await made.close()

    return asyncio.run(run())


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so."""
    while not await condition():  # noqa: ASYNC110 -- a folder says nothing by itself
        await asyncio.sleep(0.02)


async def allows(made: CedarEngine) -> bool:
    """What it says of a plain question."""
    return (await made.decide(question())).allow


# --- the folder -------------------------------------------------------------------------------------------------------


def test_files_that_come_and_go_are_followed(rules: Path) -> None:
    """All of them hold together."""

    async def scenario(made: CedarEngine) -> None:
        assert await allows(made)
        (rules / "b.cedar").write_text(NONE)
        await until(lambda: _denies(made))
        (rules / "b.cedar").unlink()
        await until(lambda: allows(made))

    play(rules, scenario)


async def _denies(made: CedarEngine) -> bool:
    return not await allows(made)


def test_a_change_of_yesterday_holds_for_the_first_request(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is let in by rules that are no more, because nobody has asked for a while."""
    monkeypatch.setattr(live_module, "LOOK_S", 3600.0)
    monkeypatch.setattr(live_module, "LATE_S", 0.0)

    async def scenario(made: CedarEngine) -> None:
        (rules / "a.cedar").write_text(NONE)
        assert not await allows(made)

    play(rules, scenario)


def test_what_is_broken_is_told_once(rules: Path) -> None:
    """What holds, holds; the log has one line, and it is over when it is mended."""

    async def scenario(made: CedarEngine) -> None:
        assert await allows(made)
        (rules / "a.cedar").write_text(BROKEN)
        await until(lambda: _troubled(made))
        looks = 0
        while looks < 3:
            looks += 1
            await made._live._look()
        assert await allows(made)
        assert "prompt_token" in made.troubles[0]
        (rules / "a.cedar").write_text(ALL)
        await until(lambda: _calm(made))

    with capture_logs() as lines:
        play(rules, scenario)
    assert [line["event"] for line in lines] == ["policies cannot be used; those before hold", "policies changed"]
    assert lines[0]["engine"] == "cedar"


async def _troubled(made: CedarEngine) -> bool:
    return bool(made.troubles)


async def _calm(made: CedarEngine) -> bool:
    return not made.troubles


def test_a_folder_that_vanishes_changes_nothing(rules: Path) -> None:
    """And is followed again when it is back."""

    async def scenario(made: CedarEngine) -> None:
        assert await allows(made)
        away = rules.with_name("away")
        rules.rename(away)  # noqa: ASYNC240 -- the test may wait for the disk
        await until(lambda: _troubled(made))
        assert await allows(made)
        away.rename(rules)
        await until(lambda: _calm(made))
        (rules / "a.cedar").write_text(NONE)
        await until(lambda: _denies(made))

    play(rules, scenario)


def test_a_pipe_in_the_place_of_policies_changes_nothing(rules: Path) -> None:
    """Nobody writes to it, and nobody waits for that; what comes afterwards is followed."""

    async def scenario(made: CedarEngine) -> None:
        assert await allows(made)
        (rules / "a.cedar").unlink()
        os.mkfifo(rules / "a.cedar")
        await until(lambda: _troubled(made))
        assert await allows(made)
        (rules / "a.cedar").unlink()
        (rules / "a.cedar").write_text(NONE)
        await until(lambda: _denies(made))

    play(rules, scenario)


def test_cases_are_followed_too(rules: Path) -> None:
    """A case that the policies fail is a broken edit."""

    async def scenario(made: CedarEngine) -> None:
        assert await allows(made)
        asked = msgspec.json.encode(question()).decode()
        (rules / "cases.json").write_text(f'[{{"name": "no", "allow": false, "input": {asked}}}]')
        await until(lambda: _troubled(made))
        assert await allows(made)
        (rules / "cases.json").write_text(f'[{{"name": "yes", "allow": true, "input": {asked}}}]')
        await until(lambda: _calm(made))
        assert [(test.name, test.passed) for test in await made.test()] == [("yes", True)]

    play(rules, scenario)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "rules: there are no policies"),
        ({"a.cedar": BROKEN.encode()}, "rules: a.cedar: policy 1: attribute `request.prompt_token` not found"),
        ({"a.cedar": b"\xff"}, "rules/a.cedar: byte 0 is not UTF-8"),
        ({"a.cedar": ALL.encode(), "cases.json": b"{"}, "rules: cases.json"),
        ({"a.txt": ALL.encode(), ".b.cedar": ALL.encode()}, "rules: there are no policies"),
    ],
)
def test_what_cannot_be_used_refuses_the_start(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    """By the folder's name as it was written, and never by its path."""
    for name, text in files.items():
        (tmp_path / name).write_bytes(text)
    with pytest.raises(ManifestError) as refused:
        engine("cedar", tmp_path, CedarConfig(policies="rules"))
    assert refused.value.message.startswith(message)
    assert str(tmp_path) not in refused.value.message


def test_a_folder_that_is_not_there_refuses_the_start(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="rules: No such file or directory"):
        engine("cedar", tmp_path / "nowhere", CedarConfig(policies="rules"))


def test_what_is_large_is_not_read(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither files nor their number."""
    monkeypatch.setattr(folder_module, "BYTES_MAX", 1 << 20)
    (rules / "b.cedar").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(ManifestError, match=r"rules/b\.cedar: longer than 1 MiB"):
        read_folder(rules, "rules")
    (rules / "b.cedar").unlink()
    monkeypatch.setattr(folder_module, "FILES_MAX", 1)
    (rules / "c.cedar").write_text(ALL)
    with pytest.raises(ManifestError, match="more than 1 files"):
        read_folder(rules, "rules")


def test_a_folder_that_has_just_changed_is_read_again(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second edit in the same tick of the clock would look like the first."""
    monkeypatch.setattr(watched_files, "SETTLED_NS", 10**18)
    assert read_folder(rules, "rules").signature is None
    monkeypatch.setattr(watched_files, "SETTLED_NS", -(10**18))
    assert read_folder(rules, "rules").signature == folder_signature(rules, "rules")


def test_a_closed_engine_decides_nothing(rules: Path) -> None:
    async def scenario(made: CedarEngine) -> None:
        await made.close()
        with pytest.raises(PolicyUnavailable):
            await made.decide(question())

    play(rules, scenario)


# --- documents --------------------------------------------------------------------------------------------------------


def governed(made: CedarEngine) -> GovernedCedarEngine:
    """The engine, if the store may change its policies."""
    assert isinstance(made, GovernedCedarEngine)
    assert isinstance(made, Governed)
    return made


def test_only_who_wants_it_is_governed(rules: Path) -> None:
    """Otherwise the folder alone counts."""
    assert not isinstance(engine("cedar", rules, CedarConfig(policies="rules")), Governed)


def test_documents_replace_the_folder(rules: Path) -> None:
    """All of them together, until there are none."""

    async def scenario(made: CedarEngine) -> None:
        mine = governed(made)
        await mine.adopt({"a": document(ALL).encode(), "b": document(NONE).encode()})
        assert not await allows(made)
        await mine.adopt({"a": document(ALL).encode()})
        assert (await made.explain(question())).policies == ["permit a: policy 1"]
        await mine.adopt({})
        assert (await made.explain(question())).policies == ["permit a.cedar: policy 1"]

    play(rules, scenario, store=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "bad:"),
        (b"[]", "bad:"),
        (b'{"policies": 1}', "bad:"),
        (b'{"policies": "", "more": 1}', "bad:"),
        (b"\xff", "bad:"),
        (document(BROKEN).encode(), "bad: policy 1: attribute `request.prompt_token` not found"),
        (document("permit").encode(), "bad:"),
        (b'{"policies": "permit (principal, action, resource);", "cases": 7}', "bad:"),
        (
            document(f"permit (principal, action, resource) when {{ {'(' * 5000}true{')' * 5000} }};").encode(),
            "bad: a pol",
        ),
        (b'{"policies": "", "cases": ' + b"[" * 100_000, "bad:"),
    ],
    ids=["cut", "list", "number", "more", "no UTF-8", "unknown fact", "no policy", "no cases", "deep", "deep cases"],
)
def test_documents_that_cannot_be_used_are_refused(rules: Path, text: bytes, message: str) -> None:
    """By their name; those in force stay so."""

    async def scenario(made: CedarEngine) -> None:
        mine = governed(made)
        documents = {"good": document(ALL).encode(), "bad": text}
        for change in (mine.check, mine.adopt):
            with pytest.raises(InvalidRequest) as refused:
                await change(documents)
            assert refused.value.message.startswith(message)
            assert refused.value.param == "bad"
        assert await allows(made)

    play(rules, scenario, store=True)


def test_documents_have_cases_of_their_own(rules: Path) -> None:
    """Which hold for all of them."""
    asked = msgspec.json.encode(question()).decode()

    async def scenario(made: CedarEngine) -> None:
        text = f'{{"policies": "{ALL}", "cases": [{{"name": "no", "allow": false, "input": {asked}}}]}}'
        with pytest.raises(InvalidRequest, match="no: it is allowed"):
            await governed(made).check({"a": text.encode()})

    play(rules, scenario, store=True)
