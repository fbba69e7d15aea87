"""``[config.llama-cpu]``: values, errors, and that the README lists them all."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import jackfield_llama
from jackfield.errors import ManifestError
from jackfield.manifest import decode_table
from jackfield_llama.config import LlamaConfig


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"threads": 0}, "threads: must be between 1 and 512"),
        ({"threads": 513}, "threads: must be between 1 and 512"),
        ({"threads_batch": -1}, "threads_batch: must be between"),
        ({"threads": "many"}, "threads"),
        ({"batch": 0}, "batch: must be between"),
        ({"batch": 64, "ubatch": 65}, "ubatch: must be between 1 and 64"),
        ({"kv_type": "q5_1"}, "kv_type"),
        ({"kv_type": "q8_0", "flash_attention": False}, "kv_type: q8_0 needs flash_attention"),
        ({"flash_attention": "yes"}, "flash_attention"),
        ({"mmap": "no"}, "mmap"),
        ({"thread": 2}, "did you mean threads?"),
    ],
)
def test_a_bad_option_is_refused_with_its_name(table: dict[str, int | str | bool], said: str) -> None:
    """The message has the option and what it may be."""
    with pytest.raises(ManifestError, match=re.escape(said)) as caught:
        decode_table(table, LlamaConfig, "config.llama-cpu", "plugins.toml:3")
    assert (caught.value.param or "").startswith("config.llama-cpu.")


def test_a_small_batch_alone_is_fine() -> None:
    """``ubatch`` follows ``batch`` down, so that lowering one needs no second option."""
    assert LlamaConfig(batch=64).ubatch_tokens == 64
    assert LlamaConfig(batch=4096).ubatch_tokens == 512


def test_the_readme_has_every_option_with_its_default() -> None:
    """The table of options in the README is the Struct's."""
    readme = (Path(jackfield_llama.__file__).parent / "README.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", readme, flags=re.MULTILINE))
    fields = msgspec.structs.fields(LlamaConfig)
    assert listed == {field.name: msgspec.json.encode(field.default).decode() for field in fields}
