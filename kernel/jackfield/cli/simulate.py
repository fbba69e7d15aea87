"""``jackfield simulate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, TypeVar

import click
import msgspec

from jackfield.cli.complete import complete_schedulers
from jackfield.cli.errors import EXIT_OK
from jackfield.cli.options import json_option, manifest_options, output_option
from jackfield.cli.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from jackfield.manifest import Manifest
    from jackfield.ports.scheduler import Scheduler
    from jackfield.simulation.replay import Replay
    from jackfield.simulation.trace import TracedRequest

Command = TypeVar("Command", bound="Callable[..., object]")


class SimulateOptions(TypedDict):
    """What is played and how, as click gives it."""

    scheduler: str
    compare: str | None
    synthetic: str | None
    duration: float
    seed: int
    slots: int
    kv_tokens: int
    step_tokens: int
    step_ms: float
    row_ms: float
    token_ms: float


SCHEDULERS_MAX: Final = 8
_TOKENS: Final = click.IntRange(1, 100_000_000)
_TIME: Final = click.FloatRange(0, 60_000)


def engine_options(function: Command) -> Command:
    """What is simulated: what it has room for, and what a step takes."""
    options = (
        ("--slots", click.IntRange(1, 4096), 8, "Requests that run at once."),
        ("--kv-tokens", _TOKENS, 16_384, "KV cells."),
        ("--step-tokens", _TOKENS, 512, "Most tokens of a step."),
        ("--step-ms", click.FloatRange(0.001, 60_000), 40, "What a step takes, whatever is in it."),
        ("--row-ms", _TIME, 1, "What each answer in a step adds."),
        ("--token-ms", _TIME, 4, "What each prompt token in a step adds."),
    )
    for name, kind, default, text in reversed(options):
        function = click.option(name, type=kind, default=default, show_default=True, metavar="N", help=text)(function)
    return function


@click.command("simulate")
@click.argument("trace", required=False, type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))
@click.option(
    "--scheduler",
    default="fcfs",
    show_default=True,
    metavar="NAME",
    shell_complete=complete_schedulers,
    help="Plugin whose scheduler plays it.",
)
@click.option(
    "--compare",
    metavar="NAME,…",
    shell_complete=complete_schedulers,
    help="Several of them, each from the beginning.",
)
@click.option(
    "--synthetic",
    metavar="CLASSES",
    help="Make a trace instead: classes of requests, separated by semicolons, as above.",
)
@click.option(
    "--duration",
    type=click.FloatRange(0.001, 1e6),
    default=300,
    show_default=True,
    metavar="S",
    help="Seconds in which synthetic requests arrive.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of a synthetic trace."
)
@output_option("--write-trace", "Keep the trace that was played.")
@output_option("--svg", "Draw how latencies are distributed there.")
@engine_options
@manifest_options
@json_option
def command(
    trace: Path | None,
    write_trace: Path | None,
    svg: Path | None,
    file: Path | None,
    sets: Sequence[str],
    *,
    as_json: bool,
    **options: Unpack[SimulateOptions],
) -> int:
    """Replay requests through a scheduler, without a model, and print latency for each class of them.

    TRACE, a file or - for standard input, has one JSON object a line: arrival_s, prompt_tokens and output_tokens; if
    you like tenant, priority, and prefix with prefix_tokens: requests with the same prefix begin with the same so many
    tokens. `jackfield bench --record` writes one. The scheduler's options come from plugins.toml and from --set.

    A class of synthetic requests is written as words: rate (arrivals a second) and, if you like, tenant, priority,
    prompt and answer (tokens, or LOW-HIGH) and prefix (tokens that all of them begin with).

    \b
    Examples:
      jackfield simulate trace.jsonl --scheduler fair
      jackfield simulate trace.jsonl --compare fcfs,fair --svg latency.svg
      jackfield simulate --synthetic "tenant=a rate=2 prompt=100-300; tenant=b rate=0.2 prompt=2000"
      jackfield simulate trace.jsonl --scheduler fair --set config.fair.weights.a=3 --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.manifest_layers import load_manifest

    manifest = load_manifest(file, sets=sets, enabled=_names(options))
    replays = _replays(manifest, trace, write_trace, options)
    for name, replay in replays.items():
        hidden = not sys.stderr.isatty()
        with click.progressbar(length=replay.requests, label=name, file=sys.stderr, hidden=hidden) as bar:
            replay.run(bar.update)
    _show(replays, as_json=as_json)
    if svg is not None:
        _draw(svg, replays)
    return EXIT_OK


