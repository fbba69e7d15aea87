"""The process that runs a plugin's code under its kits: ``python -m jackfield.verification.child FD``, job on stdin.

What it finds goes to the descriptor FD as JSON lines, as soon as it is known: whoever reads them knows what ran when
this process dies.
"""

from __future__ import annotations

import ipaddress
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
import tomlkit

from jackfield.errors import JackfieldError
from jackfield.manifest_layers import load_manifest
from jackfield.plugin_calls import PluginCalls
from jackfield.plugins import build_kernel
from jackfield.secret import Secret
from jackfield.verification.records import AllDone, Calling, CaseEnded, CaseStarted, Job, KitOffer, Refused, Said

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from jackfield.plugins import Kernel
    from jackfield.testing.kits import KitEntry
    from jackfield.verification.records import Entry

LINES_MAX: Final = 12
"""Lines of a failure that are passed on."""

_NOT_THEIRS: Final = {"_pytest", "asyncio", "hypothesis", "jackfield", "pluggy", "pytest", "threading", "unittest"}
"""Packages whose lines say nothing about where a plugin failed."""

_MODULE: Final = "test_kits.py"
_SOURCE: Final = "from jackfield.verification.child import CLASSES\nglobals().update(CLASSES)\n"

CLASSES: Final[dict[str, type]] = {}
"""The test classes of this process; pytest finds them in a module made for it."""

pytest.register_assert_rewrite("jackfield.testing.kits")


class Voice:
    """Says what happens."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def say(self, word: Said) -> None:
        """Send *word*."""
        self._file.write(msgspec.json.encode(word) + b"\n")


def main() -> int:
    """Do the job on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    voice = Voice(int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path[:0] = job.sys_path
    os.chdir(job.folder)
    if not job.network:
        sys.addaudithook(_refuse_network)
    for entry in job.entries:
        for offer, case in _offers(job, entry, voice):
            if offer.id not in job.done:
                voice.say(offer)
                if not offer.problem:
                    CLASSES[f"Test{len(CLASSES)}"] = case
    if CLASSES:
        _run(job, voice)
    voice.say(AllDone())
    return 0


def _offers(job: Job, entry: Entry, voice: Voice) -> Iterator[tuple[KitOffer, type]]:
    """The kits for one plugin, as test classes."""
    voice.say(Calling(entry.name, "its import"))
    calls = PluginCalls(lambda call: voice.say(Calling(call.plugin, call.what)))
    try:
        text = _manifest(job, entry)
        kernel = _kernel(text, job.folder, calls)
        [instance] = [each for each in kernel.instances if each.name == entry.name]
        hooks = kernel.hooks_of(instance)
        found = [(kit, name) for kit in _kits(hooks) for name in _names(kernel, kit, entry)]
    except JackfieldError as error:
        voice.say(Refused(entry.name, error.message))
        return
    for kit, name in _chosen(found, job, entry):
        yield _bound(kit, name, text, job, entry)


def _manifest(job: Job, entry: Entry) -> str:
    document = tomlkit.document()
    listed = entry.name if entry.name == entry.plugin else f"{entry.name}={entry.plugin}"
    document["enabled"] = [listed]
    options = job.settings.get(entry.name, {}).get("config")
    if options:
        document["config"] = {entry.name: options}
    return tomlkit.dumps(document)


def _kernel(text: str, folder: str, calls: PluginCalls) -> Kernel:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "plugins.toml")
        file.write_text(text)
        manifest = load_manifest(file, environ={})
    return build_kernel(msgspec.structs.replace(manifest, file=str(Path(folder, file.name))), calls)


def _kits(hooks: Sequence[str]) -> Iterator[KitEntry]:
    from jackfield.testing.kits import KITS

    seen: set[str] = set()
    for kit in KITS:
        if kit.hook in hooks and kit.kit not in seen:
            seen.add(kit.kit)
            yield kit


def _names(kernel: Kernel, kit: KitEntry, entry: Entry) -> list[str]:
    """What the plugin hands over there, by name."""
    return list(getattr(kernel, kit.factories)()) if kit.factories else [entry.name]


