"""What plugin authors may rely on: exact, sorted, documented."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
from typing import TYPE_CHECKING, Final

import pytest

import jackfield
import jackfield.ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PORTS: Final = [f"jackfield.ports.{module.name}" for module in pkgutil.iter_modules(jackfield.ports.__path__)]
PUBLIC: Final = [
    *PORTS,
    "jackfield.context",
    "jackfield.errors",
    "jackfield.hookspecs",
    "jackfield.lifecycle",
    "jackfield.outbound.answers",
    "jackfield.outbound.client",
    "jackfield.outbound.errors",
    "jackfield.outbound.options",
    "jackfield.plugins",
    "jackfield.scheduling",
    "jackfield.sealing.book",
    "jackfield.sealing.commands",
    "jackfield.sealing.secrets",
    "jackfield.sealing.store",
    "jackfield.secret",
    "jackfield.types",
]


def test_the_front_door() -> None:
    """It changes on purpose, together with this list and CHANGELOG.md."""
    assert jackfield.__all__ == [
        "API_VERSION",
        "Kernel",
        "PluginInstance",
        "__version__",
        "build_kernel",
        "hookimpl",
    ]


def test_all_is_sorted_and_exact() -> None:
    """Nothing slips out that is not listed."""
    assert list(jackfield.__all__) == sorted(jackfield.__all__)
    public = {
        name
        for name, value in vars(jackfield).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert public | {"__version__"} == set(jackfield.__all__)


def test_the_version_is_stated_once() -> None:
    """The package and its metadata agree."""
    assert jackfield.__version__ == importlib.metadata.version("jackfield")


def own(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Public classes and functions that *module* defines."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_symbol_is_documented(name: str) -> None:
    """Its editor tooltip is a plugin author's first page of documentation."""
    module = importlib.import_module(name)
    assert module.__doc__
    undocumented = [symbol for symbol, value in own(module) if not inspect.getdoc(value)]
    assert not undocumented


@pytest.mark.parametrize("name", PORTS)
def test_every_method_of_a_port_is_documented(name: str) -> None:
    """An implementation inherits these sentences: nowhere else is the contract written."""
    module = importlib.import_module(name)
    undocumented = [
        f"{symbol}.{method}"
        for symbol, value in own(module)
        if inspect.isclass(value) and getattr(value, "_is_protocol", False)
        for method, member in vars(value).items()
        if (inspect.isfunction(member) or isinstance(member, property))
        and not method.startswith("_")
        and not inspect.getdoc(member)
    ]
    assert not undocumented
