"""Changes while the server runs: who is offered what, and what holds when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.kernel.supervisor.played import child, started

from jackfield.channel.messages import Configured, Ready, Reconfigure, Reconfigured, Reload, SetLogLevel
from jackfield.channel.operator import ChangeSettings, NewValue
from jackfield.errors import ManifestError, Overloaded
from jackfield.live_options import LIVE
from jackfield.manifest import KernelConfig, Manifest, ModelConfig
from jackfield.supervisor.live_changes import LiveChanges
from jackfield.supervisor.live_manifest import LiveManifest
from jackfield.supervisor.offers import OFFERS_MAX, PATIENCE_S

if TYPE_CHECKING:
    from jackfield.channel.messages import ToChild, WorkerStatus
    from jackfield.supervisor.report import Addresses
    from jackfield.supervisor.slot import Slot

WEIGHT = NewValue(("config", "fair", "weights", "keys/ci"), 3)
SLICE = NewValue(("config", "fair", "slice_tokens"), 64)


class Notes:
    """A report that is read afterwards."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def listening(self, addresses: Addresses) -> None:
        """Nobody listens here."""

    def gateway_ready(self, ready: Ready, restarts: int) -> None:
        """Nobody serves here."""

    def worker(self, status: WorkerStatus) -> None:
        """Nobody loads anything here."""

    def stopping(self, timeout_s: float) -> None:
        """Nothing ends here."""

    def trouble(self, text: str) -> None:
        """A line."""
        self.lines.append(text)

    def log_level(self, level: str) -> None:
        """A line."""
        self.lines.append(f"log level {level}")

    def reconfigured(self, model: str, plugin: str) -> None:
        """A line."""
        self.lines.append(f"{model} has new options of {plugin}")


class Server:
    """A gateway and two workers that serve."""

    def __init__(self, *, serving: int = 2) -> None:
        self.now = 0.0
        models = {name: ModelConfig(source="x") for name in ("one", "two")}
        config: dict[str, dict[str, object]] = {"fair": {"slice_tokens": 256}}
        self.file = Manifest(
            enabled=(),
            kernel=KernelConfig(),
            config=config,  # type: ignore[arg-type]  # tables as TOML gives them
            models=models,
            origins={"config.fair.slice_tokens": "plugins.toml:3"},
        )
        self.live = LiveManifest(self.file, lambda: self.file)
        self.notes = Notes()
        self.gateway = started("gateway", lambda: self.now)
        self.workers = [started(name, lambda: self.now) for name in models]
        for worker in self.workers[:serving]:
            worker.take(Ready())
        self.all: list[ToChild] = []
        self.changes = LiveChanges(self.live, self.all.append, self.gateway, self.workers, self.notes, lambda: self.now)

    def answer(self, number: int, ticket: int, *, changed: bool = True, error: str = "") -> None:
        """What one worker says."""
        worker = self.workers[number]
        assert worker.child is not None
        said = Reconfigured(ticket=ticket, model=worker.name, plugin="fair", changed=changed, error=error)
        self.changes.answered(worker.child, said)

    def answers(self, ticket: int) -> list[str]:
        """What is known of both."""
        return [each.answer for each in self.changes.read(ticket).workers]

    @property
    def manifest(self) -> Manifest:
        """What a child that is started now gets."""
        return Manifest.restore(self.live.dump)

    @property
    def known(self) -> Manifest:
        """What the gateway was told last."""
        told = [each for each in child(self.gateway).told if isinstance(each, Configured)]
        return Manifest.restore(told[-1].manifest)


def _offer(slot: Slot) -> Manifest:
    offers = [each for each in child(slot).told if isinstance(each, Reconfigure)]
    return Manifest.restore(offers[-1].manifest)


def test_options_hold_once_a_worker_has_taken_them_over() -> None:
    """Others of the same plugin stay; the gateway learns it, and so does who starts later."""
    server = Server()
    ticket = server.changes.change(ChangeSettings(options=[WEIGHT]))
    assert server.answers(ticket) == ["pending", "pending"]
    expected = {"slice_tokens": 256, "weights": {"keys/ci": 3}}
    assert [_offer(worker).config["fair"] for worker in server.workers] == [expected, expected]
    assert server.manifest.config == server.file.config
    server.answer(0, ticket)
    assert server.manifest.config["fair"] == server.known.config["fair"] == expected
    assert server.manifest.origins["config.fair.weights.keys/ci"] == LIVE
    assert server.manifest.origins["config.fair.slice_tokens"] == "plugins.toml:3"
    server.answer(1, ticket, changed=False)
    assert server.answers(ticket) == ["taken", "unchanged"]
    assert server.notes.lines == ["one has new options of fair"]


def test_options_that_all_refuse_change_nothing() -> None:
    """Why is said; the next change starts from what holds."""
    server = Server()
    ticket = server.changes.change(ChangeSettings(options=[SLICE]))
    for number in (0, 1):
        server.answer(number, ticket, error="config.fair.slice_tokens: odd")
    read = server.changes.read(ticket)
    assert [(each.answer, each.reason) for each in read.workers] == [("refused", "config.fair.slice_tokens: odd")] * 2
    assert read.restart == ["config.fair"]
    assert server.manifest.config == server.file.config
    server.changes.change(ChangeSettings(options=[WEIGHT]))
    assert _offer(server.workers[0]).config["fair"]["slice_tokens"] == 256


