"""``jackfield bench``."""

from __future__ import annotations

import asyncio
import math
import sys
from typing import TYPE_CHECKING, Final, TypedDict

import click
import msgspec

from jackfield.cli.complete import complete_served_models
from jackfield.cli.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from jackfield.cli.options import json_option, output_option, server_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Unpack

    from jackfield.bench.driver import Level
    from jackfield.bench.session import LevelResult, Plan, Session
    from jackfield.bench.workload import LoadKind
    from jackfield.cli.options import Server

REQUESTS_DEFAULT: Final = 40
CONCURRENCY_DEFAULT: Final = "1,4,8"
LEVELS_MAX: Final = 16
CONCURRENCY_MAX: Final = 1024
RATE_MAX: Final = 10_000


class BenchOptions(TypedDict):
    """What is measured, as click gives it."""

    model: str | None
    concurrency: str | None
    rate: str | None
    requests: int | None
    duration: float | None
    load: LoadKind
    input_tokens: int
    output_tokens: int
    ignore_eos: bool
    seed: int


@click.command("bench")
@click.argument("address", required=False, metavar="[URL]")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete_served_models,
    help="Model to measure. Default: the server's first one.",
)
@click.option(
    "--concurrency",
    metavar="N,…",
    help="Closed loop: so many clients that each wait for their answer; one level after another."
    f" Default: {CONCURRENCY_DEFAULT}.",
)
@click.option(
    "--rate", metavar="R,…", help="Open loop instead: so many arrivals a second, whether answers come or not."
)
@click.option(
    "--requests",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help=f"Requests a level. Default: {REQUESTS_DEFAULT}, or as many as fit into --duration.",
)
@click.option("--duration", type=click.FloatRange(0.1, 86_400), metavar="S", help="Seconds a level starts requests.")
@click.option(
    "--load",
    type=click.Choice(["random", "shared-prefix", "mixed"]),
    default="random",
    show_default=True,
    help="Prompts with nothing in common, with three quarters in common, or of very different lengths.",
)
@click.option(
    "--input-tokens",
    type=click.IntRange(1, 1_000_000),
    default=128,
    show_default=True,
    metavar="N",
    help="Length of a prompt, chat template apart.",
)
@click.option(
    "--output-tokens",
    type=click.IntRange(1, 1_000_000),
    default=64,
    show_default=True,
    metavar="N",
    help="Length of an answer.",
)
@click.option(
    "--ignore-eos/--honour-eos", default=True, show_default=True, help="Whether all answers run to their full length."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of the prompts.")
@output_option("--svg", "Draw the figures there.")
@output_option(
    "--record", "Write the requests that succeeded there, for jackfield simulate: times and lengths, no text."
)
@server_options
@json_option
def command(
    svg: Path | None,
    record: Path | None,
    *,
    server: Server,
    as_json: bool,
    **options: Unpack[BenchOptions],
) -> int:
    """Measure a server that speaks OpenAI's dialect: throughput, TTFT, ITL, latency.

    Answers are streamed. Before the first level one request is made that is not counted.

    \b
    Examples:
      jackfield bench
      jackfield bench http://gpu-1:8080 --concurrency 1,8,32 --requests 200
      jackfield bench --rate 0.5,1,2 --duration 60 --load mixed
      jackfield bench --load shared-prefix --input-tokens 1024 --json > figures.json
      jackfield bench --concurrency 1,2,4,8 --svg figures.svg
      jackfield bench --rate 2 --duration 60 --load mixed --record trace.jsonl

    Ctrl-C ends it and prints what is known so far. The exit code is 1 if a request failed.
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.bench.session import Session

    plan = _plan(server.url, options)
    session = Session(plan, server.key, _Bar(plan), server.tls)
    code = EXIT_OK
    try:
        asyncio.run(session.run())
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    results = session.results()
    _print(session, plan, results, as_json=as_json)
    _keep(results, svg, record)
    failed = not results or any(result.summary.failed for result in results)
    return code or (EXIT_FAILED if failed else EXIT_OK)


class _Bar:
    """Progress on standard error, where that is a terminal."""

    def __init__(self, plan: Plan) -> None:
        self._total = plan.goal.requests
        self._shown = sys.stderr.isatty()
        self._title = "warming up"
        self._count = 0

    def begin(self, level: Level) -> None:
        self._title, self._count = level.title, 0

    def noted(self) -> None:
        self._count += 1
        if not self._shown:
            return
        of = f" of {self._total}" if self._total else ""
        click.echo(f"\r\x1b[2K{self._title}: {self._count}{of} requests", nl=False, err=True, color=True)
        if self._count == self._total:
            click.echo("\r\x1b[2K", nl=False, err=True, color=True)


def _levels(concurrency: str | None, rate: str | None) -> tuple[Level, ...]:
    from jackfield.bench.driver import Level

    if rate is None:
        counts = _numbers("--concurrency", concurrency or CONCURRENCY_DEFAULT, CONCURRENCY_MAX, whole=True)
        return tuple(Level(concurrency=int(each)) for each in counts)
    if concurrency is not None:
        raise click.UsageError("--concurrency and --rate are two ways to make load: give one of them")
    return tuple(Level(rate=each) for each in _numbers("--rate", rate, RATE_MAX, whole=False))


def _plan(url: str, options: BenchOptions) -> Plan:
    from jackfield.bench.driver import Goal
    from jackfield.bench.session import Plan

    requests, duration = options["requests"], options["duration"]
    if requests is None and duration is None:
        requests = REQUESTS_DEFAULT
    return Plan(
        url=url,
        model=options["model"],
        levels=_levels(options["concurrency"], options["rate"]),
        goal=Goal(requests=requests, duration_s=duration),
        load=options["load"],
        input_tokens=options["input_tokens"],
        output_tokens=options["output_tokens"],
        ignore_eos=options["ignore_eos"],
        seed=options["seed"],
    )


def _numbers(option: str, text: str, most: int, *, whole: bool) -> list[float]:
    kind = "whole numbers" if whole else "numbers"
    rule = f"{option} takes up to {LEVELS_MAX} {kind} above 0 and up to {most}, separated by commas"
    try:
        numbers = [float(int(part) if whole else float(part)) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"{rule}; not {text!r}") from None
    if len(numbers) > LEVELS_MAX or not all(math.isfinite(number) and 0 < number <= most for number in numbers):
        raise click.UsageError(f"{rule}; not {text!r}")
    return numbers


def _print(session: Session, plan: Plan, results: Sequence[LevelResult], *, as_json: bool) -> None:
    summaries = [result.summary for result in results]
    if as_json:
        report = {"model": session.model, "plan": plan, "levels": summaries}
        click.echo(msgspec.json.encode(report).decode())
        return
    if not summaries:
        return
    from jackfield.bench.table import errors_list, latency_table, throughput_table

    shape = f"{plan.load} prompts of {plan.input_tokens} tokens, answers of {plan.output_tokens}"
    click.echo(f"{session.model} at {plan.url}: {shape}\n\n{throughput_table(summaries)}\n\n{latency_table(summaries)}")
    errors = errors_list(summaries)
    if errors:
        click.echo(f"\n{click.style('Failed requests:', fg='red')}\n{errors}")


def _keep(results: Sequence[LevelResult], svg: Path | None, record: Path | None) -> None:
    """Write the files that were asked for."""
    if svg is not None and results:
        _draw(svg, results)
    if record is not None:
        _record(record, results)


def _draw(svg: Path, results: Sequence[LevelResult]) -> None:
    from jackfield.bench.plot import draw

    picture = draw([result.summary for result in results], [result.outcomes for result in results])
    svg.write_text(picture, encoding="utf-8")


def _record(file: Path, results: Sequence[LevelResult]) -> None:
    """One trace of all levels, one after another."""
    from jackfield.simulation.trace import TracedRequest, write_trace

    requests: list[TracedRequest] = []
    began = 0.0
    for result in results:
        requests += [
            TracedRequest(
                arrival_s=round(began + outcome.began, 6),
                prompt_tokens=outcome.prompt_tokens,
                output_tokens=outcome.completion_tokens,
            )
            for outcome in result.outcomes
            if outcome.error is None and min(outcome.prompt_tokens, outcome.completion_tokens) > 0
        ]
        began += result.summary.duration_s
    write_trace(sorted(requests, key=lambda request: request.arrival_s), file)
