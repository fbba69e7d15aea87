"""Every module can be imported first, without a warning; ``import jackfield`` is light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
KERNEL: Final = ROOT / "kernel" / "jackfield"
PACKAGES: Final = [KERNEL, *sorted(ROOT.glob("plugins/*/jackfield_*"))]

HEAVY: Final = ("aiohttp", "asyncio", "llama_cpp", "numpy", "prometheus_client", "pytest", "rich", "uvloop")

EACH_ALONE: Final = """
import os, sys, warnings
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            warnings.simplefilter("error")
            __import__(name)
            status = 0
        except BaseException as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
        finally:
            os._exit(status)
    os.waitpid(child, 0)
"""
"""One interpreter forks per module: as alone as a process of its own, at a fraction of the cost."""


def module_names(package: Path) -> list[str]:
    """Every module of *package*; ``__main__`` modules run a process and are left out."""
    names = []
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        if parts[-1] != "__main__":
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def shares() -> dict[str, list[str]]:
    """Every module by its package; the kernel's packages apart, as all of them take a busy machine minutes."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for name in module_names(package):
            _, _, below = name.partition(".")
            part = package / below.partition(".")[0]
            apart = below and package == KERNEL and part.is_dir()
            found.setdefault(f"{package.name}.{part.name}" if apart else package.name, []).append(name)
    return found


@pytest.mark.parametrize(("package", "names"), shares().items(), ids=shares())
def test_every_module_imports_alone(package: str, names: list[str]) -> None:
    """No module needs another one to have been imported before it, and none warns."""
    assert package in names
    command = [sys.executable, "-I", "-W", "error", "-c", EACH_ALONE, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "module",
    [
        "jackfield",
        "jackfield.ports.backend",
        "jackfield.ports.frontend",
        "jackfield.supervisor",
        *(package.name for package in PACKAGES[1:]),
    ],
)
def test_it_brings_nothing_heavy(module: str) -> None:
    """What every plugin and command pays first must stay cheap."""
    probe = f"import sys, {module}; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