def _chosen(found: list[tuple[KitEntry, str]], job: Job, entry: Entry) -> Iterator[tuple[KitEntry, str]]:
    """Where a hook has several kits, those that the author told something; the first where he told none."""
    tables = job.settings.get(entry.name, {})
    told = {kit.hook for kit, _ in found if kit.table in tables}
    first: set[tuple[str, str]] = set()
    for kit, name in found:
        if kit.table is None or kit.table in tables:
            yield kit, name
        elif kit.hook not in told and (kit.hook, name) not in first:
            first.add((kit.hook, name))
            yield kit, name


def _bound(kit: KitEntry, name: str, text: str, job: Job, entry: Entry) -> tuple[KitOffer, type]:
    """The kit as a class about one thing that the plugin hands over."""
    import importlib

    base: Any = getattr(importlib.import_module(f"jackfield.testing.kits.{kit.module}"), kit.kit)
    needs = job.settings.get(entry.name, {}).get(kit.table or "", {})
    identity = f"{entry.name}/{kit.hook}/{name}/{kit.kit}"
    case = type(
        kit.kit,
        (base,),
        {"manifest": text, "name": name, "needs": needs, "folder": job.folder, "identity": identity, "__test__": True},
    )
    secrets, problem = list[str](), ""
    try:
        told = case().told(base.Needs)
        secrets = [each.reveal() for each in _values(told) if isinstance(each, Secret)]
    except JackfieldError as error:
        where = f"[tool.jackfield.verify.{entry.name}.{kit.table}]"
        problem = f"the kit must be told more, in {where} or with --option: {error.message}"
    return KitOffer(identity, entry.name, kit.hook, name, kit.kit, secrets, problem), case


def _values(record: msgspec.Struct) -> Iterator[object]:
    for field in record.__struct_fields__:
        value = getattr(record, field)
        yield from value if isinstance(value, list | tuple) else [value]


def _run(job: Job, voice: Voice) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(scratch, "hypothesis"))
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        Path(scratch, _MODULE).write_text(_SOURCE)
        Path(scratch, "pytest.ini").write_text("[pytest]\n")
        arguments = ["-q", "-s", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", scratch]
        arguments += ["-c", str(Path(scratch, "pytest.ini")), "--basetemp", str(Path(scratch, "tmp"))]
        arguments += ["-k", job.only] if job.only else []
        pytest.main([*arguments, str(Path(scratch, _MODULE))], plugins=[_Reporter(voice)])


class _Reporter:
    """Says which test runs, and how it ended."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._ends: list[CaseEnded] = []
        self._seconds = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        function: Any = getattr(item, "function", None)
        self._ends, self._seconds = [], 0.0
        identity = getattr(getattr(item, "cls", None), "identity", "")
        name = item.name.partition("[")[0].removeprefix("test_").replace("_", " ")
        doc = " ".join((getattr(function, "__doc__", None) or "").split())
        self._voice.say(CaseStarted(identity, item.name, f"{name.capitalize()}: {doc}"))
        result = yield
        self._voice.say((self._ends or [CaseEnded("passed", "", self._seconds)])[0])
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._seconds += call.duration
        if report.skipped:
            self._ends.append(CaseEnded("skipped", _why_skipped(report), self._seconds))
        elif report.failed and call.excinfo is not None:
            self._ends.insert(0, CaseEnded("failed", _in_words(call.excinfo), self._seconds))
        return report


def _why_skipped(report: pytest.TestReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""


def _in_words(info: pytest.ExceptionInfo[BaseException]) -> str:
    """The failure, and where in the plugin it happened if it was there."""
    lines = info.exconly().splitlines()
    lines += [str(note) for note in getattr(info.value, "__notes__", ())]
    own = [
        f"in {entry.name} of {Path(str(entry.path)).name}, line {entry.lineno + 1}"
        for entry in info.traceback
        if str(entry.frame.f_globals.get("__name__", "")).partition(".")[0] not in _NOT_THEIRS
    ]
    return "\n".join([*lines[:LINES_MAX], *own[-1:]])


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: connections beyond this machine fail. Libraries that call the system themselves are not seen."""
    if event not in {"socket.connect", "socket.sendto"} or not isinstance(arguments[1], tuple):
        return
    host = str(arguments[1][0])
    try:
        local = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise PermissionError("there is no network while a plugin is verified; --network allows it")


if __name__ == "__main__":
    sys.modules["jackfield.verification.child"] = sys.modules["__main__"]  # the test module must find these classes
    sys.exit(main())
