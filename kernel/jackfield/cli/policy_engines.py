"""Policy engines on the command line: made as a gateway makes them, asked, and closed."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from jackfield.errors import JackfieldError, ManifestError, PluginError, PolicyUnavailable
from jackfield.ports.policy import PolicyWorkbench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from jackfield.manifest import Manifest
    from jackfield.ports.policy import (
        Decision,
        Explanation,
        PolicyEngine,
        PolicyEngineFactory,
        PolicyInput,
        PolicyTest,
    )

Answer = TypeVar("Answer")

ASK_S: Final = 10.0
TEST_S: Final = 60.0
CLOSE_S: Final = 5.0


def chosen(file: Path | None, sets: Sequence[str], name: str | None) -> Mapping[str, PolicyEngineFactory]:
    """The engines that are meant.

    Parameters:
        file: The manifest; None for that of the current folder.
        sets: Settings that replace others.
        name: The engine, which need not be enabled; None for all that are.

    Raises:
        ManifestError: There is none, or the manifest cannot be used.
        PluginError: A plugin cannot be loaded.
    """
    from jackfield.cli.kernel import build_kernel
    from jackfield.logs import configure_logs
    from jackfield.manifest_layers import load_manifest

    configure_logs("error", "auto")
    manifest = load_manifest(file, sets=sets, enabled=() if name is None else (name,))
    if name is None:
        found = build_kernel(manifest).policies()
        if not found:
            raise ManifestError("no policy engine is enabled: jackfield plugins enable opa, or name one with --engine")
        return found
    return _named(manifest, name)


def _named(manifest: Manifest, name: str) -> Mapping[str, PolicyEngineFactory]:
    from jackfield.cli.kernel import build_kernel
    from jackfield.manifest import InstanceRef

    instance = Path(name).stem if name.endswith(".py") else name
    ref = next((ref for ref in manifest.enabled if ref.name == instance), InstanceRef(instance, name))
    enabled = (*(each for each in manifest.enabled if each.name == "secrets"), ref)
    tables = {each.name: manifest.config[each.name] for each in enabled if each.name in manifest.config}
    narrowed = msgspec.structs.replace(manifest, enabled=enabled, config=tables)
    found = build_kernel(narrowed, fill=False).policies()
    if not found:
        raise ManifestError(f"the plugin {name} hands over no policy engine")
    return found


def decided(
    factories: Mapping[str, PolicyEngineFactory], questions: Sequence[PolicyInput]
) -> Sequence[Mapping[str, Decision]]:
    """What each engine decides, for each question in turn; raises ``JackfieldError`` where one gives no decision."""

    async def ask(engines: Mapping[str, PolicyEngine]) -> list[dict[str, Decision]]:
        return [
            {name: await _in_time(name, engine.decide(question), ASK_S) for name, engine in engines.items()}
            for question in questions
        ]

    return _run(factories, ask)


def explained(
    factories: Mapping[str, PolicyEngineFactory], questions: Sequence[PolicyInput]
) -> Sequence[Mapping[str, Explanation]]:
    """How each engine's decision comes about; raises ``JackfieldError`` where one cannot say."""

    async def ask(engines: Mapping[str, PolicyEngine]) -> list[dict[str, Explanation]]:
        benches = {name: _bench(name, engine) for name, engine in engines.items()}
        return [
            {name: await _in_time(name, bench.explain(question), ASK_S) for name, bench in benches.items()}
            for question in questions
        ]

    return _run(factories, ask)


def tested(factories: Mapping[str, PolicyEngineFactory]) -> Mapping[str, Sequence[PolicyTest]]:
    """What each engine's policies say of themselves; raises ``JackfieldError`` where one cannot be tested."""

    async def ask(engines: Mapping[str, PolicyEngine]) -> dict[str, Sequence[PolicyTest]]:
        return {name: await _in_time(name, _bench(name, engine).test(), TEST_S) for name, engine in engines.items()}

    return _run(factories, ask)


def _run(
    factories: Mapping[str, PolicyEngineFactory], ask: Callable[[Mapping[str, PolicyEngine]], Awaitable[Answer]]
) -> Answer:
    async def main() -> Answer:
        async with _made(factories) as engines:
            return await ask(engines)

    return asyncio.run(main())


@asynccontextmanager
async def _made(factories: Mapping[str, PolicyEngineFactory]) -> AsyncIterator[Mapping[str, PolicyEngine]]:
    engines: dict[str, PolicyEngine] = {}
    try:
        for name, factory in factories.items():
            engines[name] = _engine(name, factory)
        yield engines
    finally:
        for name, engine in engines.items():
            await _in_time(name, engine.close(), CLOSE_S)


def _engine(name: str, factory: PolicyEngineFactory) -> PolicyEngine:
    try:
        return factory()
    except JackfieldError:
        raise
    except Exception as error:
        raise PluginError(f"policy engine {name}: its factory raised {type(error).__name__}: {error}") from error


def _bench(name: str, engine: PolicyEngine) -> PolicyWorkbench:
    if not isinstance(engine, PolicyWorkbench) or not inspect.iscoroutinefunction(engine.explain):
        raise PluginError(f"policy engine {name}: it can only decide; it neither explains nor tests")
    return engine


async def _in_time(name: str, call: Awaitable[Answer], deadline_s: float) -> Answer:
    try:
        async with asyncio.timeout(deadline_s):
            return await call
    except JackfieldError:
        raise
    except TimeoutError:
        raise PolicyUnavailable(f"policy engine {name}: no answer within {deadline_s:g} s") from None
    except Exception as error:
        raise PluginError(f"policy engine {name}: {type(error).__name__}: {error}") from error
