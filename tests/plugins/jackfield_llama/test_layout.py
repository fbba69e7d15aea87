"""The name of what saved states fit is the same for the same, and only for that."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jackfield.ports.backend import ModelSpec
from jackfield.testing.kits.kit import kernel_of
from jackfield.testing.kits.loaded_model import generating
from jackfield_llama import layout
from jackfield_llama.layout import file_fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from jackfield.ports.backend import OptionValue

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
BASE: Final = FIXTURES / "base.gguf"


def _layout(path: Path = BASE, options: Mapping[str, OptionValue] | None = None, sequences: int = 2) -> str:
    backend = kernel_of('enabled = ["llama-cpu"]').backends()["llama-cpu"]()
    spec = ModelSpec(
        name="m", path=str(path), context=256, max_sequences=sequences, options={"threads": 1, **(options or {})}
    )
    runner = generating(backend.load(spec, lambda _: None))
    runner.close()
    return runner.limits.state_layout


def test_what_does_not_matter_is_not_in_it(tmp_path: Path) -> None:
    """Where the file is, how many sequences share cells, how many threads compute, that auto means flash attention."""
    moved = Path(shutil.copy(BASE, tmp_path / "moved.gguf"))
    names = {_layout(), _layout(moved), _layout(sequences=5), _layout(options={"threads": 2})}
    names.add(_layout(options={"flash_attention": True}))
    assert len(names) == 1


def test_what_matters_is_in_it() -> None:
    """The file, how keys and values are stored, flash attention, cells of a sequence's own and how many have them."""
    wanted: list[Mapping[str, OptionValue]] = [
        {},
        {"kv_type": "f32"},
        {"flash_attention": False},
        {"deterministic": True},
        {"deterministic": True, "kv_type": "f32"},
    ]
    names = [_layout(options=options) for options in wanted]
    names.append(_layout(FIXTURES / "mixture.gguf"))
    names.append(_layout(options={"deterministic": True}, sequences=3))
    assert len(set(names)) == len(names)


def test_a_fingerprint_sees_beginning_samples_end_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file that is larger than what is read of it."""
    monkeypatch.setattr(layout, "HEAD_BYTES", 1000)
    monkeypatch.setattr(layout, "SAMPLE_BYTES", 10)
    file = tmp_path / "model.gguf"
    data = bytes(range(256)) * 100
    file.write_bytes(data)
    found = {file_fingerprint(str(file))}
    for place in (0, 999, len(data) // 2 - 1, len(data) - 1):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        found.add(file_fingerprint(str(file)))
    file.write_bytes(data + b"\0")
    found.add(file_fingerprint(str(file)))
    assert len(found) == 6


def test_a_split_model_is_all_its_files(tmp_path: Path) -> None:
    """A change of the second one is seen from the first."""
    first, second = (tmp_path / f"model-0000{number}-of-00002.gguf" for number in (1, 2))
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    before = file_fingerprint(str(first))
    second.write_bytes(b"Second")
    assert file_fingerprint(str(first)) != before
