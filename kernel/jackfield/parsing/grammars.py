"""Grammars of answers that may call tools: what a family's calls look like, with the schemas of their arguments."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from jackfield.errors import InvalidRequest
from jackfield.parsing.shaping import parameters_of
from jackfield.ports.constraint import Choice, Constraint, GrammarText, JsonObject, JsonSchema, Pattern

if TYPE_CHECKING:
    from jackfield.chat import ChatPrompt, Tool

_SLASH: Final = re.compile(r"\\.|[/\n]", re.DOTALL)
_ESCAPES: Final = {"/": r"\/", "\n": r"\n"}
_ANY_OBJECT: Final = '{"type": "object"}'


def needs_grammar(chat: ChatPrompt, constraint: Constraint | None) -> bool:
    """Whether an answer to *chat* must be held to a grammar of calls.

    It must where a call is demanded, where arguments must satisfy a schema, or where the content must look like
    *constraint*; without callable tools never.
    """
    tools = chat.callable
    if not tools:
        return False
    return chat.tool_choice.mode == "required" or constraint is not None or any(tool.strict for tool in tools)


def lark_text(text: str) -> str:
    """*text* as a literal in Lark. JSON's escapes are Lark's, but for DEL."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def lark_pattern(regex: str) -> str:
    """*regex* as a pattern in Lark, where a slash ends one."""
    return f"/{_SLASH.sub(_escaped, regex)}/"


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0][0] == "\\" else _ESCAPES[found[0]]


class CallGrammar:
    """Collects the parts of one grammar. Event loop thread of the gateway.

    Parameters:
        chat: The conversation.
        constraint: What the content must look like, if anything.
    """

    def __init__(self, chat: ChatPrompt, constraint: Constraint | None) -> None:
        self._chat = chat
        self._constraint = constraint
        self._marks: list[str] = []
        self._schemas: list[tuple[str, str]] = []
        self._rules: list[str] = []

    def mark(self, text: str) -> str:
        """The rule for a mark of the family: ``<tool_call>``."""
        if text not in self._marks:
            self._marks.append(text)
        return f"mark_{self._marks.index(text)}"

    def arguments(self, tool: Tool) -> str:
        """The rule for the arguments of *tool*: its schema where it is strict, any object otherwise."""
        schema = _ANY_OBJECT
        if tool.strict and tool.parameters:
            given = parameters_of(tool)
            # arguments are an object whether the schema says so or not
            schema = tool.parameters if "type" in given else json.dumps({"type": "object", **given})
        return self.json(tool.param, schema)

    def json(self, path: str, schema: str) -> str:
        """The rule for JSON that *schema* describes, which came with *path* of the client's request."""
        if (path, schema) not in self._schemas:
            self._schemas.append((path, schema))
        return f"json_{self._schemas.index((path, schema))}"

    def rule(self, name: str, body: str) -> str:
        """Add a rule; gives its name."""
        self._rules.append(f"{name}: {body}")
        return name

    def any_of(self, name: str, bodies: list[str]) -> str:
        """Add a rule of alternatives; gives its name."""
        return self.rule(name, " | ".join(bodies))

    def finish(self, calls: str, *, before: str = "", between: str = "", free: str = "") -> GrammarText:
        """The grammar of whole answers.

        Parameters:
            calls: Rule of all calls of one answer.
            before: What stands in front of an answer without calls, such as the mark of a channel; Lark.
            between: What stands between content and calls; Lark.
            free: All that an answer may be of which nothing is demanded, where that is not free text, then perhaps
                calls; Lark.
        """
        if self._chat.tool_choice.mode == "required":
            return self.whole(calls)
        if self._constraint is not None:
            return self.whole(f"{calls} | {before} {self._content()}")
        return self.whole(free or f"{before} free_text? | {before} free_text? {between} {calls}")

    def whole(self, answer: str) -> GrammarText:
        """The grammar of whole answers, which *answer* describes; Lark."""
        self.rule("start", answer)
        return GrammarText("lark", "\n".join(self._rules), "tools", tuple(self._marks), tuple(self._schemas))

    def _content(self) -> str:
        constraint = self._constraint
        if isinstance(constraint, JsonSchema):
            return self.json(constraint.param, constraint.schema)
        if isinstance(constraint, JsonObject):
            return self.json(constraint.param, _ANY_OBJECT)
        if isinstance(constraint, Choice):
            return self.rule("content", " | ".join(map(lark_text, constraint.choices)))
        if isinstance(constraint, Pattern):
            return self.rule("CONTENT", lark_pattern(constraint.regex))
        path = "" if constraint is None else constraint.param
        raise InvalidRequest(f"{path} does not go together with tools; give one of them", param=path)
