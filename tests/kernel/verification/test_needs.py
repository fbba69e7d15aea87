"""What kits are told of things that one plugin hands over, and of our own plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jackfield.verification.run import Limits, verify
from jackfield.verification.target import find_target

if TYPE_CHECKING:
    from pathlib import Path

    from jackfield.verification.records import Verdict

LIMITS: Final = Limits(total_s=120.0, memory_bytes=1 << 30, network=False)

SEVERAL: Final = """
from jackfield import hookimpl

@hookimpl
def jackfield_backends(instance):
    return {"one": object, "two": object, "three": object}
"""

SITE: Final = """
import json
from aiohttp import web
from jackfield import hookimpl
from jackfield.errors import http
from jackfield.ports.frontend import ErrorPayload, Route

class Site:
    def __init__(self, gateway): pass
    def routes(self): return [Route("GET", "/site", self.show, scope="models:read")]
    def render_error(self, error, request_id):
        return ErrorPayload(status=http(error).status, body=json.dumps(error.message).encode())
    async def show(self, request): return web.Response(text="hi")

@hookimpl
def jackfield_frontends(instance):
    return {instance.name: Site}
"""


def told(folder: Path, source: str, settings: str, only: str) -> Verdict:
    """What comes out for a plugin ``mine`` of *source*, whose author says *settings*."""
    (folder / "mine.py").write_text(source)
    (folder / "verify.toml").write_text(settings)
    return verify(find_target(str(folder / "mine.py")), LIMITS, only, lambda _: None)


def test_things_of_one_plugin_are_told_apart(tmp_path: Path) -> None:
    """What has a table of its own is told that and what all are told; the others are told what all are told."""
    settings = '[mine.backend]\nkv_tokens = 64\n[mine.backend.one]\nsource = "a"\n[mine.backend.two]\nwidth = 1\n'
    verdict = told(tmp_path, SEVERAL, settings, "no_such_test")
    problems = {kit.name: kit.problem for kit in verdict.kits}
    assert problems["one"] == ""
    assert "width" in problems["two"]
    assert "`source`" in problems["three"]


def test_a_frontend_without_answers_keeps_the_other_promises(tmp_path: Path) -> None:
    """Those about answers are left out, and said to be."""
    verdict = told(tmp_path, SITE, "[mine.frontend]\ngenerates = false\n", "")
    [kit] = verdict.kits
    assert verdict.result == "passed", verdict
    assert kit.count("passed") > 10
    assert {case.message for case in kit.cases if case.outcome == "skipped"} == {
        "Skipped: the frontend has no model answer"
    }


def test_a_frontend_that_says_nothing_is_not_let_off(tmp_path: Path) -> None:
    """What is missing is named."""
    verdict = told(tmp_path, SITE, '[mine.frontend]\npath = "/x"\n', "")
    assert verdict.result == "incomplete"
    assert "`body`" in verdict.kits[0].problem


def test_our_own_plugins_say_all_that_kits_must_be_told() -> None:
    """So that ``jackfield verify NAME`` can be believed of each of them."""
    verdict = verify(find_target("jackfield"), LIMITS, "routes_are_distinct", lambda _: None)
    assert {kit.name: kit.problem for kit in verdict.kits if kit.problem} == {}
    assert {"admin", "openapi", "llamacpp", "kimi", "hermes"} <= {kit.name for kit in verdict.kits}
