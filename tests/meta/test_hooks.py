"""The hook table: every hook is documented in the fixed order, has a facade, a kit, a test and a plugin."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import tomli

from jackfield import hookspecs
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import Kernel, build_kernel
from jackfield.testing import kits

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[2]

HOOKS: Final[dict[str, Callable[..., object]]] = {
    name: function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if hasattr(function, f"{hookspecs.PROJECT}_spec")
}

KITS: Final = {entry.kit: entry for entry in kits.KITS}
"""The kits that ``jackfield verify`` runs."""

WITHOUT_PORT: Final = {"commands", "config", "lifecycle"}
"""Kits of hooks that hand over no object of ours."""

PORT: Final = {"audit_sink": "audit", "authenticator": "identity", "pooled_backend": "backend"}
"""Ports whose module is not called like their kit's."""

FACADE: Final = {"jackfield_config": "config_structs"}
"""Methods of ``Kernel`` that are not called like their hook."""

ORDER: Final = (
    r"\A[A-Z].+\.\n",
    r"^    Nobody implements it: ",
    r"^    Several answers: ",
    r"^    :param ",
    r"^    :returns: ",
    r"^    :raises: ",
    r"^    Process and thread: ",
    r"Deadline: ",
    r"Failure\s+policy:\s+(open|closed)",
    r"^    Since API \d+\.\d+\.$",
)

HOOK = pytest.mark.parametrize("hook", HOOKS)


def test_the_table_is_read() -> None:
    """An empty table would let every test below pass."""
    assert "jackfield_backends" in HOOKS
    assert set(HOOKS) == {hook for entry in kits.KITS for hook in entry.hooks}
    assert len(KITS) == len(kits.KITS), "a kit is listed twice"


@HOOK
def test_the_docstring_has_the_fixed_order(hook: str) -> None:
    """Plugin authors find each answer at the same place."""
    doc = HOOKS[hook].__doc__ or ""
    places = []
    for pattern in ORDER:
        found = re.search(pattern, doc, re.MULTILINE)
        assert found, f"{hook}: no {pattern!r}"
        places.append(found.start())
    assert places == sorted(places)


@HOOK
def test_every_parameter_is_documented(hook: str) -> None:
    """In the order of the signature, and nothing else."""
    documented = re.findall(r"^    :param (\w+):", HOOKS[hook].__doc__ or "", re.MULTILINE)
    assert documented == list(inspect.signature(HOOKS[hook]).parameters)


@HOOK
def test_every_parameter_and_answer_is_typed(hook: str) -> None:
    """The contract is what type checkers see."""
    signature = inspect.signature(HOOKS[hook])
    assert signature.return_annotation is not signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())


@HOOK
def test_the_docs_have_the_exact_signature(hook: str) -> None:
    """As a heading of ``docs/hooks.md``."""
    parameters = ", ".join(inspect.signature(HOOKS[hook]).parameters)
    headings = re.findall(r"^### `(.+)`$", (ROOT / "docs" / "hooks.md").read_text(), re.MULTILINE)
    assert f"{hook}({parameters})" in headings


@HOOK
def test_the_facade_has_a_typed_method(hook: str) -> None:
    """Nobody but ``Kernel`` talks to pluggy."""
    method = getattr(Kernel, FACADE.get(hook, hook.removeprefix("jackfield_")))
    assert inspect.signature(method).return_annotation is not inspect.Signature.empty
    assert method.__doc__


@pytest.mark.parametrize("entry", KITS.values(), ids=KITS)
def test_every_hook_has_a_conformance_kit(entry: kits.KitEntry) -> None:
    """With tests in it, each with a promise in words, and used by at least one plugin's own tests."""
    module, kit = entry.module, entry.kit
    assert module in WITHOUT_PORT or importlib.import_module(f"jackfield.ports.{PORT.get(module, module)}").__doc__
    tree = ast.parse((ROOT / "kernel" / "jackfield" / "testing" / "kits" / f"{module}.py").read_text())
    [definition] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kit]
    tests = [
        node
        for node in ast.walk(definition)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    assert len(tests) >= 3
    assert [test.name for test in tests if not ast.get_docstring(test)] == []
    users = [file for file in (ROOT / "tests").rglob("test_*.py") if f"({kit})" in file.read_text()]
    assert users, f"no plugin is tested with {kit}"


@HOOK
def test_every_hook_has_a_test(hook: str) -> None:
    """One that names it, besides this one."""
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if file != Path(__file__)]
    assert any(re.search(rf"\b{hook}\b", file.read_text()) for file in files)


@HOOK
def test_every_hook_has_a_plugin(hook: str) -> None:
    """A hook that nobody needs yet is not in the contract yet."""
    project = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
    enabled = tuple(InstanceRef(name, name) for name in project["entry-points"]["jackfield.plugins"])
    kernel = build_kernel(Manifest(enabled=enabled, kernel=KernelConfig()))
    assert any(hook in kernel.hooks_of(instance) for instance in kernel.instances)
