"""The process that runs a plugin's code under its kits: ``python -m jackfield.verification.child FD``, job on stdin.

What it finds goes to the descriptor FD as JSON lines, as soon as it is known: whoever reads them knows what ran when
this process dies.
"""

from __future__ import annotations

import importlib
import ipaddress
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import pytest
import tomlkit

from jackfield.errors import JackfieldError
from jackfield.manifest_layers import load_manifest
from jackfield.plugin_calls import FACTORY_DEADLINE_S, Called, PluginCalls
from jackfield.plugins import build_kernel
from jackfield.secret import Secret
from jackfield.testing.kits import KITS, KitEntry
from jackfield.verification.records import AllDone, CaseEnded, CaseStarted, Job, KitOffer, Refused, Said
from jackfield.verification.told import prepared

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from jackfield.plugins import Kernel
    from jackfield.ports.backend import OptionValue
    from jackfield.verification.records import Entry, Tables

LINES_MAX: Final = 12
"""Lines of a failure that are passed on."""

_NOT_THEIRS: Final = {"_pytest", "asyncio", "hypothesis", "jackfield", "pluggy", "pytest", "threading", "unittest"}
"""Packages whose lines say nothing about where a plugin failed."""

_MODULE: Final = "test_kits.py"
_SOURCE: Final = "from jackfield.verification.child import CLASSES\nglobals().update(CLASSES)\n"

_ENDED: Final = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}
"""How pytest ends after it has run everything."""

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
        code = _run(job, voice)
        if code not in _ENDED:
            return int(code)  # without the last word: the kit that ran is to blame, and the others get a new process
    voice.say(AllDone())
    return 0


class _Found(NamedTuple):
    """A kit, and what it is to be run for."""

    kit: KitEntry
    hook: str
    """The first one of its hooks that the plugin implements."""
    name: str


def _offers(job: Job, entry: Entry, voice: Voice) -> Iterator[tuple[KitOffer, type]]:
    """The kits for one plugin, as test classes."""
    voice.say(Called(entry.name, "its import"))
    calls = PluginCalls(lambda call: voice.say(Called(call.plugin, call.what)))
    try:
        told = _told(job, entry, calls)
        text = _manifest(told.get("config"), entry)
        kernel = _kernel(text, job.folder, calls)
        [instance] = [each for each in kernel.instances if each.name == entry.name]
        found = list(_found(kernel, entry, kernel.hooks_of(instance)))
    except JackfieldError as error:
        voice.say(Refused(entry.name, error.message))
        return
    for each in _chosen(found, told):
        attributes = {"manifest": text, "folder": job.folder, "needs": _needs(each, found, told)}
        yield _bound(each, entry.name, attributes)


def _told(job: Job, entry: Entry, calls: PluginCalls) -> Tables:
    """What the author says of one plugin: as written, and over it what the author's function makes."""
    tables = job.settings.get(entry.name, {})
    if "prepare" not in tables:
        return tables
    if entry.name != entry.plugin:
        sys.path.append(job.folder)  # of a single file: the function may stand beside it
    folder = Path(tempfile.mkdtemp())  # it goes with this process's temporary folder
    return calls.run(entry.name, "its prepare function", FACTORY_DEADLINE_S, prepared, tables, entry.name, folder)


def _manifest(options: Mapping[str, OptionValue] | None, entry: Entry) -> str:
    document = tomlkit.document()
    listed = entry.name if entry.name == entry.plugin else f"{entry.name}={entry.plugin}"
    document["enabled"] = [listed]
    if options:
        document["config"] = {entry.name: options}
    return tomlkit.dumps(document)


def _kernel(text: str, folder: str, calls: PluginCalls) -> Kernel:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "plugins.toml")
        file.write_text(text)
        manifest = load_manifest(file, environ={})
    return build_kernel(msgspec.structs.replace(manifest, file=str(Path(folder, file.name))), calls)


def _found(kernel: Kernel, entry: Entry, hooks: Sequence[str]) -> Iterator[_Found]:
    """All kits for what the plugin implements, for each thing that it hands over by name."""
    for kit in KITS:
        hook = next((hook for hook in kit.hooks if hook in hooks), None)
        if hook is not None:
            for name in getattr(kernel, kit.factories)() if kit.factories else [entry.name]:
                yield _Found(kit, hook, name)


def _chosen(found: Sequence[_Found], told: Tables) -> Iterator[_Found]:
    """Where a hook has several kits, those that the author told something; the first where he told none."""
    spoken_of = {each.hook for each in found if each.kit.table in told}
    first: set[tuple[str, str]] = set()
    for each in found:
        if each.kit.table is None or each.kit.table in told:
            yield each
        elif each.hook not in spoken_of and (each.hook, each.name) not in first:
            first.add((each.hook, each.name))
            yield each


def _needs(found: _Found, all_found: Sequence[_Found], told: Tables) -> Mapping[str, object]:
    """What a kit is told of one thing: its table, and over it the one that has that thing's name."""
    table = told.get(found.kit.table or "", {})
    names = {each.name for each in all_found if each.kit is found.kit and isinstance(table.get(each.name), dict)}
    own = table.get(found.name)
    shared = {key: value for key, value in table.items() if key not in names}
    return {**shared, **own} if isinstance(own, dict) else shared


def _bound(found: _Found, plugin: str, attributes: Mapping[str, object]) -> tuple[KitOffer, type]:
    """The kit as a class about one thing that the plugin hands over."""
    kit, hook, name = found
    base: Any = getattr(importlib.import_module(f"jackfield.testing.kits.{kit.module}"), kit.kit)
    identity = f"{plugin}/{hook}/{name}/{kit.kit}"
    case = type(kit.kit, (base,), {**attributes, "name": name, "identity": identity, "__test__": True})
    secrets, problem = list[str](), ""
    try:
        told = case().told(base.Needs)
        secrets = [each.reveal() for each in _values(told) if isinstance(each, Secret)]
    except JackfieldError as error:
        where = f"[tool.jackfield.verify.{plugin}.{kit.table}]"
        problem = f"the kit must be told more, in {where} or with --option: {error.message}"
    return KitOffer(identity, plugin, hook, name, kit.kit, secrets, problem), case


def _values(record: msgspec.Struct) -> Iterator[object]:
    for field in record.__struct_fields__:
        value = getattr(record, field)
        yield from value if isinstance(value, list | tuple) else [value]


def _run(job: Job, voice: Voice) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(scratch, "hypothesis"))
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        Path(scratch, _MODULE).write_text(_SOURCE)
        Path(scratch, "pytest.ini").write_text("[pytest]\n")
        # no word of pytest's own about failures: what it quotes would look like the plugin's output, secrets and all
        arguments = [
            "-q",
            "-s",
            "--tb=no",
            "--no-summary",
            "-p",
            "no:cacheprovider",
            "--import-mode=importlib",
            "--rootdir",
            scratch,
        ]
        arguments += ["-c", str(Path(scratch, "pytest.ini")), "--basetemp", str(Path(scratch, "tmp"))]
        arguments += ["-k", job.only] if job.only else []
        return pytest.main([*arguments, str(Path(scratch, _MODULE))], plugins=[_Reporter(voice)])


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
