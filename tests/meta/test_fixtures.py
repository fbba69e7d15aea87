"""The model files of ``tests/fixtures``: small, described, and what their sources give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FILES: Final = {file.name: file for file in sorted((ROOT / "tests" / "fixtures").glob("*.gguf"))}

BYTES_MAX: Final = 500_000
"""Of one file; each clone of the repository carries them all, in every version there ever was."""

BYTES_ALL_MAX: Final = 2_000_000
"""As much as the demo model: they must not be what makes the source distribution large."""


def test_they_are_small() -> None:
    """One by one and together."""
    sizes = {name: file.stat().st_size for name, file in FILES.items()}
    assert sizes
    assert max(sizes.values()) < BYTES_MAX, sizes
    assert sum(sizes.values()) < BYTES_ALL_MAX, sizes


def test_they_are_what_their_sources_give(tmp_path: Path) -> None:
    """Otherwise a fixture could not be changed: nobody would know how it was made. ``make fixtures`` writes them."""
    subprocess.run([sys.executable, "-m", "tools.fixtures.make", tmp_path], cwd=ROOT, check=True, capture_output=True)
    assert {file.name for file in tmp_path.iterdir()} == FILES.keys()
    assert [name for name, file in FILES.items() if (tmp_path / name).read_bytes() != file.read_bytes()] == []


def test_each_is_described() -> None:
    """A reader of a test can look up what its model is."""
    text = (ROOT / "tools" / "fixtures" / "README.md").read_text()
    assert [name for name in FILES if f"`{Path(name).stem}`" not in text] == []
