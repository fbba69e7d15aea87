"""Whose code runs, how long it may, and whose fault it was."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import structlog.testing

from jackfield.errors import ManifestError, PluginError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugin_calls import Factory, PluginCalls, Watch, hook_deadline
from jackfield.plugins import Kernel, build_kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEADLINE_S = 20.0
"""For what takes a fraction of a second."""


def kernel_of(folder: Path, source: str, calls: PluginCalls | None = None) -> Kernel:
    """A kernel with one plugin, ``strange``, of *source*."""
    file = folder / "strange.py"
    file.write_text(f"import sys, threading, time\nimport jackfield\nfrom jackfield import hookimpl\n{source}")
    return build_kernel(Manifest(enabled=(InstanceRef("strange", str(file)),), kernel=KernelConfig()), calls)


@pytest.mark.parametrize(
    ("hook", "ask"),
    [
        ("jackfield_backends", lambda kernel: kernel.backends()["x"]()),
        ("jackfield_schedulers", lambda kernel: kernel.schedulers()["x"]()),
        ("jackfield_frontends", lambda kernel: kernel.frontends()["x"](None)),
        ("jackfield_observers", lambda kernel: kernel.observers()["x"]()),
    ],
)
@pytest.mark.parametrize("raises", ["ValueError('why')", "SystemExit('why')", "jackfield.errors.PluginError('why')"])
def test_a_factory_that_raises_is_named(
    tmp_path: Path, hook: str, ask: Callable[[Kernel], object], raises: str
) -> None:
    """Plugin, what was made, hook and cause; whoever calls the factory."""
    source = f"import jackfield.errors\ndef make(*_): raise {raises}\n@hookimpl\ndef {hook}(): return {{'x': make}}\n"
    with pytest.raises(PluginError, match=rf"plugin strange: its factory of x \({hook}\).*why"):
        ask(kernel_of(tmp_path, source))


@pytest.mark.parametrize("hook", ["jackfield_config", "jackfield_startup", "jackfield_schedulers"])
def test_a_hook_that_exits_does_not_end_the_process(tmp_path: Path, hook: str) -> None:
    """``sys.exit`` is a plugin's failure like others."""
    source = f"@hookimpl\ndef {hook}(): sys.exit(0)\n"
    with pytest.raises(PluginError, match=f"plugin strange: {hook} raised SystemExit"):
        kernel_of(tmp_path, source).startup("worker")


def test_an_error_that_names_a_key_stays_what_it_is() -> None:
    """The manifest's errors say more than the kernel could."""

    def make() -> None:
        raise ManifestError("bad", param="config.x.y")

    with pytest.raises(ManifestError, match="bad"):
        PluginCalls().run("x", "jackfield_startup", 1.0, make)


def test_a_call_that_hangs_is_warned_about_then_refused() -> None:
    """First a warning in the log, then the end; both name plugin, call and place."""
    calls, refused, gone = PluginCalls(), list[PluginError](), threading.Event()

    def refuse(error: PluginError) -> None:
        refused.append(error)
        gone.set()

    def stuck() -> None:
        assert gone.wait(DEADLINE_S)

    with structlog.testing.capture_logs() as logs, Watch(calls, 0.3, refuse):
        Factory(calls, "slow", "its factory of x (jackfield_backends)", stuck)
        calls.run("slow", "jackfield_startup", 0.1, stuck)
    assert [(log["event"], log["plugin"], log["call"]) for log in logs] == [
        ("a plugin is slow", "slow", "jackfield_startup")
    ]
    assert "threading" in logs[0]["at"]
    [error] = refused
    assert error.message.startswith("plugin slow: jackfield_startup has not returned after")
    assert "plugin_timeout_s" in error.message


def test_a_call_that_comes_back_is_nobodys_fault() -> None:
    """The watch looks at the call in progress only, however long all of them take together."""
    calls, refused = PluginCalls(), list[PluginError]()
    with Watch(calls, 2.0, refused.append):
        for _ in range(3):
            calls.run("quick", "jackfield_startup", 5.0, time.sleep, 0.8)
    assert not refused
    assert calls.current is None


def test_the_listener_hears_of_every_call_before_it_is_made(tmp_path: Path) -> None:
    """Imports, hooks and factories, in order."""
    heard: list[tuple[str, str]] = []
    calls = PluginCalls(lambda call: heard.append((call.plugin, call.what)))
    source = "@hookimpl\ndef jackfield_schedulers(): return {'x': object}\n"
    kernel = kernel_of(tmp_path, source, calls)
    kernel.schedulers()["x"]()
    assert heard[0] == ("strange", "its import")
    assert ("strange", "jackfield_schedulers") in heard
    assert heard[-1] == ("strange", "its factory of x (jackfield_schedulers)")


def test_a_shutdown_that_hangs_is_given_up_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other plugins still get their turn."""
    monkeypatch.setattr("jackfield.plugin_calls.HOOK_DEADLINES", {"jackfield_shutdown": 0.1})
    source = "done = threading.Event()\n@hookimpl\ndef jackfield_shutdown(): done.wait(60)\n"
    kernel = kernel_of(tmp_path, source)
    errors: list[PluginError] = []
    kernel.shutdown("worker", errors.append)
    assert [error.message for error in errors] == [
        "plugin strange: jackfield_shutdown has not returned after 0.1 s; it is left behind"
    ]


def test_deadlines_are_those_of_the_docstrings() -> None:
    """What is documented is what is enforced."""
    assert (hook_deadline("jackfield_startup"), hook_deadline("jackfield_shutdown")) == (10.0, 2.0)
    assert hook_deadline("jackfield_backends") == 1.0
