"""The examples of ``README.md`` work as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from jackfield.testing.target import Target

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text()
ADDRESS: Final = "http://127.0.0.1:8080"


def block(language: str, needle: str) -> str:
    """The only code block in *language* that has *needle* in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    [found] = [each for each in blocks if needle in each]
    assert ADDRESS in found
    return str(found)


@pytest.mark.inprocess_only
def test_the_curl_example(target: Target) -> None:
    """A whole stream arrives."""
    script = block("sh", '"stream": true').replace(ADDRESS, target.url)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True, timeout=60)
    events = [line for line in done.stdout.splitlines() if line]
    assert len(events) > 3
    assert all(event.startswith("data: ") for event in events)
    assert events[-1] == "data: [DONE]"


@pytest.mark.inprocess_only
def test_the_tool_example(target: Target) -> None:
    """The demo model calls it."""
    script = block("sh", '"tools"').replace(ADDRESS, target.url)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True, timeout=60)
    [choice] = json.loads(done.stdout)["choices"]
    [call] = choice["message"]["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("get_weather", {"city": "Paris"})


@pytest.mark.inprocess_only
def test_the_python_example(target: Target) -> None:
    """With the official client."""
    program = block("python", "OpenAI").replace(ADDRESS, target.url)
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert len(done.stdout.split()) > 3


def test_the_make_targets_exist() -> None:
    """The first two commands anyone types."""
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make ([a-z]+)", README, re.MULTILINE)
    assert targets == ["serve", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
