"""Every method of a port says, in one form, who calls it, how long it may take and what happens when it fails."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import jackfield.ports
from jackfield import hookspecs
from jackfield.plugin_calls import hook_deadline
from jackfield.port_calls import POLICIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).parents[2]

KERNELS_OWN: Final = {"Asking", "Documents", "Gateway", "Operator", "PolicyDocuments", "SequenceView"}
"""Protocols that the kernel implements and plugins call."""

FORM: Final = re.compile(
    r"^Process and thread: (?P<who>[^.]+)\. Deadline: (?P<deadline>.+?)\. Failure policy: (?P<failure>open|closed)\b",
    re.MULTILINE,
)
UNITS: Final = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}


def port_methods() -> Iterator[tuple[str, Callable[..., object]]]:
    """Every method that a plugin implements, properties apart."""
    for found in pkgutil.iter_modules(jackfield.ports.__path__):
        module = importlib.import_module(f"jackfield.ports.{found.name}")
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ != module.__name__ or not getattr(kind, "_is_protocol", False) or name in KERNELS_OWN:
                continue
            for method, function in vars(kind).items():
                if inspect.isfunction(function) and not method.startswith("_"):
                    yield f"{name}.{method}", function


METHODS: Final = dict(port_methods())


def stated(doc: str | None) -> re.Match[str]:
    """The sentence in the fixed form, however it is wrapped."""
    text = "\n".join(" ".join(part.split()) for part in inspect.cleandoc(doc or "").split("\n\n"))
    found = FORM.search(text)
    assert found, f"no 'Process and thread: … Deadline: … Failure policy: …' in: {text}"
    return found


def seconds(deadline: str) -> float:
    """``100 µs; slower calls …`` as a number."""
    number, unit = re.match(r"([\d.]+) (s|ms|µs)\b", deadline).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def test_the_ports_are_read() -> None:
    """An empty table would let every test below pass."""
    assert {"Backend.load", "Scheduler.plan", "Authenticator.authenticate", "Check.run"} <= METHODS.keys()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_who_calls_it_how_long_and_what_if_not(method: str) -> None:
    """In that order; the process is one that there is."""
    found = stated(METHODS[method].__doc__)
    assert re.match(r"(gateway|worker|command line)\b", found["who"])


@pytest.mark.parametrize("method", POLICIES)
def test_what_is_measured_is_what_is_documented(method: str) -> None:
    """Deadline and policy."""
    found = stated(METHODS[method].__doc__)
    assert seconds(found["deadline"]) == pytest.approx(POLICIES[method].deadline_s)
    assert found["failure"] == POLICIES[method].failure


def test_what_is_said_to_be_counted_is_measured() -> None:
    """A promise that nobody keeps."""
    said = {method for method, function in METHODS.items() if "slower calls" in (function.__doc__ or "")}
    assert said
    assert said - POLICIES.keys() == set()


@pytest.mark.parametrize("hook", [name for name in vars(hookspecs) if name.startswith("jackfield_")])
def test_hooks_are_held_to_their_documented_deadlines(hook: str) -> None:
    """The watch at a start warns after what the docstring says."""
    found = re.search(r"Deadline:\s+([\d.]+) s", inspect.getdoc(getattr(hookspecs, hook)) or "")
    assert found
    assert float(found[1]) == hook_deadline(hook)


def test_an_author_of_every_hook_and_port_is_type_checked() -> None:
    """``tests/typing/every_hook.py`` leaves none out."""
    text = (ROOT / "tests" / "typing" / "every_hook.py").read_text()
    hooks = [name for name in vars(hookspecs) if name.startswith("jackfield_")]
    assert [hook for hook in hooks if f"def {hook}(" not in text] == []
    assert [method for method in METHODS if f"def {method.partition('.')[2]}(" not in text] == []
