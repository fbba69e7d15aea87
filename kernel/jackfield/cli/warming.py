"""Having prompts computed before anybody waits for them: ``jackfield cache warm``."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

import click
import msgspec

from jackfield.cli.tables import print_table
from jackfield.client.api import AnswerEnd, ApiClient, ChatRequest, ChatTurn, Usage
from jackfield.client.connection import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jackfield.cli.options import Server

FILE_MAX: Final = 16 * 1024 * 1024
"""Largest file in bytes: as much as a server takes by default."""

HEADER: Final = ("PROMPT", "TOKENS", "CACHED", "TIME", "NOTE")

AFTER_SYSTEM: Final = "-"
"""The user's message after a system prompt that is warmed alone: many chat templates want one."""


class Prompt(NamedTuple):
    """A prompt that is to be computed."""

    name: str
    """Of its file, or the option that gave it."""
    text: str


class Warmed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one prompt."""

    name: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Those that were there already."""
    duration_s: float = 0.0
    error: str = ""
    """Why it is not warm."""


def prompts_of(files: Sequence[Path], prompt: str | None, system: str | None) -> Sequence[Prompt]:
    """What the command line asks for.

    Raises:
        click.UsageError: It asks for nothing, or a file is no text.
        OSError: A file cannot be read.
    """
    prompts = [Prompt(str(file), _text(file)) for file in files]
    if prompt is not None:
        prompts.append(Prompt("--prompt", prompt))
    if not prompts and system is not None:
        prompts.append(Prompt("--system", AFTER_SYSTEM))
    if not prompts:
        raise click.UsageError("there is nothing to warm: name files, or give --prompt or --system")
    return prompts


def warm_up(server: Server, model: str, prompts: Sequence[Prompt], system: str | None) -> Sequence[Warmed]:
    """Have all *prompts* computed, one after another.

    Raises:
        ApiError: The server cannot be reached, or refuses the caller or the model.
    """
    return asyncio.run(_warm_up(server, model, prompts, system))


def print_warmed(warmed: Sequence[Warmed]) -> None:
    """Print a table."""
    print_table(HEADER, [_row(each) for each in warmed])


async def _warm_up(server: Server, model: str, prompts: Sequence[Prompt], system: str | None) -> Sequence[Warmed]:
    async with ApiClient(*server) as client:
        return [await _warm(client, model, each, system) for each in _shown(prompts)]


async def _warm(client: ApiClient, model: str, prompt: Prompt, system: str | None) -> Warmed:
    turns = (*((ChatTurn("system", system),) if system else ()), ChatTurn("user", prompt.text))
    request = ChatRequest(model=model, messages=turns, max_tokens=1, temperature=0)
    began, usage = time.monotonic(), None
    try:
        async with aclosing(client.chat(request)) as events:
            async for event in events:
                if isinstance(event, AnswerEnd):
                    usage = event.usage
    except ApiError as error:
        if error.status != 400:  # noqa: PLR2004  this prompt's own fault, such as its length
            raise
        return Warmed(name=prompt.name, error=error.message)
    usage = usage or Usage()
    return Warmed(
        name=prompt.name,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        duration_s=round(time.monotonic() - began, 4),
    )


def _shown(prompts: Sequence[Prompt]) -> Iterator[Prompt]:
    """*prompts*, with a bar of progress for somebody who watches several."""
    hidden = len(prompts) == 1 or not sys.stderr.isatty()
    with click.progressbar(prompts, label="warming", file=sys.stderr, hidden=hidden) as bar:
        yield from bar


def _row(warmed: Warmed) -> tuple[str, ...]:
    if warmed.error:
        return warmed.name, "-", "-", "-", warmed.error
    return (
        warmed.name,
        f"{warmed.prompt_tokens:,}",
        f"{warmed.cached_tokens:,}",
        f"{warmed.duration_s:.2f} s",
        "",
    )


def _text(file: Path) -> str:
    with file.open("rb") as opened:
        data = opened.read(FILE_MAX + 1)
    if len(data) > FILE_MAX:
        raise click.UsageError(f"{file} has more than {FILE_MAX} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not UTF-8 text") from error
