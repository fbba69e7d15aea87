"""How a model's makers recommend to draw."""

from __future__ import annotations

from pathlib import Path

import pytest

import jackfield
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield_llama.model import recommended

DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"


def test_the_demo_model_says_so() -> None:
    """It is a small model, which does better at low temperatures."""
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    spec = ModelSpec(name="m", path=str(DEMO), context=64, max_sequences=1, options={"threads": 1})
    runner = kernel.backends()["llama-cpu"]().load(spec, lambda _: None)
    assert runner.info.sampling == {"temperature": 0.3, "top_p": 0.9}
    runner.close()


def test_all_keys_have_a_name() -> None:
    """Those that llama.cpp reads, under the names of ``SamplingParams``."""
    values = {
        "temp": "0.7",
        "top_k": "20",
        "min_p": "0.01",
        "xtc_probability": "0.5",
        "xtc_threshold": "0.1",
        "penalty_last_n": "-1",
        "penalty_repeat": "1.1",
        "mirostat": "2",
        "mirostat_tau": "5",
        "mirostat_eta": "0.1",
    }
    assert recommended({f"general.sampling.{key}": value for key, value in values.items()}.get) == {
        "temperature": 0.7,
        "top_k": 20,
        "min_p": 0.01,
        "xtc_probability": 0.5,
        "xtc_threshold": 0.1,
        "repeat_last_n": -1,
        "repeat_penalty": 1.1,
        "mirostat": 2,
        "mirostat_tau": 5.0,
        "mirostat_eta": 0.1,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [("temp", "hot"), ("temp", "nan"), ("temp", "-1"), ("top_k", "1.5"), ("mirostat", "7"), ("top_p", "")],
)
def test_what_is_no_value_is_left_out(key: str, value: str) -> None:
    """Nobody can mend the file; the others hold."""
    found = recommended({f"general.sampling.{key}": value, "general.sampling.min_p": "0.1"}.get)
    assert found == {"min_p": 0.1}
