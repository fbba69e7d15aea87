"""Changes of what may change while the server runs: who is told, and what has come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.channel.messages import Configured, Reload, SetLogLevel
from jackfield.channel.operator import OfferRead
from jackfield.errors import JackfieldError, Overloaded
from jackfield.supervisor.offers import Offers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.channel.messages import Reconfigure, Reconfigured, ToChild
    from jackfield.channel.operator import ChangeSettings
    from jackfield.supervisor.live_manifest import LiveManifest
    from jackfield.supervisor.report import Report
    from jackfield.supervisor.slot import Process, Slot


class LiveChanges:
    """Makes changes, which workers answer later. Supervisor's only thread.

    Parameters:
        live: What holds of the manifest.
        to_all: Sends a message to all children: all of them log.
        gateway: Is told what holds.
        workers: Are offered new options.
        report: Told what happens.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        live: LiveManifest,
        to_all: Callable[[ToChild], None],
        gateway: Slot,
        workers: Sequence[Slot],
        report: Report,
        clock: Callable[[], float],
    ) -> None:
        self._live = live
        self._to_all = to_all
        self._gateway = gateway
        self._workers = workers
        self._report = report
        self._offers = Offers(clock)

    @property
    def open(self) -> Reconfigure | None:
        """What was offered and is not yet answered by all who serve."""
        return self._offers.open

    def reread(self) -> int:
        """Read the manifest again; its log level and the scheduler's options are followed, the rest at a restart.

        The gateway reads secrets and certificates again, also where the manifest cannot be read.

        Returns:
            The ticket to ``read`` with.

        Raises:
            JackfieldError: It cannot be read; nothing has changed, which was reported.
        """
        if self._gateway.child is not None:
            self._gateway.child.send(Reload())
        try:
            offer = self._live.reread()
        except JackfieldError as error:
            self._report.trouble(f"the log level stays {self._live.log_level}: {error.message}")
            raise
        self._offers.make(offer, self._workers)
        self._log_level_changed()
        return offer.ticket

    def change(self, wanted: ChangeSettings) -> int:
        """Change these settings, which a gateway has judged.

        Returns:
            The ticket to ``read`` with.

        Raises:
            Overloaded: Not everybody has answered the change before.
            ManifestError: They cannot be changed; nothing has.
        """
        if self._offers.open is not None:
            raise Overloaded("another change of options is not over yet; try again")
        offer = self._live.change(wanted.options)
        if wanted.options:
            self._offers.make(offer, self._workers)
            if self._offers.open is None:  # nobody serves: whoever starts has it
                self._live.settle({each.path[1] for each in wanted.options})
                self._tell_gateway()
        if wanted.log_level is not None:
            self._live.set_log_level(wanted.log_level)
            self._log_level_changed()
        return offer.ticket

    def read(self, ticket: int) -> OfferRead:
        """What has come of a change by now."""
        return OfferRead(workers=self._offers.read(ticket), restart=self._live.unfollowed())

    def answered(self, child: Process, message: Reconfigured) -> None:
        """A worker has new options, or refuses them."""
        self._live.took_over(message)
        self._offers.answered(child, message)
        self._tell_gateway()
        if message.error:
            why = f"the options of {message.plugin} stay as they were: {message.error}"
            self._report.trouble(f"{message.model}: {why}")
        elif message.changed:
            self._report.reconfigured(message.model, message.plugin)

    def _log_level_changed(self) -> None:
        level = self._live.log_level
        self._to_all(SetLogLevel(level=level))
        self._tell_gateway()
        self._report.log_level(level)

    def _tell_gateway(self) -> None:
        if self._gateway.child is not None:
            self._gateway.child.send(Configured(manifest=self._live.dump))
