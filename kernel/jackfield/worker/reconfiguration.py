"""New options for a running worker, in a thread of their own: plugins' code runs, and may take its time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from jackfield.channel.messages import Reconfigured
from jackfield.errors import JackfieldError
from jackfield.logs import traceback_of
from jackfield.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue

    from jackfield.channel.messages import Reconfigure, ToSupervisor
    from jackfield.worker.host import WorkerHost

log = structlog.get_logger("jackfield.worker")


class Reconfiguration:
    """Takes over what the supervisor offers, one after another, and answers.

    Parameters:
        host: Serves.
        send: Answers the supervisor.
        model: What it serves, for messages.
    """

    def __init__(self, host: WorkerHost, model: str, send: Callable[[ToSupervisor], None]) -> None:
        self._host = host
        self._model = model
        self._send = send

    def start(self, offers: SimpleQueue[Reconfigure]) -> None:
        """Start the thread, which waits for *offers* and ends with the process."""
        threading.Thread(target=self._run, args=(offers,), name="reconfiguration", daemon=True).start()

    def _run(self, offers: SimpleQueue[Reconfigure]) -> None:
        while True:
            self._take(offers.get())

    def _take(self, offer: Reconfigure) -> None:
        plugin, error, param, changed = self._host.scheduler, "", None, False
        try:
            changed = self._host.reconfigure(Manifest.restore(offer.manifest))
            if changed:
                log.info("new options", plugin=plugin)
        except JackfieldError as failure:
            error, param = failure.message, failure.param
        except Exception as failure:  # noqa: BLE001 - plugins' code; the old options hold, the log says where it broke
            error = f"{type(failure).__name__}: {failure}"
            log.warning("new options broke a plugin", plugin=plugin, traceback=traceback_of(failure))
        if error:
            log.warning("new options are refused", plugin=plugin, error=error)
        self._send(
            Reconfigured(
                ticket=offer.ticket, model=self._model, plugin=plugin, changed=changed, error=error, param=param
            )
        )
