"""Saved slots: written, read back, and only by those who had computed them."""

from __future__ import annotations

import errno
import os
import threading
import time
from array import array
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.kernel.worker.conversations import asked
from tests.kernel.worker.engines import Engine, question, require_same
from tests.kernel.worker.engines import load as load_model
from tests.kernel.worker.test_answering import DEADLINE_S

from jackfield.channel.messages import RequestFailed, Submit
from jackfield.errors import InvalidRequest
from jackfield.questions import SaveSlot, SlotDone
from jackfield.sampling import SamplingParams
from jackfield.types import Finished, GenerateRequest, TokenPrompt
from jackfield.worker import slot_files
from jackfield.worker.engine.prefix.scope import scope_of
from jackfield.worker.engine.prefix.slot_states import Gone, SlotState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kernel.worker.conftest import Peer

    from jackfield.channel.messages import SequenceEvent
    from jackfield.worker.host import WorkerHost

TEXT = "[say:yes] what was computed once need not be computed again"


class Worker:
    """A worker that saves slots, and a gateway of several tenants."""

    def __init__(self, host: WorkerHost, peer: Peer) -> None:
        self._host = host
        self._peer = peer
        self._number = 0

    def send(self, request: GenerateRequest | SaveSlot, tenant: str) -> SequenceEvent:
        """The last event that comes back."""
        self._number += 1
        self._peer.messages.send(Submit(self._number, request, None, tenant))
        while True:
            events = self._peer.events.get(self._number, [])
            if events and isinstance(events[-1], Finished | SlotDone | RequestFailed):
                return events[-1]
            self._peer.receive()

    def begin(self, text: str) -> None:
        """Ask for a long answer, and wait for its first token."""
        self._number += 1
        request = GenerateRequest(model="m", prompt=asked(text), max_tokens=400)
        self._peer.messages.send(Submit(self._number, request, None, "a"))
        self._peer.until_text(self._number)

    def cached(self, tenant: str = "a", text: str = TEXT) -> int:
        """Tokens of a prompt that were not computed."""
        request = GenerateRequest(model="m", prompt=asked(text), sampling=SamplingParams(temperature=0))
        end = self.send(request, tenant)
        assert isinstance(end, Finished), end
        return end.usage.cached_tokens

    def slot(self, action: str, tenant: str = "a", slot: int = 0, file: str = "one") -> SlotDone:
        """Do something with a slot, which must go well."""
        done = self.send(SaveSlot(model="m", slot=slot, action=action, file=file), tenant)  # type: ignore[arg-type]
        assert isinstance(done, SlotDone), done
        return done

    def refused(self, action: str, tenant: str = "a", slot: int = 0, file: str = "one") -> str | None:
        """The field at fault."""
        done = self.send(SaveSlot(model="m", slot=slot, action=action, file=file), tenant)  # type: ignore[arg-type]
        assert isinstance(done, RequestFailed), done
        return done.error.param

    def clear(self) -> None:
        """Forget all prefixes."""
        done = threading.Event()
        self._host.ask_cache(lambda _: done.set(), clear=True)
        assert done.wait(DEADLINE_S)


@pytest.fixture(params=["ranges", "whole", "checkpoints"])
def worker(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    load: Callable[..., WorkerHost],
    running: Callable[[WorkerHost], Peer],
) -> Worker:
    """One of each kind of reuse."""
    host = load(slot_folder=str(tmp_path / "slots"), options={"reuse": request.param})
    return Worker(host, running(host))


def test_saved_and_restored(worker: Worker, tmp_path: Path) -> None:
    """The next request with these tokens is served from it; the file is its owner's alone."""
    assert worker.cached() == 0
    saved = worker.slot("save")
    (file,) = (path for path in (tmp_path / "slots").rglob("*") if path.is_file())
    assert file.name == "one"
    assert (saved.size_bytes, file.stat().st_mode & 0o777) == (file.stat().st_size, 0o600)
    assert saved.tokens > len(TEXT)
    worker.clear()
    assert worker.slot("restore").tokens == saved.tokens
    assert worker.cached(text=f"{TEXT}\n<assistant>yes") == saved.tokens
    assert worker.cached("b", text=f"{TEXT}\n<assistant>yes") == 0


def test_a_restored_slot_is_like_one_that_computed(worker: Worker) -> None:
    """It is saved and erased under its own number; one that computes keeps what it computes."""
    worker.cached()
    saved = worker.slot("save")
    worker.clear()
    worker.slot("restore", slot=1)
    assert worker.slot("save", slot=1, file="two").tokens == saved.tokens
    assert worker.slot("erase", slot=1).tokens == saved.tokens
    assert worker.slot("erase", slot=1).tokens == 0
    worker.begin("[delay:20][repeat:400:a]")
    worker.slot("restore")
    assert worker.slot("save").tokens < saved.tokens


def test_what_has_left_the_device_is_computed_again(worker: Worker) -> None:
    """Also where it is too short to be kept; it is saved as if it had stayed."""
    for text in (TEXT, "[say:a]"):
        worker.cached(text=text)
        before = worker.slot("save").tokens
        worker.clear()
        assert worker.slot("save", file="again").tokens == before
        worker.clear()
        assert worker.slot("restore", file="again").tokens == before
    assert worker.slot("save", file="two").tokens == before


def test_a_tenant_reaches_its_own_alone(worker: Worker) -> None:
    """Neither slots nor files of others, nor their names."""
    worker.cached("a")
    assert worker.refused("save", "b") == "id_slot"
    assert worker.slot("erase", "b").tokens == 0
    worker.slot("save", "a")
    assert worker.refused("restore", "b") == "filename"
    worker.cached("b")
    worker.slot("save", "b")
    worker.slot("restore", "a")


