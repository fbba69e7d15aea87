"""What the two processes of a verification tell each other, and what comes out of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from jackfield.plugin_calls import Called
from jackfield.ports.backend import OptionValue

Tables: TypeAlias = dict[str, dict[str, OptionValue]]
"""What an author says of one plugin: the needs of its kits, ``config``, its options meanwhile, and ``prepare``."""

Settings: TypeAlias = dict[str, Tables]
"""What authors say, by plugin."""


class Entry(msgspec.Struct, frozen=True):
    """One plugin of what is verified."""

    name: str
    plugin: str
    """Entry-point name, or the absolute path of a file."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the verifying process is to do."""

    entries: list[Entry]
    settings: Settings
    folder: str
    """Where relative paths start."""
    sys_path: list[str]
    """Put in front of the module path: a project's sources, where it is not installed."""
    done: list[str]
    """Ids of kits that an earlier process has run, or died in."""
    only: str = ""
    """Text that the names of tests must contain."""
    network: bool = False
    """Whether connections beyond this machine are allowed."""


# --- what the verifying process says, in order -----------------------------------------------------------------------


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A plugin cannot be loaded, or broke the contract of a hook."""

    plugin: str
    message: str


class KitOffer(msgspec.Struct, frozen=True, tag="kit"):
    """A kit that is about to run, or cannot."""

    id: str
    """``PLUGIN/HOOK/NAME/KIT``."""
    plugin: str
    hook: str
    name: str
    """Of what the hook hands over; the plugin's own where it hands over nothing by name."""
    kit: str
    secrets: list[str] = []
    """Texts that must not appear in any output."""
    problem: str = ""
    """Why it cannot run."""


class CaseStarted(msgspec.Struct, frozen=True, tag="started"):
    """A test of a kit begins."""

    kit: str
    test: str
    promise: str
    """What it promises, in words."""


class CaseEnded(msgspec.Struct, frozen=True, tag="ended"):
    """It has ended."""

    outcome: Literal["passed", "failed", "skipped"]
    message: str
    seconds: float


class AllDone(msgspec.Struct, frozen=True, tag="done"):
    """Every kit has been run."""


Said: TypeAlias = Called | Refused | KitOffer | CaseStarted | CaseEnded | AllDone


# --- what comes out --------------------------------------------------------------------------------------------------


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test."""

    test: str
    promise: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""
    seconds: float = 0.0


class KitResult(msgspec.Struct, kw_only=True):
    """One kit."""

    plugin: str
    hook: str
    name: str
    kit: str
    problem: str = ""
    """Why it could not run."""
    cases: list[Case] = []

    def count(self, outcome: str) -> int:
        """How many tests ended so."""
        return sum(case.outcome == outcome for case in self.cases)


class Problem(msgspec.Struct, frozen=True):
    """Something that no test found: a plugin that does not load, takes the process down, or prints a secret."""

    plugin: str
    message: str


class Verdict(msgspec.Struct, kw_only=True):
    """The whole report."""

    target: str
    plugins: list[str]
    kits: list[KitResult] = []
    problems: list[Problem] = []
    limits: str = ""
    """What was bounded, and how."""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether something is wrong with a plugin."""
        return bool(self.problems) or any(kit.count("failed") for kit in self.kits)

    @property
    def incomplete(self) -> bool:
        """Whether a kit could not run, or there was nothing to run."""
        return any(kit.problem for kit in self.kits) or not any(kit.cases for kit in self.kits)

    @property
    def result(self) -> Literal["passed", "failed", "incomplete"]:
        """In one word."""
        return "failed" if self.failed else "incomplete" if self.incomplete else "passed"
