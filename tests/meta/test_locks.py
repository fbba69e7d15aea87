"""The locks: every package with hashes, no address of an index, and in step with ``pyproject.toml``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final[dict[str, Any]] = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS: Final = sorted((ROOT / "requirements").glob("*.lock"))
LOCK = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)


def pinned(lock: Path) -> dict[str, list[str]]:
    """Versions by canonical name."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@LOCK
def test_a_lock_names_no_host(lock: Path) -> None:
    """Each machine uses the index it is configured for."""
    text = lock.read_text()
    assert pinned(lock)
    assert "://" not in text
    assert not re.search(r"^\s*-", re.sub(r"^\s*--hash=.*$", "", text, flags=re.MULTILINE), re.MULTILINE)


@LOCK
def test_every_package_has_hashes(lock: Path) -> None:
    """Otherwise installation would refuse, or trust the index."""
    entries = re.split(r"^(?=[A-Za-z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_locks_satisfy_the_project() -> None:
    """After a change of a dependency: ``make lock``."""
    versions = pinned(ROOT / "requirements" / "dev.lock") | pinned(ROOT / "requirements" / "llama.lock")
    wanted = [
        *PROJECT["dependencies"],
        *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
    ]
    groups = tomli.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    for requirement in map(Requirement, [*wanted, *groups["dev"]]):
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement} is not locked"
        assert all(version in requirement.specifier for version in found), f"{requirement}: locked {found}"


def test_llama_is_built_from_source_only() -> None:
    """A wheel from elsewhere would be compiled for another processor."""
    assert "llama-cpp-python" not in pinned(ROOT / "requirements" / "dev.lock")
    assert (ROOT / "requirements" / "llama.lock").read_text().count("--hash=") == 1
