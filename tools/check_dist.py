"""Check what wheel and source distribution in a folder contain: ``python tools/check_dist.py dist``."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOREIGN: Final = ("tests/", "benchmarks/", "features/", "tools/", "docs/")
"""Folders of the tree that must not be in a wheel."""
REPOSITORY: Final = ("pyproject.toml", "LICENSE", "README.md", "plugins.toml", "Makefile", "requirements/dev.lock")
"""Files a source distribution needs besides the packages, so that it can be built and tested."""


def main(folder: Path) -> int:
    """Print every fault; exit status 1 if there is one."""
    wheels, archives = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(archives) != 1:
        print(f"expected one wheel and one source distribution in {folder}", file=sys.stderr)
        return 1
    faults = [*wheel_faults(wheels[0]), *archive_faults(archives[0])]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        for file in (*wheels, *archives):
            print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB, complete")
    return 1 if faults else 0


def package_files() -> dict[str, Path]:
    """Every file of our packages, by its path inside a wheel."""
    packages = [ROOT / "kernel" / "jackfield", *sorted((ROOT / "plugins").glob("*/jackfield_*"))]
    return {
        file.relative_to(package.parent).as_posix(): file
        for package in packages
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def wheel_faults(wheel: Path) -> list[str]:
    """What the wheel lacks or has too much of."""
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    faults = [f"{wheel.name} lacks {name}" for name in sorted(package_files().keys() - names)]
    return faults + [f"{wheel.name} must not have {name}" for name in sorted(names) if name.startswith(FOREIGN)]


def archive_faults(archive: Path) -> list[str]:
    """What the source distribution lacks."""
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    wanted = {file.relative_to(ROOT).as_posix() for file in package_files().values()} | set(REPOSITORY)
    return [f"{archive.name} lacks {name}" for name in sorted(wanted - names)]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
