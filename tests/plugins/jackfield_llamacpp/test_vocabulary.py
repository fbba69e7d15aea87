"""Which model is asked of its vocabulary, and how a conversation is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.plugins.jackfield_llamacpp.asking import asked

from jackfield.questions import Render, Rendered, Text, Tokens
from jackfield.testing.kits.scripted_gateway import INFO, ScriptedGateway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jackfield.context import RequestContext
    from jackfield.ports.frontend import ModelCard

ASKED = {"role": "user", "content": "Rain?"}
BEGUN = {"role": "assistant", "content": "It"}
CALL = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}


class Embedding(ScriptedGateway):
    """Its model does nothing else."""

    def models(self, context: RequestContext) -> Sequence[ModelCard]:
        """Without a name that would be asked for."""
        card, _ = super().models(context)
        return [msgspec.structs.replace(card, info=msgspec.structs.replace(INFO, tasks=("embed",)))]


def test_every_model_has_a_vocabulary() -> None:
    """Also one that generates nothing."""
    gateway = Embedding()
    gateway.replies = [Tokens((1,), (b"a",)), Text(b"a")]
    assert asked(gateway, "/tokenize", {"content": "a"}) == {"tokens": [1]}
    assert asked(gateway, "/detokenize", {"tokens": [1]}) == {"content": "a"}


@pytest.mark.parametrize(
    ("messages", "said", "goes_on"),
    [
        ([ASKED], None, False),
        ([ASKED, BEGUN], None, True),
        ([ASKED, BEGUN], False, False),
        ([ASKED, BEGUN], True, True),
        ([ASKED, CALLING], None, False),
    ],
)
def test_an_answer_that_has_begun(messages: list[dict[str, Any]], *, said: bool | None, goes_on: bool) -> None:
    """It is gone on with, unless the request says otherwise; calls are an answer's end."""
    gateway = ScriptedGateway()
    gateway.replies = [Rendered("", 4)]
    assert asked(gateway, "/apply-template", {"messages": messages, "continue_final_message": said}) == {"prompt": ""}
    [question] = gateway.questions
    assert isinstance(question, Render)
    assert question.prompt.continue_final is goes_on
