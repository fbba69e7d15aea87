"""The engine whose policies come from the policy store, or from files."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.plugins.jackfield_opa.played import HEAD, PATIENCE_S, QUESTION, write

from jackfield.errors import ManifestError
from jackfield_opa.config import OpaConfig
from jackfield_opa.failure import FailurePolicy
from jackfield_opa.governed import GovernedEngine
from jackfield_opa.sources import PolicySource

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield_opa.bundle import Bundle

ALLOW = HEAD + "allow if true\ndecision := allow\n"
DENY = HEAD + "decision := allow\n"


class SlowSource(PolicySource):
    """Files that take as long to read as a test wants."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "policies")
        self.slow = False
        self.reading, self.go_on = threading.Event(), threading.Event()

    def read(self) -> Bundle:
        found = super().read()
        if self.slow:
            self.reading.set()
            assert self.go_on.wait(PATIENCE_S)
        return found


class FollowingEngine(GovernedEngine):
    """An engine that says when it has done what changed files demand."""

    def __init__(self, source: PolicySource) -> None:
        config = OpaConfig(processes=1, store=True, deadline_ms=900)
        super().__init__("opa", config, source, FailurePolicy("opa", "closed"))
        self.followed = asyncio.Event()

    async def change(self, bundle: Bundle, *, from_files: bool = False) -> None:
        await super().change(bundle, from_files=from_files)
        if from_files:
            self.followed.set()


def test_files_that_are_read_while_documents_come_do_not_replace_them(folder: Path) -> None:
    """Documents hold, whichever of the two was begun first."""
    write(folder, {"a.rego": DENY})
    source = SlowSource(folder)
    engine = FollowingEngine(source)

    async def scenario() -> None:
        assert not (await engine.decide(QUESTION)).allow
        source.slow = True
        write(folder, {"a.rego": ALLOW})
        assert await asyncio.to_thread(source.reading.wait, PATIENCE_S)
        await engine.adopt({"b.rego": msgspec.json.encode({"rego": DENY + "# theirs\n"})})
        source.go_on.set()
        await engine.followed.wait()
        assert not (await engine.decide(QUESTION)).allow

    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S):
            try:
                await scenario()
            finally:
                source.go_on.set()
                await engine.close()

    asyncio.run(run())


def test_a_file_whose_name_no_evaluator_takes_is_named(folder: Path) -> None:
    """It ends neither the start with a defect nor the following of later changes."""
    write(folder, {"a.rego": DENY})
    (folder / os.fsdecode(b"\xff.rego")).write_text(DENY)
    with pytest.raises(ManifestError, match="must be printable"):
        FollowingEngine(PolicySource(folder, "policies"))