def _replays(
    manifest: Manifest, trace: Path | None, write_trace: Path | None, options: SimulateOptions
) -> dict[str, Replay]:
    """One for each scheduler, ready to run; the trace is written where that is wished."""
    from jackfield.simulation.trace import TraceError
    from jackfield.simulation.trace import write_trace as write

    schedulers = {name: _scheduler(manifest, name) for name in _names(options)}
    try:
        requests = _requests(trace, options)
        if write_trace is not None:
            write(requests, write_trace)
        return {name: _replay(name, one, requests, options) for name, one in schedulers.items()}
    except TraceError as error:
        raise click.UsageError(str(error)) from error


def _names(options: SimulateOptions) -> list[str]:
    from click.core import ParameterSource

    compared = options["compare"]
    if compared is None:
        return [options["scheduler"]]
    if click.get_current_context().get_parameter_source("scheduler") is not ParameterSource.DEFAULT:
        raise click.UsageError("--scheduler and --compare: give one of them")
    names = list(dict.fromkeys(compared.split(",")))
    if len(names) > SCHEDULERS_MAX or not all(names):
        raise click.UsageError(f"--compare takes up to {SCHEDULERS_MAX} names, separated by commas; not {compared!r}")
    return names


def _scheduler(manifest: Manifest, name: str) -> Scheduler:
    """A new scheduler of the plugin or instance *name*, with its options; no other plugin is loaded."""
    from jackfield.cli.kernel import build_kernel
    from jackfield.errors import ManifestError
    from jackfield.manifest import InstanceRef

    instance = Path(name).stem if name.endswith(".py") else name
    ref = next((ref for ref in manifest.enabled if ref.name == instance), InstanceRef(instance, name))
    tables = {instance: manifest.config[instance]} if instance in manifest.config else {}
    factories = build_kernel(msgspec.structs.replace(manifest, enabled=(ref,), config=tables), fill=False).schedulers()
    if not factories:
        raise ManifestError(f"the plugin {name} hands over no scheduler")
    scheduler: Scheduler = next(iter(factories.values()))()
    return scheduler


def _requests(trace: Path | None, options: SimulateOptions) -> list[TracedRequest]:
    from jackfield.simulation.synthetic import parse_classes, synthesise
    from jackfield.simulation.trace import read_trace

    classes = options["synthetic"]
    if (trace is None) == (classes is None):
        raise click.UsageError("give either a TRACE or --synthetic")
    if trace is not None:
        return read_trace(trace)
    return synthesise(parse_classes(classes or ""), options["duration"], options["seed"])


def _replay(name: str, scheduler: Scheduler, requests: Sequence[TracedRequest], options: SimulateOptions) -> Replay:
    from jackfield.simulation.engine import Costs, Pool
    from jackfield.simulation.replay import Replay

    pool = Pool(options["slots"], options["kv_tokens"], options["step_tokens"])
    costs = Costs(options["step_ms"] / 1000, options["row_ms"] / 1000, options["token_ms"] / 1000)
    return Replay(name, scheduler, pool, costs, requests)


def _show(replays: Mapping[str, Replay], *, as_json: bool) -> None:
    from jackfield.simulation.figures import figures_of
    from jackfield.simulation.table import HEADER, SHARES_HEADER, class_rows, share_rows

    figures = [figures_of(name, replay) for name, replay in replays.items()]
    if as_json:
        click.echo(msgspec.json.encode({"schedulers": figures}).decode())
        return
    print_table(HEADER, class_rows(figures))
    click.echo()
    print_table(SHARES_HEADER, share_rows(figures))


def _draw(svg: Path, replays: Mapping[str, Replay]) -> None:
    from jackfield.bench.plot import draw_latencies
    from jackfield.simulation.figures import classes_of

    lines = {
        f"{name} {tenant or '-'} {priority:+d}": members
        for name, replay in replays.items()
        for (tenant, priority), members in sorted(classes_of(replay).items())
    }
    ttft = [[sequence.ttft_s for sequence in members] for members in lines.values()]
    gaps = [[gap for sequence in members for gap in sequence.gaps_s] for members in lines.values()]
    svg.write_text(draw_latencies(list(lines), ttft, gaps), encoding="utf-8")
