"""The folders, the wheel's packages and the entry points agree; every plugin package looks the same inside."""

from __future__ import annotations

import ast
import importlib.metadata
from pathlib import Path
from typing import Any, Final

import pytest
import tomli

from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final[dict[str, Any]] = tomli.loads((ROOT / "pyproject.toml").read_text())

PLUGINS: Final = {folder.name: folder for folder in sorted(ROOT.glob("plugins/*/jackfield_*")) if folder.is_dir()}
PLUGIN = pytest.mark.parametrize("plugin", PLUGINS)

MODULE_LINES_MAX: Final = 400
"""A module that is longer holds more than one concept."""

FUNCTION_LINES_MAX: Final = 40
"""A function that is longer does more than one thing."""


def relative(path: Path) -> str:
    """*path* as it stands in ``pyproject.toml``."""
    return path.relative_to(ROOT).as_posix()


def sources() -> list[Path]:
    """All modules of kernel and plugins."""
    return sorted([*ROOT.glob("kernel/**/*.py"), *ROOT.glob("plugins/**/*.py")])


def test_the_wheel_has_every_package() -> None:
    """A forgotten line works in the editable install and is missing from the wheel."""
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages == ["kernel/jackfield", *map(relative, PLUGINS.values())]


def test_every_parent_folder_is_importable() -> None:
    """For the editable install, mypy and pyright alike."""
    folders = ["kernel", *sorted({relative(folder.parent) for folder in PLUGINS.values()})]
    tool = PROJECT["tool"]
    assert tool["hatch"]["build"]["dev-mode-dirs"] == folders
    assert tool["pyright"]["extraPaths"] == folders
    assert tool["ruff"]["src"] == folders
    paths = [part.removeprefix("$MYPY_CONFIG_FILE_DIR/") for part in tool["mypy"]["mypy_path"].split(":")]
    assert [path for path in paths if path != "benchmarks"] == folders


def test_every_plugin_has_an_entry_point() -> None:
    """Under a name of its own; only the entry point makes it known."""
    entries = PROJECT["project"]["entry-points"]["jackfield.plugins"]
    assert sorted(set(entries.values())) == sorted(PLUGINS)


def test_the_installed_entry_points_are_current() -> None:
    """They are a snapshot taken at install."""
    distribution = importlib.metadata.distribution("jackfield")
    installed = {entry.name: entry.value for entry in distribution.entry_points if entry.group == "jackfield.plugins"}
    assert installed == PROJECT["project"]["entry-points"]["jackfield.plugins"], (
        "run: touch pyproject.toml && make setup"
    )


def test_contracts_and_import_order_know_every_plugin() -> None:
    """A plugin that import-linter does not know is not held to its contracts."""
    linter = PROJECT["tool"]["importlinter"]
    assert linter["root_packages"] == ["jackfield", *sorted(PLUGINS)]
    contracts = {contract["id"]: contract for contract in linter["contracts"]}
    assert contracts["kernel-names-no-plugin"]["forbidden_modules"] == sorted(PLUGINS)
    assert contracts["plugins-use-public-api"]["source_modules"] == sorted(PLUGINS)
    assert contracts["plugins-independent"]["modules"] == sorted(PLUGINS)
    assert set(PLUGINS) <= set(contracts["supervisor-is-small"]["forbidden_modules"])
    assert PROJECT["tool"]["ruff"]["lint"]["isort"]["known-first-party"] == ["jackfield", *sorted(PLUGINS)]


@PLUGIN
@pytest.mark.parametrize("file", ["__init__.py", "README.md", "py.typed"])
def test_a_plugin_package_is_complete(plugin: str, file: str) -> None:
    """Every plugin looks the same inside, like a stranger's."""
    assert (PLUGINS[plugin] / file).is_file()


@PLUGIN
def test_options_are_in_a_module_of_their_own(plugin: str) -> None:
    """``config.py``, where there are any."""
    tree = ast.parse((PLUGINS[plugin] / "__init__.py").read_text())
    hooks = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert (PLUGINS[plugin] / "config.py").is_file() == ("jackfield_config" in hooks)


@PLUGIN
def test_a_plugin_that_wraps_a_library_or_speaks_for_one_maps_errors(plugin: str) -> None:
    """In one table, in ``errors.py``: a library's to ours, or ours to those that clients of an API expect."""
    libraries = {"jackfield_llama", "jackfield_llguidance"}
    dialects = {"jackfield_anthropic", "jackfield_llamacpp", "jackfield_ollama", "jackfield_openai"}
    assert (PLUGINS[plugin] / "errors.py").is_file() == (plugin in libraries | dialects)


@PLUGIN
def test_a_plugins_readme_says_what_one_needs(plugin: str) -> None:
    """What it is for, its options, its limits."""
    text = (PLUGINS[plugin] / "README.md").read_text().lower()
    entries = PROJECT["project"]["entry-points"]["jackfield.plugins"]
    [name] = [name for name, module in entries.items() if module == plugin]
    assert name in text
    assert "options" in text
    assert "limits" in text
    ref = InstanceRef(name, name)
    struct = build_kernel(Manifest(enabled=(ref,), kernel=KernelConfig())).config_structs().get(name)
    assert [field for field in (struct.__struct_fields__ if struct else ()) if f"`{field}`" not in text] == []


@pytest.mark.parametrize("folder", ["kernel", "plugins", *sorted({relative(each.parent) for each in PLUGINS.values()})])
def test_folders_are_no_packages(folder: str) -> None:
    """With an ``__init__.py`` every module could be imported a second time under another name."""
    assert not (ROOT / folder / "__init__.py").exists()


def test_there_is_no_conftest_at_the_root() -> None:
    """It would put the root on ``sys.path``, and ``kernel`` would be importable."""
    assert not (ROOT / "conftest.py").exists()


def test_packages_are_complete() -> None:
    """Every folder with modules has an ``__init__.py``."""
    for module in sources():
        assert (module.parent / "__init__.py").exists(), relative(module.parent)


def test_no_module_is_too_long() -> None:
    """Split by concept."""
    long = {
        relative(file): count for file in sources() if (count := len(file.read_text().splitlines())) > MODULE_LINES_MAX
    }
    assert not long


def test_no_function_is_too_long() -> None:
    """Docstrings included; split by what is done."""
    long = [
        f"{relative(file)}: {node.name}"
        for file in sources()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not long


def test_every_feature_area_has_a_binder() -> None:
    """Scenarios that no binder loads would never run."""
    areas = {folder.name for folder in (ROOT / "features").iterdir() if folder.is_dir()}
    binders = {file.stem.removeprefix("test_") for file in (ROOT / "tests" / "acceptance").glob("test_*.py")}
    assert areas
    assert binders == areas


def test_tests_mirror_the_tree() -> None:
    """A folder of tests is called like the package it tests."""
    kernel = ROOT / "tests" / "kernel"
    for folder in kernel.rglob("*/"):
        if folder.name != "__pycache__" and folder.is_dir() and any(folder.glob("test_*.py")):
            inside = ROOT / "kernel" / "jackfield" / folder.relative_to(kernel)
            assert inside.is_dir() or inside.with_suffix(".py").is_file(), relative(folder)
    assert {folder.name for folder in (ROOT / "tests" / "plugins").glob("jackfield_*")} == set(PLUGINS)