def test_one_change_of_options_at_a_time() -> None:
    """The next one would be built on what may yet be refused. Who never answers does not block it for ever."""
    server = Server()
    ticket = server.changes.change(ChangeSettings(options=[SLICE]))
    assert server.changes.open is not None
    with pytest.raises(Overloaded):
        server.changes.change(ChangeSettings(options=[WEIGHT]))
    server.answer(0, ticket)
    server.now = PATIENCE_S + 1
    server.changes.change(ChangeSettings(options=[WEIGHT]))
    assert _offer(server.workers[1]).config["fair"] == {"slice_tokens": 64, "weights": {"keys/ci": 3}}


def test_an_answer_that_comes_late_says_nothing_of_the_change_after_it() -> None:
    """What was offered since holds once somebody has taken that over."""
    server = Server()
    first = server.changes.change(ChangeSettings(options=[SLICE]))
    server.now = PATIENCE_S + 1
    second = server.changes.change(ChangeSettings(options=[WEIGHT]))
    server.answer(0, first)
    assert server.manifest.config == server.file.config
    server.answer(0, second)
    assert server.manifest.config["fair"] == {"slice_tokens": 256, "weights": {"keys/ci": 3}}


def test_who_has_ended_is_not_waited_for() -> None:
    """Its successor starts with what holds."""
    server = Server()
    ticket = server.changes.change(ChangeSettings(options=[SLICE]))
    server.workers[1].exited("ended by SIGKILL")
    server.answer(0, ticket)
    assert server.answers(ticket) == ["taken", "lost"]
    assert server.changes.open is None


def test_where_nobody_serves_options_hold_at_once() -> None:
    """The gateway has judged them; who loads is offered them too."""
    server = Server(serving=0)
    ticket = server.changes.change(ChangeSettings(options=[SLICE]))
    assert server.answers(ticket) == []
    assert server.manifest.config["fair"] == server.known.config["fair"] == {"slice_tokens": 64}
    assert [_offer(worker).config["fair"] for worker in server.workers] == [{"slice_tokens": 64}] * 2


def test_the_log_level_holds_at_once() -> None:
    """Until the manifest is read again."""
    server = Server()
    server.changes.change(ChangeSettings(log_level="debug"))
    assert server.all == [SetLogLevel(level="debug")]
    assert (server.known.kernel.log_level, server.known.origins["kernel.log_level"]) == ("debug", LIVE)
    server.changes.reread()
    assert server.all[-1] == SetLogLevel(level="info")
    assert "kernel.log_level" not in server.known.origins


def test_reading_the_manifest_again_takes_changes_back_and_says_what_waits_for_a_restart() -> None:
    """Options of others than the scheduler, too."""
    server = Server()
    ticket = server.changes.change(ChangeSettings(options=[SLICE]))
    for number in (0, 1):
        server.answer(number, ticket)
    server.file = Manifest(
        enabled=(),
        kernel=KernelConfig(queue=3),
        config={"fair": {"slice_tokens": 128}, "keys": {"file": "other.toml"}},
        models={"one": ModelConfig(source="x"), "three": ModelConfig(source="x")},
    )
    ticket = server.changes.reread()
    for number in (0, 1):
        server.answer(number, ticket)
    assert server.manifest.config == {"fair": {"slice_tokens": 128}}
    assert server.changes.read(ticket).restart == ["kernel.queue", "config.keys", "models.two", "models.three"]


def test_secrets_are_read_again_also_where_the_manifest_cannot_be() -> None:
    """They have nothing to do with each other."""

    def unreadable() -> Manifest:
        raise ManifestError("odd")

    server = Server()
    live = LiveManifest(server.file, unreadable)
    changes = LiveChanges(live, server.all.append, server.gateway, server.workers, server.notes, lambda: 0.0)
    with pytest.raises(ManifestError):
        changes.reread()
    assert child(server.gateway).told[-1] == Reload()
    assert server.notes.lines == ["the log level stays info: odd"]


def test_only_options_of_plugins_are_options() -> None:
    """Whoever speaks to the supervisor."""
    server = Server()
    for path in (
        ("kernel", "queue"),
        ("config", "fair"),
        ("models", "one", "context"),
        ("config", "fair", "slice_tokens", "x"),
    ):
        with pytest.raises(ManifestError):
            server.changes.change(ChangeSettings(options=[NewValue(path, 1)]))
    assert server.manifest == server.file


def test_what_is_kept_is_bounded() -> None:
    """Old offers are forgotten."""
    server = Server()
    tickets = []
    for _ in range(OFFERS_MAX + 2):
        tickets.append(server.changes.change(ChangeSettings(options=[SLICE])))
        for number in (0, 1):
            server.answer(number, tickets[-1], changed=False)
    assert [len(server.answers(ticket)) for ticket in (tickets[0], tickets[1], tickets[2], tickets[-1])] == [0, 0, 2, 2]
