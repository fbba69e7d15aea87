"""``jackfield bench``: what it prints, refuses, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from jackfield.testing.command import COMMAND, environment, run_command
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.target import Target

SMALL = "--requests 2 --concurrency 1,2 --input-tokens 20 --output-tokens 3"


@pytest.fixture
def url(servers: Callable[[str], Target]) -> str:
    """Of a scripted server."""
    return servers(scripted_manifest()).url


def test_json_and_picture(url: str, tmp_path: Path) -> None:
    """Everything for scripts, and a picture that is one."""
    done = run_command(f"bench {url} {SMALL} --json --svg figures.svg", tmp_path)
    assert done.code == 0, done.output
    report = json.loads(done.output)
    assert [level["level"]["concurrency"] for level in report["levels"]] == [1, 2]
    assert report["levels"][1]["ttft_ms"].keys() == {"mean", "p50", "p90", "p95", "p99", "max"}
    ET.fromstring((tmp_path / "figures.svg").read_text())  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--concurrency 0", "--concurrency takes"),
        ("--concurrency 1.5", "--concurrency takes"),
        ("--concurrency 1,,2", "--concurrency takes"),
        ("--concurrency 9999", "--concurrency takes"),
        ("--rate nan", "--rate takes"),
        ("--rate -1", "--rate takes"),
        ("--load odd", "odd"),
        ("--requests 0", "0 is not in the range"),
        ("--rate 1 --concurrency 1", "give one of them"),
        ("http://127.0.0.1:1 --url http://127.0.0.1:2", "given twice"),
        ("ftp://x", "no server address"),
        ("--url ftp://x", "no server address"),
        ("--key-file missing", "'missing' does not exist"),
        ("--svg missing/figures.svg", "no file can be made"),
        ("--svg .", "is a directory"),
    ],
)
def test_refused_options(tmp_path: Path, arguments: str, message: str) -> None:
    """Before anything is sent."""
    done = run_command(f"bench {arguments}", tmp_path)
    assert done.code == 2
    assert message in done.output


def test_ctrl_c_prints_what_is_known(url: str, tmp_path: Path) -> None:
    """Progress is shown on a terminal, and the exit code says that it was interrupted."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "bench", url, "--duration", "60", "--concurrency", "1", "--input-tokens", "20", "--json"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    begun = threading.Event()
    reader = threading.Thread(target=_watch, args=(ours, begun))
    reader.start()
    try:
        assert begun.wait(30)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        reader.join()
        os.close(ours)
    assert process.returncode == 130
    assert json.loads(out)["levels"][0]["requests"] > 0


def _watch(terminal: int, begun: threading.Event) -> None:
    """Read what a terminal is shown, to its end: one that nobody reads would block the program."""
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # the program has closed it
            return
        if b"1 at once: 1 requests" in shown:
            begun.set()
