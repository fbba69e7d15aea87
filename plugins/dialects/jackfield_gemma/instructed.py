"""Gemma 2 and 3, which have no marks for calls: the prompt asks for JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec

from jackfield.chat import Message
from jackfield.parsing.grammars import CallGrammar, lark_text, needs_grammar
from jackfield.parsing.json_calls import JsonCallReader
from jackfield.parsing.shaping import template_tool, template_variables
from jackfield.parsing.turns import by_turns, calls_in_content, system_in_user
from jackfield.ports.dialect import Opening, Traits

if TYPE_CHECKING:
    from collections.abc import Collection

    from jackfield.chat import ChatPrompt, JsonValue, Tool
    from jackfield.parsing.reading import Reading
    from jackfield.ports.constraint import Constraint
    from jackfield.ports.dialect import ChatReader

FENCES: Final = ("```json", "```tool_call", "```tool_code", "```")
_FENCE_END: Final = "```"

_TOLD: Final = """You can call these functions:
{tools}
To call {many}, answer with nothing but {form}, where the parameters are an object of the arguments by name."""
_ONE: Final = '{"name": function name, "parameters": {...}}'

_PROSE: Final = r"/[^\{\[`\s](?s:.*)/"
"""What cannot be the beginning of a call."""


class InstructedDialect:
    """See ``ChatDialect``. The templates take users and assistants by turns and nobody else."""

    def __init__(self) -> None:
        self.traits = Traits()

    def open(self, chat: ChatPrompt, constraint: Constraint | None) -> Opening:
        """See ``ChatDialect``."""
        grammar = needs_grammar(chat, constraint) or (bool(chat.callable) and not chat.parallel_tool_calls)
        return Opening(
            variables={**template_variables(_shaped(chat)), "tools": None},
            constraint=_grammar(chat, constraint) if grammar else constraint,
        )

    def reader(self, chat: ChatPrompt, prompt_end: str) -> ChatReader:
        """See ``ChatDialect``."""
        return InstructedReader(prompt_end, {tool.name for tool in chat.callable})


class InstructedReader(JsonCallReader):
    """``{"name": "f", "parameters": {…}}``, or an array of such, perhaps between fences; everything else is content.

    Parameters:
        prompt_end: The end of the rendered prompt.
        names: Tools that may be called. A call of another one is malformed.
    """

    def __init__(self, prompt_end: str, names: Collection[str]) -> None:
        self._may_call = bool(names)
        super().__init__(prompt_end, names)

    def answer(self) -> Reading[None]:
        """Calls, or content; content may follow calls."""
        if self._may_call and (yield from self._is_call()):
            fence = yield from self._fence()
            yield from self.call_array()
            if fence:
                yield from self.space()
                yield from self.optional(_FENCE_END)
            self.end_call()
        yield from self.content()

    def _is_call(self) -> Reading[bool]:
        """Whether the answer begins as calls do; nothing is taken."""
        yield from self._fence()
        yield from self.optional("[")
        yield from self.space()
        begun = (yield from self.optional("{")) is not None
        yield from self.space()
        named = (yield from self.looking_at('"name"')) is not None
        self._text, self._taken = "".join([*self._taken, self._text]), []
        return begun and named

    def _fence(self) -> Reading[bool]:
        yield from self.space()
        fence = yield from self.optional(*FENCES)
        yield from self.space()
        return fence is not None


def _shaped(chat: ChatPrompt) -> ChatPrompt:
    messages = [_result(message) for message in calls_in_content(chat.messages, _written)]
    if chat.callable:
        messages.insert(0, Message("system", _told(chat)))
    return msgspec.structs.replace(chat, messages=tuple(by_turns(system_in_user(messages))))


def _result(message: Message) -> Message:
    if message.role != "tool":
        return message
    return Message("user", f"<tool_response>\n{message.content}\n</tool_response>")


def _written(calls: list[tuple[str, dict[str, JsonValue]]]) -> str:
    listed = [{"name": name, "parameters": arguments} for name, arguments in calls]
    return json.dumps(listed[0] if len(listed) == 1 else listed, ensure_ascii=False)


def _told(chat: ChatPrompt) -> str:
    tools = json.dumps([template_tool(tool)["function"] for tool in chat.callable], ensure_ascii=False)
    several = chat.parallel_tool_calls
    return _TOLD.format(
        tools=tools,
        many="one or more" if several else "one",
        form=f"{_ONE}, or a JSON array of several such objects" if several else _ONE,
    )


def _grammar(chat: ChatPrompt, constraint: Constraint | None) -> Constraint:
    grammar = CallGrammar(chat, constraint)
    call = grammar.any_of("call", [_call(grammar, tool) for tool in chat.callable])
    more = f"{lark_text('[')} {call} ({lark_text(', ')} {call})* {lark_text(']')}"
    calls = grammar.rule("calls", f"{call} | {more}" if chat.parallel_tool_calls else call)
    return grammar.finish(calls, free=f"{grammar.rule('PROSE', _PROSE)} | {calls}")


def _call(grammar: CallGrammar, tool: Tool) -> str:
    before = lark_text(f'{{"name": "{tool.name}", "parameters": ')
    return f"{before} {grammar.arguments(tool)} {lark_text('}')}"
