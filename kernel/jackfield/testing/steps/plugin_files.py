"""Steps: a plugin that its author is writing, ``mine.py`` beside ``plugins.toml``, with one fault or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_bdd import given, when

from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.serve import ServeProcess

OBSERVER: Final = """\
import ctypes, time
from jackfield import hookimpl
{imported}

class Mine:
    def observe(self, event):
        {observed}

@hookimpl
def jackfield_observers(instance):
    return {{instance.name: Mine}}

@hookimpl
def jackfield_startup(process):
    if process == "gateway":
        {started}

@hookimpl
def jackfield_shutdown(process):
    if process == "gateway":
        {ended}
"""

FOR_EVER: Final = "time.sleep(1000)"


def _write(folder: Path, **faults: str) -> None:
    parts = {"imported": "", "observed": "pass", "started": "pass", "ended": "pass"}
    (folder / "mine.py").write_text(OBSERVER.format(**(parts | faults)))


@given("a plugin file that keeps its promises")
def faultless(tmp_path: Path) -> None:
    """An observer that does nothing."""
    _write(tmp_path)


@given("a plugin file that breaks a promise")
def promise_broken(tmp_path: Path) -> None:
    """An observer that raises whenever it is told something."""
    _write(tmp_path, observed='raise ValueError("not today")')


@given("a plugin file that raises when the server starts")
def raises_at_start(tmp_path: Path) -> None:
    """In ``jackfield_startup``."""
    _write(tmp_path, started='raise ValueError("not today")')


@given("a plugin file that never comes back when the server starts")
def hangs_at_start(tmp_path: Path) -> None:
    """In ``jackfield_startup``."""
    _write(tmp_path, started=FOR_EVER)


@given("a plugin file that never comes back when it is imported")
def hangs_at_import(tmp_path: Path) -> None:
    """At its top."""
    _write(tmp_path, imported=FOR_EVER)


@given("a plugin file that never comes back when the server ends")
def hangs_at_end(tmp_path: Path) -> None:
    """In ``jackfield_shutdown``."""
    _write(tmp_path, ended=FOR_EVER)


@given("a plugin file that crashes when it is imported")
def crashes_at_import(tmp_path: Path) -> None:
    """As a native library does."""
    _write(tmp_path, imported="ctypes.string_at(0)")


@when("jackfield serve runs with my plugin", target_fixture="service")
def with_my_plugin(serve: Callable[[str], ServeProcess]) -> ServeProcess:
    """Beside the scripted model."""
    service = serve(scripted_manifest(enabled=("./mine.py",)))
    service.wait_ready()
    return service
