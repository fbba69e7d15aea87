"""The pytest side: options, fixtures, and guards against what pytest-bdd lets pass in silence."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import time
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from jackfield.testing import manifests
from jackfield.testing.background import BackgroundLoop
from jackfield.testing.client import Client
from jackfield.testing.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_bdd.parser import Scenario, Step

    from jackfield.testing.inprocess import InProcessServer
    from jackfield.testing.openai_shapes import ModelEntry
    from jackfield.testing.serve import ServeProcess

IN_PROCESS: Final = "inprocess"

_NEEDS: Final = {"llama-cpu": "llama_cpp", "llguidance": "llguidance", "prometheus": "prometheus_client"}
"""Plugins of the in-process target that may be absent, and the module each needs."""

_REQUIRES: Final = "requires:"

RETRY_S: Final = 0.1
"""Between two attempts to reach a server that is starting."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the scenarios run."""
    group = parser.getgroup("jackfield")
    group.addoption(
        "--target", default=IN_PROCESS, metavar="URL", help="run scenarios in process (default), or against this server"
    )
    group.addoption("--target-health", metavar="URL", help="the server's health port")
    group.addoption("--target-model", metavar="NAME", help="the model to ask; default: the first one it lists")
    group.addoption(
        "--target-wait", type=float, default=10.0, metavar="SECONDS", help="how long to wait for its first answer"
    )
    group.addoption(
        "--target-plugins", default="", metavar="NAME,…", help="plugins the server has on, for @requires:NAME"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that tags become, and refuse reports that would be empty."""
    config.addinivalue_line("markers", "inprocess_only: needs faults, scripts or processes of this machine")
    config.addinivalue_line("markers", "requires(plugin): the target must have this plugin on")
    _refuse_empty_reports(config)


def pytest_report_header(config: pytest.Config) -> str:
    """A report is worth nothing without the server it is about."""
    return f"target: {_target_name(config)}"


# --- guards ----------------------------------------------------------------------------------------------------------


def pytest_bdd_before_step_call(step: Step, step_func: Callable[..., object]) -> None:
    """Fail a step that is a coroutine: it would never be awaited, and the scenario would pass."""
    if inspect.iscoroutinefunction(step_func) or inspect.isasyncgenfunction(step_func):
        pytest.fail(f"step {step.name!r} is async and would never be awaited", pytrace=False)


def pytest_bdd_apply_tag(tag: str, function: Callable[..., object]) -> bool | None:
    """Turn ``@requires:NAME`` into a marker with an argument; other tags are markers as they are."""
    if not tag.startswith(_REQUIRES):
        return None
    pytest.mark.requires(tag.removeprefix(_REQUIRES))(function)
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what the target cannot do. Here and not where tags are applied: tags of ``Examples`` never go there."""
    name = _target_name(config)
    plugins = _plugins(config)
    for item in items:
        if name != IN_PROCESS and item.get_closest_marker("inprocess_only"):
            item.add_marker(pytest.mark.skip(reason=f"inprocess_only: the target is {name}"))
        for marker in item.iter_markers("requires"):
            missing = sorted(set(marker.args) - plugins)
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"requires {', '.join(missing)}: not known to be on ({name})"))


def pytest_bdd_step_error(request: pytest.FixtureRequest, scenario: Scenario, step: Step) -> None:
    """Show the scenario's steps with a failure, and which one it was."""
    lines = [f"{'>' if other is step else ' '} {other.keyword} {other.name}" for other in scenario.steps]
    request.node.add_report_section("call", "scenario", "\n".join([scenario.name, *lines]))


def _refuse_empty_reports(config: pytest.Config) -> None:
    report: str | None = getattr(config.option, "cucumber_json_path", None)
    if report is None:
        return
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("--cucumberjson stays empty with -n: pytest-bdd writes it in a serial run only")
    config.rootpath.joinpath(report).parent.mkdir(parents=True, exist_ok=True)


def _target_name(config: pytest.Config) -> str:
    return str(config.getoption("--target"))


def _plugins(config: pytest.Config) -> frozenset[str]:
    if _target_name(config) != IN_PROCESS:
        return frozenset(filter(None, str(config.getoption("--target-plugins")).split(",")))
    return frozenset(name for name in manifests.DEMO_PLUGINS if _usable(name))


def _usable(plugin: str) -> bool:
    module = _NEEDS.get(plugin)
    return module is None or importlib.util.find_spec(module) is not None


# --- fixtures --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def background() -> Iterator[BackgroundLoop]:
    """The event loop of clients and in-process gateways, in a thread of its own."""
    with BackgroundLoop() as loop:
        yield loop


@pytest.fixture(scope="session")
def servers(background: BackgroundLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Target]]:
    """Start an in-process server for a manifest's text, once a session for each text."""
    from jackfield.testing.inprocess import InProcessServer

    running: dict[str, InProcessServer] = {}

    def start(manifest: str) -> Target:
        if manifest not in running:
            running[manifest] = InProcessServer(manifest, tmp_path_factory.mktemp("server"), background)
        return running[manifest].target

    yield start
    for server in running.values():
        server.close()


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, background: BackgroundLoop) -> Iterator[Target]:
    """The server under test: ``--target``, or the demo model in this process."""
    if _target_name(request.config) != IN_PROCESS:
        live = _live_target(request.config, background)
        yield live
        live.close()
        return
    if not _usable("llama-cpu"):
        pytest.skip("the demo model needs the extra llama")
    start: Callable[[str], Target] = request.getfixturevalue("servers")
    yield start(manifests.DEMO)


@pytest.fixture
def serve(background: BackgroundLoop, tmp_path: Path) -> Iterator[Callable[[str], ServeProcess]]:
    """Start ``jackfield serve`` for a manifest's text; whatever is left of it is killed after the test."""
    from jackfield.testing.serve import ServeProcess

    started: list[ServeProcess] = []

    def start(manifest: str) -> ServeProcess:
        process = ServeProcess(manifest, tmp_path, background)
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()


def _live_target(config: pytest.Config, loop: BackgroundLoop) -> Target:
    url = _target_name(config)
    models = loop.run(_first_answer(url, float(config.option.target_wait or 0)))
    if models is None:
        pytest.exit(f"--target {url} does not answer GET /v1/models", returncode=pytest.ExitCode.INTERRUPTED)
    return Target.at(
        url,
        loop,
        model=config.getoption("--target-model") or models[0].id,
        health=config.getoption("--target-health"),
        live=True,
        plugins=_plugins(config),
    )


async def _first_answer(url: str, wait_s: float) -> Sequence[ModelEntry] | None:
    """The models of a server that may just be starting; None if it has not answered in time."""
    client = Client(url, "")
    deadline = time.monotonic() + wait_s
    try:
        while True:
            try:
                return await client.models()
            except (aiohttp.ClientError, AssertionError):
                if time.monotonic() > deadline:
                    return None
            await asyncio.sleep(RETRY_S)
    finally:
        await client.close()
