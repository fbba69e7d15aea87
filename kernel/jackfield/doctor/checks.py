"""All checks by name, in the order they run. Process of a trial."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from jackfield.doctor import machine, network
from jackfield.errors import JackfieldError
from jackfield.ports.check import CheckResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jackfield.manifest import Manifest
    from jackfield.plugin_calls import PluginCalls
    from jackfield.ports.check import CheckFactory

PLUGINS: Final = "plugins"
"""The check that loads them; where it crashes, no other check of plugins' code can run."""


def checks(
    manifest: Manifest, group: Literal["machine", "plugins"], calls: PluginCalls
) -> Iterator[tuple[str, Callable[[], CheckResult]]]:
    """Names and checks of one group. Plugins are loaded when the first one of theirs is asked for, not before.

    Parameters:
        manifest: What is enabled, and how.
        group: Which checks.
        calls: What is watched over, so that a plugin that hangs is named.
    """
    return _machine(manifest) if group == "machine" else _plugins(manifest, calls)


def _machine(manifest: Manifest) -> Iterator[tuple[str, Callable[[], CheckResult]]]:
    rows: tuple[tuple[str, Callable[[], CheckResult]], ...] = (
        ("python", machine.python),
        ("platform", machine.platform),
        ("processors", machine.processors),
        ("memory", machine.memory),
        ("open files", machine.open_files),
        ("disk", machine.disk),
        ("shared memory", machine.shared_memory),
        ("runtime folder", network.runtime_folder),
        ("api address", partial(network.address, manifest, "listen")),
        ("health address", partial(network.address, manifest, "health")),
        ("tls", partial(network.tls, manifest)),
    )
    for name, check in rows:
        yield name, partial(_guarded, check)


def _plugins(manifest: Manifest, calls: PluginCalls) -> Iterator[tuple[str, Callable[[], CheckResult]]]:
    from jackfield.doctor import models
    from jackfield.plugins import build_kernel
    from jackfield.trial.rehearsal import rehearsed

    def load() -> CheckResult:
        return CheckResult(level="ok", message=", ".join(rehearsed(manifest, calls)))

    yield PLUGINS, partial(_guarded, load)
    try:
        kernel = build_kernel(manifest, calls)
    except JackfieldError:  # the check above has said so
        return
    for model in manifest.models:
        yield f"model {model}", partial(_guarded, partial(models.model, kernel, model))
    for name, before in kernel.behind().items():
        yield f"plugin {name}", partial(_behind, name, before)
    for name, factory in kernel.checks().items():
        yield name, partial(_guarded, partial(_run, factory))


def _behind(name: str, before: str) -> CheckResult:
    return CheckResult(
        level="warn",
        message=f"{before} is listed before it, and only the first scheduler and the first constraint engine are used",
        fix=f"jackfield plugins disable {before}, or {name}",
    )


def _run(factory: CheckFactory) -> CheckResult:
    result = factory().run()
    if not isinstance(result, CheckResult):
        raise TypeError(f"run() returned {type(result).__name__}, not CheckResult")
    return result


def _guarded(check: Callable[[], CheckResult]) -> CheckResult:
    try:
        return check()
    except JackfieldError as error:
        return CheckResult(level="error", message=error.message, fix="correct it; jackfield config check looks again")
    except Exception as error:  # noqa: BLE001  plugins' code
        message = f"it raised {type(error).__name__}: {error}".partition("\n")[0]
        return CheckResult(level="error", message=message, fix="report it to the plugin's author")
