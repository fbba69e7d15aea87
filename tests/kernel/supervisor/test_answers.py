"""What a supervisor answers to those who ask through a gateway."""

from __future__ import annotations

from unittest.mock import create_autospec

import pytest
from tests.kernel.supervisor.played import started

from jackfield.channel.operator import Declined, Reload
from jackfield.errors import ManifestError
from jackfield.manifest import KernelConfig, Manifest
from jackfield.supervisor.answers import Answers, End
from jackfield.supervisor.live_changes import LiveChanges
from jackfield.supervisor.live_manifest import LiveManifest
from jackfield.supervisor.report import Report


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("/srv/secret/plugins.toml:3: kernel.queue: odd", "plugins.toml cannot be read; the server's log says why"),
        ("plugins.toml:3: kernel.queue: odd", "plugins.toml:3: kernel.queue: odd"),
    ],
)
def test_who_asks_does_not_learn_where_the_manifest_is(message: str, told: str) -> None:
    """Only which key is at fault; the report has all of it."""
    manifest = Manifest(enabled=(), kernel=KernelConfig(), models={})

    def reread() -> Manifest:
        raise ManifestError(message, param="kernel.queue")

    gateway, report = started("gateway"), create_autospec(Report)
    live = LiveManifest(manifest, reread)
    answers = Answers(
        manifest,
        started=0,
        gateway=gateway,
        workers=[],
        logs={},
        changes=LiveChanges(live, lambda _message: None, gateway, [], report, lambda: 0.0),
        end=End(lambda: None, lambda: False),
    )
    assert answers.answer(Reload()) == Declined(told, "kernel.queue")
    report.trouble.assert_called_once_with(f"the log level stays info: {message}")
