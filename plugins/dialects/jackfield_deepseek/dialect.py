"""DeepSeek's models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from jackfield.parsing.grammars import needs_grammar
from jackfield.ports.dialect import Opening, Traits
from jackfield_deepseek.grammar import grammar_of
from jackfield_deepseek.history import variables
from jackfield_deepseek.marks import BLOCKS, CALL, CALL_END, CALLS, CALLS_END, DSML, SEPARATOR, THINK, CallForm
from jackfield_deepseek.reader import DeepseekReader
from jackfield_deepseek.telling import told_of

if TYPE_CHECKING:
    from jackfield.chat import ChatFormat, ChatPrompt
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader

_SWITCHED: Final = re.compile(r"\bnot thinking\b")
_TELLS: Final = re.compile(r"\btools\b")
_EFFORTS: Final = re.compile(r"\breasoning_effort == '(\w+)'")
_ADDS_TEXT: Final = re.compile(r"\['arguments'\]\s*\+")
_SHOWN: Final = (CALLS, CALLS_END, CALL, CALL_END, SEPARATOR, DSML, THINK.begin, THINK.end)


def deepseek(chat_format: ChatFormat, *, named: bool) -> DeepseekDialect | None:
    """See ``DialectFactory``."""
    template = chat_format.template
    if not named and CALL not in template and DSML not in template:
        return None
    return DeepseekDialect(Habits.of(template))


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """What a template says of its model."""

    form: CallForm
    """How the model writes arguments."""
    block: str
    """The tag around calls, where they have tags."""
    tells: bool
    """Whether the template tells the model of its tools."""
    arguments: Literal["object", "text"]
    """How the template wants the arguments of earlier calls."""
    thinks: bool
    """Whether the model thinks."""
    switch: str
    """The variable that switches thoughts; empty where there is none."""
    efforts: tuple[str, ...]
    """What the template knows of ``reasoning_effort``."""

    @classmethod
    def of(cls, template: str) -> Habits:
        """Read *template*."""
        form: CallForm = "bare"
        if DSML in template:
            form = "tagged"
        elif "```json" in template:
            form = "fenced"
        switch = "enable_thinking" if "enable_thinking" in template else ""
        return cls(
            form=form,
            block=next((name for name in BLOCKS if f"{name}>" in template), BLOCKS[0]),
            tells=_TELLS.search(template) is not None,
            arguments="text" if _ADDS_TEXT.search(template) else "object",
            thinks=THINK.begin in template,
            switch="thinking" if _SWITCHED.search(template) else switch,
            efforts=tuple(dict.fromkeys(_EFFORTS.findall(template))),
        )


class DeepseekDialect:
    """See ``ChatDialect``.

    Parameters:
        habits: What the model's template says of it.
    """

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        reasoning: Literal["none", "optional", "always"] = "none"
        if habits.thinks:
            reasoning = "optional" if habits.switch else "always"
        self.traits = Traits(reasoning=reasoning, efforts=habits.efforts if habits.thinks else ())

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        habits = self._habits
        one_call = bool(chat.callable) and not chat.parallel_tool_calls
        grammar = one_call or needs_grammar(chat, constraint)
        # R1 and its distillates leave a line free behind their thoughts
        marks = msgspec.structs.replace(THINK, after="\n\n" if habits.form == "fenced" else "")
        return Opening(
            variables=self._variables(chat),
            constraint=grammar_of(chat, constraint, habits.form, habits.block) if grammar else constraint,
            thinking=marks if habits.thinks else None,
            shown_tokens=_SHOWN,
        )

    def _variables(self, chat: ChatPrompt) -> dict[str, object]:
        habits, thinking = self._habits, chat.thinking
        told = "" if habits.tells or habits.form == "tagged" else told_of(chat.callable, habits.form)
        shaped = variables(chat, arguments=habits.arguments, apart=habits.form == "fenced", told=told)
        if thinking.enabled is not None and habits.switch:
            shaped[habits.switch] = thinking.enabled
        if thinking.effort in habits.efforts:
            shaped["reasoning_effort"] = thinking.effort
        return shaped

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return DeepseekReader(prompt_end, chat.callable)
