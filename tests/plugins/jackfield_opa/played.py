"""Engines that evaluate policies of a test's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from jackfield.ports.policy import PolicyInput, PolicyPrincipal, PolicyResource, PolicyTime, RequestFacts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from jackfield_opa.embedded import EmbeddedEngine

Result = TypeVar("Result")

PATIENCE_S: Final = 60.0

QUESTION: Final = PolicyInput(
    action="generate",
    principal=PolicyPrincipal(id="keys/ada", name="ada", tenant="acme", roles=("engineer",)),
    resource=PolicyResource(kind="model", name="demo"),
    request=RequestFacts(route="/v1/chat/completions", method="POST", prompt_tokens=40, max_tokens=200),
    time=PolicyTime(unix=1_767_603_600, weekday=1, hour=9, minute=0),
    client="192.0.2.7",
)

HEAD: Final = "package jackfield\n\nimport rego.v1\n\ndefault allow := false\n\n"


class Engines(Protocol):
    """Makes engines."""

    def __call__(self, files: Mapping[str, str] | str, **options: object) -> EmbeddedEngine:
        """One with these files, or with this module behind ``HEAD``; options as in ``OpaConfig``."""
        ...


def write(folder: Path, files: Mapping[str, str] | str) -> None:
    """Put *files* into *folder*; a text is a module behind ``HEAD``."""
    for name, text in ({"main.rego": HEAD + files} if isinstance(files, str) else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def play(engine: EmbeddedEngine, scenario: Callable[[EmbeddedEngine], Awaitable[Result]]) -> Result:
    """Run *scenario* with *engine*, and close it."""

    async def run() -> Result:
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await scenario(engine)
            finally:
                await engine.close()

    return asyncio.run(run())
