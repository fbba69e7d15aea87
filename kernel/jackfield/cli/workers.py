"""``jackfield workers``: list, restart, logs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click
import msgspec

from jackfield.cli.complete import complete_served_models
from jackfield.cli.errors import EXIT_FAILED, EXIT_OK, complain
from jackfield.cli.options import json_option
from jackfield.cli.servers import Operator, ServerUnreachable, choose, server_option
from jackfield.cli.tables import duration, print_table, size
from jackfield.lifecycle import WorkerState

if TYPE_CHECKING:
    from jackfield.ports.operating import ChildState, ServerState

POLL_S: Final = 0.2
"""Between two looks at a worker that restarts."""

HEADER: Final = ("MODEL", "STATE", "PID", "RESTARTS", "UPTIME", "REQUESTS", "MEMORY", "THREADS", "REASON")


@click.group("workers")
def command() -> None:
    """See and restart the processes that serve models, on a running server.

    \b
    Examples:
      jackfield workers list
      jackfield workers restart my-model
      jackfield workers logs my-model --follow
      jackfield workers list --server 127.0.0.1:8080
    """  # noqa: D301  \b is click's mark against wrapping


@command.command("list")
@server_option
@json_option
def list_(server: str | None, *, as_json: bool) -> None:
    """List the workers of a running server: state, restarts, uptime, memory.

    REQUESTS are those that have not ended. MEMORY is resident memory; pages of a model file that is mapped count in
    each worker, although workers of one file share them.

    \b
    Examples:
      jackfield workers list
      jackfield workers list --json --server 127.0.0.1:8080
    """  # noqa: D301  \b is click's mark against wrapping
    with choose(server) as operator:
        state = operator.state()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(state), indent=2))
        return
    print_table(HEADER, [_row(each) for each in state.children if each.kind == "worker"])


@command.command()
@click.argument("model", shell_complete=complete_served_models)
@click.option("--now", is_flag=True, help="Do not wait for requests that run; they end with the error worker_died.")
@click.option("--no-wait", is_flag=True, help="Return at once, without waiting for the worker to be ready again.")
@server_option
@json_option
def restart(model: str, server: str | None, *, now: bool, no_wait: bool, as_json: bool) -> int:
    """Restart the worker of MODEL and wait until it is ready again.

    Requests that run are finished first, for at most kernel.drain_s seconds; what still runs then ends with the error
    worker_died. New requests are refused with 503 and Retry-After until the worker is back. Ctrl-C ends the waiting,
    not the restart. A worker that has failed is tried again.

    \b
    Examples:
      jackfield workers restart my-model
      jackfield workers restart my-model --now
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.channel.operator import RestartWorker

    with choose(server) as operator:
        before = _worker_named(operator.state(), model)
        after = operator.restart(RestartWorker(model=model, now=now))
        if no_wait or before is None:
            return _told(_worker(after, model), as_json=as_json)
        # the first start of one that waits for its turn is no restart
        restarts = before.restarts - (before.state == WorkerState.WAITING)
        return _told(_wait(operator, model, restarts, quiet=as_json), as_json=as_json)


@command.command()
@click.argument("model", required=False, shell_complete=complete_served_models)
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    metavar="N",
    help="Lines to begin with.",
)
@click.option("--gateway", is_flag=True, help="Those of the gateway: one line for each HTTP request.")
@server_option
@json_option
def logs(model: str | None, server: str | None, *, lines: int, follow: bool, gateway: bool, as_json: bool) -> None:
    """Show the latest log lines of the worker of MODEL, or of all workers.

    The server keeps the last 256 KiB of each process, also of one that was killed. As in every log of Jackfield, there
    are no prompts, answers or keys in it. --json prints each line as the server wrote it.

    \b
    Examples:
      jackfield workers logs
      jackfield workers logs my-model -n 20 --follow
      jackfield workers logs --gateway --json
    """  # noqa: D301  \b is click's mark against wrapping
    from jackfield.cli.worker_logs import show

    if gateway and model is not None:
        raise click.UsageError("name a MODEL or --gateway, not both")
    with choose(server) as operator:
        show(operator, model=model, gateway=gateway, lines=lines, follow=follow, as_json=as_json)


def _row(worker: ChildState) -> tuple[str, ...]:
    return (
        worker.model,
        worker.state,
        "-" if worker.pid is None else str(worker.pid),
        str(worker.restarts),
        duration(worker.uptime_s),
        str(worker.requests),
        size(worker.memory_bytes),
        "-" if worker.threads is None else str(worker.threads),
        worker.reason,
    )


def _worker_named(state: ServerState, model: str) -> ChildState | None:
    workers = [each for each in state.children if each.kind == "worker"]
    return next((each for each in workers if model in (each.model, *each.aliases)), None)


def _worker(state: ServerState, model: str) -> ChildState:
    worker = _worker_named(state, model)
    if worker is None:
        raise ServerUnreachable(f"the server does not serve {model} any more")
    return worker


def _wait(operator: Operator, model: str, restarts: int, *, quiet: bool) -> ChildState:
    """Follow a restart, telling what happens, until the new worker is ready or has failed."""
    told = ""
    while True:
        worker = _worker(operator.state(), model)
        text = worker.reason or worker.state
        again = worker.restarts > restarts
        if again and worker.state in (WorkerState.READY, WorkerState.FAILED):
            return worker
        if text != told and not quiet:
            told = text
            click.echo(f"{worker.model}: {text}")
        time.sleep(POLL_S)


def _told(worker: ChildState, *, as_json: bool) -> int:
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(worker), indent=2))
    elif worker.state == WorkerState.FAILED:
        complain(f"{worker.model} cannot be served: {worker.reason}")
    else:
        click.echo(f"{worker.model}: {worker.reason or worker.state}")
    return EXIT_FAILED if worker.state == WorkerState.FAILED else EXIT_OK