def test_what_is_not_there(worker: Worker) -> None:
    """Slots that have computed nothing, slots that do not exist, and files that were never saved."""
    assert worker.refused("save") == worker.refused("save", slot=99) == worker.refused("erase", slot=99) == "id_slot"
    assert worker.refused("restore", file="never") == "filename"
    assert worker.slot("erase", slot=1).tokens == 0
    worker.cached()
    worker.slot("save")
    assert worker.refused("restore", slot=99) == "id_slot"


def test_a_running_slot(worker: Worker) -> None:
    """It is saved as far as it has come, and not erased."""
    worker.begin("[delay:20][repeat:400:a]")
    assert worker.slot("save").tokens > len("[delay:20][repeat:400:a]")
    assert worker.refused("erase") == "id_slot"


def test_no_end_of_files(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may save so many, and over them as often as it likes."""
    monkeypatch.setattr(slot_files, "FILES_MAX", 2)
    worker.cached()
    for file in ("one", "two", "one", "two"):
        worker.slot("save", file=file)
    assert worker.refused("save", file="three") == "filename"


def test_no_end_of_bytes(
    tmp_path: Path, load: Callable[..., WorkerHost], running: Callable[[WorkerHost], Peer]
) -> None:
    """Each may save so many: what is saved over does not count, and what others save."""
    probe = load(slot_folder=str(tmp_path / "probe"))
    worker = Worker(probe, running(probe))
    worker.cached()
    size = worker.slot("save").size_bytes
    host = load(slot_folder=str(tmp_path / "slots"), slot_limit=size * 2 - 1)
    worker = Worker(host, running(host))
    worker.cached()
    worker.slot("save")
    worker.slot("save")
    assert worker.refused("save", file="two") == "filename"
    worker.cached("b")
    worker.slot("save", "b", file="two")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES])
def test_a_full_disk(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Said so, with nothing left behind; what was saved before is still there."""
    worker.cached()
    before = worker.slot("save")

    def full(*_: object) -> int:
        raise OSError(number, os.strerror(number), str(tmp_path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        done = worker.send(SaveSlot(model="m", slot=0, action="save", file="one"), "a")
    assert isinstance(done, RequestFailed)
    assert done.error.code == ("store_full" if number in {errno.ENOSPC, errno.EDQUOT} else "internal_error")
    assert os.strerror(number) in done.error.message
    assert str(tmp_path) not in done.error.message
    assert [path.name for path in (tmp_path / "slots").rglob("*") if path.is_file()] == ["one"]
    assert worker.slot("restore").tokens == before.tokens


def test_what_killed_workers_left_goes(worker: Worker, tmp_path: Path) -> None:
    """Once it is certain that nobody writes it."""
    worker.cached()
    worker.slot("save")
    (folder,) = (tmp_path / "slots").iterdir()
    for name, age in ((".old", slot_files.ABANDONED_S + 60), (".new", 0.0)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    worker.slot("save", file="two")
    assert {path.name for path in folder.iterdir()} == {".new", "one", "two"}


def test_erased(worker: Worker) -> None:
    """Nothing is left to be saved, and the prompt is computed again."""
    worker.cached()
    assert worker.slot("erase").tokens > len(TEXT)
    assert worker.refused("save") == "id_slot"
    assert worker.cached() == 0


def test_a_damaged_file_is_refused(worker: Worker, tmp_path: Path) -> None:
    """As one of another model is."""
    worker.cached()
    worker.slot("save")
    (file,) = (path for path in (tmp_path / "slots").rglob("*") if path.is_file())
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert worker.refused("restore") == "filename"
    file.unlink()
    file.symlink_to(__file__)
    assert worker.refused("restore") == "filename"


@pytest.mark.parametrize("model", [{}, {"slot_folder": "/nowhere", "prefix_cache": "off"}])
def test_it_must_be_configured(
    model: dict[str, object], load: Callable[..., WorkerHost], running: Callable[[WorkerHost], Peer]
) -> None:
    """By default nobody writes files."""
    host = load(**model)
    assert Worker(host, running(host)).refused("save") == "action"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 129, "\0"])
def test_names_are_plain(name: str) -> None:
    """No path leads out of the folder."""
    with pytest.raises(InvalidRequest, match="plain file name"):
        SaveSlot(model="m", slot=0, action="save", file=name)


def state_of(taken: SlotState | Gone) -> SlotState:
    """It must still be there."""
    assert isinstance(taken, SlotState)
    return taken


@pytest.mark.parametrize("name", ["demo", "base", "recurrent", "hybrid-delta"])
def test_states_of_real_models(name: str) -> None:
    """What goes on from a restored slot is what goes on from a computed one."""
    runner = load_model(name)
    first = question("The studio has a panel of sockets that every device is plugged into.")
    with Engine(runner) as engine:
        (asker,) = engine.ask(first)
        scope = scope_of("shared", "", "")
        assert scope is not None
        taken: list[SlotState] = []
        engine.between_steps(
            lambda: engine.loop.with_slots(lambda states: taken.append(state_of(states.take(0, scope))))
        )
        engine.between_steps(lambda: None)
        tokens = array("i", taken[0].tokens)
        longer = msgspec.structs.replace(first, prompt=TokenPrompt((*tokens, 40, 41)))
        (computed,) = engine.ask(msgspec.structs.replace(longer, cache_prompt=False))
        engine.loop.cache_clear(lambda _: None)
        engine.between_steps(lambda: engine.loop.with_slots(lambda states: states.put(0, scope, taken[0])))
        engine.between_steps(lambda: None)
        (restored,) = engine.ask(longer)
    assert asker.cached == 0
    assert restored.cached == len(tokens)
    require_same(runner, restored.scores, computed.scores)
    runner.close()
