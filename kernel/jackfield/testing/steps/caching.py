"""Steps: cached prompts as operators see them, and stores that outlive a worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from pytest_bdd import given, then, when

from jackfield.cache_report import CacheReport
from jackfield.lifecycle import WorkerState
from jackfield.testing.command import CommandResult, run_command
from jackfield.testing.manifests import DEMO, scripted_manifest
from jackfield.testing.steps.keys import create, serve_with_keys
from jackfield.testing.steps.words import words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jackfield.testing.client import Reply
    from jackfield.testing.serve import ServeProcess

STORE_FOLDER: Final = "kept"
"""Where scenarios keep prefixes, in the folder where commands run."""


class _Warmed(msgspec.Struct, frozen=True):
    """What ``jackfield cache warm --json`` prints of a prompt."""

    prompt_tokens: int
    cached_tokens: int


class _Shown(msgspec.Struct, frozen=True):
    """What ``jackfield cache show --json`` prints of a worker."""

    answer: CacheReport | None


class _State(msgspec.Struct, frozen=True):
    """What ``jackfield workers list --json`` prints."""

    class Child(msgspec.Struct, frozen=True):
        """One process."""

        kind: str
        state: str

    children: list[Child]


@given("jackfield serve runs with a scripted model that keeps prefixes in memory", target_fixture="service")
def service_with_memory(serve: Callable[[str], ServeProcess]) -> ServeProcess:
    """Supervisor, gateway and a worker, all ready."""
    return _ready(serve(scripted_manifest(enabled=("kv-memory",))))


@given("jackfield serve runs with a scripted model that keeps prefixes in memory, and keys", target_fixture="service")
def service_with_memory_and_keys(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All ready; there is one key, which nobody uses."""
    return serve_with_keys(serve, tmp_path, scripted_manifest(enabled=("kv-memory", "keys")))


@given("jackfield serve runs with the demo model, which keeps prefixes on disk", target_fixture="service")
def service_with_disk(serve: Callable[[str], ServeProcess]) -> ServeProcess:
    """All ready; nothing else keeps prefixes."""
    return _ready(serve(_demo_on_disk(STORE_FOLDER)))


@given("jackfield serve runs with the demo model, which keeps prefixes on disk, and keys", target_fixture="service")
def service_with_disk_and_keys(serve: Callable[[str], ServeProcess], tmp_path: Path) -> ServeProcess:
    """All ready; there is one key, which nobody uses."""
    manifest = _demo_on_disk(STORE_FOLDER).replace('"kv-disk"]', '"kv-disk", "keys"]')
    return serve_with_keys(serve, tmp_path, manifest)


@given(
    "jackfield serve runs with the demo model in deterministic mode, which keeps prefixes on disk",
    target_fixture="service",
)
def deterministic_service_with_disk(serve: Callable[[str], ServeProcess]) -> ServeProcess:
    """All ready; answers do not depend on how their prompt was computed."""
    return _ready(serve(f"{_demo_on_disk(STORE_FOLDER)}[config.llama-cpu]\ndeterministic = true\n"))


@given(
    words("jackfield serve starts with the demo model, which keeps prefixes in the folder {name:Text}"),
    target_fixture="service",
)
def service_with_folder(serve: Callable[[str], ServeProcess], name: str) -> ServeProcess:
    """The gateway answers."""
    service = serve(_demo_on_disk(name))
    service.wait_live()
    return service


@given(words("a folder {name:Text} that others may enter"))
def open_folder(tmp_path: Path, name: str) -> None:
    """In the folder where commands run."""
    (tmp_path / name).mkdir()
    (tmp_path / name).chmod(0o755)


@given(words("a file {name:Text} of {count:d} words"))
def file_of_words(tmp_path: Path, name: str, count: int) -> None:
    """Each another one, in the folder where commands run."""
    (tmp_path / name).write_text(" ".join(f"word{number}" for number in range(count)))


@given(words("a file {name:Text} with a key"))
def file_with_key(tmp_path: Path, name: str) -> None:
    """As ``--key-file`` takes it; the key is called as the file is."""
    (tmp_path / name).write_text(create(name, tmp_path))


@when("a bit of each stored state is flipped")
def damage(tmp_path: Path) -> None:
    """In the middle of its file."""
    files = list((tmp_path / STORE_FOLDER).rglob("*.kv"))
    assert files
    for file in files:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)


@then("nothing of the prompt was cached")
def warmed_nothing(result: CommandResult) -> None:
    """What ``jackfield cache warm --json`` says of its only prompt."""
    assert _warmed(result).cached_tokens == 0


@then("the prompt was cached but for its last token")
def warmed_all(result: CommandResult) -> None:
    """What ``jackfield cache warm --json`` says of its only prompt."""
    warmed = _warmed(result)
    assert warmed.cached_tokens == warmed.prompt_tokens - 1 > 0


@then(words("at least {count:d} tokens of its prompt were cached"))
def answered_from_cache(reply: Reply, count: int) -> None:
    """As the answer's usage says."""
    assert _cached(reply) >= count


@then(words("fewer than {count:d} tokens of its prompt were cached"))
def answered_mostly_anew(reply: Reply, count: int) -> None:
    """As the answer's usage says."""
    assert _cached(reply) < count


@then("nothing of its prompt was cached")
def answered_anew(reply: Reply) -> None:
    """As the answer's usage says."""
    assert _cached(reply) == 0


@then(words("within {seconds:g} seconds the store {name:Text} holds it"))
def is_stored(service: ServeProcess, seconds: float, name: str) -> None:
    """All tokens that are cached at all, as ``jackfield cache show`` says."""

    def stored() -> bool:
        report = _report(service)
        entries = [store.entries for store in report.stores if store.name == name]
        return bool(report.prefixes) and entries > [0] and report.stored_tokens >= report.idle_tokens > 0

    service.wait("stored", stored, deadline_s=seconds)


@then(words("the store {name:Text} has noticed damage"))
def noticed(service: ServeProcess, name: str) -> None:
    """It counts what it has dropped."""
    [store] = [store for store in _report(service).stores if store.name == name]
    assert store.dropped > 0


@then(words("within {seconds:g} seconds the model is refused"))
def model_refused(service: ServeProcess, seconds: float) -> None:
    """Its worker has failed for good."""

    def failed() -> bool:
        done = run_command("workers list --json", service.folder)
        children = msgspec.json.decode(done.output, type=_State).children
        return [child.state for child in children if child.kind == "worker"] == [WorkerState.FAILED]

    service.wait("refused", failed, deadline_s=seconds)


def _ready(service: ServeProcess) -> ServeProcess:
    service.wait_ready()
    return service


def _demo_on_disk(folder: str) -> str:
    enabled, _, rest = DEMO.partition("\n")
    entries = [*json.loads(enabled.partition("=")[2]), "kv-disk"]
    return f'enabled = {json.dumps(entries)}\n{rest}\n[config.kv-disk]\npath = "{folder}"\n'


def _warmed(result: CommandResult) -> _Warmed:
    assert result.code == 0, result.output
    [warmed] = msgspec.json.decode(result.output, type=list[_Warmed])
    return warmed


def _cached(reply: Reply) -> int:
    details = reply.completion.usage.prompt_tokens_details
    assert details is not None, "the answer does not say how much was cached"
    return details.cached_tokens


def _report(service: ServeProcess) -> CacheReport:
    done = run_command("cache show --json", service.folder)
    assert done.code == 0, done.output
    [shown] = msgspec.json.decode(done.output, type=list[_Shown])
    if shown.answer is None:
        pytest.fail(f"the worker did not answer: {done.output}")
    return shown.answer
