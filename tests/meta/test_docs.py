"""The documentation is about this code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/**/*.md")])
OPTION_ROW: Final = re.compile(r"^\| `(\w+)` \| .* \| (.*) \|$", re.MULTILINE)


def test_generated_pages_are_current() -> None:
    """After a change of hooks, life cycles or options: ``make docs``."""
    command = [sys.executable, "-I", str(ROOT / "tools" / "write_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_option_has_a_meaning() -> None:
    """A table row without words is no documentation."""
    rows = OPTION_ROW.findall((ROOT / "docs" / "options.md").read_text())
    assert len(rows) > 20
    assert [name for name, meaning in rows if not meaning.strip()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links only: pages of others move."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_threat_model_names_files_that_exist() -> None:
    """A mitigation that was moved or removed must not stay on paper."""
    seen = 0
    for line in (ROOT / "THREAT_MODEL.md").read_text().splitlines():
        folder = ROOT
        for name in re.findall(r"`([\w./*-]+(?:\.py|/|\.lock))`", line):
            found = [*ROOT.glob(name.rstrip("/")), *folder.glob(name.rstrip("/"))]
            assert found, f"{name} in: {line}"
            folder = found[0].parent
            seen += 1
    assert seen > 20
