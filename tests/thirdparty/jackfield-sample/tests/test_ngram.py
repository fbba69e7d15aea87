"""What is the model's own: it knows its text."""

from __future__ import annotations

from pathlib import Path

import pytest

import jackfield_sample
from jackfield.errors import BackendFault, ModelLoadError
from jackfield.ports.backend import Batch, ModelSpec
from jackfield.sampling import SamplingParams
from jackfield_sample.ngram import NgramConfig
from jackfield_sample.ngram_backend import END, NgramBackend, NgramRunner

PROVERBS = Path(jackfield_sample.__file__).with_name("proverbs.txt")


def loaded(path: Path = PROVERBS) -> NgramRunner:
    """The proverbs, counted."""
    backend = NgramBackend(lambda _: NgramConfig())
    return backend.load(ModelSpec(name="proverbs", path=str(path)), lambda _: None)


def test_a_beginning_is_finished_and_then_it_ends() -> None:
    """Greedy: the rest of the line, and the end token."""
    runner = loaded()
    batch, sampler = Batch(64), runner.sampler(SamplingParams(temperature=0.0, seed=0))
    tokens, position, answer = list(b"Fortune fav"), 0, bytearray()
    while True:
        batch.clear()
        row = batch.add(0, position, tokens, wants_logits=True)
        runner.decode(batch)
        token = sampler.sample(row)
        if token == END:
            break
        answer.append(token)
        position, tokens = position + len(tokens), [token]
    assert answer == b"ours the bold."


def test_scores_are_of_the_raw_logits() -> None:
    """The next letter is all but certain."""
    runner = loaded()
    batch = Batch(64)
    row = batch.add(0, 0, list(b"Better lat"), wants_logits=True)
    runner.decode(batch)
    scores = runner.scores(row, ord("e"), 3)
    assert scores.top[0] == (ord("e"), scores.logprob)
    assert len(scores.top) == 3
    assert scores.logprob > -0.5


def test_other_samplers_are_refused() -> None:
    """Not ignored."""
    with pytest.raises(BackendFault, match="mirostat"):
        loaded().sampler(SamplingParams(mirostat=2, seed=1))


@pytest.mark.parametrize("text", [None, b"", b" \n "])
def test_a_file_without_text_is_refused(tmp_path: Path, text: bytes | None) -> None:
    """Missing or empty; named without its folder."""
    path = tmp_path / "text.txt"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(ModelLoadError, match=r"^text\.txt"):
        loaded(path)
