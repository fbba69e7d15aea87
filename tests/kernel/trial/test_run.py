"""Trials: plugins' code in a process that may crash or hang."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jackfield.errors import ManifestError, PluginError
from jackfield.manifest import DEFAULT_DIALECTS, DEFAULT_SECRETS
from jackfield.manifest_layers import load_manifest
from jackfield.trial.messages import Inspect, Inspected, Rehearse, Rehearsed
from jackfield.trial.run import Trial, only_word

if TYPE_CHECKING:
    from jackfield.manifest import Manifest

PLUGIN = """\
import os, signal, subprocess, sys, time
from jackfield import hookimpl

{top}

@hookimpl
def jackfield_startup(instance, process):
    pass
"""


def manifest(folder: Path, top: str, *more: str) -> Manifest:
    """One whose plugin does something when it is imported."""
    (folder / "mine.py").write_text(PLUGIN.format(top=top))
    file = folder / "plugins.toml"
    file.write_text(f"enabled = {json.dumps(['./mine.py', *more])}\n[models.demo]\nsource = 'jackfield:demo'\n")
    return load_manifest(file, environ={})


@pytest.mark.parametrize(
    ("top", "message"),
    [
        (
            "os.kill(os.getpid(), signal.SIGSEGV)",
            "loading the plugins ended by SIGSEGV; last called: plugin mine, its import",
        ),
        ("os._exit(0)", "loading the plugins gave no answer; last called: plugin mine, its import"),
        ("os._exit(7)", "loading the plugins ended with exit code 7"),
        ("time.sleep(3600)", "loading the plugins has not ended after 3 s"),
        ("raise ValueError('broken')", "broken"),
    ],
)
def test_what_goes_wrong_is_told(tmp_path: Path, top: str, message: str) -> None:
    """As an error of the plugin; this process goes on."""
    with pytest.raises(PluginError, match=message):
        only_word(Rehearse(manifest(tmp_path, top).dump()), "loading the plugins", 3.0)


def test_what_it_prints_disturbs_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Results have a channel of their own."""
    top = "print('noise'); os.write(1, b'noise'); os.write(2, b'noise')"
    word = only_word(Rehearse(manifest(tmp_path, top, "llama-cpu", "openai").dump()), "loading the plugins")
    assert isinstance(word, Rehearsed)
    assert set(word.plugins) == {
        "mine",
        "llama-cpu",
        "openai",
        "fcfs",
        *(ref.name for ref in DEFAULT_DIALECTS + DEFAULT_SECRETS),
    }
    assert capfd.readouterr() == ("", "")


def test_what_it_started_is_ended_with_it(tmp_path: Path) -> None:
    """Nothing is left running of a trial that hangs."""
    note = tmp_path / "pid"
    top = (
        f"child = subprocess.Popen(['sleep', '3600']); open({str(note)!r}, 'w').write(str(child.pid)); time.sleep(3600)"
    )
    with pytest.raises(PluginError, match="has not ended"):
        only_word(Rehearse(manifest(tmp_path, top).dump()), "loading the plugins", 3.0)
    pid = int(note.read_text())
    deadline = time.monotonic() + 10
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _lives(pid)


def test_it_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    """Also when nobody listens to the end."""
    task = Rehearse(manifest(tmp_path, "time.sleep(3600)").dump())
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Trial(task):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_two_frontends_of_one_kind_are_found(tmp_path: Path) -> None:
    """As the gateway would find them."""
    file = tmp_path / "plugins.toml"
    file.write_text('enabled = ["llama-cpu", "openai", "second=openai"]\n[models.demo]\nsource = "jackfield:demo"\n')
    with pytest.raises(PluginError, match="openai and second both serve"):
        only_word(Rehearse(load_manifest(file, environ={}).dump()), "loading the plugins")


def test_a_public_address_is_refused_as_at_the_start(tmp_path: Path) -> None:
    """Without an authenticator."""
    asked = load_manifest(None, sets=["kernel.listen=0.0.0.0:0"], environ={})
    with pytest.raises(ManifestError, match="authenticator"):
        only_word(Rehearse(asked.dump()), "loading the plugins")
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_inspected_without_its_weights() -> None:
    """By its backend."""
    pytest.importorskip("llama_cpp")
    word = only_word(Inspect(load_manifest(None, environ={}).dump(), "demo"), "the inspection")
    assert isinstance(word, Inspected)
    assert word.info.architecture == "llama"
    assert word.info.has_chat_template


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
