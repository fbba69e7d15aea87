"""``jackfield chat``."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final, TypedDict

import click

from jackfield.cli.complete import complete_served_models
from jackfield.cli.options import json_option, server_options

if TYPE_CHECKING:
    from typing import Unpack

    from jackfield.cli.options import Server

INPUT_MAX: Final = 16 * 1024 * 1024
"""Most characters read from standard input: as much as a server takes by default."""


class Wish(TypedDict):
    """How the answers are to be made; None leaves it to the server."""

    temperature: float | None
    max_tokens: int | None
    seed: int | None


@click.command("chat")
@click.argument("message", required=False)
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete_served_models,
    help="Model to talk to. Default: the server's first one.",
)
@click.option("--system", metavar="TEXT", help="System prompt.")
@click.option("--temperature", type=click.FloatRange(0, 2), metavar="T", help="0 always takes the likeliest token.")
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Longest answer, in tokens.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="The same seed gives the same answers.")
@server_options
@json_option
def command(
    message: str | None,
    model: str | None,
    system: str | None,
    *,
    server: Server,
    as_json: bool,
    **wish: Unpack[Wish],
) -> int:
    """Talk to a model of a running server: one MESSAGE, or a conversation.

    Without MESSAGE on a terminal a conversation begins; else standard input is the message. Answers are streamed;
    Ctrl-C cancels the answer that is being given, Ctrl-D ends the conversation. /help lists what else can be typed.

    \b
    Examples:
      jackfield chat
      jackfield chat "What is the capital of France?"
      jackfield chat --system "Answer in one word." --temperature 0 --json "What colour is the sky?"
      git diff | jackfield chat --url http://gpu-1:8080 --key-file ~/.jackfield-key
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.conversation import Conversation, JsonScreen, TextScreen
    from jackfield.client.api import ChatRequest

    name = model or asyncio.run(_first_model(server))
    screen = JsonScreen() if as_json else TextScreen(terminal=sys.stdout.isatty())
    conversation = Conversation(server, ChatRequest(model=name, messages=(), **wish), screen, system)
    if message is None and sys.stdin.isatty():
        conversation.run()
    else:
        conversation.ask(_standard_input() if message is None else message)
    return 0


async def _first_model(server: Server) -> str:
    from jackfield.client.api import ApiClient
    from jackfield.client.connection import ApiError

    async with ApiClient(*server) as client:
        models = await client.models()
    if not models:
        raise ApiError("the server has no model that this key may use")
    return models[0]


def _standard_input() -> str:
    text = sys.stdin.read(INPUT_MAX + 1)
    if len(text) > INPUT_MAX:
        raise click.UsageError(f"standard input has more than {INPUT_MAX} characters")
    if not text.strip():
        raise click.UsageError("there is no message: give one, or send it to standard input")
    return text
