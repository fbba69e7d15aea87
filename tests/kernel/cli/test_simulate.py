"""``jackfield simulate``: what it prints, writes and refuses."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import click
import pytest

from jackfield.cli.complete import complete_schedulers
from jackfield.cli.simulate import command
from jackfield.testing.command import COMMAND, run_command
from jackfield.testing.manifests import scripted_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.target import Target

TWO = '--synthetic "tenant=a rate=3 prompt=20 answer=20; tenant=b rate=3 prompt=20 answer=20" --duration 60 --slots 2'


def test_a_table_for_people(tmp_path: Path) -> None:
    """A row for each class and scheduler."""
    done = run_command(f"simulate {TWO} --compare fcfs,fair,shortest-prompt-first", tmp_path)
    assert done.code == 0, done.output
    rows = [line.split()[:2] for line in done.output.splitlines()[1:7]]
    names = ["fcfs", "fair", "shortest-prompt-first"]
    assert rows == [[name, tenant] for tenant in "ab" for name in names]


def test_json_picture_and_trace(tmp_path: Path) -> None:
    """Everything for scripts, a picture that is one, and a trace that plays the same."""
    done = run_command(f"simulate {TWO} --json --svg latency.svg --write-trace trace.jsonl", tmp_path)
    assert done.code == 0, done.output
    ET.fromstring((tmp_path / "latency.svg").read_text())  # noqa: S314 - our own
    again = run_command("simulate trace.jsonl --slots 2 --json", tmp_path)
    assert json.loads(again.output) == json.loads(done.output)
    (figures,) = json.loads(done.output)["schedulers"]
    assert figures["scheduler"] == "fcfs"
    assert [each["tenant"] for each in figures["classes"]] == ["a", "b"]


def test_options_of_the_scheduler_count(tmp_path: Path) -> None:
    """From plugins.toml and from the command line; the other plugins of the file are left alone."""
    (tmp_path / "plugins.toml").write_text('enabled = ["keys", "fair"]\n[config.fair.weights]\na = 2\n')
    for sets, share in (("", 2 / 3), ("--set config.fair.weights.a=4", 4 / 5)):
        done = run_command(f"simulate {TWO} --duration 600 --scheduler fair {sets} --json", tmp_path)
        assert done.code == 0, done.output
        (figures,) = json.loads(done.output)["schedulers"]
        assert figures["shares"]["a"] == pytest.approx(share, rel=0.05)


def test_a_scheduler_need_not_be_enabled_to_have_options(tmp_path: Path) -> None:
    """It is named already; nothing else needs to be written anywhere."""
    done = run_command(f"simulate {TWO} --scheduler fair --set config.fair.weights.a=4 --json", tmp_path)
    assert done.code == 0, done.output
    (figures,) = json.loads(done.output)["schedulers"]
    assert figures["shares"]["a"] > 0.6


def test_a_scheduler_that_is_being_written(tmp_path: Path) -> None:
    """By its path; its options have the file's name."""
    (tmp_path / "mine.py").write_text(
        "from jackfield import hookimpl\n"
        "from jackfield_fair.config import FairConfig\n"
        "from jackfield_fair.scheduler import FairScheduler\n"
        "@hookimpl\n"
        "def jackfield_config(): return FairConfig\n"
        "@hookimpl\n"
        "def jackfield_schedulers(instance):\n"
        "    return {instance.name: lambda: FairScheduler(instance.config(FairConfig))}\n"
    )
    done = run_command(f"simulate {TWO} --scheduler ./mine.py --set config.mine.weights.a=4 --json", tmp_path)
    assert done.code == 0, done.output
    (figures,) = json.loads(done.output)["schedulers"]
    assert figures["scheduler"] == "./mine.py"
    assert figures["shares"]["a"] > 0.6


def test_a_trace_from_standard_input(tmp_path: Path) -> None:
    """As ``-``."""
    request = b'{"arrival_s": 0, "prompt_tokens": 5, "output_tokens": 5}\n'
    done = subprocess.run(
        [*COMMAND, "simulate", "-", "--json"], input=request * 3, stdout=subprocess.PIPE, cwd=tmp_path, check=True
    )
    assert json.loads(done.stdout)["schedulers"][0]["classes"][0]["requests"] == 3


def test_what_bench_records_can_be_replayed(tmp_path: Path, servers: Callable[[str], Target]) -> None:
    """Lengths and times of a real server's requests, and no text."""
    url = servers(scripted_manifest()).url
    load = "--requests 3 --concurrency 1 --input-tokens 20 --output-tokens 4"
    done = run_command(f"bench {url} {load} --record trace.jsonl", tmp_path)
    assert done.code == 0, done.output
    requests = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert [request.keys() for request in requests] == [{"arrival_s", "prompt_tokens", "output_tokens"}] * 3
    done = run_command("simulate trace.jsonl --json", tmp_path)
    assert json.loads(done.output)["schedulers"][0]["classes"][0]["requests"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "give either a TRACE or --synthetic"),
        ("--synthetic rate=1 plugins.toml", "give either a TRACE or --synthetic"),
        ("missing.jsonl", "'missing.jsonl' does not exist"),
        ("plugins.toml", "plugins.toml:1: "),
        ("--synthetic speed=1", "'speed=1'"),
        (f"--synthetic 'rate=1 tenant={'x' * 300}'", "class 1: tenant and prefix have at most 256 characters"),
        ("--synthetic rate=1 --slots 0", "0 is not in the range"),
        ("--synthetic rate=1 --kv-tokens 200", "does not fit into 200 KV tokens"),
        ("--synthetic rate=1 --scheduler nobody", "command line: no installed package provides the plugin 'nobody'"),
        ("--synthetic rate=1 --scheduler keys", "the plugin keys hands over no scheduler"),
        ("--synthetic rate=1 --scheduler fair --compare fcfs", "give one of them"),
        ("--synthetic rate=1 --compare fcfs,,fair", "separated by commas"),
        (
            "--synthetic rate=1 --scheduler fair --set config.fair.slice_tokens=0",
            "config.fair.slice_tokens: must be 1 to 1000000",
        ),
        ("--synthetic rate=1 --svg missing/latency.svg", "no file can be made"),
    ],
)
def test_what_is_refused(tmp_path: Path, arguments: str, message: str) -> None:
    """Before anything is played."""
    (tmp_path / "plugins.toml").write_text('enabled = ["openai", "fair"]\n')
    done = run_command(f"simulate {arguments}", tmp_path)
    assert done.code == 2, done.output
    assert message in done.output


def test_schedulers_complete() -> None:
    """Plugins that have one, also as the next of several."""
    context, parameter = click.Context(command), command.params[1]
    assert complete_schedulers(context, parameter, "f") == ["fair", "fcfs"]
    assert complete_schedulers(context, parameter, "fair,s") == ["fair,shortest-prompt-first"]
    assert complete_schedulers(context, parameter, "keys") == []
