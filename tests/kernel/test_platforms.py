"""Where a server runs, told from signs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jackfield.platforms import BARE, PLATFORMS, Surroundings, log_destination, platforms

CASES = [
    ({"RUNPOD_POD_ID": "abc"}, {}, ["RunPod"]),
    ({"RUNPOD_ENDPOINT_ID": "abc"}, {".dockerenv": ""}, ["RunPod", "docker"]),
    ({"VAST_CONTAINERLABEL": "C.1"}, {".dockerenv": ""}, ["Vast.ai", "docker"]),
    ({}, {"etc/apt/sources.list.d/lambda-repository.list": "deb …"}, ["Lambda"]),
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {}, ["Kubernetes"]),
    ({}, {"run/secrets/kubernetes.io/serviceaccount/token": "x"}, ["Kubernetes"]),
    ({}, {".dockerenv": ""}, ["docker"]),
    ({"container": "docker"}, {}, ["docker"]),
    ({}, {"run/.containerenv": ""}, ["podman"]),
    ({"container": "podman"}, {}, ["podman"]),
    ({"SYSTEMD_EXEC_PID": "4711"}, {}, ["systemd"]),
    ({}, {"proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n"}, ["WSL"]),
    ({}, {"proc/sys/kernel/osrelease": "6.8.0-45-generic\n"}, [BARE]),
    ({}, {}, [BARE]),
    ({"SYSTEMD_EXEC_PID": "1", "JOURNAL_STREAM": "1:2"}, {}, [BARE]),
    ({"INVOCATION_ID": "of the terminal's own service"}, {}, [BARE]),
    ({"RUNPOD_POD_ID": "", "KUBERNETES_SERVICE_HOST": ""}, {}, [BARE]),
]


@pytest.mark.parametrize(("environ", "files", "expected"), CASES)
def test_platforms(tmp_path: Path, environ: dict[str, str], files: dict[str, str], expected: list[str]) -> None:
    """By the environment and by files; inherited variables of others are no sign."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert platforms(Surroundings(tmp_path, environ, pid=4711)) == expected


def test_every_platform_has_a_case() -> None:
    """A row without a test is a guess."""
    assert {platform.name for platform in PLATFORMS} <= {name for *_, expected in CASES for name in expected}


def test_where_the_log_goes(tmp_path: Path) -> None:
    """What standard error is decides."""
    (tmp_path / ".dockerenv").touch()
    file = tmp_path / "serve.log"
    file.touch()
    reading, writing = os.pipe()
    pipe = os.fstat(writing)
    os.close(reading)
    os.close(writing)
    journal = {"JOURNAL_STREAM": f"{pipe.st_dev}:{pipe.st_ino}"}
    nowhere = tmp_path / "nowhere"
    assert log_destination(Surroundings(nowhere, {}, errors=None)).startswith("nowhere")
    assert log_destination(Surroundings(nowhere, {}, errors=Path(os.devnull).stat())).startswith("nowhere")
    assert log_destination(Surroundings(nowhere, {}, errors=file.stat())) == "a file (standard error)"
    assert log_destination(Surroundings(nowhere, {}, errors=pipe)) == "standard error"
    assert log_destination(Surroundings(nowhere, journal, errors=pipe)).startswith("the journal")
    assert log_destination(Surroundings(tmp_path, {}, errors=pipe)) == "the container's log (standard error)"
    assert platforms(Surroundings(nowhere, journal, errors=pipe)) == ["systemd"]
    assert platforms(Surroundings.here())
