"""Gaps in texts: prompts as llama-server's ``/infill`` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.worker.engines import Engine

from jackfield.errors import ContextLengthExceeded
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield.ports.tokenizer import InfillTokens
from jackfield.testing.kits.loaded_model import generating
from jackfield.testing.script import ScriptedTokenizer
from jackfield.types import GenerateRequest, InfillPrompt, TokenPrompt
from jackfield.worker.infill import InfillWriter
from jackfield.worker.prompts import PromptReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.worker.conftest import Peer

    from jackfield.ports.backend import Runner

FIXTURE = Path(__file__).parents[2] / "fixtures" / "infill.gguf"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """A model that knows gaps."""
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    spec = ModelSpec(name="m", path=str(FIXTURE), context=256, options={"deterministic": True, "threads": 1})
    loaded = generating(kernel.backends()["llama-cpu"]().load(spec, lambda _: None))
    yield loaded
    loaded.close()


def written(runner: Runner, prompt: InfillPrompt, room: int = 200) -> str:
    """The prompt, control tokens by name."""
    tokens = InfillWriter(runner.tokenizer, PromptReader(runner.tokenizer, 256)).tokens(prompt, room)
    return b"".join(map(runner.tokenizer.name, tokens)).decode()


def test_a_gap(runner: Runner) -> None:
    """Prefix, suffix, middle; what the texts say is never a control token."""
    assert runner.info.can_infill
    text = "<|fim_prefix|>the <|fim_middle|><|fim_suffix|> of<|fim_middle|>"
    assert written(runner, InfillPrompt("the <|fim_middle|>", " of")) == text
    assert written(runner, InfillPrompt("", "")) == "<|fim_prefix|><|fim_suffix|><|fim_middle|>"
    assert written(runner, InfillPrompt("a", "b", begun="c")) == "<|fim_prefix|>ac<|fim_suffix|>b<|fim_middle|>"
    tokens = InfillWriter(runner.tokenizer, PromptReader(runner.tokenizer, 256)).tokens(
        InfillPrompt("<|fim_middle|>", ""), 99
    )
    assert runner.tokenizer.infill is not None
    assert tokens.count(runner.tokenizer.infill.middle) == 1


def test_other_files(runner: Runner) -> None:
    """In front of the gap, with their names; the first ones are left out where they find no room."""
    prompt = InfillPrompt("the", "of", (("a.py", "one"), ("b.py", "two")))
    gap = "<|file_sep|>filename\n<|fim_prefix|>the<|fim_suffix|>of<|fim_middle|>"
    last = "<|file_sep|>b.py\ntwo"
    whole = f"<|repo_name|>myproject\n<|file_sep|>a.py\none{last}{gap}"
    assert written(runner, prompt) == whole
    size = len(runner.tokenizer.encode(whole, add_bos=False, parse_special=True))
    assert written(runner, prompt, size) == whole
    assert written(runner, prompt, size - 1) == f"<|repo_name|>myproject\n{last}{gap}"
    assert written(runner, prompt, 3) == "<|fim_prefix|>the<|fim_suffix|>of<|fim_middle|>"


def test_it_is_served(runner: Runner) -> None:
    """As the same tokens are that somebody sends himself; room is left for the answer."""
    files = tuple((f"{number}.py", "the of and " * 9) for number in range(20))
    asked = GenerateRequest(model="m", prompt=InfillPrompt("the", "of", files), max_tokens=20, ignore_eos=True)
    tokens = InfillWriter(runner.tokenizer, PromptReader(runner.tokenizer, 256)).tokens(
        InfillPrompt("the", "of", files), 256 - 20
    )
    same = GenerateRequest(model="m", prompt=TokenPrompt(tuple(tokens)), max_tokens=20, ignore_eos=True)
    with Engine(runner) as engine:
        gap, plain = engine.ask(asked, same)
    assert gap.ends[0].usage.prompt_tokens == plain.ends[0].usage.prompt_tokens == len(tokens)
    assert gap.ends[0].usage.completion_tokens == 20


def test_what_is_too_long_is_refused(runner: Runner) -> None:
    """Before and behind the gap nothing is left out."""
    with pytest.raises(ContextLengthExceeded), Engine(runner) as engine:
        engine.submit(GenerateRequest(model="m", prompt=InfillPrompt("the " * 300, "of")))


def test_a_model_that_knows_no_gaps(peer: Peer) -> None:
    """It is not asked."""
    peer.submit(1, InfillPrompt("a", "b"))
    assert peer.failure(1) == ("unsupported_parameter", "suffix")


class Fewer(ScriptedTokenizer):
    """Knows gaps, and nothing of files; begins texts with a token of its own."""

    infill = InfillTokens(prefix=1, suffix=2, middle=3)

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """Bytes."""
        return [4] * add_bos + super().encode(text, add_bos=add_bos, parse_special=parse_special)


def test_files_without_tokens_for_them() -> None:
    """A line parts them, and the model's first token stands first."""
    tokenizer = Fewer()
    writer = InfillWriter(tokenizer, PromptReader(tokenizer, 256))
    tokens = writer.tokens(InfillPrompt("p", "s", (("name", "text"),)), 99)
    assert bytes(tokens) == b"\x04\n\n--- snippet ---\n\ntext\x01p\x02s\x03"
