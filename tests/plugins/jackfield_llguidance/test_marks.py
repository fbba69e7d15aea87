"""Marks and free text with real vocabularies, where a mark is a token of its own, and where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.chat import ChatPrompt, Message, Tool, ToolChoice
from jackfield.model_source import resolve_source
from jackfield.parsing.grammars import CallGrammar, lark_text
from jackfield.ports.constraint import GrammarText
from jackfield.testing.kits.constraint_cases import KitVocabulary
from jackfield_llguidance.config import LlguidanceConfig
from jackfield_llguidance.engine import LlguidanceEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jackfield.ports.tokenizer import Tokenizer

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
CITY: Final = '{"type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"]}'
CALL: Final = '<tool_call>\n{"city": "Rome"}\n</tool_call>'
MARKS: Final = ("<tool>", "[CALL]", "<|a[b|>")
KIT: Final = KitVocabulary()
FREE: Final = LlguidanceEngine(KIT, LlguidanceConfig()).compile(GrammarText("lark", "start: free_text", "g", MARKS))


@pytest.fixture(params=["demo", "base"])
def tokenizer(request: pytest.FixtureRequest) -> Iterator[Tokenizer]:
    """Of the demo model, which has the marks as tokens, and of one that has not."""
    llama: Any = pytest.importorskip("llama_cpp.llama_cpp")
    from jackfield_llama.tokenizer import LlamaTokenizer

    path = resolve_source("jackfield:demo", FIXTURES) if request.param == "demo" else FIXTURES / "base.gguf"
    params = llama.llama_model_default_params()
    params.vocab_only = True
    model = llama.llama_model_load_from_file(str(path).encode(), params)
    yield LlamaTokenizer(model)
    llama.llama_model_free(model)


def grammar(mode: Any) -> GrammarText:
    """Of a family that calls as Hermes does."""
    tool = Tool(name="weather", parameters=CITY, strict=True)
    made = CallGrammar(ChatPrompt((Message("user", "?"),), (tool,), ToolChoice(mode)), None)
    newline = lark_text("\n")
    call = f"{made.mark('<tool_call>')} {newline} {made.arguments(tool)} {newline} {made.mark('</tool_call>')}"
    return made.finish(made.rule("calls", call), between=f"{newline}?")


@pytest.mark.parametrize("special", [True, False], ids=["tokens", "letters"])
@pytest.mark.parametrize(
    ("text", "auto", "required"),
    [
        (CALL, True, True),
        (f"Let me see.\n{CALL}", True, False),
        ("2 < 3, and <tool is no mark.", True, False),
        ("", True, False),
        (CALL.replace("Rome", "Bonn"), False, False),
        ("<tool_call> is a mark", False, False),
        (CALL + "more", False, False),
    ],
)
def test_calls_and_free_text(
    tokenizer: Tokenizer,
    text: str,
    auto: bool,  # noqa: FBT001  # a table's column
    required: bool,  # noqa: FBT001
    special: bool,  # noqa: FBT001
) -> None:
    """Where a mark is a token, its letters are no mark, nor free text."""
    engine = LlguidanceEngine(tokenizer, LlguidanceConfig())
    tokens = tokenizer.encode(text, add_bos=False, parse_special=special)
    spelt = not special and tokens != tokenizer.encode(text, add_bos=False, parse_special=True)
    tokens.append(min(tokenizer.end_tokens))
    for mode, allowed in (("auto", auto), ("required", required)):
        matcher = engine.compile(grammar(mode)).matcher()
        assert (matcher.allows(tokens) == len(tokens)) is (allowed and not spelt)


@given(st.lists(st.sampled_from([*MARKS, "<", "tool", ">", "[", "CALL", "]", "|", "a", "b", "\n", "é"]), min_size=1))
def test_free_text_is_any_text_without_marks(parts: list[str]) -> None:
    """But for one that goes on, where a mark does, as another begins: ``<|a[``."""
    text = "".join(parts)
    tokens = [*KIT.encode(text, add_bos=False, parse_special=False), KIT.END_TOKENS[0]]
    free = FREE.matcher().allows(tokens) == len(tokens)
    if any(mark in text for mark in MARKS):
        assert not free
    elif "<|a[" not in text and not text.endswith("<|a") and "<|a<" not in text:
        assert free
